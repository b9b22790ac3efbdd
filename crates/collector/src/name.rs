//! Names of children (collector.md 10.1): they are contract, users' scripts and dashboards know them.

/// Longest name of a Service, and so of all children.
const MAX: usize = 63;

/// A part of a name: text that stays, or text that gives way when the name is too long.
#[derive(Clone, Copy, Debug)]
pub enum Part<'a> {
    /// Stays.
    Fixed(&'a str),
    /// Is cut at its end when the whole is too long, the first part before the others.
    Cut(&'a str),
}

/// Joins `parts` to at most `max` bytes.
pub fn fit(max: usize, parts: &[Part<'_>]) -> String {
    let mut excess = parts.iter().map(|part| part.text().len()).sum::<usize>().saturating_sub(max);
    let mut name = String::with_capacity(max);
    for part in parts {
        match part {
            Part::Cut(text) if text.len() > excess => {
                name.push_str(shortened(text, text.len() - excess));
                excess = 0;
            }
            Part::Cut(text) => excess -= text.len(),
            Part::Fixed(text) => name.push_str(text),
        }
    }
    if name.len() > max {
        return shortened(&name, max).to_owned();
    }
    name.trim_matches(|c: char| !c.is_ascii_alphanumeric()).to_owned()
}

impl Part<'_> {
    fn text(&self) -> &str {
        match self {
            Part::Fixed(text) | Part::Cut(text) => text,
        }
    }
}

/// The first `length` bytes of `text`, or fewer where a character would be split.
pub fn shortened(text: &str, length: usize) -> &str {
    &text[..text.floor_char_boundary(length)]
}

/// `text` as a DNS label of the same length.
pub fn dns(text: &str) -> String {
    let last = text.chars().count().saturating_sub(1);
    text.chars()
        .flat_map(char::to_lowercase)
        .enumerate()
        .map(|(at, c)| match c {
            'a'..='z' | '0'..='9' => c,
            _ if at == 0 || at == last => 'a',
            _ => '-',
        })
        .collect()
}

fn child(parts: &[Part<'_>]) -> String {
    dns(&fit(MAX, parts))
}

/// Workload, base Service, ServiceAccount, HorizontalPodAutoscaler, PodDisruptionBudget, monitors.
pub fn collector(name: &str) -> String {
    child(&[Part::Cut(name), Part::Fixed("-collector")])
}

/// The headless Service.
pub fn headless_service(name: &str) -> String {
    child(&[Part::Cut(&collector(name)), Part::Fixed("-headless")])
}

/// The Service of the collector's own metrics.
pub fn monitoring_service(name: &str) -> String {
    child(&[Part::Cut(&collector(name)), Part::Fixed("-monitoring")])
}

/// The Service of the extensions.
pub fn extension_service(name: &str) -> String {
    child(&[Part::Cut(&collector(name)), Part::Fixed("-extension")])
}

/// The ServiceMonitor of the collector's own metrics.
pub fn monitoring_monitor(name: &str) -> String {
    child(&[Part::Cut(name), Part::Fixed("-monitoring-collector")])
}

/// The ConfigMap of the configuration with this hash.
pub fn config_map(name: &str, hash: &str) -> String {
    child(&[Part::Cut(name), Part::Fixed("-collector-"), Part::Fixed(shortened(hash, 8))])
}

/// The Ingress.
pub fn ingress(name: &str) -> String {
    child(&[Part::Cut(name), Part::Fixed("-ingress")])
}

/// The OpenShift Route of a port.
pub fn route(name: &str, port: &str) -> String {
    child(&[Part::Cut(port), Part::Fixed("-"), Part::Cut(name), Part::Fixed("-route")])
}

/// The HTTPRoute of a port.
pub fn http_route(name: &str, port: &str) -> String {
    child(&[Part::Cut(name), Part::Fixed("-"), Part::Cut(port), Part::Fixed("-httproute")])
}

/// The NetworkPolicy.
pub fn network_policy(name: &str) -> String {
    child(&[Part::Cut(name), Part::Fixed("-collector-networkpolicy")])
}

/// The ClusterRole.
pub fn cluster_role(name: &str, namespace: &str) -> String {
    child(&[Part::Cut(name), Part::Fixed("-"), Part::Cut(namespace), Part::Fixed("-cluster-role")])
}

/// The ClusterRoleBinding.
pub fn cluster_role_binding(name: &str, namespace: &str) -> String {
    child(&[Part::Cut(name), Part::Fixed("-"), Part::Cut(namespace), Part::Fixed("-collector")])
}

/// The volume of an entry of `spec.configmaps`.
pub fn config_map_volume(config_map: &str) -> String {
    child(&[Part::Fixed("configmap-"), Part::Cut(config_map)])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_name_gives_way_to_the_suffix() {
        assert_eq!(
            collector("d0c1e62-4d96-11ea-b174-c85b7644b6b5-5d0c1e62-4d96-11ea-b174-c85b7644b6b5"),
            "d0c1e62-4d96-11ea-b174-c85b7644b6b5-5d0c1e62-4d96-11e-collector"
        );
        assert_eq!(
            fit(20, &[Part::Cut("namespace"), Part::Fixed("."), Part::Cut("a-name-of-sixteen")]),
            "na.a-name-of-sixteen"
        );
        assert_eq!(fit(8, &[Part::Cut("ab"), Part::Fixed("."), Part::Cut("a-longer-name")]), "a-longe");
    }

    #[test]
    fn whatever_dns_does_not_allow_is_replaced() {
        assert_eq!(dns("instance.with.dots"), "instance-with-dots");
        assert_eq!(dns("-foo"), "afoo");
        assert_eq!(dns("Foo_Bar."), "foo-bara");
    }

    #[test]
    fn a_name_of_several_bytes_a_character_is_never_split() {
        assert_eq!(
            fit(3, &[Part::Cut("ä"), Part::Fixed("-"), Part::Cut("ö")]),
            "ö".to_owned().trim_matches(|c: char| !c.is_ascii_alphanumeric())
        );
    }
}
