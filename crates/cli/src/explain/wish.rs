//! What a verdict answers: the annotation that asks, and for what.

use api::annotation::SIDECAR_INJECT;
use inject::{About, Asked, Request, Verdict};

/// What an annotation asks for.
pub(super) struct Wish<'a> {
    /// Which Instrumentation or collector.
    pub asked: &'a Asked,
    /// The value as written.
    pub value: &'a str,
    /// The annotation.
    pub key: &'static str,
    /// The kind of object that is asked for.
    pub kind: &'static str,
    /// Whether the value stands on the Namespace.
    pub from_namespace: bool,
}

impl<'a> Wish<'a> {
    /// What this verdict answers.
    pub(super) fn of(request: &'a Request, verdict: &Verdict) -> Option<Wish<'a>> {
        match verdict.about {
            About::Pod => None,
            About::Sidecar => request.sidecar.as_ref().map(|sidecar| Wish {
                asked: &sidecar.asked,
                value: &sidecar.value,
                key: SIDECAR_INJECT,
                kind: kind(verdict),
                from_namespace: sidecar.from_namespace,
            }),
            About::Language(language) => {
                let wanted = request.languages.iter().find(|wanted| wanted.language == language)?;
                Some(Wish {
                    asked: &wanted.asked,
                    value: &wanted.value,
                    key: language.info().inject,
                    kind: kind(verdict),
                    from_namespace: wanted.from_namespace,
                })
            }
        }
    }
}

/// The kind of the object behind a verdict.
pub(super) fn kind(verdict: &Verdict) -> &'static str {
    match verdict.about {
        About::Sidecar => api::collector::KIND,
        About::Pod | About::Language(_) => api::instrumentation::KIND,
    }
}
