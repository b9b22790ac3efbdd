//! 0.36.0: TLS settings of OTLP are in a map called `tls`.

use serde_json::{Map, Value};

use super::Draft;
use crate::component::Kind;

const TLS: [&str; 8] = [
    "ca_file",
    "cert_file",
    "key_file",
    "min_version",
    "max_version",
    "insecure",
    "insecure_skip_verify",
    "server_name_override",
];

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    let mut changed = Vec::new();
    for protocol in ["grpc", "http"] {
        for (id, settings) in draft.protocols("otlp", protocol) {
            if let Some(tls) = settings.remove("tls_settings") {
                settings.insert("tls".to_owned(), tls);
                changed.push(format!("upgrade to v0.36.0 has changed the tls_settings field name to tls in the {protocol} protocol of {id} receiver"));
            }
        }
    }
    for id in draft.ids(Kind::Exporter, "otlp") {
        let Some(body) = draft.body(Kind::Exporter, &id) else { continue };
        let moved: Vec<(String, Value)> =
            TLS.iter().filter_map(|key| Some(((*key).to_owned(), body.remove(*key)?))).collect();
        let tls = body.entry("tls").or_insert(Value::Null);
        if tls.is_null() {
            *tls = Value::Object(Map::new());
        }
        let Some(tls) = tls.as_object_mut() else { continue };
        if !moved.is_empty() {
            changed.push(format!("upgrade to v0.36.0 move tls config fields to tls for exporter \"{id}\""));
        }
        for (key, value) in moved {
            tls.entry(key).or_insert(value);
        }
    }
    changed.into_iter().for_each(|text| draft.note(text));
    Ok(())
}
