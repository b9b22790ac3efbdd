//! The verdict as the pod carries it, in one annotation.
//!
//! Entries separated by `;`, each `<language>[/<container>]=<reason>[(<namespace>/<instrumentation>@<generation>[,<agent>])]`,
//! injected ones first. Generation and version of the agent tell later whether the pod is outdated. `sidecar` stands for a
//! language in the entry about the collector in a container of its own. At most [`MAX_LENGTH`] bytes; what does not fit is
//! counted: `;+3`.

use api::{Instrumentation, Language, annotation::VERDICT};

use crate::{
    image,
    pod::Pod,
    verdict::{About, Reason, SIDECAR, Source, Verdict},
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

/// Writes the verdicts. About what was injected before there is no news: the entries of the `existing` annotation stay.
pub(crate) fn render(sidecar: &[Verdict], languages: &[Verdict], existing: &str) -> String {
    let news = |verdicts: &[Verdict]| verdicts.iter().any(|v| v.reason != Reason::AlreadyInjected);
    let (of_sidecar, of_languages): (Vec<_>, Vec<_>) =
        existing.split(';').filter(|entry| entry.contains('=')).partition(|entry| is_about_sidecar(entry));
    let mut entries: Vec<String> = Vec::new();
    for (verdicts, before) in [(sidecar, of_sidecar), (languages, of_languages)] {
        // Who injected a pod without a verdict left nothing to keep.
        let these: Vec<String> = match news(verdicts) || before.is_empty() {
            true => verdicts.iter().map(entry).collect(),
            false => before.into_iter().map(str::to_owned).collect(),
        };
        for entry in these {
            if !entries.contains(&entry) {
                entries.push(entry);
            }
        }
    }
    // The sort is stable.
    entries.sort_by_key(|entry| !tells_injected(entry));
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
    if let Some(source) = &verdict.source {
        entry.push_str(&format!("({source}@{}", source.generation));
        if verdict.reason == Reason::Injected && !source.agent.is_empty() {
            entry.push(',');
            entry.push_str(&source.agent);
        }
        entry.push(')');
    }
    entry
}

/// Most characters of a digest that are kept.
const DIGEST: usize = 12;

/// The version of a language's agent, as the annotation carries it: the tag of its image, or the beginning of its digest.
/// Empty when the image names neither, and for languages without agent.
pub fn agent_version(instrumentation: &Instrumentation, language: Language) -> String {
    let Some(agent) = instrumentation.spec.agent(language) else { return String::new() };
    let version = image::version(agent.image()).unwrap_or_default();
    match version.split_once('@').map_or(version.as_str(), |(_, digest)| digest).split_once(':') {
        Some((algorithm, hex)) => format!("{algorithm}:{}", hex.get(..DIGEST).unwrap_or(hex)),
        None => version,
    }
}

/// One entry of the annotation, read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The language or the sidecar.
    pub about: About,
    /// The container; none when the language was declined before containers were looked at.
    pub container: Option<&'a str>,
    /// The reason code.
    pub reason: Reason,
    /// The object that was chosen.
    pub source: Option<Source>,
}

/// Reads the annotation back. What is not understood, because a user or another release wrote it, is left out.
pub fn parse(annotation: &str) -> impl Iterator<Item = Entry<'_>> {
    annotation.split(';').filter_map(|entry| {
        let (subject, verdict) = entry.split_once('=')?;
        let (code, source) = verdict.split_once('(').unwrap_or((verdict, ""));
        let (about, container) = match subject.split_once('/') {
            Some((about, container)) => (about, Some(container)),
            None => (subject, None),
        };
        let about = About::from_id(about)?;
        Some(Entry { about, container, reason: Reason::from_code(code)?, source: parse_source(source) })
    })
}

/// Whether the annotation had no room for all entries.
pub fn is_cut(annotation: &str) -> bool {
    annotation.rsplit(';').next().is_some_and(|last| last.starts_with('+'))
}

fn parse_source(text: &str) -> Option<Source> {
    let text = text.strip_suffix(')')?;
    let (text, agent) = text.split_once(',').unwrap_or((text, ""));
    let (object, generation) = text.rsplit_once('@')?;
    let (namespace, name) = object.split_once('/').unwrap_or(("", object));
    Some(Source {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
        generation: generation.parse().ok()?,
        agent: agent.to_owned(),
    })
}

/// Whether an annotation of ours tells of an injected language.
pub fn has_injected(annotation: &str) -> bool {
    annotation.split(';').any(|entry| tells_injected(entry) && !is_about_sidecar(entry))
}

/// The collector, namespace and name, of which an annotation of ours says that it was injected as a sidecar.
pub fn injected_sidecar(annotation: &str) -> Option<(&str, &str)> {
    let entry = annotation.split(';').find(|entry| tells_injected(entry) && is_about_sidecar(entry))?;
    let (_, source) = entry.split_once('(')?;
    source.split('@').next()?.split_once('/')
}

fn tells_injected(entry: &str) -> bool {
    entry.split_once('=').is_some_and(|(_, reason)| reason.split('(').next() == Some(Reason::Injected.code()))
}

fn is_about_sidecar(entry: &str) -> bool {
    entry.split(['/', '=']).next() == Some(SIDECAR)
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
        let text =
            render(&[], &[verdict("a", Reason::ContainerNotFound), verdict("b", Reason::Injected)], "");
        assert_eq!(text, "java/b=Injected;java/a=ContainerNotFound");
        assert!(has_injected(&text));
        assert!(!has_injected("java/Injected=NameCollision"));
    }

    #[test]
    fn what_was_written_is_read_back() {
        let source = Source {
            namespace: "shop".to_owned(),
            name: "inst".to_owned(),
            generation: 3,
            agent: "2.30.0".to_owned(),
        };
        let told = [
            Verdict { source: Some(source.clone()), ..verdict("app", Reason::Injected) },
            Verdict { about: About::Pod, container: None, ..verdict("", Reason::UnknownLanguage) },
            Verdict { container: None, ..verdict("", Reason::NoInstrumentation) },
        ];
        let text = render(&[], &told, "");
        assert_eq!(text, "java/app=Injected(shop/inst@3,2.30.0);pod=UnknownLanguage;java=NoInstrumentation");
        let read: Vec<_> = parse(&text).collect();
        assert_eq!(read.len(), 3);
        assert_eq!(read[0].source, Some(source));
        assert_eq!(read[0].container, Some("app"));
        assert_eq!((read[1].about, read[1].reason), (About::Pod, Reason::UnknownLanguage));
        assert_eq!((read[2].about, read[2].container), (About::Language(Language::Java), None));
        assert!(!is_cut(&text) && is_cut("java/a=ContainerNotFound;+3"));
    }

    #[test]
    fn what_somebody_else_wrote_is_left_out() {
        for text in
            ["", ";;", "java", "java=", "java=Odd", "cobol/app=Injected", "java/app=Injected(", "=;=("]
        {
            assert!(parse(text).all(|entry| entry.source.is_none()), "{text}");
        }
        assert_eq!(parse("java/app=Injected(a/b@x);python=PodSecurity").count(), 2);
    }

    #[test]
    fn the_agent_is_known_by_its_tag_or_digest() {
        let version = |image: &str| {
            let mut instrumentation = Instrumentation::default();
            image.clone_into(&mut instrumentation.spec.java.image);
            agent_version(&instrumentation, Language::Java)
        };
        assert_eq!(version("registry.example/java:2.30.0"), "2.30.0");
        let digest = format!("java:2.30.0@sha256:{}", "0123456789abcdef".repeat(4));
        assert_eq!(version(&digest), "sha256:0123456789ab");
        assert_eq!(version("java"), "");
        assert_eq!(agent_version(&Instrumentation::default(), Language::Sdk), "");
    }

    #[test]
    fn what_was_injected_before_keeps_its_entry() {
        let sidecar = Verdict { about: About::Sidecar, ..verdict("otc-container", Reason::Injected) };
        let java = verdict("app", Reason::AlreadyInjected);
        let before = "java/app=Injected(shop/inst@3);java/web=ContainerNotFound";
        assert_eq!(
            render(std::slice::from_ref(&sidecar), &[java], before),
            "sidecar/otc-container=Injected;java/app=Injected(shop/inst@3);java/web=ContainerNotFound"
        );
        let there = Verdict { reason: Reason::AlreadyInjected, ..sidecar };
        assert_eq!(
            render(&[there], &[verdict("app", Reason::Injected)], "sidecar/otc-container=Injected(obs/c@1)"),
            "sidecar/otc-container=Injected(obs/c@1);java/app=Injected"
        );
    }

    #[test]
    fn a_sidecar_is_no_injected_language() {
        let text = "sidecar/otc-container=Injected(obs/c@1);java=NoInstrumentation";
        assert!(!has_injected(text));
        assert_eq!(injected_sidecar(text), Some(("obs", "c")));
        assert_eq!(injected_sidecar("java/app=Injected(obs/c@1)"), None);
    }

    #[test]
    fn what_does_not_fit_is_counted() {
        let many: Vec<_> =
            (0..200).map(|i| verdict(&format!("container-{i}"), Reason::ContainerNotFound)).collect();
        let text = render(&[], &many, "");
        assert!(text.len() <= MAX_LENGTH);
        let (_, rest) = text.rsplit_once(";+").unwrap();
        assert_eq!(text.matches("ContainerNotFound").count() + rest.parse::<usize>().unwrap(), 200);
    }
}
