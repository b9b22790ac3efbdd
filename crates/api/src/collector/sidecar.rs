//! Collectors as sidecars: what one engine makes of an OpenTelemetryCollector, and another puts into pods.

use std::collections::BTreeSet;

use serde_json::Value;

/// The mode of collectors that pods may ask for.
pub const MODE: &str = "sidecar";

/// Name of the collector's container, in a workload and as a sidecar.
pub const CONTAINER: &str = "otc-container";

/// An OpenTelemetryCollector that a pod may ask for.
#[derive(Clone, Debug, PartialEq)]
pub struct Collector {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Generation; 0 when it came from a file.
    pub generation: i64,
    /// `spec.mode`.
    pub mode: String,
    /// The other namespaces whose pods may have it; none: all. Pods of its own namespace always may.
    pub allowed: Option<BTreeSet<String>>,
    /// What it adds to a pod, or why nothing can be made of it. Of one in another mode nobody asks for it.
    pub offer: Result<Offer, String>,
}

/// What a collector adds to a pod, as the Kubernetes API has it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Offer {
    /// The collector's container, its configuration in a variable.
    pub container: Value,
    /// Init containers of the user.
    pub init_containers: Vec<Value>,
    /// Volumes of the user.
    pub volumes: Vec<Value>,
    /// Value of the label [`crate::annotation::SIDECAR_INJECTED`].
    pub label: String,
    /// What a user should know of it.
    pub notes: Vec<String>,
}

impl Collector {
    /// The namespaces in its annotation [`crate::annotation::SIDECAR_NAMESPACES`]: names separated by commas.
    pub fn namespaces(annotation: &str) -> BTreeSet<String> {
        annotation.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect()
    }

    /// Whether pods of this namespace may have it.
    pub fn serves(&self, namespace: &str) -> bool {
        self.namespace == namespace || self.allowed.as_ref().is_none_or(|allowed| allowed.contains(namespace))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_list_every_namespace_is_served_and_the_own_one_always() {
        let open = Collector {
            namespace: "obs".to_owned(),
            name: "agent".to_owned(),
            generation: 1,
            mode: MODE.to_owned(),
            allowed: None,
            offer: Ok(Offer::default()),
        };
        assert!(open.serves("shop") && open.serves("obs"));
        let listed = Collector { allowed: Some(Collector::namespaces("shop, bank,")), ..open };
        assert!(listed.serves("obs") && listed.serves("shop") && listed.serves("bank"));
        assert!(!listed.serves("play") && !listed.serves(""));
    }
}
