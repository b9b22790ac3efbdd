//! Groups of pods → counts for each Instrumentation.

use std::collections::{BTreeMap, BTreeSet};

use api::{
    Language,
    instrumentation::status::{Example, WorkloadCounts},
};

use super::{Cluster, PodGroup, State, Target, Workload};

/// What became of the workloads that ask for one Instrumentation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Workloads by what became of their pods.
    pub workloads: WorkloadCounts,
    /// Why some are not as they should be, most workloads first.
    pub reasons: Vec<Reasoned>,
}

/// Workloads that have a reason in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reasoned {
    /// What became of them; never [`State::Injected`].
    pub state: State,
    /// The language; none when the pod as a whole is concerned.
    pub language: Option<Language>,
    /// How many workloads.
    pub workloads: u32,
    /// The first of them by name.
    pub example: Example,
}

/// What is known of one workload, for one Instrumentation.
#[derive(Debug)]
struct OfWorkload {
    worst: State,
    /// Reasons, with the container.
    reasons: BTreeSet<(State, Option<Language>, String)>,
}

/// Counts workloads for each Instrumentation, by its namespace and name. One that nothing asks for has counts of zero.
pub fn summarise<'g>(
    groups: impl Iterator<Item = &'g PodGroup>,
    cluster: &Cluster<'_>,
) -> BTreeMap<(String, String), Summary> {
    let mut found: BTreeMap<(String, String), BTreeMap<Workload, OfWorkload>> =
        cluster.instrumentations.keys().map(|key| (key.clone(), BTreeMap::new())).collect();
    for group in groups {
        let mut findings = group.findings(cluster);
        findings.retain(|finding| finding.target != Target::Nobody);
        if findings.is_empty() {
            continue;
        }
        let workload = group.workload(cluster);
        for finding in findings {
            let mut add = |workloads: &mut BTreeMap<Workload, OfWorkload>| {
                let of = workloads
                    .entry(workload.clone())
                    .or_insert_with(|| OfWorkload { worst: State::Injected, reasons: BTreeSet::new() });
                of.worst = of.worst.max(finding.state);
                if finding.state != State::Injected {
                    let container = finding.container.clone().unwrap_or_default();
                    of.reasons.insert((finding.state, finding.about.language(), container));
                }
            };
            match &finding.target {
                Target::Instrumentation(namespace, name) => {
                    found.get_mut(&(namespace.clone(), name.clone())).into_iter().for_each(&mut add);
                }
                Target::AllOf(namespace) => {
                    let here = found.iter_mut().filter(|((of, _), _)| of == namespace);
                    here.for_each(|(_, workloads)| add(workloads));
                }
                Target::Nobody => {}
            }
        }
    }
    found.into_iter().map(|(key, workloads)| (key, summary(&workloads))).collect()
}

fn summary(workloads: &BTreeMap<Workload, OfWorkload>) -> Summary {
    let mut summary = Summary::default();
    let mut reasons: BTreeMap<(State, Option<Language>), Reasoned> = BTreeMap::new();
    for (workload, of) in workloads {
        let counts = &mut summary.workloads;
        counts.matched += 1;
        *match of.worst {
            State::Injected => &mut counts.injected,
            State::Outdated => &mut counts.outdated,
            State::Missed => &mut counts.missed,
            State::Failed(_) => &mut counts.failed,
        } += 1;
        let mut counted = BTreeSet::new();
        for (state, language, container) in &of.reasons {
            if !counted.insert((*state, *language)) {
                continue;
            }
            let reasoned = reasons.entry((*state, *language)).or_insert_with(|| Reasoned {
                state: *state,
                language: *language,
                workloads: 0,
                example: Example {
                    namespace: workload.namespace.clone(),
                    kind: workload.kind.clone(),
                    name: workload.name.clone(),
                    container: container.clone(),
                },
            });
            reasoned.workloads += 1;
        }
    }
    summary.reasons = reasons.into_values().collect();
    // What is worse comes first, then what concerns more workloads.
    let rank = |r: &Reasoned| match r.state {
        State::Failed(_) => 0,
        State::Missed => 1,
        State::Outdated | State::Injected => 2,
    };
    summary.reasons.sort_by_key(|r| (rank(r), std::cmp::Reverse(r.workloads), r.state, r.language));
    summary
}
