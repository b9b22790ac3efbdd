//! 0.38.0: arguments about logging are settings of the telemetry.

use serde_json::{Value, json};

use super::Draft;

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    let level = draft.take_argument("log-level");
    let profile = draft.take_argument("log-profile");
    let format = draft.take_argument("log-format");
    if level.is_none() && profile.is_none() && format.is_none() {
        return Ok(());
    }
    if draft.has_telemetry("logs") {
        draft.note("upgrade to v0.38.0 dropped the deprecated logging arguments, since service.telemetry.logs is configured");
        return Ok(());
    }
    let Some(logs) = draft.telemetry("logs") else { return Ok(()) };
    let mut set = |key: &str, value: Option<Value>| {
        if let Some(value) = value {
            logs.insert(key.to_owned(), value);
        }
    };
    set("level", level.map(|level| json!(level.to_lowercase())));
    set("development", profile.filter(|profile| profile == "dev").map(|_| json!(true)));
    set("encoding", format.map(|format| json!(format)));
    draft.note("upgrade to v0.38.0 dropped the deprecated logging arguments and migrated them to service.telemetry.logs");
    Ok(())
}
