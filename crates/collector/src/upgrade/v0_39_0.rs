//! 0.39.0: no ballast in the memory limiter; the receiver `httpd` is called `apache`.

use super::Draft;
use crate::{component::Kind, config::Role};

pub(super) fn apply(draft: &mut Draft<'_>) -> Result<(), String> {
    for id in draft.ids(Kind::Processor, "memory_limiter") {
        if draft.body(Kind::Processor, &id).and_then(|body| body.remove("ballast_size_mib")).is_some() {
            draft.note(format!(
                "upgrade to v0.39.0 dropped the ballast_size_mib field from processor \"{id}\""
            ));
        }
    }
    for old in draft.ids(Kind::Receiver, "httpd") {
        let new = old.replacen("httpd", "apache", 1);
        let Some(section) = draft.section(Kind::Receiver) else { continue };
        if section.contains_key(&new) {
            continue;
        }
        if let Some(body) = section.remove(&old) {
            section.insert(new.clone(), body);
        }
        for item in draft.pipeline_lists(Role::Receivers).flatten().filter(|item| **item == old.as_str()) {
            *item = new.as_str().into();
        }
        draft.note(format!("upgrade to v0.39.0 renamed receiver \"{old}\" to \"{new}\""));
    }
    Ok(())
}
