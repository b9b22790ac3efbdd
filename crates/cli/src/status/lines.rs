//! Pods → workloads → totals.

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt::Write as _,
};

use inject::summary::{PodGroup, State, Target, Workload};
use serde::Serialize;

use super::fleet::Fleet;
use crate::{colour::Colour, columns};

/// Everything that is shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Overview {
    /// Workloads that ask.
    pub workloads: Vec<Line>,
    /// How many workloads are in each state.
    pub totals: Totals,
    /// How many workloads have each reason code, with its meaning and remedy.
    pub reasons: Vec<ReasonTotal>,
    /// Workloads with pods that an injected container keeps from starting.
    pub stuck: Vec<StuckWorkload>,
}

/// A workload whose pods do not start because of an injected container, told of by one of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct StuckWorkload {
    pub namespace: String,
    pub kind: String,
    pub name: String,
    /// Pods that wait for the same.
    pub pods: usize,
    pub example: String,
    pub container: String,
    pub image: String,
    pub reason: String,
    pub message: String,
    pub fix: String,
}

/// One workload.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Line {
    pub namespace: String,
    pub kind: String,
    pub name: String,
    /// The worst code of its pods.
    pub state: String,
    /// Pods.
    pub pods: usize,
    /// Pods of which everything that is asked for is injected and up to date.
    pub injected: usize,
    pub languages: BTreeSet<String>,
    pub instrumentations: BTreeSet<String>,
    /// How many pods have each code.
    pub codes: BTreeMap<String, usize>,
    #[serde(skip)]
    worst: Option<State>,
}

/// Workloads in each state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Totals {
    pub workloads: usize,
    pub injected: usize,
    pub outdated: usize,
    pub missed: usize,
    pub failed: usize,
    /// Workloads that ask for nothing; they are in no other number.
    pub not_asking: usize,
}

/// A reason code and who has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct ReasonTotal {
    pub code: &'static str,
    pub workloads: usize,
    pub meaning: &'static str,
    pub remedy: &'static str,
    /// One of them.
    pub example: String,
}

impl Overview {
    /// Counts what a fleet carries.
    pub(super) fn of(fleet: &Fleet) -> Overview {
        let mut groups: BTreeMap<PodGroup, usize> = BTreeMap::new();
        for (namespace, pod) in &fleet.pods {
            *groups.entry(PodGroup::of(namespace, pod)).or_default() += 1;
        }
        let mut lines: BTreeMap<Workload, Line> = BTreeMap::new();
        let mut silent: BTreeSet<Workload> = BTreeSet::new();
        fleet.with(|cluster| {
            for (group, pods) in &groups {
                let workload = group.workload(cluster);
                let findings = group.findings(cluster);
                let Some(worst) = findings.iter().map(|finding| finding.state).max() else {
                    silent.insert(workload);
                    continue;
                };
                let line = lines.entry(workload).or_default();
                line.pods += pods;
                line.injected += if worst == State::Injected { *pods } else { 0 };
                line.worst = line.worst.max(Some(worst));
                let codes: BTreeSet<&str> = findings.iter().map(|finding| finding.state.code()).collect();
                for code in codes {
                    *line.codes.entry(code.to_owned()).or_default() += pods;
                }
                for finding in &findings {
                    line.languages.insert(finding.about.id().to_owned());
                    if let Target::Instrumentation(namespace, name) = &finding.target {
                        line.instrumentations.insert(format!("{namespace}/{name}"));
                    }
                }
            }
        });
        silent.retain(|workload| !lines.contains_key(workload));
        let mut overview = Overview {
            totals: Totals { not_asking: silent.len(), ..Totals::default() },
            ..Overview::default()
        };
        let mut reasons: BTreeMap<State, ReasonTotal> = BTreeMap::new();
        for (workload, mut line) in lines {
            let worst = line.worst.unwrap_or(State::Injected);
            overview.totals.add(worst);
            if worst != State::Injected {
                let explanation = worst.explanation();
                let total = reasons.entry(worst).or_insert_with(|| ReasonTotal {
                    code: worst.code(),
                    workloads: 0,
                    meaning: explanation.meaning,
                    remedy: explanation.remedy,
                    example: format!("{} {}/{}", workload.kind, workload.namespace, workload.name),
                });
                total.workloads += 1;
            }
            line.state = worst.code().to_owned();
            (line.namespace, line.kind, line.name) = (workload.namespace, workload.kind, workload.name);
            overview.workloads.push(line);
        }
        overview.reasons = reasons.into_values().rev().collect();
        overview.stuck = stuck(fleet);
        overview
    }

    /// Whether somebody asks for what is not there.
    pub(super) fn needs_attention(&self) -> bool {
        self.totals.missed + self.totals.failed > 0 || !self.stuck.is_empty()
    }

    /// For people; `namespace` is the only one that was looked at.
    pub(super) fn text(&self, namespace: Option<&str>, colour: Colour) -> String {
        let place = namespace.map_or("any namespace".to_owned(), |name| format!("namespace {name}"));
        if self.workloads.is_empty() {
            let others = match self.totals.not_asking {
                0 => "there are no pods".to_owned(),
                number => format!("{number} workloads have pods"),
            };
            return format!("nothing asks for injection in {place} ({others})\n");
        }
        let join = |texts: &BTreeSet<String>| texts.iter().map(String::as_str).collect::<Vec<_>>().join(",");
        let rows: Vec<Vec<String>> = self
            .workloads
            .iter()
            .map(|line| {
                vec![
                    line.namespace.clone(),
                    format!("{}/{}", line.kind.to_lowercase(), line.name),
                    line.state.clone(),
                    format!("{}/{}", line.injected, line.pods),
                    join(&line.languages),
                    join(&line.instrumentations),
                ]
            })
            .collect();
        let styles: Vec<&'static str> = self.workloads.iter().map(|line| style(line.worst)).collect();
        let head = ["NAMESPACE", "WORKLOAD", "STATE", "PODS", "LANGUAGES", "INSTRUMENTATION"];
        let mut out = columns::table(&head, &rows, colour, |row, column| match column {
            2 => styles.get(row).copied().unwrap_or_default(),
            _ => "",
        });
        let Totals { workloads, injected, outdated, missed, failed, not_asking } = self.totals;
        // Writing to a String cannot fail.
        let _ = writeln!(
            out,
            "\n{workloads} ask: {injected} injected, {outdated} outdated, {missed} missed, {failed} failed; {not_asking} ask for nothing"
        );
        for reason in &self.reasons {
            let _ = writeln!(
                out,
                "  {} {}: {}\n    {}: {}",
                reason.workloads,
                colour.paint("1", reason.code),
                reason.meaning,
                colour.paint("36", "fix"),
                reason.remedy
            );
        }
        for stuck in &self.stuck {
            let StuckWorkload { namespace, kind, name, pods, container, reason, message, fix, .. } = stuck;
            let _ = writeln!(
                out,
                "  {pods} {} of {kind} {namespace}/{name} cannot start: container {container}: {}: {message}\n    {}: {fix}",
                if *pods == 1 { "pod" } else { "pods" },
                colour.paint("1", reason),
                colour.paint("36", "fix"),
            );
        }
        out
    }
}

/// Stuck pods by workload and reason.
fn stuck(fleet: &Fleet) -> Vec<StuckWorkload> {
    let mut found: BTreeMap<(Workload, String, String), StuckWorkload> = BTreeMap::new();
    for (namespace, pod, stuck) in &fleet.stuck {
        let workload = fleet.with(|cluster| PodGroup::of(namespace, pod).workload(cluster));
        let key = (workload.clone(), stuck.container.clone(), stuck.reason.clone());
        let entry = found.entry(key).or_insert_with(|| StuckWorkload {
            namespace: workload.namespace,
            kind: workload.kind,
            name: workload.name,
            pods: 0,
            example: pod.name.clone(),
            container: stuck.container.clone(),
            image: stuck.image.clone(),
            reason: stuck.reason.clone(),
            message: stuck.message.clone(),
            fix: stuck.fix.clone(),
        });
        entry.pods += 1;
    }
    found.into_values().collect()
}

fn style(state: Option<State>) -> &'static str {
    match state {
        Some(State::Injected) | None => "32",
        Some(State::Outdated) => "33",
        Some(State::Missed | State::Failed(_)) => "31",
    }
}

impl Totals {
    fn add(&mut self, state: State) {
        self.workloads += 1;
        *match state {
            State::Injected => &mut self.injected,
            State::Outdated => &mut self.outdated,
            State::Missed => &mut self.missed,
            State::Failed(_) => &mut self.failed,
        } += 1;
    }
}
