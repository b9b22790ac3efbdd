//! Nobody gets rights through a collector that they do not have (collector.md 17.3).

use serde_json::Value;

use super::{
    Settings,
    access::{Asking, Subject, lines, questions},
    read::text,
};
use crate::{config::Config, name, rbac};

/// Who sent the request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Requester {
    /// User name.
    pub user: String,
    /// Groups.
    pub groups: Vec<String>,
}

/// The ServiceAccount that the collector runs as.
fn account(raw: &Value) -> Subject {
    let given = text(raw, &["spec", "serviceAccount"]);
    let own = name::collector(text(raw, &["metadata", "name"]));
    Subject::account(text(raw, &["metadata", "namespace"]), if given.is_empty() { &own } else { given })
}

/// Why the object is refused: its rules would give the collector rights that its author lacks.
pub(super) fn refusal(
    raw: &Value,
    config: &Config<'_>,
    requester: Option<&Requester>,
    settings: &Settings,
    asking: &mut Asking<'_>,
) -> Option<String> {
    let requester = requester.filter(|_| settings.available.cluster_roles)?;
    let rules = match rbac::rules(config) {
        Ok(rules) => rules,
        Err(problem) => {
            return Some(format!(
                "unable to determine RBAC rules for collector config: {}; {}",
                problem.message, problem.fix
            ));
        }
    };
    let missing = match asking.denied(&account(raw), &questions(&rules)) {
        Ok(missing) => missing,
        Err(error) => {
            return Some(format!("unable to check existing SA RBAC permissions: {error}; try again"));
        }
    };
    let user = Subject { name: requester.user.clone(), groups: requester.groups.clone() };
    match asking.denied(&user, &missing) {
        Ok(denied) if denied.is_empty() => None,
        Ok(denied) => Some(format!(
            "user \"{}\" is not allowed to create a collector whose config would grant permissions they do not hold: {}; have \
             somebody who holds them create the collector or grant them to its ServiceAccount",
            user.name,
            lines(&user.name, &denied).join("; ")
        )),
        Err(error) => Some(format!(
            "unable to check RBAC privilege escalation for user \"{}\": {error}; try again",
            user.name
        )),
    }
}

/// What an account of the user's own lacks, where the operator may not grant it: one warning for each resource, since a warning
/// cannot hold several lines.
pub(super) fn warnings(
    raw: &Value,
    config: &Config<'_>,
    settings: &Settings,
    asking: &mut Asking<'_>,
) -> Vec<String> {
    let given = text(raw, &["spec", "serviceAccount"]);
    if settings.available.cluster_roles || given.is_empty() {
        return Vec::new();
    }
    let Ok(rules) = rbac::rules(config) else { return Vec::new() };
    let account = account(raw);
    match asking.denied(&account, &questions(&rules)) {
        Ok(denied) => {
            let fix = "bind a ClusterRole with it to the account";
            let lines = lines(&account.name, &denied).into_iter();
            lines.map(|line| format!("RBAC rules are missing: {line}; {fix}")).collect()
        }
        Err(error) => vec![format!(
            "error checking RBAC rules for serviceAccount {given}: unable to check rbac rules: {error}; try again"
        )],
    }
}
