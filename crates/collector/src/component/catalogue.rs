//! Which components are in which distribution of the collector.

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::LazyLock,
};

use super::Kind;
use crate::config::Signal;

/// The release that `components.tsv` describes.
pub const RELEASE: &str = "0.158.0";

/// An official distribution of the collector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Distribution {
    /// `opentelemetry-collector`.
    Core,
    /// `opentelemetry-collector-contrib`.
    Contrib,
    /// `opentelemetry-collector-k8s`.
    Kubernetes,
}

impl Distribution {
    /// Every distribution with its short name.
    pub const ALL: [(Distribution, &'static str); 3] =
        [(Distribution::Core, "core"), (Distribution::Contrib, "contrib"), (Distribution::Kubernetes, "k8s")];

    /// The distribution of an image and the version of its tag; a mirror keeps the last part of the name.
    pub fn of_image(image: &str) -> Option<(Self, Option<semver::Version>)> {
        let without_digest = image.split('@').next().unwrap_or_default();
        let name = without_digest.rsplit('/').next().unwrap_or_default();
        let (name, tag) = name.split_once(':').map_or((name, None), |(name, tag)| (name, Some(tag)));
        let distribution = match name {
            "opentelemetry-collector" => Distribution::Core,
            "opentelemetry-collector-contrib" => Distribution::Contrib,
            "opentelemetry-collector-k8s" => Distribution::Kubernetes,
            _ => return None,
        };
        let version = tag.and_then(|tag| semver::Version::parse(tag.trim_start_matches('v')).ok());
        Some((distribution, version))
    }

    fn bit(self) -> u8 {
        1 << self as u8
    }
}

impl fmt::Display for Distribution {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(Distribution::ALL[*self as usize].1)
    }
}

/// What is known by kind and name.
type Table<T> = HashMap<Kind, HashMap<&'static str, T>>;

static CATALOGUE: LazyLock<Table<u8>> = LazyLock::new(|| {
    table(include_str!("components.tsv"), |distributions| {
        let names = distributions.split(',');
        let known = names.filter_map(|name| Distribution::ALL.iter().find(|(_, n)| *n == name));
        known.fold(0, |bits, (distribution, _)| bits | distribution.bit())
    })
});

/// Reads `kind, name, value` from each row.
fn table<T>(text: &'static str, value: impl Fn(&'static str) -> T) -> Table<T> {
    let mut table: Table<T> = HashMap::new();
    for mut columns in rows(text) {
        let kind = columns.next().and_then(|kind| Kind::ALL.into_iter().find(|k| k.name() == kind));
        if let (Some(kind), Some(name), Some(rest)) = (kind, columns.next(), columns.next()) {
            table.entry(kind).or_default().insert(name, value(rest));
        }
    }
    table
}

/// Component types whose module has another name (without underscores).
const MODULES: &[(Kind, &str, &str)] = &[
    (Kind::Exporter, "otlpgrpc", "otlp"),
    (Kind::Extension, "asapclient", "asapauth"),
    (Kind::Extension, "oauth2client", "oauth2clientauth"),
    (Kind::Extension, "oidc", "oidcauth"),
    (Kind::Processor, "experimentalmetricsgeneration", "metricsgeneration"),
    (Kind::Receiver, "awscontainerinsightreceiver", "awscontainerinsight"),
    (Kind::Receiver, "podmanstats", "podman"),
    (Kind::Receiver, "prometheussimple", "simpleprometheus"),
];

/// What the catalogue says about a component's type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Known {
    /// The distribution has it.
    Included,
    /// It is in these distributions only.
    Elsewhere(Vec<Distribution>),
    /// No official distribution has it.
    Nowhere,
}

/// Looks a component's type up.
pub fn look_up(kind: Kind, component_type: &str, distribution: Distribution) -> Known {
    let of_kind = CATALOGUE.get(&kind);
    let bits = of_kind
        .and_then(|names| names.get(module(kind, component_type).as_str()))
        .copied()
        .unwrap_or_default();
    if bits & distribution.bit() != 0 {
        return Known::Included;
    }
    let elsewhere: Vec<_> =
        Distribution::ALL.iter().map(|(d, _)| *d).filter(|d| bits & d.bit() != 0).collect();
    if elsewhere.is_empty() { Known::Nowhere } else { Known::Elsewhere(elsewhere) }
}

/// The name that a type has in the catalogue.
fn module(kind: Kind, component_type: &str) -> String {
    let plain: String =
        component_type.chars().filter(|c| *c != '_').map(|c| c.to_ascii_lowercase()).collect();
    match MODULES.iter().find(|(k, alias, _)| *k == kind && *alias == plain) {
        Some((_, _, module)) => (*module).to_owned(),
        None => plain,
    }
}

static SIGNALS: LazyLock<Table<Vec<Signal>>> = LazyLock::new(|| {
    table(include_str!("signals.tsv"), |signals| signals.split(',').filter_map(Signal::of).collect())
});

/// The pairs of signals that a connector joins.
type Joins = Vec<(Signal, Signal)>;

static JOINS: LazyLock<BTreeMap<&'static str, Joins>> = LazyLock::new(|| {
    rows(include_str!("connectors.tsv"))
        .filter_map(|mut columns| {
            let name = columns.next()?;
            let pair = |text: &str| {
                let (from, to) = text.split_once('>')?;
                Some((Signal::of(from)?, Signal::of(to)?))
            };
            Some((name, columns.next()?.split(',').filter_map(pair).collect()))
        })
        .collect()
});

fn rows(text: &'static str) -> impl Iterator<Item = std::str::Split<'static, char>> {
    text.lines().filter(|line| !line.starts_with('#')).map(|line| line.split('\t'))
}

/// The signals that a receiver, processor or exporter handles; none if that is not known.
pub fn signals(kind: Kind, component_type: &str) -> Option<&'static [Signal]> {
    SIGNALS.get(&kind)?.get(module(kind, component_type).as_str()).map(Vec::as_slice)
}

/// The pairs of signals (from, to) that a connector joins; none if that is not known.
pub fn joins(component_type: &str) -> Option<&'static [(Signal, Signal)]> {
    JOINS.get(module(Kind::Connector, component_type).as_str()).map(Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_are_found_with_and_without_underscores() {
        let core = Distribution::Core;
        assert_eq!(look_up(Kind::Processor, "memory_limiter", core), Known::Included);
        assert_eq!(look_up(Kind::Exporter, "otlp_grpc", core), Known::Included);
        assert_eq!(
            look_up(Kind::Processor, "k8s_attributes", core),
            Known::Elsewhere(vec![Distribution::Contrib, Distribution::Kubernetes])
        );
        assert_eq!(look_up(Kind::Processor, "k8sattributes", Distribution::Kubernetes), Known::Included);
        assert_eq!(look_up(Kind::Receiver, "prometheus_simple", Distribution::Contrib), Known::Included);
        assert_eq!(look_up(Kind::Exporter, "mycompany", core), Known::Nowhere);
    }

    #[test]
    fn images_name_their_distribution() {
        let of = |image| Distribution::of_image(image).map(|(d, v)| (d, v.map(|v| v.to_string())));
        let contrib =
            "ghcr.io/open-telemetry/opentelemetry-collector-releases/opentelemetry-collector-contrib:0.158.0";
        assert_eq!(of(contrib), Some((Distribution::Contrib, Some("0.158.0".to_owned()))));
        assert_eq!(
            of("registry:5000/opentelemetry-collector-k8s@sha256:0"),
            Some((Distribution::Kubernetes, None))
        );
        assert_eq!(of("opentelemetry-collector:latest"), Some((Distribution::Core, None)));
        assert_eq!(of("example.com/my-collector:1"), None);
    }

    #[test]
    fn every_row_of_the_tables_is_understood() {
        let count = |text: &'static str| rows(text).count();
        let bits: Vec<u8> = CATALOGUE.values().flat_map(|names| names.values().copied()).collect();
        assert_eq!(bits.len(), count(include_str!("components.tsv")));
        assert!(bits.iter().all(|bits| *bits != 0));
        let signals: Vec<_> = SIGNALS.iter().flat_map(|(k, names)| names.iter().map(|n| (*k, n))).collect();
        assert_eq!(signals.len(), count(include_str!("signals.tsv")));
        assert_eq!(JOINS.len(), count(include_str!("connectors.tsv")));
        assert!(JOINS.values().all(|pairs| !pairs.is_empty()));
        for (kind, (name, signals)) in signals {
            assert!(!signals.is_empty(), "{name}");
            assert!(CATALOGUE[&kind].contains_key(name), "{name} is no {}", kind.name());
        }
        for name in JOINS.keys() {
            assert!(CATALOGUE[&Kind::Connector].contains_key(name), "{name} is no connector");
        }
        for (kind, _, module) in MODULES {
            assert!(CATALOGUE[kind].contains_key(module), "{module}");
        }
    }
}
