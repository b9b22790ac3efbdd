//! Pods that are alike, and what became of them.

use std::collections::BTreeMap;

use api::{Language, annotation};

use super::Cluster;
use crate::{
    Metadata, OwnerReference,
    explanation::{Aftermath, Explanation},
    owner,
    request::{Asked, Request},
    verdict::{About, Reason, Source},
    verdict_annotation::{self, Entry},
};

/// Pods of the same owner with the same annotations of ours. A workload of a thousand pods is one or two of them.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodGroup {
    /// Namespace.
    pub namespace: Box<str>,
    /// The pods' controller; a pod without one stands for itself.
    pub owner: PodOwner,
    /// Annotations that concern injection, the verdict among them, in order.
    pub annotations: Box<[(Box<str>, Box<str>)]>,
}

/// The controller of a pod, or the pod itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PodOwner {
    api_version: Box<str>,
    kind: Box<str>,
    name: Box<str>,
    uid: Box<str>,
    /// The name of a ReplicaSet's workload, as far as the name tells it.
    guess: Option<Box<str>>,
}

/// A workload: what a user wrote, two owners up from the pod where there are two.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Workload {
    /// Namespace.
    pub namespace: String,
    /// Kind, for example `Deployment`.
    pub kind: String,
    /// Name.
    pub name: String,
}

/// What became of pods, the better first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum State {
    /// Injected and up to date.
    Injected,
    /// Injected, from an older state of the Instrumentation.
    Outdated,
    /// Asks, and was not seen by the operator.
    Missed,
    /// Declined, for this reason.
    Failed(Reason),
}

impl State {
    /// The word: a reason code, or one of [`Aftermath`].
    pub fn code(self) -> &'static str {
        match self {
            State::Injected => Reason::Injected.code(),
            State::Outdated => Aftermath::Outdated.code(),
            State::Missed => Aftermath::Missed.code(),
            State::Failed(reason) => reason.code(),
        }
    }

    /// What the word means.
    pub fn explanation(self) -> Explanation {
        match self {
            State::Injected => Reason::Injected.explanation(),
            State::Outdated => Aftermath::Outdated.explanation(),
            State::Missed => Aftermath::Missed.explanation(),
            State::Failed(reason) => reason.explanation(),
        }
    }
}

/// Whose status tells of a finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// The Instrumentation that was chosen or is named: namespace and name.
    Instrumentation(String, String),
    /// Every Instrumentation of the namespace: none was chosen, and a user will look there.
    AllOf(String),
    /// No Instrumentation's: it is about a sidecar.
    Nobody,
}

/// What became of one language of one container of a group's pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding {
    /// What became of it.
    pub state: State,
    /// The language, or the sidecar.
    pub about: About,
    /// The container, where one is concerned.
    pub container: Option<String>,
    /// Whose status tells of it.
    pub target: Target,
}

impl PodGroup {
    /// The group of a pod. `name` and `uid` of the pod count when it has no owner.
    pub fn of(namespace: &str, pod: &Metadata) -> PodGroup {
        let controller = pod.owner_references.iter().find(|o| o.controller).or(pod.owner_references.first());
        let owner = match controller {
            Some(owner) => PodOwner {
                api_version: owner.api_version.as_str().into(),
                kind: owner.kind.as_str().into(),
                name: owner.name.as_str().into(),
                uid: owner.uid.as_str().into(),
                guess: owner::without_template_hash(owner, &pod.labels).map(Into::into),
            },
            None => PodOwner {
                api_version: "v1".into(),
                kind: "Pod".into(),
                name: pod.name.as_str().into(),
                uid: pod.uid.as_str().into(),
                guess: None,
            },
        };
        let ours = pod.annotations.iter().filter(|(key, _)| key.starts_with(annotation::PREFIX));
        PodGroup {
            namespace: namespace.into(),
            owner,
            annotations: ours.map(|(key, value)| (key.as_str().into(), value.as_str().into())).collect(),
        }
    }

    /// The workload that the pods belong to.
    pub fn workload(&self, cluster: &Cluster<'_>) -> Workload {
        let PodOwner { api_version, kind, name, uid, guess } = &self.owner;
        let direct = OwnerReference {
            api_version: api_version.to_string(),
            kind: kind.to_string(),
            name: name.to_string(),
            uid: uid.to_string(),
            controller: true,
        };
        let workload =
            |kind: String, name: String| Workload { namespace: self.namespace.to_string(), kind, name };
        if direct.is_replica_set() || direct.is_job() {
            let known = (cluster.owners)(&self.namespace, &direct);
            if let Some(above) = known.as_ref().and_then(|owners| owners.iter().find(|o| o.controller)) {
                return workload(above.kind.clone(), above.name.clone());
            }
            if let (None, Some(guess)) = (known, guess) {
                return workload("Deployment".to_owned(), guess.to_string());
            }
        }
        workload(direct.kind, direct.name)
    }

    /// What became of the group's pods; empty when they ask for nothing and carry no verdict.
    pub fn findings(&self, cluster: &Cluster<'_>) -> Vec<Finding> {
        let annotations: BTreeMap<String, String> =
            self.annotations.iter().map(|(k, v)| (k.to_string(), v.to_string())).collect();
        let verdict = annotations.get(annotation::VERDICT).cloned();
        let pod = Metadata { annotations: annotations.into(), ..Metadata::default() };
        let namespace = (cluster.namespace)(&self.namespace).unwrap_or_else(|| {
            crate::Namespace { name: self.namespace.to_string(), ..Default::default() }.into()
        });
        let request = Request::read(&pod, &namespace).unwrap_or_default();
        let Some(verdict) = verdict else {
            let missed = request.languages.iter().map(|wanted| wanted.language);
            return missed.map(|language| self.missed(language, &request, cluster)).collect();
        };
        let entries: Vec<Entry<'_>> = verdict_annotation::parse(&verdict).collect();
        let mut findings: Vec<Finding> = entries
            .iter()
            .map(|entry| Finding {
                state: state(entry, cluster),
                about: entry.about,
                container: entry.container.map(str::to_owned),
                target: match &entry.source {
                    _ if entry.about == About::Sidecar => Target::Nobody,
                    Some(source) => Target::Instrumentation(source.namespace.clone(), source.name.clone()),
                    None => self.target(entry.about.language(), &request, cluster),
                },
            })
            .collect();
        // A language that somebody asks for since, on the Namespace.
        if !verdict_annotation::is_cut(&verdict) && entries.iter().all(|e| e.about != About::Pod) {
            let told = |language| entries.iter().any(|e| e.about == About::Language(language));
            let new = request.languages.iter().map(|l| l.language).filter(|language| !told(*language));
            findings.extend(new.map(|language| self.missed(language, &request, cluster)));
        }
        findings
    }

    fn missed(&self, language: Language, request: &Request, cluster: &Cluster<'_>) -> Finding {
        Finding {
            state: State::Missed,
            about: About::Language(language),
            container: None,
            target: self.target(Some(language), request, cluster),
        }
    }

    /// The Instrumentation that the language names, if there is one.
    fn target(&self, language: Option<Language>, request: &Request, cluster: &Cluster<'_>) -> Target {
        let asked = request.languages.iter().find(|l| Some(l.language) == language).map(|l| &l.asked);
        match asked {
            Some(Asked::Named { namespace, name })
                if cluster.instrumentations.contains_key(&(namespace.clone(), name.clone())) =>
            {
                Target::Instrumentation(namespace.clone(), name.clone())
            }
            _ => Target::AllOf(self.namespace.to_string()),
        }
    }
}

fn state(entry: &Entry<'_>, cluster: &Cluster<'_>) -> State {
    match entry.reason {
        Reason::Injected => match (&entry.source, entry.about.language()) {
            (Some(source), Some(language)) if is_outdated(source, language, cluster) => State::Outdated,
            _ => State::Injected,
        },
        Reason::AlreadyInjected | Reason::SidecarRemoved => State::Injected,
        reason => State::Failed(reason),
    }
}

/// Whether a pod injected from this source would be injected otherwise now: the Instrumentation has another generation, or its agent
/// another version. (Generations start again when an Instrumentation is deleted and made anew; one that came from a file has none.)
pub(super) fn is_outdated(source: &Source, language: Language, cluster: &Cluster<'_>) -> bool {
    let key = (source.namespace.clone(), source.name.clone());
    let Some(now) = cluster.instrumentations.get(&key) else { return false };
    let agent = verdict_annotation::agent_version(now, language);
    let changed = source.generation != 0 && source.generation != now.metadata.generation;
    changed || (!source.agent.is_empty() && source.agent != agent)
}
