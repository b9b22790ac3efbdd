//! Resource attributes: what is known of the application before it runs (spec 5.5, 5.6).

use std::collections::{BTreeMap, BTreeSet};

use api::annotation::RESOURCE_PREFIX;

use crate::{
    context::Context,
    draft::Container,
    env::Environment,
    image,
    owner::{self, Owners},
};

/// Name of the variable that carries the attributes.
pub(crate) const RESOURCE_ATTRIBUTES: &str = "OTEL_RESOURCE_ATTRIBUTES";
/// Name of the variable that carries the service name.
pub(crate) const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";
/// The pod's name, by the downward API.
pub(crate) const POD_NAME: &str = "OTEL_RESOURCE_ATTRIBUTES_POD_NAME";
/// The pod's UID, by the downward API.
pub(crate) const POD_UID: &str = "OTEL_RESOURCE_ATTRIBUTES_POD_UID";
/// The node's name, by the downward API.
pub(crate) const NODE_NAME: &str = "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME";

/// The attributes of one target container.
#[derive(Clone, Debug, Default)]
pub(crate) struct Attributes {
    map: BTreeMap<String, String>,
    /// Keys that the user's own list has; they are never added again.
    existing: BTreeSet<String>,
    /// `service.name` in the user's own list.
    own_service_name: bool,
    owners: Owners,
}

/// `key=value` pairs of a list, trimmed, split at the first `=` (W9).
pub(crate) fn pairs(list: &str) -> impl Iterator<Item = (&str, &str)> {
    list.split(',').filter_map(|piece| piece.split_once('=')).map(|(key, value)| (key.trim(), value.trim()))
}

/// Percent-encodes what would break the list (W9); `$(…)` is left for kubelet to expand. Applied to values that are computed
/// or come from annotations and labels, never to a user's own list.
pub(crate) fn encode(value: &str) -> String {
    let breaks = |c: char| matches!(c, ',' | '=' | '%' | ';') || c.is_control();
    if !value.contains(breaks) {
        return value.to_owned();
    }
    let mut encoded = String::with_capacity(value.len());
    let mut rest = value;
    while let Some(c) = rest.chars().next() {
        if rest.starts_with("$(")
            && let Some(end) = rest.find(')')
        {
            encoded.push_str(&rest[..=end]);
            rest = &rest[end + 1..];
            continue;
        }
        if breaks(c) {
            let mut bytes = [0; 4];
            for byte in c.encode_utf8(&mut bytes).bytes() {
                encoded.push_str(&format!("%{byte:02X}"));
            }
        } else {
            encoded.push(c);
        }
        rest = &rest[c.len_utf8()..];
    }
    encoded
}

impl Attributes {
    /// The attributes of `target`, given the list that the holder of the variables has already.
    pub(crate) fn of(context: &Context<'_>, target: &Container, holder: &Environment) -> Attributes {
        let mut attributes = Attributes {
            existing: pairs(holder.plain(RESOURCE_ATTRIBUTES).unwrap_or_default())
                .map(|(key, _)| key.to_owned())
                .collect(),
            owners: owner::owners(context.pod, context.facts, context.spec().resource.add_k8s_uid_attributes),
            ..Attributes::default()
        };
        attributes.own_service_name = attributes.existing.contains("service.name");
        attributes.add_from_instrumentation(context);
        attributes.add_from_kubernetes(context, target);
        attributes.add_from_annotations(context);
        attributes
    }

    /// Adds an attribute unless the user's list has it; later layers override earlier ones.
    pub(crate) fn add(&mut self, key: &str, value: String) {
        if !self.existing.contains(key) {
            self.map.insert(key.to_owned(), value);
        }
    }

    fn add_if_absent(&mut self, key: &str, value: String) {
        if !self.map.contains_key(key) {
            self.add(key, value);
        }
    }

    /// Whether the key is there, in the user's list or ours.
    pub(crate) fn has(&self, key: &str) -> bool {
        self.existing.contains(key) || self.map.contains_key(key)
    }

    /// Takes attributes over that the user gave to another container (Go: the application's, W11).
    pub(crate) fn take_over(&mut self, list: &str, environment: &Environment) {
        for (key, value) in pairs(list) {
            if !key.is_empty() && environment.defines_all(value) {
                self.add(key, value.to_owned());
            }
        }
    }

    fn add_from_instrumentation(&mut self, context: &Context<'_>) {
        for (key, value) in &context.spec().resource.resource_attributes {
            self.add(key, value.clone());
        }
    }

    fn add_from_kubernetes(&mut self, context: &Context<'_>, target: &Container) {
        let (namespace, metadata) = (context.namespace, &context.pod.metadata);
        let facts = [
            ("k8s.namespace.name", namespace),
            ("k8s.container.name", target.name.as_str()),
            ("k8s.pod.name", metadata.name.as_str()),
            ("k8s.pod.uid", metadata.uid.as_str()),
            ("k8s.node.name", context.pod.spec.node_name.as_str()),
        ];
        for (key, value) in facts {
            if !value.is_empty() {
                self.add(key, encode(value));
            }
        }
        for (key, value) in std::mem::take(&mut self.owners.attributes) {
            if !value.is_empty() {
                self.add(&key, encode(&value));
            }
        }
        // Given in the Instrumentation, these two stand (W10).
        if !namespace.is_empty() && !target.name.is_empty() {
            self.add_if_absent("service.instance.id", format!("{namespace}.$({POD_NAME}).{}", target.name));
        }
        self.add_if_absent("service.namespace", encode(namespace));
    }

    fn add_from_annotations(&mut self, context: &Context<'_>) {
        for (key, value) in &context.pod.metadata.annotations {
            let Some(key) = key.strip_prefix(RESOURCE_PREFIX) else { continue };
            // An empty service.namespace counts as absent (addendum 3), like an empty service.instance.id.
            let counts = !value.is_empty() || !matches!(key, "service.namespace" | "service.instance.id");
            if key != "service.name" && !key.is_empty() && counts {
                self.add(key, encode(value));
            }
        }
    }

    /// Adds `service.version`: annotation, label (opt-in), Instrumentation, image (spec 5.6, W10).
    pub(crate) fn add_version(&mut self, context: &Context<'_>, target: &Container) {
        if !annotation(context, "service.version").is_empty() {
            return; // added by add_from_annotations
        }
        if let Some(label) = label(context, "app.kubernetes.io/version") {
            self.add("service.version", encode(label));
        } else if let Some(version) = image::version(&target.image)
            && self.get("service.version").is_none_or(str::is_empty)
        {
            self.add("service.version", encode(&version));
        }
    }

    /// The service name: annotation, then Instrumentation or labels, then derived from owners (spec 5.6, W10). None when the
    /// user's own attributes name the service and no annotation overrides them.
    pub(crate) fn service_name(&self, context: &Context<'_>, target: &Container) -> Option<String> {
        let from_annotation = annotation(context, "service.name");
        if !from_annotation.is_empty() {
            return Some(from_annotation.to_owned());
        }
        if self.own_service_name {
            return None;
        }
        let labels = ["app.kubernetes.io/instance", "app.kubernetes.io/name"];
        if let Some(label) = labels.into_iter().find_map(|key| label(context, key)) {
            return Some(label.to_owned());
        }
        if let Some(given) = self.map.get("service.name").filter(|n| !n.is_empty()) {
            return Some(given.clone());
        }
        Some(self.derived_service_name().unwrap_or_else(|| target.name.clone()))
    }

    fn derived_service_name(&self) -> Option<String> {
        let of = |key: &str| self.map.get(key).filter(|v| !v.is_empty()).map(|v| decode(v));
        of("k8s.deployment.name")
            .or_else(|| self.owners.workload.clone())
            .or_else(|| of("k8s.replicaset.name"))
            .or_else(|| of("k8s.statefulset.name"))
            .or_else(|| of("k8s.daemonset.name"))
            .or_else(|| of("k8s.cronjob.name"))
            .or_else(|| of("k8s.job.name"))
            .or_else(|| of("k8s.pod.name"))
    }

    /// The value of an attribute of ours.
    pub(crate) fn get(&self, key: &str) -> Option<&str> {
        self.map.get(key).map(String::as_str)
    }

    /// `k=v` pairs joined by commas, sorted by key.
    pub(crate) fn render(&self) -> String {
        let mut list = String::new();
        for (key, value) in &self.map {
            let comma = if list.is_empty() { "" } else { "," };
            list.extend([comma, key, "=", value]);
        }
        list
    }
}

/// Undoes [`encode`]: names become a service name, which is no list.
fn decode(value: &str) -> String {
    if !value.contains('%') {
        return value.to_owned();
    }
    let mut bytes = Vec::with_capacity(value.len());
    let mut rest = value.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let hex = tail
            .get(..2)
            .and_then(|h| std::str::from_utf8(h).ok())
            .and_then(|h| u8::from_str_radix(h, 16).ok());
        match (first, hex) {
            (b'%', Some(byte)) => {
                bytes.push(byte);
                rest = &tail[2..];
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| value.to_owned())
}

fn annotation<'a>(context: &'a Context<'_>, key: &str) -> &'a str {
    let annotations = &context.pod.metadata.annotations;
    annotations.get(&format!("{RESOURCE_PREFIX}{key}")).map(String::as_str).unwrap_or_default()
}

fn label<'a>(context: &'a Context<'_>, key: &str) -> Option<&'a str> {
    if !context.spec().defaults.use_labels_for_resource_attributes {
        return None;
    }
    context.pod.metadata.labels.get(key).map(String::as_str).filter(|v| !v.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_breaks_the_list_is_encoded_and_references_are_not() {
        assert_eq!(encode("a,b=c;d%e\nf"), "a%2Cb%3Dc%3Bd%25e%0Af");
        assert_eq!(encode("$(A,B)=é"), "$(A,B)%3Dé");
        assert_eq!(encode("$(A"), "$(A");
        assert_eq!(decode("a%2Cb%zz"), "a,b%zz");
    }

    #[test]
    fn existing_entries_are_split_at_the_first_equals_sign() {
        assert_eq!(pairs("a=1=2, b = 3 ,,c").collect::<Vec<_>>(), [("a", "1=2"), ("b", "3")]);
    }
}
