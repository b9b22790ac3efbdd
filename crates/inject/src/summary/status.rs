//! Counts → `Instrumentation.status`.

use api::instrumentation::status::{
    Condition, InstrumentationStatus, ReasonCount, WORKLOADS_INJECTED, WORKLOADS_UP_TO_DATE,
};

use super::{State, Summary};

/// Most reasons that a status names.
const REASONS: usize = 8;

/// The status of an Instrumentation of this generation. `before` is the present one, from which times are taken over where a
/// condition stays as it was; `now` is the time in RFC 3339. Without a summary nothing is known, because pods carry no verdicts.
pub fn status(
    summary: Option<&Summary>,
    generation: i64,
    before: &InstrumentationStatus,
    now: &str,
) -> InstrumentationStatus {
    let (injected, up_to_date) = match summary {
        Some(summary) => conditions(summary),
        None => {
            let switched_off = || {
                let message = "pods carry no verdict (--verdict-annotation=false), so nothing can be counted";
                ("Unknown", "VerdictAnnotationOff".to_owned(), message.to_owned())
            };
            (switched_off(), switched_off())
        }
    };
    let condition = |kind: &str, (status, reason, message): (&str, String, String)| {
        let same = before.conditions.iter().find(|c| c.kind == kind && c.status == status);
        Condition {
            kind: kind.to_owned(),
            status: status.to_owned(),
            observed_generation: generation,
            last_transition_time: same.map_or_else(|| now.to_owned(), |c| c.last_transition_time.clone()),
            reason,
            message,
        }
    };
    let reasons = summary.map(|s| s.reasons.as_slice()).unwrap_or_default();
    InstrumentationStatus {
        observed_generation: generation,
        conditions: vec![
            condition(WORKLOADS_INJECTED, injected),
            condition(WORKLOADS_UP_TO_DATE, up_to_date),
        ],
        workloads: summary.map(|s| s.workloads).unwrap_or_default(),
        reasons: reasons
            .iter()
            .take(REASONS)
            .map(|r| ReasonCount {
                reason: r.state.code().to_owned(),
                language: r.language.map(|l| l.to_string()).unwrap_or_default(),
                workloads: r.workloads,
                message: r.state.explanation().meaning.to_owned(),
                fix: r.state.explanation().remedy.to_owned(),
                example: r.example.clone(),
            })
            .collect(),
    }
}

type Told = (&'static str, String, String);

/// Whether all are injected, and whether what is injected is up to date.
fn conditions(summary: &Summary) -> (Told, Told) {
    let counts = summary.workloads;
    if counts.matched == 0 {
        let nobody =
            || ("Unknown", "NoWorkloads".to_owned(), "no pod asks for this Instrumentation".to_owned());
        return (nobody(), nobody());
    }
    let worst = |wanted: fn(State) -> bool| summary.reasons.iter().find(|r| wanted(r.state));
    let told = |not: u32, good: &'static str, what: &str, reason: Option<&super::Reasoned>| match reason {
        Some(reason) if not > 0 => {
            let example = &reason.example;
            let message = format!(
                "{not} of {} workloads {what}, for example {} {}/{}: {}",
                counts.matched,
                example.kind,
                example.namespace,
                example.name,
                reason.state.explanation().meaning
            );
            ("False", reason.state.code().to_owned(), message)
        }
        _ => ("True", good.to_owned(), format!("{} of {} workloads", counts.matched - not, counts.matched)),
    };
    let injected = told(
        counts.failed + counts.missed,
        "AllInjected",
        "not injected as asked",
        worst(|state| matches!(state, State::Failed(_) | State::Missed)),
    );
    let up_to_date = told(counts.outdated, "UpToDate", "outdated", worst(|state| state == State::Outdated));
    (injected, up_to_date)
}
