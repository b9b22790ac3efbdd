//! The settings of injection as a document: published in a ConfigMap by the process, read by the command line.

use std::{collections::BTreeMap, sync::Arc};

use api::{Instrumentation, Language, Settings};
use k8s_openapi::api::core::v1::ConfigMap;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
};
use serde::{Deserialize, Serialize};
use serde_json::json;

/// Name of the ConfigMap, in the operator's namespace.
pub const CONFIG_MAP: &str = "opentelemetry-operator-settings";
/// Its key.
pub const KEY: &str = "settings.yaml";

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    multi_instrumentation: bool,
    enabled: BTreeMap<String, bool>,
    images: BTreeMap<String, String>,
    otlp_protocol_by_port: bool,
    verdict_annotation: bool,
    instrumentation_crds: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    static_instrumentation: Option<Instrumentation>,
}

/// The settings as YAML.
///
/// # Errors
/// When the YAML writer refuses a value.
pub fn to_yaml(settings: &Settings) -> Result<String, serde_saphyr::ser::Error> {
    let Settings {
        multi_instrumentation,
        enabled,
        images,
        otlp_protocol_by_port,
        verdict_annotation,
        static_instrumentation,
        instrumentation_crds,
    } = settings;
    serde_saphyr::to_string(&Document {
        multi_instrumentation: *multi_instrumentation,
        enabled: Language::ALL.into_iter().map(|l| (l.id().to_owned(), enabled[l])).collect(),
        images: Language::with_image().map(|l| (l.id().to_owned(), images[l].clone())).collect(),
        otlp_protocol_by_port: *otlp_protocol_by_port,
        verdict_annotation: *verdict_annotation,
        instrumentation_crds: *instrumentation_crds,
        static_instrumentation: static_instrumentation.as_deref().cloned(),
    })
}

/// The settings that [`to_yaml`] wrote. Languages of another version are ignored; ones that it did not know have their
/// defaults.
///
/// # Errors
/// When the text is no such document.
pub fn from_yaml(text: &str) -> Result<Settings, serde_saphyr::Error> {
    let document: Document = serde_saphyr::from_str(text)?;
    let mut settings = Settings {
        multi_instrumentation: document.multi_instrumentation,
        otlp_protocol_by_port: document.otlp_protocol_by_port,
        verdict_annotation: document.verdict_annotation,
        instrumentation_crds: document.instrumentation_crds,
        static_instrumentation: document.static_instrumentation.map(Arc::new),
        ..Settings::default()
    };
    for language in Language::ALL {
        if let Some(enabled) = document.enabled.get(language.id()) {
            settings.enabled[language] = *enabled;
        }
        if let Some(image) = document.images.get(language.id()) {
            settings.images[language].clone_from(image);
        }
    }
    Ok(settings)
}

/// Writes the settings where the command line finds them. An unchanged document changes nothing in the cluster.
///
/// # Errors
/// When the API server refuses.
pub async fn publish(client: &Client, namespace: &str, settings: &Settings) -> anyhow::Result<()> {
    let map = json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": CONFIG_MAP, "namespace": namespace, "labels": crate::manifest::labels()},
        "data": {KEY: to_yaml(settings)?},
    });
    let maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let parameters = PatchParams::apply(crate::manifest::FIELD_MANAGER).force();
    maps.patch(CONFIG_MAP, &parameters, &Patch::Apply(map)).await?;
    Ok(())
}

/// Reads what [`publish`] wrote; none when there is no such ConfigMap.
///
/// # Errors
/// When the API server refuses, or the document cannot be read.
pub async fn read(client: &Client, namespace: &str) -> anyhow::Result<Option<Settings>> {
    let maps = Api::<ConfigMap>::namespaced(client.clone(), namespace);
    let Some(map) = maps.get_opt(CONFIG_MAP).await? else { return Ok(None) };
    let Some(text) = map.data.as_ref().and_then(|data| data.get(KEY)) else { return Ok(None) };
    let settings =
        from_yaml(text).map_err(|e| anyhow::anyhow!("ConfigMap {namespace}/{CONFIG_MAP}, key {KEY}: {e}"))?;
    Ok(Some(settings))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_published_is_read_back() {
        let mut settings = Settings { otlp_protocol_by_port: false, ..Settings::with_every_language() };
        settings.images[Language::Java] = "registry.example/java:1.20".to_owned();
        let mut instrumentation = Instrumentation::default();
        instrumentation.spec.exporter.endpoint = "http://collector:4318".to_owned();
        settings.static_instrumentation = Some(Arc::new(instrumentation));
        assert_eq!(from_yaml(&to_yaml(&settings).unwrap()).unwrap(), settings);
    }
}
