//! Facts → decision.

use api::Settings;
use json_patch::PatchOperation;

use crate::{facts::Facts, pod::Pod, request::Request, verdict::Verdict};

/// What to do with a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// One verdict for each requested language and container, in the order of injection.
    pub verdicts: Vec<Verdict>,
    /// RFC 6902 operations over the raw pod; only what changes. Empty: leave the pod alone.
    pub patch: Vec<PatchOperation>,
}

/// Decides about a pod.
pub fn plan(pod: &Pod<'_>, request: &Request, facts: &Facts, settings: &Settings) -> Decision {
    let _ = (pod, request, facts, settings);
    Decision::default()
}

impl Decision {
    /// Whether anything was injected.
    pub fn injected(&self) -> bool {
        self.verdicts.iter().any(|v| v.reason == crate::Reason::Injected)
    }

    /// The text of `status.message` with which the reference answers a request that cannot be fulfilled (spec 2.3), joined by
    /// newlines; none when something was injected or nothing of that kind went wrong.
    pub fn request_error(&self) -> Option<String> {
        None
    }

    /// Admission warnings: one for each verdict that a user should hear of.
    pub fn warnings(&self) -> Vec<String> {
        Vec::new()
    }
}
