//! What collectors are made of (`--enable-cr-metrics`), kept by a watch.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{family::Family, gauge::Gauge},
    registry::Registry,
};
use serde_json::Value;

/// Labels of each series.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, EncodeLabelSet)]
struct Labels {
    collector_name: String,
    namespace: String,
    r#type: String,
}

/// The sections of a configuration, in the order of [`Usage::components`].
const SECTIONS: [&str; 5] = ["receivers", "exporters", "processors", "extensions", "connectors"];

/// One series for each collector, and for each type of component that its configuration defines.
#[derive(Debug, Default)]
pub struct Usage {
    info: Family<Labels, Gauge>,
    components: [Family<Labels, Gauge>; SECTIONS.len()],
    known: Mutex<BTreeMap<(String, String), Series>>,
}

/// The series of one collector: its mode, and the types of each section.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Series {
    mode: String,
    types: [BTreeSet<String>; SECTIONS.len()],
}

impl Usage {
    /// A collector is there, or has changed.
    pub fn put(&self, namespace: &str, name: &str, collector: &Value) {
        let text = |pointer: &str| collector.pointer(pointer).and_then(Value::as_str);
        let types = SECTIONS.map(|section| {
            let components = collector["spec"]["config"][section].as_object().into_iter().flatten();
            components.map(|(id, _)| id.split('/').next().unwrap_or(id).trim().to_owned()).collect()
        });
        let mode = text("/spec/mode").filter(|mode| !mode.is_empty()).unwrap_or("deployment").to_owned();
        self.replace(namespace, name, Some(Series { mode, types }));
    }

    /// A collector is gone, and its series with it.
    pub fn remove(&self, namespace: &str, name: &str) {
        self.replace(namespace, name, None);
    }

    fn replace(&self, namespace: &str, name: &str, now: Option<Series>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let key = (namespace.to_owned(), name.to_owned());
        let before = match &now {
            Some(series) => known.insert(key, series.clone()),
            None => known.remove(&key),
        };
        if before == now {
            return;
        }
        let labels = |kind: &str| Labels {
            collector_name: name.to_owned(),
            namespace: namespace.to_owned(),
            r#type: kind.to_owned(),
        };
        if let Some(before) = before {
            self.info.remove(&labels(&before.mode));
            for (family, types) in self.components.iter().zip(&before.types) {
                types.iter().for_each(|kind| {
                    family.remove(&labels(kind));
                });
            }
        }
        if let Some(now) = now {
            self.info.get_or_create(&labels(&now.mode)).set(1);
            for (family, types) in self.components.iter().zip(&now.types) {
                types.iter().for_each(|kind| {
                    family.get_or_create(&labels(kind)).set(1);
                });
            }
        }
    }

    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register("opentelemetry_collector_info", "Collectors by mode", self.info.clone());
        for (section, family) in SECTIONS.iter().zip(&self.components) {
            registry.register(
                format!("opentelemetry_collector_{section}"),
                format!("Types of {section} that a collector's configuration defines"),
                family.clone(),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn text(usage: &Usage) -> String {
        let mut registry = Registry::default();
        usage.register(&mut registry);
        let mut text = String::new();
        prometheus_client::encoding::text::encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn a_series_stands_for_each_type_once_and_goes_with_its_collector() {
        let usage = Usage::default();
        let collector = |receivers: Value| json!({"spec": {"mode": "daemonset", "config": {"receivers": receivers, "exporters": {"debug": null}}}});
        usage.put("shop", "edge", &collector(json!({"otlp": {}, "otlp/2": {}, "jaeger": {}})));
        usage.put("shop", "edge", &collector(json!({"otlp": {}})));
        let labels = |kind: &str| format!(r#"{{collector_name="edge",namespace="shop",type="{kind}"}} 1"#);
        let found = text(&usage);
        for line in [
            format!("opentelemetry_collector_info{}", labels("daemonset")),
            format!("opentelemetry_collector_receivers{}", labels("otlp")),
            format!("opentelemetry_collector_exporters{}", labels("debug")),
        ] {
            assert!(found.contains(&line), "{line} is not in {found}");
        }
        assert!(!found.contains("jaeger"), "{found}");
        usage.remove("shop", "edge");
        assert!(!text(&usage).contains("edge"));
    }
}
