//! What became of a workload's pods, read from the annotation that the operator leaves on them.

use k8s_openapi::api::core::v1::Pod;

use super::example::Workload;

/// Written by the operator on every pod that asked for something:
/// `<language>[/<container>]=<reason>[(<instrumentation>)]`, separated by `;`.
const VERDICT: &str = "instrumentation.opentelemetry.io/verdict";

/// One workload.
#[derive(Debug)]
pub(crate) struct Row {
    /// `namespace/name`.
    pub(crate) workload: String,
    pub(crate) namespace: String,
    /// `kind/name`, as the command line takes it.
    pub(crate) reference: String,
    pub(crate) verdicts: Vec<Verdict>,
    /// Why there is no verdict, when somebody may have meant there to be one.
    pub(crate) hint: String,
    /// What to do about it.
    pub(crate) hint_fix: String,
    /// `<language>=<reason>`, sorted.
    expected: Vec<String>,
}

/// What was decided for one language and container.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) language: String,
    /// `-` when the language was declined before containers were looked at.
    pub(crate) container: String,
    pub(crate) reason: String,
    /// The Instrumentation, or else why.
    pub(crate) why: String,
    pub(crate) fix: String,
}

impl Row {
    pub(crate) fn new(workload: &Workload<'_>, pod: &Pod) -> anyhow::Result<Row> {
        let annotation = pod.metadata.annotations.as_ref().and_then(|a| a.get(VERDICT));
        let expected = workload.expected()?;
        let mut expected: Vec<String> =
            expected.split(',').map(str::trim).filter(|e| *e != "none").map(str::to_owned).collect();
        expected.sort();
        Ok(Row {
            workload: workload.title(),
            namespace: workload.namespace.to_owned(),
            reference: workload.reference(),
            verdicts: annotation.map(|text| parse(text)).unwrap_or_default(),
            hint: String::new(),
            hint_fix: String::new(),
            expected,
        })
    }

    /// Whether the example's own word came true.
    pub(crate) fn is_expected(&self) -> bool {
        self.outcomes() == self.expected
    }

    pub(crate) fn expected_text(&self) -> String {
        or_none(&self.expected)
    }

    pub(crate) fn verdicts_text(&self) -> String {
        or_none(&self.outcomes())
    }

    fn outcomes(&self) -> Vec<String> {
        let mut outcomes: Vec<_> =
            self.verdicts.iter().map(|v| format!("{}={}", v.language, v.reason)).collect();
        outcomes.sort();
        outcomes
    }
}

fn or_none(outcomes: &[String]) -> String {
    if outcomes.is_empty() { "none".to_owned() } else { outcomes.join(",") }
}

fn parse(annotation: &str) -> Vec<Verdict> {
    let entries = annotation.split(';').filter_map(|entry| entry.split_once('='));
    let verdict = |(subject, outcome): (&str, &str)| {
        let (language, container) = subject.split_once('/').unwrap_or((subject, "-"));
        let (reason, source) = outcome.split_once('(').unwrap_or((outcome, ""));
        let why = match source.trim_end_matches(')') {
            "" => String::new(),
            source if language == "sidecar" => format!("OpenTelemetryCollector {source}"),
            source => format!("Instrumentation {source}"),
        };
        Verdict {
            language: language.to_owned(),
            container: container.to_owned(),
            reason: reason.to_owned(),
            why,
            fix: String::new(),
        }
    };
    entries.map(verdict).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_annotation_is_read_entry_by_entry() {
        let verdicts = parse("java/app=Injected(shop/demo@3);python=UnsupportedPlatform;+2");
        let read: Vec<_> =
            verdicts.iter().map(|v| [&*v.language, &*v.container, &*v.reason, &*v.why]).collect();
        let java = ["java", "app", "Injected", "Instrumentation shop/demo@3"];
        assert_eq!(read, [java, ["python", "-", "UnsupportedPlatform", ""]]);
    }
}
