//! Labels and annotations of children (collector.md 10.2 to 10.4).

use std::collections::BTreeMap;

use api::collector::v1beta1::Metadata;
use regex::Regex;
use sha2::{Digest, Sha256};

use crate::{
    name::{Part, fit, shortened},
    takeover::hex,
};

/// Labels or annotations.
pub type Labels = BTreeMap<String, String>;

/// Who made it.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Value of [`MANAGED_BY`].
pub const OPERATOR: &str = "opentelemetry-operator";
/// Which collector it belongs to.
pub const INSTANCE: &str = "app.kubernetes.io/instance";
/// Value is always `opentelemetry`.
pub const PART_OF: &str = "app.kubernetes.io/part-of";
/// Value is [`COLLECTOR`].
pub const COMPONENT: &str = "app.kubernetes.io/component";
/// Value of [`COMPONENT`] of all children.
pub const COLLECTOR: &str = "opentelemetry-collector";
/// Version of the image.
pub const VERSION: &str = "app.kubernetes.io/version";
/// Name of the child, or what the collector itself says.
pub const NAME: &str = "app.kubernetes.io/name";
/// Label of injected pods: [`instance`] of the sidecar's collector.
pub const INJECTED: &str = api::annotation::SIDECAR_INJECTED;

/// Longest value of a label.
const MAX: usize = 63;

/// The instance of a collector as the Go operator writes it: `<namespace>.<name>`, the namespace cut when it is too long.
pub fn instance_as_reference(metadata: &Metadata) -> String {
    fit(MAX, &[Part::Cut(&metadata.namespace), Part::Fixed("."), Part::Cut(&metadata.name)])
}

/// The instance of a collector: `<namespace>.<name>`; too long a one ends in a hash of the whole, so that two collectors never
/// select each other's pods.
pub fn instance(metadata: &Metadata) -> String {
    let whole = format!("{}.{}", metadata.namespace, metadata.name);
    if whole.len() <= MAX {
        return instance_as_reference(metadata);
    }
    let hash = hex(&Sha256::digest(&whole), 4);
    let start =
        shortened(&whole, MAX - hash.len() - 1).trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
    format!("{start}-{hash}")
}

/// The labels by which Services, workload and budgets select the pods. Immutable in the workload.
pub fn selector(instance: &str) -> Labels {
    [(MANAGED_BY, OPERATOR), (INSTANCE, instance), (PART_OF, "opentelemetry"), (COMPONENT, COLLECTOR)]
        .map(|(key, value)| (key.to_owned(), value.to_owned()))
        .into()
}

/// All labels of a child but its name: those of the collector that pass `filter`, over them our own.
pub(crate) fn full(collector: &Labels, selector: &Labels, version: &str, filter: &[Regex]) -> Labels {
    let mut labels = passed_on(collector, filter);
    labels.extend(selector.iter().map(|(key, value)| (key.clone(), value.clone())));
    labels.insert(VERSION.to_owned(), version.to_owned());
    labels
}

/// `labels` with the name of a child, unless the collector names its children itself.
pub(crate) fn named(labels: &Labels, name: &str) -> Labels {
    let mut labels = labels.clone();
    labels.entry(NAME.to_owned()).or_insert_with(|| name.to_owned());
    labels
}

/// The entries whose key matches no filter.
pub(crate) fn passed_on(entries: &Labels, filter: &[Regex]) -> Labels {
    entries
        .iter()
        .filter(|(key, _)| !filter.iter().any(|expression| expression.is_match(key)))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// Annotations that are about the collector object itself and are never passed on, whatever the filter says.
const OWN: [&str; 2] = ["conversion.opentelemetry.io/unrepresentable", "opentelemetry.io/config-validation"];

/// The annotations of the collector that its children get.
pub(crate) fn annotations(collector: &Labels, filter: &[Regex]) -> Labels {
    let mut annotations = passed_on(collector, filter);
    annotations.retain(|key, _| !OWN.contains(&key.as_str()));
    annotations
}

/// The text form of a selector, `k=v,k=v` in the order of the keys: `status.scale.selector`.
pub fn selector_text(selector: &Labels) -> String {
    selector.iter().map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(namespace: &str, name: &str) -> Metadata {
        Metadata { namespace: namespace.to_owned(), name: name.to_owned(), ..Metadata::default() }
    }

    #[test]
    fn instances_of_usual_length_are_those_of_the_reference() {
        assert_eq!(instance(&metadata("ns", "c")), "ns.c");
        assert_eq!(instance_as_reference(&metadata("ns", "c")), "ns.c");
    }

    #[test]
    fn long_instances_differ_where_the_reference_makes_them_equal() {
        let name = "a".repeat(60);
        let one = metadata("team-1", &name);
        let other = metadata("team-2", &name);
        assert_eq!(instance_as_reference(&one), instance_as_reference(&other));
        assert_ne!(instance(&one), instance(&other));
        assert!(instance(&one).len() <= 63, "{}", instance(&one));
    }

    #[test]
    fn the_selector_reads_as_kubectl_takes_it() {
        assert_eq!(
            selector_text(&selector("ns.c")),
            "app.kubernetes.io/component=opentelemetry-collector,app.kubernetes.io/instance=ns.c,\
             app.kubernetes.io/managed-by=opentelemetry-operator,app.kubernetes.io/part-of=opentelemetry"
        );
    }
}
