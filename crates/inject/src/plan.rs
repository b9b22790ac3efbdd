//! Facts → decision.

use std::sync::Arc;

use api::{Instrumentation, Language, Settings, annotation};
use json_patch::PatchOperation;

use crate::{
    already,
    check::{self, Cause},
    context::Context,
    draft::{Draft, Place},
    exporter,
    facts::{Existence, Facts},
    language, patch,
    pod::Pod,
    pod_security,
    request::{LanguageRequest, Request, choose},
    sidecar,
    targets::{self, Names},
    total,
    verdict::{About, Decline, Reason, Source, Verdict},
    verdict_annotation,
};

/// What to do with a pod.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Decision {
    /// That of the sidecar, then one verdict for each requested language and container, in the order of injection.
    pub verdicts: Vec<Verdict>,
    /// RFC 6902 operations over the raw pod; only what changes. Empty: leave the pod alone.
    pub patch: Vec<PatchOperation>,
}

/// A language on its way: what is known of it so far.
struct Candidate<'a> {
    request: &'a LanguageRequest,
    names: Names,
    /// The Instrumentation, or why the language is declined as a whole.
    chosen: Result<Arc<Instrumentation>, Decline>,
}

/// Decides about a pod. Never fails: whatever is wrong becomes a verdict, and the pod stays as it was.
///
/// The sidecar comes first, as in the reference, so that its container is there when languages choose theirs; whether it can be
/// had makes no difference to them.
pub fn plan(pod: &Pod<'_>, request: &Request, facts: &Facts, settings: &Settings) -> Decision {
    let mut draft = Draft::new(pod, facts);
    let mut verdicts = match unfit(pod) {
        Some(decline) => sidecar::declined(request, &draft, &decline),
        None => sidecar::decide(pod, request, facts, &mut draft),
    }
    .into_iter()
    .collect::<Vec<_>>();
    let of_sidecar = verdicts.len();
    match (already::evidence(pod), unfit(pod).or_else(|| unfit_for_agents(pod))) {
        (Some(evidence), _) => {
            let message = format!("the pod was injected before: {evidence}");
            verdicts.extend(declined(request, &Decline::new(Reason::AlreadyInjected, message, "")));
        }
        (None, unfit) => {
            match unfit {
                Some(decline) => verdicts.extend(declined(request, &decline)),
                None => inject(pod, request, facts, settings, &mut draft, &mut verdicts),
            }
            verdicts.extend(unknown_languages(request));
        }
    }
    // Whoever injected a pod without a verdict: with one, it does not count as missed.
    let told = verdicts.is_empty()
        || !settings.verdict_annotation
        || pod.metadata.annotations.contains_key(annotation::VERDICT);
    if told && verdicts.iter().all(|v| v.reason == Reason::AlreadyInjected) {
        return Decision { verdicts, patch: Vec::new() };
    }
    let existing = pod.metadata.annotations.get(annotation::VERDICT).map(String::as_str).unwrap_or_default();
    let (sidecar, languages) = verdicts.split_at(of_sidecar);
    let annotation =
        settings.verdict_annotation.then(|| verdict_annotation::render(sidecar, languages, existing));
    let annotation = annotation.filter(|text| verdict_annotation::has_room(pod, text));
    let patch = patch::patch(pod, draft, annotation.as_deref().map(|text| (annotation::VERDICT, text)));
    Decision { verdicts, patch }
}

/// Injects the languages one after another; one that fails leaves no trace (W20).
fn inject(
    pod: &Pod<'_>,
    request: &Request,
    facts: &Facts,
    settings: &Settings,
    draft: &mut Draft,
    verdicts: &mut Vec<Verdict>,
) {
    let candidates = candidates(pod, request, facts, settings);
    let of_sidecar = draft.init_containers.iter().chain(&draft.containers).filter(|c| c.is_ours());
    let beside: Vec<_> = of_sidecar.filter_map(|c| c.fields.get("resources").cloned()).collect();
    for candidate in &candidates {
        let language = candidate.request.language;
        match &candidate.chosen {
            Err(decline) => verdicts.push(verdict(language, None, None, Err(decline.clone()))),
            Ok(instrumentation) => {
                let (places, unknown) = targets::resolve(&candidate.names, draft);
                let context = Context {
                    pod,
                    namespace: &request.namespace,
                    facts,
                    settings,
                    instrumentation,
                    language,
                    beside: &beside,
                    shares_with_http_only: shares_with_http_only(&candidates, draft, &places),
                };
                verdicts.extend(inject_one(&context, draft, &places));
                let source = Some(source(instrumentation, language));
                if places.is_empty() && unknown.is_empty() {
                    let decline = Decline::new(
                        Reason::ContainerNotFound,
                        "the list of container names holds only empty names",
                        names_to_choose(pod, language),
                    );
                    verdicts.push(verdict(language, None, source.clone(), Err(decline)));
                }
                verdicts.extend(unknown.into_iter().map(|name| {
                    let decline = no_container(pod, language, &name);
                    verdict(language, Some(name), source.clone(), Err(decline))
                }));
            }
        }
    }
}

/// Injects one language, or nothing of it when the API server would refuse the result.
fn inject_one(context: &Context<'_>, draft: &mut Draft, places: &[Place]) -> Vec<Verdict> {
    let language = context.language;
    let source = source(context.instrumentation, language);
    let cause = Cause {
        reason: Reason::InvalidInstrumentation,
        object: format!("Instrumentation {source}"),
        container: "the agent's container".to_owned(),
        resources: format!("the agent's {}", language.info().resources_field),
    };
    let mut attempt = draft.clone();
    let outcomes = language::inject(context, &mut attempt, places).and_then(|outcomes| {
        check::check(context.pod, &attempt, &cause)?;
        total::check(context.pod, context.facts, &attempt, &cause)?;
        pod_security::check(context, draft, &attempt)?;
        Ok(outcomes)
    });
    let name = |place: Place| draft.at(place).name.clone();
    match outcomes {
        Err(decline) => places
            .iter()
            .map(|place| verdict(language, Some(name(*place)), Some(source.clone()), Err(decline.clone())))
            .collect(),
        Ok(outcomes) => {
            // Places are those of the language's start: agents' init containers have moved the later ones since.
            let verdicts = outcomes.into_iter().map(|(place, outcome)| {
                let target = name(place);
                let holder = if language == Language::Go { language::GO_SIDECAR } else { &target };
                let holder = attempt.find(holder).filter(|_| outcome.is_ok());
                let notes = holder.map(|holder| notes(context, &attempt, holder)).unwrap_or_default();
                Verdict { notes, ..verdict(language, Some(target), Some(source.clone()), outcome) }
            });
            let verdicts = verdicts.collect();
            *draft = attempt;
            verdicts
        }
    }
}

/// Whether a language whose agent ships no gRPC exporter is injected into one of these containers as well: the two share
/// the protocol variable.
fn shares_with_http_only(candidates: &[Candidate<'_>], draft: &Draft, places: &[Place]) -> bool {
    candidates
        .iter()
        .filter(|c| matches!(c.request.language, Language::Python | Language::DotNet) && c.chosen.is_ok())
        .any(|c| targets::resolve(&c.names, draft).0.iter().any(|place| places.contains(place)))
}

/// Resolves Instrumentations and container lists, and applies the rules that concern the pod as a whole.
fn candidates<'a>(
    pod: &Pod<'_>,
    request: &'a Request,
    facts: &Facts,
    settings: &Settings,
) -> Vec<Candidate<'a>> {
    let mut candidates: Vec<Candidate<'a>> = request
        .languages
        .iter()
        .map(|wanted| {
            let language = wanted.language;
            let mut names = Names::default();
            let chosen = if settings.enabled[language] {
                targets::names(&pod.metadata, &facts.namespace, language, settings).and_then(|found| {
                    names = found;
                    let instrumentation = choose(wanted, request, &facts.instrumentations, settings)?;
                    certificates(&instrumentation, request, facts)?;
                    Ok(instrumentation)
                })
            } else {
                Err(disabled(language))
            };
            Candidate { request: wanted, names, chosen }
        })
        .collect();
    if settings.multi_instrumentation {
        let counted = |c: &&Candidate<'_>| match &c.chosen {
            Ok(_) => true,
            Err(decline) => {
                !matches!(decline.reason, Reason::LanguageDisabled | Reason::InvalidContainerNames)
            }
        };
        let lists: Vec<_> =
            candidates.iter().filter(counted).map(|c| (c.request.language, &c.names)).collect();
        if let Err(decline) = targets::check_consistency(&lists) {
            for candidate in candidates.iter_mut().filter(|c| c.chosen.is_ok()) {
                candidate.chosen = Err(decline.clone());
            }
        }
    }
    candidates
}

/// Secret and ConfigMap with certificates must exist in the pod's namespace (spec 3.5).
fn certificates(instrumentation: &Instrumentation, request: &Request, facts: &Facts) -> Result<(), Decline> {
    let Some(tls) = &instrumentation.spec.exporter.tls else { return Ok(()) };
    let namespace = &request.namespace;
    let mut missing = Vec::new();
    let mut objects = Vec::new();
    if let Some(Existence::Missing(error)) = facts.secrets.get(&tls.secret_name) {
        missing.push(format!(
            "secret {namespace}/{} with certificates does not exists: {error}",
            tls.secret_name
        ));
        objects.push(format!("Secret {}", tls.secret_name));
    }
    if let Some(Existence::Missing(error)) = facts.config_maps.get(&tls.config_map_name) {
        missing.push(format!(
            "configmap {namespace}/{} with CA certificate does not exists: {error}",
            tls.config_map_name
        ));
        objects.push(format!("ConfigMap {}", tls.config_map_name));
    }
    if missing.is_empty() {
        return Ok(());
    }
    let fix = format!("create {} in namespace {namespace} and recreate the pod", objects.join(" and "));
    Err(Decline::new(Reason::CertificateObjectMissing, missing.join("\n"), fix))
}

/// What makes a pod unfit for every language and the sidecar.
fn unfit(pod: &Pod<'_>) -> Option<Decline> {
    if pod.spec.containers.is_empty() {
        return Some(Decline::new(
            Reason::NoContainers,
            "the pod has no containers",
            "give the pod a container",
        ));
    }
    if pod.metadata.annotations.contains_key("kubernetes.io/config.mirror") {
        let fix =
            "instrument it in the kubelet's manifest; a change of the mirror does not reach the containers";
        return Some(Decline::new(Reason::UnsupportedPod, "the pod mirrors a static pod of a node", fix));
    }
    None
}

/// What makes a pod unfit for every language. A collector may well run there.
fn unfit_for_agents(pod: &Pod<'_>) -> Option<Decline> {
    let windows = pod.spec.os.as_ref().is_some_and(|os| os.name == "windows");
    let fix = "remove the annotation: agents exist for Linux only";
    windows.then(|| Decline::new(Reason::UnsupportedPod, "the pod runs on Windows (spec.os.name)", fix))
}

fn disabled(language: Language) -> Decline {
    let info = language.info();
    let flag = info.enable_flag.unwrap_or_default();
    Decline::new(
        Reason::LanguageDisabled,
        format!("support for {} auto instrumentation is not enabled", info.name),
        format!("start the operator with --{flag}"),
    )
}

fn no_container(pod: &Pod<'_>, language: Language, name: &str) -> Decline {
    let message = format!("the pod has no container named {name}");
    Decline::new(Reason::ContainerNotFound, message, names_to_choose(pod, language))
}

fn names_to_choose(pod: &Pod<'_>, language: Language) -> String {
    let names: Vec<_> = pod.all_containers().map(|c| c.name.as_str()).collect();
    format!("name one of {} in {}", names.join(", "), language.info().container_names)
}

fn unknown_languages(request: &Request) -> Vec<Verdict> {
    let known = Language::ALL.map(|l| l.id()).join(", ");
    let unknown = request.unknown.iter().map(|(key, value)| Verdict {
        about: About::Pod,
        container: None,
        reason: Reason::UnknownLanguage,
        message: format!("annotation {key}: {value:?} names no language"),
        fix: format!("write inject- followed by one of {known}"),
        source: None,
        notes: Vec::new(),
    });
    unknown.collect()
}

/// The same verdict for each requested language.
pub fn declined(request: &Request, decline: &Decline) -> Vec<Verdict> {
    request.languages.iter().map(|l| verdict(l.language, None, None, Err(decline.clone()))).collect()
}

fn source(instrumentation: &Instrumentation, language: Language) -> Source {
    let metadata = &instrumentation.metadata;
    Source {
        agent: verdict_annotation::agent_version(instrumentation, language),
        namespace: metadata.namespace.clone(),
        name: metadata.name.clone(),
        generation: metadata.generation,
    }
}

fn verdict(
    language: Language,
    container: Option<String>,
    source: Option<Source>,
    outcome: Result<(), Decline>,
) -> Verdict {
    let decline = outcome.err().unwrap_or_else(|| {
        let from = source.as_ref().map(ToString::to_string).unwrap_or_default();
        Decline::new(Reason::Injected, format!("injected as Instrumentation {from} says"), "")
    });
    let Decline { reason, message, fix } = decline;
    Verdict { about: About::Language(language), container, reason, message, fix, source, notes: Vec::new() }
}

/// What a user should know although the container was injected.
fn notes(context: &Context<'_>, draft: &Draft, holder: crate::draft::Place) -> Vec<String> {
    let env = &draft.at(holder).env;
    let mut notes: Vec<String> = Vec::new();
    if env.entries().iter().any(|e| e.origin.is_none() && e.name == exporter::PROTOCOL && e.text() == "grpc")
        && env.plain(exporter::ENDPOINT).and_then(exporter::port) == Some(exporter::GRPC_PORT)
    {
        notes.push(format!(
            "the endpoint's port is {}, so {}=grpc is set",
            exporter::GRPC_PORT,
            exporter::PROTOCOL
        ));
    }
    notes.extend(exporter::hint(context.language, env));
    if env.is_opaque(crate::resource::RESOURCE_ATTRIBUTES) {
        notes.push(format!(
            "{} comes from a source and is left as it is: no attributes are added",
            crate::resource::RESOURCE_ATTRIBUTES
        ));
    }
    let name = &draft.at(holder).name;
    let user = context.pod.all_containers().find(|c| &c.name == name);
    for source in user.into_iter().flat_map(|c| &c.env_from) {
        if let Some(secret) = &source.secret_ref {
            notes.push(format!(
                "variables in Secret {} (envFrom) are not read: one of the same name is overridden",
                secret.name
            ));
        }
    }
    notes
}

impl Decision {
    /// Whether anything was injected.
    pub fn injected(&self) -> bool {
        self.verdicts.iter().any(|v| v.reason == Reason::Injected)
    }

    /// The text of `status.message` with which the reference answers a request that cannot be fulfilled (spec 2.3), joined by
    /// newlines; none when something was injected or nothing of that kind went wrong.
    pub fn request_error(&self) -> Option<String> {
        if self.injected() {
            return None;
        }
        let mut messages: Vec<&str> = Vec::new();
        for verdict in self.verdicts.iter().filter(|v| v.reason.is_request_error()) {
            if !messages.contains(&verdict.message.as_str()) {
                messages.push(&verdict.message);
            }
        }
        (!messages.is_empty()).then(|| messages.join("\n"))
    }

    /// Admission warnings: one for each verdict that a user should hear of, the reference's message first.
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings: Vec<String> = Vec::new();
        for verdict in self.verdicts.iter().filter(|v| v.is_news()) {
            let warning = verdict.notice();
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        warnings
    }
}
