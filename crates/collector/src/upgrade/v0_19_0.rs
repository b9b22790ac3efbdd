//! 0.19.0: no `queued_retry` any more; the resource processor has attributes instead of type and labels.

use serde_json::{Value, json};

use super::Draft;
use crate::{component::Kind, config::Role};

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    for id in draft.ids(Kind::Processor, "queued_retry") {
        if let Some(section) = draft.section(Kind::Processor) {
            section.remove(&id);
        }
        draft.pipeline_lists(Role::Processors).for_each(|list| list.retain(|item| *item != id.as_str()));
        draft.note(format!("upgrade to v0.19.0 removed the processor \"{id}\""));
    }
    for id in draft.ids(Kind::Processor, "resource") {
        let Some(body) = draft.body(Kind::Processor, &id) else { continue };
        let upsert = |key: &str, value: Value| json!({"key": key, "value": value, "action": "upsert"});
        let mut attributes = Vec::new();
        if let Some(value) = body.remove("type") {
            attributes.push(upsert("opencensus.type", value));
        }
        if let Some(Value::Object(labels)) = body.remove("labels") {
            attributes.extend(labels.into_iter().map(|(key, value)| upsert(&key, value)));
        }
        if attributes.is_empty() {
            continue;
        }
        let list = body.entry("attributes").or_insert_with(|| json!([]));
        if let Some(list) = list.as_array_mut() {
            list.extend(attributes);
        }
        draft.note(format!(
            "upgrade to v0.19.0 migrated the properties type and labels to attributes for processor \"{id}\""
        ));
    }
    Ok(())
}
