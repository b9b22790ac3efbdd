//! Pipelines one by one: what flows through them, and in which order.

use serde_json::Value;

use super::{Code, Finding};
use crate::{
    component::{Kind, catalogue},
    config::{Config, Path, Pipeline, Role, split_id},
};

pub(super) fn check(config: &Config<'_>, findings: &mut Vec<Finding>) {
    let section = config.raw.get("service").and_then(|s| s.get("pipelines"));
    let understood = matches!(section, None | Some(Value::Null | Value::Object(_)));
    if config.pipelines.is_empty() && understood && (config.raw.is_object() || config.raw.is_null()) {
        findings.push(Finding::new(
            Code::NoPipelines,
            Path::of(&["service", "pipelines"]),
            "there is no pipeline",
            "add one under service.pipelines, with a receiver and an exporter",
        ));
    }
    for pipeline in &config.pipelines {
        signal(pipeline, findings);
        ends(config, pipeline, findings);
        components(config, pipeline, findings);
        memory_limiter(pipeline, findings);
    }
    shared_file_exporters(config, findings);
}

/// Processors that still have data when receivers have stopped.
const KEEP_BACK: [&str; 5] = ["batch", "groupbytrace", "interval", "logdedup", "tail_sampling"];

/// One file exporter serves all signals of its id and is closed with the first (seen with release 0.158). Pipelines of one
/// signal share a component that collectors stop after both.
fn shared_file_exporters(config: &Config<'_>, findings: &mut Vec<Finding>) {
    let keeps_back = |p: &Pipeline<'_>| p.processors.iter().any(|p| KEEP_BACK.contains(&split_id(p.id).0));
    for id in config.enabled(Kind::Exporter).keys().filter(|id| split_id(id).0 == "file") {
        let users: Vec<_> = config
            .pipelines
            .iter()
            .filter_map(|p| Some((p, p.exporters.iter().find(|e| e.id == *id)?)))
            .collect();
        let Some((first, _)) = users.first() else { continue };
        let other = users.iter().find(|(pipeline, _)| pipeline.signal != first.signal);
        if let Some((pipeline, exporter)) = other
            && users.iter().any(|(pipeline, _)| keeps_back(pipeline))
        {
            findings.push(Finding::new(
                Code::FileExporterShared,
                pipeline.reference_path(Role::Exporters, **exporter),
                format!("exporter {id} is also in pipeline {}", first.name),
                "define one file exporter for each signal, with a file of its own",
            ));
        }
    }
}

fn signal(pipeline: &Pipeline<'_>, findings: &mut Vec<Finding>) {
    if pipeline.signal.is_none() {
        findings.push(Finding::new(
            Code::UnknownSignal,
            pipeline.path(),
            format!("{} is no signal", split_id(pipeline.name).0),
            "begin the pipeline's name with traces, metrics, logs or profiles",
        ));
    }
}

fn ends(config: &Config<'_>, pipeline: &Pipeline<'_>, findings: &mut Vec<Finding>) {
    for role in [Role::Receivers, Role::Exporters] {
        let raw =
            config.raw.get("service").and_then(|s| s.get("pipelines")).and_then(|p| p.get(pipeline.name));
        let raw = raw.and_then(|p| p.get(role.key()));
        let empty = match raw {
            None | Some(Value::Null) => true,
            Some(Value::Array(items)) => items.is_empty(),
            Some(_) => false,
        };
        if empty {
            findings.push(Finding::new(
                Code::EmptyPipeline,
                pipeline.path(),
                format!("pipeline {} has no {}", pipeline.name, role.kind().name()),
                format!("add one to its {}, or remove the pipeline", role.key()),
            ));
        }
    }
}

fn components(config: &Config<'_>, pipeline: &Pipeline<'_>, findings: &mut Vec<Finding>) {
    let Some(signal) = pipeline.signal else { return };
    for role in Role::ALL {
        for reference in pipeline.list(role) {
            if config.component(Kind::Connector, reference.id).is_some() {
                continue;
            }
            let component_type = split_id(reference.id).0;
            let Some(signals) = catalogue::signals(role.kind(), component_type) else { continue };
            if !signals.contains(&signal) {
                let handled: Vec<String> = signals.iter().map(ToString::to_string).collect();
                findings.push(Finding::new(
                    Code::UnsupportedSignal,
                    pipeline.reference_path(role, *reference),
                    format!("{} {} does not handle {signal}", role.kind().name(), reference.id),
                    format!("it handles {}: move it to such a pipeline", handled.join(", ")),
                ));
            }
        }
    }
}

fn memory_limiter(pipeline: &Pipeline<'_>, findings: &mut Vec<Finding>) {
    let processors = &pipeline.processors;
    let find = |name: &str| processors.iter().position(|p| split_id(p.id).0 == name);
    let fix = "move memory_limiter to the front of processors";
    match (find("memory_limiter"), find("batch")) {
        (None, _) => findings.push(Finding::new(
            Code::MemoryLimiterAbsent,
            pipeline.path(),
            format!("pipeline {} has no memory_limiter", pipeline.name),
            "add memory_limiter as its first processor",
        )),
        (Some(limiter), Some(batch)) if batch < limiter => findings.push(Finding::new(
            Code::BatchBeforeMemoryLimiter,
            pipeline.reference_path(Role::Processors, processors[limiter]),
            format!("{} comes before {}", processors[batch].id, processors[limiter].id),
            fix,
        )),
        (Some(limiter), _) if limiter > 0 => findings.push(Finding::new(
            Code::MemoryLimiterNotFirst,
            pipeline.reference_path(Role::Processors, processors[limiter]),
            format!("{} is processor {} of pipeline {}", processors[limiter].id, limiter + 1, pipeline.name),
            fix,
        )),
        _ => {}
    }
}
