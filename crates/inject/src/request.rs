//! Annotations of pod and Namespace → what is asked for, and from which Instrumentation.

use std::{collections::BTreeSet, sync::Arc};

use api::{Instrumentation, Language, Settings, annotation};

use crate::{
    facts::{Candidates, Namespace},
    pod::Metadata,
    syntax::{dns_label, dns_subdomain},
    verdict::{Decline, Reason},
};

/// What pod and Namespace ask for. There is at least one language, the sidecar or an unknown key in it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Request {
    /// Namespace of the pod, as the API server says it.
    pub namespace: String,
    /// The requested languages, in the table's order.
    pub languages: Vec<LanguageRequest>,
    /// The collector beside the application; none when nobody says anything about it.
    pub sidecar: Option<SidecarRequest>,
    /// `inject-<x>` annotations whose `<x>` is no language: (key, value).
    pub unknown: Vec<(String, String)>,
}

/// One requested language.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LanguageRequest {
    /// The language.
    pub language: Language,
    /// Which Instrumentation.
    pub asked: Asked,
    /// Whether the effective value stands on the Namespace rather than on the pod.
    pub from_namespace: bool,
    /// The effective value, as written.
    pub value: String,
}

/// What is said about a sidecar (collector.md 16.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SidecarRequest {
    /// Which collector; [`Asked::Nothing`] (`false`) wants one that is there taken out.
    pub asked: Asked,
    /// Whether the effective value stands on the Namespace rather than on the pod.
    pub from_namespace: bool,
    /// The effective value, as written.
    pub value: String,
}

/// Which Instrumentation, or which collector, a value asks for (spec 3.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// None: the value is empty or `false`.
    Nothing,
    /// `true`: the only one in the pod's namespace.
    TheOnlyOne,
    /// A name, in this namespace.
    Named {
        /// Namespace.
        namespace: String,
        /// Name.
        name: String,
    },
}

impl Asked {
    /// What this annotation value asks for, in this namespace.
    pub fn parse(value: &str, namespace: &str) -> Asked {
        if value.is_empty() || value.eq_ignore_ascii_case("false") {
            Asked::Nothing
        } else if value.eq_ignore_ascii_case("true") {
            Asked::TheOnlyOne
        } else if let Some((namespace, name)) = value.split_once('/') {
            Asked::Named { namespace: namespace.to_owned(), name: name.to_owned() }
        } else {
            Asked::Named { namespace: namespace.to_owned(), name: value.to_owned() }
        }
    }
}

/// The effective value of an annotation that may stand on the pod and on its Namespace (spec 3.1), and whether it is
/// the Namespace's. Empty when neither has one.
pub fn effective<'a>(pod: &'a Metadata, namespace: &'a Namespace, key: &str) -> (&'a str, bool) {
    let on_pod = pod.annotations.get(key).map(String::as_str).unwrap_or_default();
    let on_namespace = namespace.annotations.get(key).map(String::as_str).unwrap_or_default();
    match (on_namespace, on_pod) {
        ("", value) => (value, false),
        (value, "") => (value, true),
        (value, on_pod) if on_pod.eq_ignore_ascii_case("true") && !value.eq_ignore_ascii_case("false") => {
            (value, true)
        }
        (_, on_pod) => (on_pod, false),
    }
}

impl Request {
    /// Reads the request off the annotations; none when nothing is asked for.
    pub fn read(pod: &Metadata, namespace: &Namespace) -> Option<Request> {
        let mut request = Request { namespace: namespace.name.clone(), ..Request::default() };
        for language in Language::ALL {
            let (value, from_namespace) = effective(pod, namespace, language.info().inject);
            let asked = Asked::parse(value, &namespace.name);
            if asked != Asked::Nothing {
                request.languages.push(LanguageRequest {
                    language,
                    asked,
                    from_namespace,
                    value: value.to_owned(),
                });
            }
        }
        let (value, from_namespace) = effective(pod, namespace, annotation::SIDECAR_INJECT);
        if !value.is_empty() {
            let asked = Asked::parse(value, &namespace.name);
            request.sidecar = Some(SidecarRequest { asked, from_namespace, value: value.to_owned() });
        }
        for (key, value) in &pod.annotations {
            let Some(id) = key.strip_prefix(annotation::INJECT_PREFIX) else { continue };
            let known = Language::from_id(id).is_some() || key == Language::Nginx.info().container_names;
            if !known && Asked::parse(value, "") != Asked::Nothing {
                request.unknown.push((key.clone(), value.clone()));
            }
        }
        let asks = !request.languages.is_empty() || request.sidecar.is_some() || !request.unknown.is_empty();
        asks.then_some(request)
    }

    /// The namespace whose collectors may become the sidecar; none when none is wanted.
    pub fn collector_namespace(&self) -> Option<&str> {
        match &self.sidecar.as_ref()?.asked {
            Asked::Named { namespace, .. } => Some(namespace),
            Asked::TheOnlyOne => Some(&self.namespace),
            Asked::Nothing => None,
        }
    }

    /// Namespaces whose Instrumentations may be chosen.
    pub fn instrumentation_namespaces(&self) -> BTreeSet<String> {
        self.languages
            .iter()
            .map(|l| match &l.asked {
                Asked::Named { namespace, .. } => namespace.clone(),
                Asked::TheOnlyOne | Asked::Nothing => self.namespace.clone(),
            })
            .collect()
    }
}

/// Chooses the Instrumentation of a language (spec 3.2).
pub fn choose(
    language: &LanguageRequest,
    request: &Request,
    candidates: &Candidates,
    settings: &Settings,
) -> Result<Arc<Instrumentation>, Decline> {
    match &language.asked {
        Asked::Named { namespace, name } => {
            let found = candidates
                .objects
                .iter()
                .find(|i| &i.metadata.namespace == namespace && &i.metadata.name == name);
            if let Some(found) = found {
                return Ok(found.clone());
            }
            if let Some((.., why)) =
                candidates.unreadable.iter().find(|(ns, n, _)| ns == namespace && n == name)
            {
                return Err(unreadable(namespace, name, why));
            }
            let annotation = language.language.info().inject;
            let fix = if dns_label(namespace) && dns_subdomain(name) {
                format!(
                    "create an Instrumentation named {name} in namespace {namespace} and recreate the pod, or correct the value of {annotation}"
                )
            } else {
                // Nobody can create that one.
                format!("correct the value of {annotation}: give true, false, a name, or namespace/name")
            };
            Err(Decline {
                reason: Reason::InstrumentationNotFound,
                message: format!("instrumentations.opentelemetry.io \"{name}\" not found"),
                fix,
            })
        }
        Asked::TheOnlyOne | Asked::Nothing => {
            if !settings.instrumentation_crds
                && let Some(instrumentation) = &settings.static_instrumentation
            {
                return Ok(instrumentation.clone());
            }
            let namespace = &request.namespace;
            let mut here = candidates.objects.iter().filter(|i| &i.metadata.namespace == namespace);
            let bad = candidates.unreadable.iter().find(|(ns, ..)| ns == namespace);
            match (here.next(), here.next(), bad) {
                (Some(only), None, None) => Ok(only.clone()),
                (None, _, None) => Err(Decline {
                    reason: Reason::NoInstrumentation,
                    message: "no OpenTelemetry Instrumentation instances available".to_owned(),
                    fix: format!("create an Instrumentation in namespace {namespace} and recreate the pod"),
                }),
                (None, _, Some((ns, name, why))) => Err(unreadable(ns, name, why)),
                _ => Err(Decline {
                    reason: Reason::SeveralInstrumentations,
                    message: "multiple OpenTelemetry Instrumentation instances available, cannot determine which one to select"
                        .to_owned(),
                    fix: format!("name the one to use: {}: \"<name>\"", language.language.info().inject),
                }),
            }
        }
    }
}

fn unreadable(namespace: &str, name: &str, why: &str) -> Decline {
    Decline {
        reason: Reason::InstrumentationUnreadable,
        message: format!("Instrumentation {namespace}/{name} cannot be read: {why}"),
        fix: "correct the field named in the message".to_owned(),
    }
}
