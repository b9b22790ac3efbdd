//! Our own checks at admission: warnings, or refusals where that was asked for.

use serde_json::Value;

use super::{Level, Settings, defaulting::config};
use crate::{
    check::{self, Finding, Severity},
    config::{Config, Path},
};

/// Warnings beyond these are counted only: the API server cuts long lists off without a word.
const MOST: usize = 10;

/// What was found.
#[derive(Default)]
pub(super) struct Found {
    pub(super) warnings: Vec<String>,
    pub(super) refusal: Option<String>,
}

pub(super) fn find(raw: &Value, graph: &Config<'_>, settings: &Settings) -> Found {
    let level = Level::of(raw, settings);
    if level == Level::Off || config(raw).is_null() {
        return Found::default();
    }
    let context = check::context(raw, &settings.collector.image);
    let findings: Vec<Finding> = check::check(graph, &context)
        .into_iter()
        .filter(|finding| finding.severity > Severity::Advice)
        .map(|finding| finding.below(&Path::of(&["spec", "config"])))
        .collect();
    let (errors, others): (Vec<Finding>, Vec<Finding>) = findings
        .into_iter()
        .partition(|finding| level == Level::Enforce && finding.severity == Severity::Error);
    let refusal = (!errors.is_empty()).then(|| {
        let shown = shown(&errors, "; ");
        format!("the collector would not start: {shown}")
    });
    let mut warnings: Vec<String> = others.iter().take(MOST).map(ToString::to_string).collect();
    if others.len() > MOST {
        warnings.push(format!(
            "{} more findings in the configuration; see them all with otel-operator lint",
            others.len() - MOST
        ));
    }
    Found { warnings, refusal }
}

fn shown(findings: &[Finding], separator: &str) -> String {
    let mut shown: Vec<String> = findings.iter().take(MOST).map(ToString::to_string).collect();
    if findings.len() > MOST {
        shown.push(format!("and {} more", findings.len() - MOST));
    }
    shown.join(separator)
}
