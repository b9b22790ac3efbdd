//! Why ours differs: one rule for each listed difference. A rule may change the recorded pod (or ours) only as far as the
//! difference that it is named after allows; what is left must be equal.

use api::{Language, Settings};
use inject::{Facts, Reason, Verdict};
use serde_json::{Value, json};

use crate::{
    api_server, container_reasons, engine, environment_reasons,
    parts::{container, containers, put_back, remove, remove_unmounted, value},
    record::Record,
};

/// One record on the table.
pub(crate) struct Comparison<'a> {
    pub(crate) facts: &'a Facts,
    pub(crate) settings: &'a Settings,
    pub(crate) verdicts: &'a [Verdict],
    /// The pod as the webhook got it.
    pub(crate) received: &'a Value,
    /// The pod as it would be stored without injection.
    pub(crate) untouched: &'a Value,
    pub(crate) ours: Value,
    pub(crate) theirs: Value,
}

/// A rule.
pub(crate) type Rule = fn(&mut Comparison<'_>);

/// Every rule, in the order in which they are applied.
pub(crate) const RULES: &[(&str, Rule)] = &[
    ("W20", one_language_failed),
    ("W28", list_of_another_language),
    ("W26", injected_before),
    ("W12", go_declined_or_found),
    ("W1", nothing_left_behind),
    ("W7", environment_reasons::said_twice),
    ("W8", environment_reasons::keys_of_the_user),
    ("W9", environment_reasons::broken_lists),
    ("W10", environment_reasons::given_service_attributes),
    ("W11", environment_reasons::attributes_of_the_application),
    ("W14", container_reasons::volume_names),
    ("W15", container_reasons::what_agents_inherit),
    ("W24", environment_reasons::owners_by_group),
    ("W32", environment_reasons::path_of_the_common_env),
    ("W42", container_reasons::volumes_of_web_servers),
    ("W44", container_reasons::pull_policy_of_extensions),
    ("otlp-protocol-by-port", environment_reasons::protocol_by_port),
];

const PREFIX: &str = api::annotation::PREFIX;

impl Comparison<'_> {
    fn annotation(&self, key: &str) -> &str {
        self.received["metadata"]["annotations"][key].as_str().unwrap_or_default()
    }

    /// What ours would be if the pod declined what some annotations ask for.
    pub(crate) fn with_annotations(&self, keys: &[&str], text: &str) -> Value {
        let mut pod = self.received.clone();
        for key in keys {
            pod["metadata"]["annotations"][*key] = json!(text);
        }
        let outcome = engine::run(&pod, self.facts, self.settings).expect("the pod is readable");
        let mut ours = outcome.without_verdict(&pod);
        ours["metadata"] = self.received["metadata"].clone();
        api_server::admit(&mut ours);
        api_server::comparable(&mut ours);
        ours
    }

    /// The Instrumentations that were chosen, with their languages.
    pub(crate) fn chosen(&self) -> Vec<(Language, std::sync::Arc<api::Instrumentation>)> {
        let mut chosen = Vec::new();
        for verdict in self.verdicts {
            let (Some(language), Some(source)) = (verdict.language(), &verdict.source) else {
                continue;
            };
            let found = self
                .facts
                .instrumentations
                .objects
                .iter()
                .find(|i| i.metadata.name == source.name && i.metadata.namespace == source.namespace);
            if let Some(found) = found {
                chosen.push((language, found.clone()));
            }
        }
        chosen
    }

    fn injected(&self, language: Language) -> bool {
        self.verdicts.iter().any(|v| v.language() == Some(language) && v.reason == Reason::Injected)
    }
}

/// The reference injects nothing when the Instrumentation of one language is missing; ours injects the others, and those
/// as if the first had not been asked for.
fn one_language_failed(c: &mut Comparison<'_>) {
    let failed: Vec<&str> = c
        .verdicts
        .iter()
        .filter(|v| v.container.is_none() && v.reason.is_request_error())
        .filter_map(|v| Some(v.language()?.info().inject))
        .collect();
    if !failed.is_empty() && c.theirs == *c.untouched {
        c.theirs = c.with_annotations(&failed, "false");
    }
}

/// The reference refuses a request for bad characters in a list that concerns nobody.
fn list_of_another_language(c: &mut Comparison<'_>) {
    let bad = |key: &str| {
        let value = c.annotation(key);
        let asked = Language::ALL
            .into_iter()
            .any(|l| l.info().container_names == key && c.verdicts.iter().any(|v| v.language() == Some(l)));
        key.ends_with("-container-names")
            && !asked
            && value.contains(|ch: char| !ch.is_ascii_alphanumeric() && !"-,".contains(ch))
    };
    let keys: Vec<String> =
        Language::ALL.iter().map(|l| l.info().container_names.to_owned()).filter(|k| bad(k)).collect();
    if !keys.is_empty() && c.theirs == *c.untouched {
        c.theirs = c.with_annotations(&keys.iter().map(String::as_str).collect::<Vec<_>>(), "");
    }
}

/// The lone agent container of Nginx: injected before. A plain node name variable of the user's: not injected before, and then
/// the recording has nothing to compare with.
fn injected_before(c: &mut Comparison<'_>) {
    let mut received = c.received.clone();
    let plain = containers(&mut received).any(|c| value(c, "OTEL_RESOURCE_ATTRIBUTES_NODE_NAME").is_some());
    if plain && c.theirs == *c.untouched {
        c.theirs = c.ours.clone();
    }
    let lone = container(&mut received, "otel-agent-attach-nginx").is_some();
    if lone && c.verdicts.iter().all(|v| v.reason == Reason::AlreadyInjected) {
        c.theirs = c.untouched.clone();
    }
}

/// Go: an empty executable is none, and the Namespace's counts.
fn go_declined_or_found(c: &mut Comparison<'_>) {
    let key = format!("{PREFIX}otel-go-auto-target-exe");
    let annotations = &c.received["metadata"]["annotations"];
    let (empty, absent) = (annotations.get(&key) == Some(&json!("")), annotations.get(&key).is_none());
    let on_namespace = c.facts.namespace.annotations.get(&key).is_some_and(|exe| !exe.is_empty());
    let missing = c.verdicts.iter().any(|v| v.reason == Reason::GoExecutableMissing);
    let without_go = |pod: &mut Value| {
        remove(pod, "containers", |name| name == "opentelemetry-auto-instrumentation");
        pod["spec"].as_object_mut().expect("a pod has a spec").remove("shareProcessNamespace");
        remove_unmounted(pod);
    };
    if empty && missing {
        without_go(&mut c.theirs);
    } else if absent && on_namespace && c.injected(Language::Go) {
        without_go(&mut c.ours);
    }
}

/// A container whose agent cannot be loaded is left alone, and an agent that nobody loads is not copied.
fn nothing_left_behind(c: &mut Comparison<'_>) {
    for language in [Language::Java, Language::NodeJs, Language::Python, Language::DotNet] {
        let of: Vec<&Verdict> = c.verdicts.iter().filter(|v| v.language() == Some(language)).collect();
        let kept_out =
            |v: &&Verdict| matches!(v.reason, Reason::VariableFromSource | Reason::AgentAlreadyConfigured);
        if !of.iter().any(kept_out) {
            continue;
        }
        for name in of.iter().filter(|v| kept_out(v)).filter_map(|v| v.container.clone()) {
            let alone = !c
                .verdicts
                .iter()
                .any(|v| v.container.as_deref() == Some(&name) && v.reason == Reason::Injected);
            if alone {
                put_back(&mut c.theirs, c.untouched, &name);
            }
        }
        if !c.injected(language) {
            let agent = format!("opentelemetry-auto-instrumentation-{language}");
            remove(&mut c.theirs, "initContainers", |name| name == agent);
            remove_unmounted(&mut c.theirs);
        }
    }
}

/// The weakness behind a refusal of the API server.
pub(crate) fn of_refusal(record: &Record) -> Vec<&'static str> {
    let message = record.reference.pod["status"]["message"].as_str().unwrap_or_default();
    let mut keys: Vec<&str> = [
        ("may not be specified when `value` is not empty", "W4"),
        ("Not found: \"otel-nginx-conf-dir\"", "W5"),
        ("must be less than or equal to memory limit", "W13"),
        ("must not contain dots", "W14"),
        ("must be unique", "W17"),
        ("Duplicate value", "W17"),
    ]
    .into_iter()
    .filter(|(text, _)| message.contains(text))
    .map(|(_, key)| key)
    .collect();
    keys.dedup();
    keys
}
