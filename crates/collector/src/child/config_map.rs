//! The ConfigMap with the configuration (collector.md 11.2). Its name changes with its content, so that pods roll.

use serde_json::json;

use crate::{build::Built, context::Context, object::Fields};

/// The key of the configuration, which the collector's `--config` names.
pub(crate) const KEY: &str = "collector.yaml";

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    let mut body = Fields::new();
    body.set("data", json!({KEY: api::collector::config_text::render(&context.config)}));
    built.push(context.child(
        ("v1", "ConfigMap"),
        context.config_map_name(),
        context.labels(&context.collector_name()),
        context.annotations.clone(),
        body,
    ));
}
