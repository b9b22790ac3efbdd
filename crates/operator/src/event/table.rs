//! Every event that the operator records, for `docs/reference-events.md`.

use std::fmt::Write as _;

use inject::Reason;

/// One kind of event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// `Normal` or `Warning`.
    pub kind: &'static str,
    /// Reason.
    pub reason: &'static str,
    /// Action.
    pub action: &'static str,
    /// The object that it is about.
    pub about: &'static str,
    /// When it is recorded.
    pub when: String,
}

const fn line(kind: &'static str, reason: &'static str, action: &'static str, about: &'static str) -> Line {
    Line { kind, reason, action, about, when: String::new() }
}

/// Events beside those about injection.
#[rustfmt::skip]
fn others() -> [Line; 6] {
    // Their action is their reason.
    let of_collector = |kind, reason, when: &str| Line {
        when: when.to_owned(),
        ..line(kind, reason, reason, "OpenTelemetryCollector")
    };
    [
        Line {
            when: "The image of a language is not moved to the one of this release, because a breaking release lies between.".to_owned(),
            ..line("Warning", "UpgradeBlocked", "Upgrade-<language>", "Instrumentation")
        },
        of_collector("Normal", "Info", "What belongs to the collector was brought about, after something about that had changed."),
        of_collector("Warning", "Error", "The collector could not be brought about; the note says why."),
        of_collector("Normal", "Upgrade", "The collector was moved to this release, and something in its configuration was changed for that; the note says what."),
        of_collector("Warning", "Upgrade", "Moving the collector to this release needs something from you; the note says what."),
        of_collector("Normal", "Spec.Service.Telemetry.DefaultsApplied", "Admission added the reader of the collector's own metrics; the note says where it listens."),
    ]
}

/// Every kind of event: those about injection first, in the order of the reason codes.
pub fn lines() -> Vec<Line> {
    let of_injection = Reason::ALL.into_iter().filter(|r| r.is_news()).map(|reason| {
        let line =
            line("Warning", reason.event_reason(), "Inject-<language>", "the workload that owns the pod");
        let meaning = reason.explanation().meaning;
        let code = if reason.event_reason() == reason.code() {
            String::new()
        } else {
            format!(" (Reason code `{}`; the event keeps the word of the Go operator.)", reason.code())
        };
        Line { when: format!("{meaning}{code}"), ..line }
    });
    of_injection.chain(others()).collect()
}

/// The table as Markdown.
pub fn markdown() -> String {
    let mut text = String::from("| Type | Reason | Action | About | When |\n|---|---|---|---|---|\n");
    for line in lines() {
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "| {} | `{}` | `{}` | {} | {} |",
            line.kind, line.reason, line.action, line.about, line.when
        );
    }
    text
}
