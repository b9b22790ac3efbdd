//! Connectors: whether they join what they stand between, and whether data can go round in a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::{Code, Finding};
use crate::{
    component::{Kind, catalogue},
    config::{Config, Path, Role, Signal, split_id},
};

/// Pipelines by index that a connector ends and begins.
#[derive(Default)]
struct Ends {
    from: Vec<usize>,
    to: Vec<usize>,
}

pub(super) fn check(config: &Config<'_>, findings: &mut Vec<Finding>) {
    let mut connectors: BTreeMap<&str, Ends> = BTreeMap::new();
    for (index, pipeline) in config.pipelines.iter().enumerate() {
        for reference in &pipeline.exporters {
            if config.component(Kind::Connector, reference.id).is_some() {
                connectors.entry(reference.id).or_default().from.push(index);
            }
        }
        for reference in &pipeline.receivers {
            if config.component(Kind::Connector, reference.id).is_some() {
                connectors.entry(reference.id).or_default().to.push(index);
            }
        }
    }
    for (id, ends) in &connectors {
        joined(config, id, ends, findings);
    }
    if let Some((id, names)) = cycle(config, &connectors) {
        findings.push(Finding::new(
            Code::ConnectorCycle,
            Path::of(&["connectors", id]),
            format!("data goes round for ever: {}", names.join(" -> ")),
            "take one of these connectors out of its pipeline's exporters",
        ));
    }
}

fn joined(config: &Config<'_>, id: &str, ends: &Ends, findings: &mut Vec<Finding>) {
    let one_sided = match (ends.from.is_empty(), ends.to.is_empty()) {
        (false, true) => Some(("an exporter", "receiver", &ends.from, Role::Exporters)),
        (true, false) => Some(("a receiver", "exporter", &ends.to, Role::Receivers)),
        _ => None,
    };
    if let Some((used, missing, pipelines, role)) = one_sided {
        let path = reference(config, pipelines[0], role, id);
        findings.push(Finding::new(
            Code::ConnectorNotJoined,
            path,
            format!("connector {id} is used as {used} only"),
            format!("use it as {missing} of another pipeline too"),
        ));
        return;
    }
    let component_type = split_id(id).0;
    if catalogue::joins(component_type).is_none() {
        return;
    }
    let signals = |pipelines: &[usize]| -> BTreeSet<Signal> {
        pipelines.iter().filter_map(|index| config.pipelines[*index].signal).collect()
    };
    let (from, to) = (signals(&ends.from), signals(&ends.to));
    let words =
        |signals: &BTreeSet<Signal>| signals.iter().map(ToString::to_string).collect::<Vec<_>>().join(" or ");
    let mut report = |pipelines: &[usize], role: Role, what: String| {
        findings.push(Finding::new(
            Code::ConnectorSignal,
            reference(config, pipelines[0], role, id),
            what,
            "use a connector that does, or change the pipelines",
        ));
    };
    let of = |pipelines: &[usize], signal: Signal| -> Vec<usize> {
        pipelines.iter().copied().filter(|index| config.pipelines[*index].signal == Some(signal)).collect()
    };
    for signal in &from {
        if !to.is_empty() && !to.iter().any(|other| joins(component_type, *signal, *other)) {
            let what = format!("connector {id} does not make {} of {signal}", words(&to));
            report(&of(&ends.from, *signal), Role::Exporters, what);
        }
    }
    for signal in &to {
        if !from.is_empty() && !from.iter().any(|other| joins(component_type, *other, *signal)) {
            let what = format!("connector {id} does not make {signal} of {}", words(&from));
            report(&of(&ends.to, *signal), Role::Receivers, what);
        }
    }
}

/// Whether a connector passes from one signal to another; one that is not known passes everything.
fn joins(component_type: &str, from: Signal, to: Signal) -> bool {
    catalogue::joins(component_type).is_none_or(|pairs| pairs.contains(&(from, to)))
}

fn reference(config: &Config<'_>, pipeline: usize, role: Role, id: &str) -> Path {
    let pipeline = &config.pipelines[pipeline];
    match pipeline.list(role).iter().find(|reference| reference.id == id) {
        Some(found) => pipeline.reference_path(role, *found),
        None => pipeline.path(),
    }
}

/// A circle: the connector that closes it, and the names on the way.
///
/// Pipelines and connectors (one for each signal that enters) are the nodes, references the edges; so the search is linear
/// in the number of references.
fn cycle<'a>(config: &Config<'a>, connectors: &BTreeMap<&'a str, Ends>) -> Option<(&'a str, Vec<&'a str>)> {
    let pipelines = config.pipelines.len();
    let mut names: Vec<&str> = config.pipelines.iter().map(|pipeline| pipeline.name).collect();
    let mut edges: Vec<Vec<usize>> = vec![Vec::new(); pipelines];
    for (id, ends) in connectors {
        let mut nodes: BTreeMap<Option<Signal>, usize> = BTreeMap::new();
        for from in &ends.from {
            let signal = config.pipelines[*from].signal;
            let node = *nodes.entry(signal).or_insert_with(|| {
                names.push(id);
                let passes = |to: &&usize| match (signal, config.pipelines[**to].signal) {
                    (Some(from), Some(to)) => joins(split_id(id).0, from, to),
                    _ => true,
                };
                edges.push(ends.to.iter().filter(passes).copied().collect());
                edges.len() - 1
            });
            edges[*from].push(node);
        }
    }
    let way = circle(&edges)?;
    // A circle goes through pipelines and connectors by turns; it is shown from a pipeline to the same one.
    let start = way.iter().position(|node| *node < pipelines)?;
    let shown: Vec<&str> = (0..=way.len()).map(|i| names[way[(start + i) % way.len()]]).collect();
    let last = shown.len().checked_sub(2)?;
    Some((shown[last], shown))
}

/// The nodes of a circle of a directed graph. Depth first without recursion, since configurations may be deep.
fn circle(edges: &[Vec<usize>]) -> Option<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Visit {
        No,
        OnTheWay,
        Done,
    }
    let mut visits = vec![Visit::No; edges.len()];
    for start in 0..edges.len() {
        if visits[start] != Visit::No {
            continue;
        }
        visits[start] = Visit::OnTheWay;
        let mut way = vec![(start, 0)];
        while let Some((node, next)) = way.last_mut() {
            let node = *node;
            let Some(target) = edges[node].get(*next).copied() else {
                visits[node] = Visit::Done;
                way.pop();
                continue;
            };
            *next += 1;
            match visits[target] {
                Visit::OnTheWay => {
                    let from = way.iter().position(|(node, _)| *node == target)?;
                    return Some(way[from..].iter().map(|(node, _)| *node).collect());
                }
                Visit::No => {
                    visits[target] = Visit::OnTheWay;
                    way.push((target, 0));
                }
                Visit::Done => {}
            }
        }
    }
    None
}
