//! Every verb on every resource of the roles is used, none is given twice, and nothing else is asked for.

use std::{collections::BTreeSet, time::Duration};

use anyhow::Result;
use operator::manifest::{self, Options};
use serde_json::Value;

use crate::{
    audit::{self, Request},
    collectors, pods,
    process::World,
};

/// Rights that no request shows, and why they are needed.
const NOT_IN_REQUESTS: &[(&str, &str, &str)] = &[
    // Asked by the admission plugin OwnerReferencesPermissionEnforcement, which is on here: without it every child is refused.
    ("update", "opentelemetry.io", "opentelemetrycollectors/finalizers"),
    // Asked by OpenShift's API server about Routes with a host, when they are made and when the host changes.
    ("create", "route.openshift.io", "routes/custom-host"),
    ("update", "route.openshift.io", "routes/custom-host"),
];

/// What everybody may ask: what they are allowed themselves.
const FOR_EVERYBODY: &str = "selfsubjectaccessreviews";

/// One verb on one resource.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Grant {
    verb: String,
    group: String,
    resource: String,
    /// None: all names.
    name: Option<String>,
    /// None: in the whole cluster.
    namespace: Option<String>,
    role: String,
}

impl Grant {
    fn allows(&self, request: &Request) -> bool {
        (&self.verb, &self.group, &self.resource) == (&request.verb, &request.group, &request.resource)
            && self.name.as_ref().is_none_or(|name| *name == request.name)
            && self.namespace.as_ref().is_none_or(|namespace| *namespace == request.namespace)
    }

    /// Whether `other` gives nothing beyond this.
    fn covers(&self, other: &Grant) -> bool {
        (&self.verb, &self.group, &self.resource) == (&other.verb, &other.group, &other.resource)
            && (self.name.is_none() || self.name == other.name)
            && (self.namespace.is_none() || self.namespace == other.namespace)
    }

    fn is_never_in_requests(&self) -> bool {
        NOT_IN_REQUESTS.contains(&(self.verb.as_str(), self.group.as_str(), self.resource.as_str()))
    }
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The rights by which the process works. Those that it only holds to hand them out are left out: `tests/installation.rs` compares them
/// with what collectors are given. So what is only allowed by one of them counts as missing.
fn grants() -> Vec<Grant> {
    let objects = manifest::all(&Options { create_rbac_permissions: true, ..Options::default() });
    let bound = |role: &&Value| {
        objects.iter().any(|binding| {
            binding["roleRef"]["kind"] == role["kind"]
                && binding["roleRef"]["name"] == role["metadata"]["name"]
        })
    };
    let mut grants = Vec::new();
    for role in objects.iter().filter(bound) {
        let name = role["metadata"]["name"].as_str().unwrap_or_default();
        for rule in role["rules"].as_array().into_iter().flatten() {
            let names = match texts(&rule["resourceNames"]) {
                names if names.is_empty() => vec![None],
                names => names.into_iter().map(Some).collect(),
            };
            for group in texts(&rule["apiGroups"]) {
                if name.contains("grant") && group != "rbac.authorization.k8s.io" {
                    continue;
                }
                for resource in texts(&rule["resources"]) {
                    for verb in texts(&rule["verbs"]) {
                        grants.extend(names.iter().map(|name| Grant {
                            verb: verb.clone(),
                            group: group.clone(),
                            resource: resource.clone(),
                            name: name.clone(),
                            namespace: role["metadata"]["namespace"].as_str().map(str::to_owned),
                            role: format!("{} {}", role["kind"], role["metadata"]["name"]),
                        }));
                    }
                }
            }
        }
    }
    grants
}

#[test]
fn no_right_is_given_twice() {
    let grants = grants();
    assert!(grants.len() > 100, "{}", grants.len());
    let twice: Vec<_> = grants
        .iter()
        .enumerate()
        .flat_map(|(i, grant)| {
            let others = grants.iter().enumerate().filter(move |(j, _)| i != *j);
            others
                .filter(move |(_, other)| grant.covers(other))
                .map(move |(_, other)| format!("{other:?}, by {grant:?}"))
        })
        .collect();
    assert!(twice.is_empty(), "given already: {twice:#?}");
}

/// What no request has used.
fn superfluous<'a>(grants: &'a [Grant], requests: &[Request]) -> BTreeSet<&'a Grant> {
    let rights: Vec<Request> = requests.iter().flat_map(Request::rights).collect();
    let unused = |grant: &&Grant| !rights.iter().any(|right| grant.allows(right));
    grants.iter().filter(unused).filter(|grant| !grant.is_never_in_requests()).collect()
}

/// What was refused, or was only allowed by something else.
fn missing(grants: &[Grant], requests: &[Request]) -> BTreeSet<Request> {
    let rights = requests.iter().filter(|r| r.resource != FOR_EVERYBODY).flat_map(Request::rights);
    rights.filter(|right| right.code == 403 || !grants.iter().any(|grant| grant.allows(right))).collect()
}

#[tokio::test]
async fn every_right_of_the_table_is_used_and_none_is_missing() -> Result<()> {
    let world = World::start().await?;
    world.leads_rotates_and_is_scraped().await?;
    pods::all(&world).await?;
    collectors::all(&world).await?;
    let grants = grants();
    // The audit log is written a moment after the answer, repeated events some seconds after the pods.
    let requests = async || {
        let requests = audit::of_the_process(&world.cluster)?;
        let superfluous = superfluous(&grants, &requests);
        anyhow::ensure!(superfluous.is_empty(), "{superfluous:#?}");
        Ok(Some(()))
    };
    let waited = testkit::wait_for("every right to be used", Duration::from_secs(30), requests).await;
    let requests = audit::of_the_process(&world.cluster)?;
    let (superfluous, missing) = (superfluous(&grants, &requests), missing(&grants, &requests));
    println!("{} rights, {} requests", grants.len(), requests.len());
    assert!(
        waited.is_ok() && missing.is_empty(),
        "rights that nothing used: {superfluous:#?}\nrights that are missing: {missing:#?}"
    );
    assert!(!world.operator.log().contains("forbidden"), "{}", world.operator.log());
    // A binding is only sent when its role is there.
    let not_found: Vec<_> = requests
        .iter()
        .filter(|r| (r.verb.as_str(), r.resource.as_str(), r.code) == ("patch", "clusterrolebindings", 404))
        .collect();
    assert!(not_found.is_empty(), "{not_found:#?}");
    Ok(())
}
