//! `deploy/NAME` and the like, as kubectl reads them.

use std::rc::Rc;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::cluster::{self, Cluster};

/// Names of a resource: singular, plural, short; then group with version, and kind.
const RESOURCES: [(&str, &str, &str, &str, &str); 9] = [
    ("pod", "pods", "po", "v1", "Pod"),
    ("deployment", "deployments", "deploy", "apps/v1", "Deployment"),
    ("statefulset", "statefulsets", "sts", "apps/v1", "StatefulSet"),
    ("daemonset", "daemonsets", "ds", "apps/v1", "DaemonSet"),
    ("replicaset", "replicasets", "rs", "apps/v1", "ReplicaSet"),
    ("job", "jobs", "jobs", "batch/v1", "Job"),
    ("cronjob", "cronjobs", "cj", "batch/v1", "CronJob"),
    ("replicationcontroller", "replicationcontrollers", "rc", "v1", "ReplicationController"),
    ("podtemplate", "podtemplates", "podtemplates", "v1", "PodTemplate"),
];

/// An object that the user named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target<'a> {
    /// Resource, as in paths.
    pub resource: &'static str,
    /// Group and version.
    pub api_version: &'static str,
    /// Kind.
    pub kind: &'static str,
    /// Name.
    pub name: &'a str,
}

/// Reads `deploy/NAME …` and `deploy NAME …`.
///
/// # Errors
///
/// When a resource is not known, or has no name.
pub(super) fn parse(arguments: &[String]) -> Result<Vec<Target<'_>>> {
    let Some(first) = arguments.first() else { return Ok(Vec::new()) };
    if first.contains('/') {
        return arguments
            .iter()
            .map(|argument| match argument.split_once('/') {
                Some((resource, name)) if !name.is_empty() => target(resource, name),
                _ => bail!("{argument:?} is no KIND/NAME, for example deploy/web"),
            })
            .collect();
    }
    let names = &arguments[1..];
    if names.is_empty() {
        bail!("{first:?}: name an object as KIND/NAME or KIND NAME, for example deploy/web");
    }
    names.iter().map(|name| target(first, name)).collect()
}

fn target<'a>(resource: &str, name: &'a str) -> Result<Target<'a>> {
    let wanted = resource.to_ascii_lowercase();
    let (plain, group) = wanted.split_once('.').unwrap_or((&wanted, ""));
    let found = RESOURCES.iter().find(|(singular, plural, short, api_version, _)| {
        let of_group = group.is_empty() || api_version.split('/').next() == group.split('.').next();
        [singular, plural, short].contains(&&plain) && of_group
    });
    let &(_, resource, _, api_version, kind) = found.with_context(|| {
        let known: Vec<_> = RESOURCES.iter().map(|r| r.0).collect();
        format!("{resource:?} is no kind that makes pods; known are {}; for others use -f", known.join(", "))
    })?;
    Ok(Target { resource, api_version, kind, name })
}

impl Target<'_> {
    /// The object; none when it does not exist.
    ///
    /// # Errors
    ///
    /// When the cluster cannot be asked.
    pub(super) fn get(&self, cluster: &Cluster, namespace: &str) -> Result<Option<Rc<Value>>> {
        let path = match self.api_version {
            "v1" => cluster::core(namespace, self.resource, self.name)?,
            group => cluster::grouped(group, namespace, self.resource, self.name)?,
        };
        cluster.get(&path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(arguments: &[&str]) -> Result<Vec<(String, String)>> {
        let arguments: Vec<String> = arguments.iter().map(|a| (*a).to_owned()).collect();
        Ok(parse(&arguments)?.iter().map(|t| (t.kind.to_owned(), t.name.to_owned())).collect())
    }

    #[test]
    fn names_are_those_of_kubectl() {
        let deployment = |name: &str| ("Deployment".to_owned(), name.to_owned());
        for resource in
            ["deploy", "deployment", "deployments", "Deployment", "deployments.apps", "deployment.apps"]
        {
            assert_eq!(kinds(&[&format!("{resource}/web")]).unwrap(), [deployment("web")]);
        }
        assert_eq!(kinds(&["deploy", "a", "b"]).unwrap(), [deployment("a"), deployment("b")]);
        assert_eq!(kinds(&["po/x", "cj/y"]).unwrap()[1].0, "CronJob");
    }

    #[test]
    fn what_makes_no_pods_is_an_error_that_names_it() {
        let error = |arguments: &[&str]| kinds(arguments).unwrap_err().to_string();
        assert!(error(&["svc/web"]).starts_with("\"svc\" is no kind that makes pods; known are pod,"));
        assert!(error(&["deployments.example/web"]).contains("no kind"));
        assert!(error(&["deploy"]).contains("KIND/NAME"));
        assert!(error(&["deploy/"]).contains("KIND/NAME"));
        assert!(error(&["deploy/a", "b"]).contains("\"b\" is no KIND/NAME"));
    }
}
