//! The verdict as the pod carries it, in one annotation.
//!
//! Entries separated by `;`, each `<language>[/<container>]=<reason>[(<namespace>/<instrumentation>@<generation>)]`, injected
//! ones first. At most [`MAX_LENGTH`] bytes; what does not fit is counted: `;+3`.

use api::annotation::VERDICT;

use crate::{
    pod::Pod,
    verdict::{Reason, Verdict},
};

/// Longest value, in bytes.
pub const MAX_LENGTH: usize = 1024;

/// Most bytes that the keys and values of an object's annotations may have together.
const ALL_ANNOTATIONS: usize = 256 * 1024;

/// Whether the annotation fits beside those of the pod; the API server refuses a pod with too much of them.
pub(crate) fn has_room(pod: &Pod<'_>, text: &str) -> bool {
    let others = pod.metadata.annotations.iter().filter(|(key, _)| *key != VERDICT);
    let used: usize = others.map(|(key, value)| key.len() + value.len()).sum();
    used + VERDICT.len() + text.len() <= ALL_ANNOTATIONS
}

/// Writes the verdicts.
pub(crate) fn render(verdicts: &[Verdict]) -> String {
    let (injected, declined): (Vec<_>, Vec<_>) = verdicts.iter().partition(|v| v.reason == Reason::Injected);
    let mut entries: Vec<String> = Vec::new();
    for verdict in injected.into_iter().chain(declined) {
        let entry = entry(verdict);
        if !entries.contains(&entry) {
            entries.push(entry);
        }
    }
    let mut text = String::new();
    for (i, entry) in entries.iter().enumerate() {
        let left_out = format!(";+{}", entries.len() - i);
        if text.len() + 1 + entry.len() + left_out.len() > MAX_LENGTH {
            text.push_str(left_out.trim_start_matches(if text.is_empty() { ";" } else { "" }));
            break;
        }
        if i > 0 {
            text.push(';');
        }
        text.push_str(entry);
    }
    text
}

fn entry(verdict: &Verdict) -> String {
    let mut entry = verdict.subject();
    entry.push('=');
    entry.push_str(verdict.reason.code());
    if let (Reason::Injected, Some(source)) = (verdict.reason, &verdict.source) {
        entry.push_str(&format!("({source}@{})", source.generation));
    }
    entry
}

/// Whether an annotation of ours tells of an injected language.
pub fn has_injected(annotation: &str) -> bool {
    annotation
        .split(';')
        .filter_map(|entry| entry.split_once('='))
        .any(|(_, reason)| reason.split('(').next() == Some(Reason::Injected.code()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verdict::About;
    use api::Language;

    fn verdict(container: &str, reason: Reason) -> Verdict {
        Verdict {
            about: About::Language(Language::Java),
            container: Some(container.to_owned()),
            reason,
            message: String::new(),
            fix: String::new(),
            source: None,
            notes: Vec::new(),
        }
    }

    #[test]
    fn injected_entries_come_first() {
        let text = render(&[verdict("a", Reason::ContainerNotFound), verdict("b", Reason::Injected)]);
        assert_eq!(text, "java/b=Injected;java/a=ContainerNotFound");
        assert!(has_injected(&text));
        assert!(!has_injected("java/Injected=NameCollision"));
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let many: Vec<_> =
            (0..200).map(|i| verdict(&format!("container-{i}"), Reason::ContainerNotFound)).collect();
        let text = render(&many);
        assert!(text.len() <= MAX_LENGTH);
        let (_, rest) = text.rsplit_once(";+").unwrap();
        assert_eq!(text.matches("ContainerNotFound").count() + rest.parse::<usize>().unwrap(), 200);
    }
}
