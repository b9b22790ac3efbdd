//! OpenTelemetryCollectors as the store keeps them: what pods get of them as sidecars.

use std::sync::Arc;

use api::collector::sidecar::Collector;
use inject::{Reason, Request, sidecar::choose};
use kube::{Api, api::ListParams};
use serde_json::Value;

use super::{
    Store,
    content::{Content, Kind},
    lookup::PATIENCE,
};

/// `OpenTelemetryCollector` v1beta1.
#[derive(Debug)]
pub enum Collectors {}

impl Kind for Collectors {
    const GROUP: &'static str = api::instrumentation::GROUP;
    const VERSION: &'static str = api::collector::VERSION;
    const KIND: &'static str = api::collector::KIND;
    const PLURAL: &'static str = api::collector::PLURAL;
}

/// The Kubernetes version that brought init containers that stay: 1.29.
const NATIVE_SINCE: (u32, u32) = (1, 29);

/// What is kept of a collector.
pub(super) fn kept(read: Content<Collectors, Value>, settings: &collector::Settings) -> Arc<Collector> {
    // Any JSON is a value.
    let object = read.content.unwrap_or_default();
    Arc::new(collector::sidecar::offered(&object, settings))
}

impl Store {
    /// The collectors that may become the sidecar that the request asks for: those in memory, or those of the API server where
    /// memory has none that fits. A collector and a workload are often applied in one go.
    pub(super) async fn sidecars(&self, request: &Request) -> Vec<Arc<Collector>> {
        let Some((namespace, wanted)) = request.collector_namespace().zip(request.sidecar.as_ref()) else {
            return Vec::new();
        };
        if !self.watches(namespace) {
            return Vec::new();
        }
        self.collectors.filled().await;
        let held = self.collectors.in_namespace(namespace);
        let missing = choose(wanted, request, &held)
            .is_err_and(|no| matches!(no.reason, Reason::NoCollector | Reason::CollectorNotFound));
        if !missing {
            return held;
        }
        // Not remembered, as with Instrumentations: an answer from before the object was made is the very thing to be avoided.
        let api = Api::<Content<Collectors, Value>>::namespaced(self.client.clone(), namespace);
        match tokio::time::timeout(PATIENCE, api.list(&ListParams::default())).await {
            Ok(Ok(list)) => list.items.into_iter().map(|read| kept(read, &self.collector_settings)).collect(),
            _ => held,
        }
    }

    /// Whether the cluster knows init containers that stay. While nobody answers, it does: every Kubernetes that is still
    /// maintained knows them.
    pub(super) async fn native_sidecars(&self, request: &Request) -> bool {
        if request.collector_namespace().is_none() {
            return true;
        }
        let ask = || async {
            let version = tokio::time::timeout(PATIENCE, self.client.apiserver_version()).await;
            version
                .ok()
                .and_then(Result::ok)
                .map(|version| is_native(&version.major, &version.minor))
                .ok_or(())
        };
        self.native.get_or_try_init(ask).await.copied().unwrap_or(true)
    }
}

/// Whether Kubernetes of this version knows init containers that stay. Versions of providers look like `1` and `29+`.
pub fn is_native(major: &str, minor: &str) -> bool {
    let number = |text: &str| {
        let digits = text.split(|c: char| !c.is_ascii_digit()).next().unwrap_or_default();
        digits.parse().unwrap_or(u32::MAX)
    };
    (number(major), number(minor)) >= NATIVE_SINCE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn init_containers_stay_since_1_29() {
        for (major, minor, native) in [
            ("1", "28", false),
            ("1", "28+", false),
            ("1", "29", true),
            ("1", "30+", true),
            ("2", "0", true),
            ("", "", true),
        ] {
            assert_eq!(is_native(major, minor), native, "{major}.{minor}");
        }
    }

    #[test]
    fn of_a_collector_in_another_mode_only_its_name_is_kept() {
        let text = r#"{"metadata":{"name":"gateway","namespace":"obs"},"spec":{"mode":"deployment","config":{"receivers":{"otlp":{}}}}}"#;
        let read: Content<Collectors, Value> = serde_json::from_str(text).unwrap();
        let kept = kept(read, &collector::Settings::default());
        assert_eq!((kept.namespace.as_str(), kept.name.as_str()), ("obs", "gateway"));
        assert!(kept.offer.is_err());
    }
}
