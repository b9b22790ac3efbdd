//! What somebody is allowed, as questions to the API server and its answers.
//!
//! Validation is pure, so it cannot ask. It says which answers it lacks ([`Validated::reviews`](super::Validated::reviews)); the
//! caller asks (SubjectAccessReview), adds the answers, and validates again. Two rounds are enough: the first asks for the
//! ServiceAccount, the second for what it lacks, of the user.

use std::collections::{BTreeMap, BTreeSet};

use crate::rbac::Rule;

/// A question: may this user do that, in the whole cluster?
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Review {
    /// User name.
    pub user: String,
    /// The user's groups.
    pub groups: Vec<String>,
    /// What is asked.
    pub asked: Asked,
}

/// What a [`Review`] asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Asked {
    /// An API resource.
    Resource {
        /// API group, empty for the core group.
        group: String,
        /// Resource, with its subresource after a `/`.
        resource: String,
        /// Verb.
        verb: String,
    },
    /// A path of the API server that is no resource.
    Path {
        /// Path.
        path: String,
        /// Verb.
        verb: String,
    },
}

impl Asked {
    fn verb(&self) -> &str {
        match self {
            Asked::Resource { verb, .. } | Asked::Path { verb, .. } => verb,
        }
    }

    /// `group/resource`, `resource`, or `nonResourceURL: path`.
    fn subject(&self) -> String {
        match self {
            Asked::Resource { group, resource, .. } if group.is_empty() => resource.clone(),
            Asked::Resource { group, resource, .. } => format!("{group}/{resource}"),
            Asked::Path { path, .. } => format!("nonResourceURL: {path}"),
        }
    }
}

/// Answers so far. An error is why the API server could not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Access(pub BTreeMap<Review, Result<bool, String>>);

/// Answers, and what is still to be asked.
pub(super) struct Asking<'a> {
    answers: &'a Access,
    /// Questions without an answer, in order.
    pub(super) missing: Vec<Review>,
    seen: BTreeSet<Review>,
}

/// A user or ServiceAccount with its groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Subject {
    pub(super) name: String,
    pub(super) groups: Vec<String>,
}

impl Subject {
    /// A ServiceAccount, with the groups that the API server gives it.
    pub(super) fn account(namespace: &str, name: &str) -> Self {
        Subject {
            name: format!("system:serviceaccount:{namespace}:{name}"),
            groups: vec![
                "system:serviceaccounts".to_owned(),
                format!("system:serviceaccounts:{namespace}"),
                "system:authenticated".to_owned(),
            ],
        }
    }
}

impl<'a> Asking<'a> {
    pub(super) fn new(answers: &'a Access) -> Self {
        Asking { answers, missing: Vec::new(), seen: BTreeSet::new() }
    }

    /// Which of these the subject is denied. What is not known yet is asked for and counts as allowed.
    ///
    /// # Errors
    /// Why the API server could not say.
    pub(super) fn denied(&mut self, subject: &Subject, asked: &[Asked]) -> Result<Vec<Asked>, String> {
        let mut denied = Vec::new();
        for what in asked {
            let review =
                Review { user: subject.name.clone(), groups: subject.groups.clone(), asked: what.clone() };
            match self.answers.0.get(&review) {
                Some(Ok(true)) => {}
                Some(Ok(false)) => denied.push(what.clone()),
                Some(Err(error)) => return Err(error.clone()),
                None if self.seen.insert(review.clone()) => self.missing.push(review),
                None => {}
            }
        }
        Ok(denied)
    }
}

/// Every verb on every resource of these rules, each once.
pub(super) fn questions(rules: &[Rule]) -> Vec<Asked> {
    let mut seen = BTreeSet::new();
    let mut all = Vec::new();
    for rule in rules {
        for group in &rule.api_groups {
            for resource in &rule.resources {
                for verb in &rule.verbs {
                    let asked = Asked::Resource {
                        group: group.clone(),
                        resource: resource.clone(),
                        verb: verb.clone(),
                    };
                    if seen.insert(asked.clone()) {
                        all.push(asked);
                    }
                }
            }
        }
    }
    all
}

/// `missing the following rules for <name> - <resource>: [verb,verb]`, one for each resource, sorted.
pub(super) fn lines(name: &str, denied: &[Asked]) -> Vec<String> {
    let mut by_subject: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for asked in denied {
        by_subject.entry(asked.subject()).or_default().push(asked.verb());
    }
    by_subject
        .into_iter()
        .map(|(subject, verbs)| {
            format!("missing the following rules for {name} - {subject}: [{}]", verbs.join(","))
        })
        .collect()
}
