//! 0.56.0: autoscaling has a lower limit. (The autoscaler that scaled the Deployment is pointed at the collector by the next
//! reconcile, which applies it anyway.)

use serde_json::{Value, json};

use super::Draft;

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    let Some(autoscaler) = draft.map("/spec/autoscaler") else { return Ok(()) };
    let absent = |key: &str| autoscaler.get(key).is_none_or(Value::is_null);
    if !absent("maxReplicas") && absent("minReplicas") {
        autoscaler.insert("minReplicas".to_owned(), json!(1));
        draft.note("upgraded to v0.56.0, added minReplicas. recreated HPA instance");
    }
    Ok(())
}
