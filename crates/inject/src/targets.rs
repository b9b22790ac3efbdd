//! Which containers a language is to be injected into (spec 4).

use api::{Language, Settings, annotation};

use crate::{
    draft::{Draft, Place},
    facts::Namespace,
    pod::Metadata,
    request::effective,
    verdict::{Decline, Reason},
};

/// The container names that one language asks for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Names {
    /// In annotation order; empty items are kept, they match nothing.
    pub list: Vec<String>,
}

/// Reads the lists that count for a language: the common one, and in multi mode the language's own behind it (spec 4.3).
pub(crate) fn names(
    pod: &Metadata,
    namespace: &Namespace,
    language: Language,
    settings: &Settings,
) -> Result<Names, Decline> {
    let mut keys = vec![annotation::CONTAINER_NAMES];
    if settings.multi_instrumentation {
        keys.push(language.info().container_names);
    }
    let mut names = Names::default();
    for key in keys {
        let (value, _) = effective(pod, namespace, key);
        if value.is_empty() {
            continue;
        }
        if !value.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b',') {
            return Err(Decline {
                reason: Reason::InvalidContainerNames,
                message: format!(
                    "not valid characters included in the instrumentation container annotation {value}"
                ),
                fix: format!("write {key} as container names separated by commas, without blanks"),
            });
        }
        names.list.extend(value.split(',').map(str::to_owned));
    }
    Ok(names)
}

/// The rules over all languages of a pod in multi mode (spec 4.3, M4 and M5). `languages` are the requested and enabled ones.
pub(crate) fn check_consistency(languages: &[(Language, &Names)]) -> Result<(), Decline> {
    for (language, names) in languages {
        let mut duplicates: Vec<&str> = Vec::new();
        for (i, name) in names.list.iter().enumerate() {
            if !name.is_empty() && names.list[..i].contains(name) && !duplicates.contains(&name.as_str()) {
                duplicates.push(name);
            }
        }
        if !duplicates.is_empty() {
            duplicates.sort_unstable();
            return Err(Decline {
                reason: Reason::DuplicateContainerNames,
                message: format!("duplicated container names detected: [{}]", duplicates.join(" ")),
                fix: format!(
                    "name each container once for {language}: {} and {} are joined, not alternatives",
                    annotation::CONTAINER_NAMES,
                    language.info().container_names
                ),
            });
        }
    }
    let without: Vec<_> =
        languages.iter().filter(|(_, names)| names.list.is_empty()).map(|(l, _)| *l).collect();
    if languages.len() > 1 && !without.is_empty() {
        let keys: Vec<_> = without.iter().map(|l| l.info().container_names).collect();
        return Err(Decline {
            reason: Reason::ContainerNamesMissing,
            message: "incorrect instrumentation configuration - please provide container names for all instrumentations".to_owned(),
            fix: format!("say which containers: {}", keys.join(", ")),
        });
    }
    Ok(())
}

/// The containers behind the names: init containers first, in pod order, then regular ones in annotation order (spec 4.4);
/// and the names that match nothing.
pub(crate) fn resolve(names: &Names, draft: &Draft) -> (Vec<Place>, Vec<String>) {
    if names.list.is_empty() {
        return (vec![Place::Regular(0)], Vec::new());
    }
    let mut init = Vec::new();
    let mut regular = Vec::new();
    let mut unknown = Vec::new();
    for name in &names.list {
        match draft.find(name) {
            Some(Place::Init(i)) if !init.contains(&i) => init.push(i),
            Some(Place::Regular(i)) if !regular.contains(&i) => regular.push(i),
            Some(_) => {}
            None if name.is_empty() => {}
            None => unknown.push(name.clone()),
        }
    }
    init.sort_unstable();
    let places = init.into_iter().map(Place::Init).chain(regular.into_iter().map(Place::Regular)).collect();
    (places, unknown)
}
