//! What the pod's owners say about it (spec 5.5.1).

use std::collections::BTreeMap;

use crate::{
    facts::{Facts, OwnerLookup},
    pod::{OwnerReference, Pod},
};

/// What is known of the pod's owners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Owners {
    /// Resource attributes `k8s.<kind>.name` and, when asked for, `k8s.<kind>.uid`.
    pub attributes: BTreeMap<String, String>,
    /// Name of the workload behind a ReplicaSet when it is not a Deployment: an unknown controller of a known ReplicaSet (W24),
    /// or the ReplicaSet's name without the pod template's hash when the ReplicaSet cannot be looked up (W22).
    pub workload: Option<String>,
}

/// Label with the hash that a ReplicaSet's name ends in,
/// <https://kubernetes.io/docs/concepts/workloads/controllers/deployment/#pod-template-hash-label>.
const POD_TEMPLATE_HASH: &str = "pod-template-hash";

/// Kinds whose names become attributes, with their API group. A kind of the same name in another group is not one of them (W24).
const KINDS: [(&str, &str, &str); 6] = [
    ("apps", "ReplicaSet", "replicaset"),
    ("apps", "Deployment", "deployment"),
    ("apps", "StatefulSet", "statefulset"),
    ("apps", "DaemonSet", "daemonset"),
    ("batch", "Job", "job"),
    ("batch", "CronJob", "cronjob"),
];

/// Walks the owner references of the pod and of its ReplicaSet or Job.
pub(crate) fn owners(pod: &Pod<'_>, facts: &Facts, with_uids: bool) -> Owners {
    let mut owners = Owners::default();
    for owner in &pod.metadata.owner_references {
        owners.add(owner, with_uids);
        if !owner.is_replica_set() && !owner.is_job() {
            continue;
        }
        match facts.owners.get(&(owner.kind.clone(), owner.name.clone())) {
            Some(OwnerLookup::Found(references)) => {
                for reference in references {
                    let known = owners.add(reference, with_uids);
                    if !known && owner.is_replica_set() && reference.controller && owners.workload.is_none() {
                        owners.workload = Some(reference.name.clone());
                    }
                }
            }
            Some(OwnerLookup::Missing) | None if owner.is_replica_set() => {
                owners.workload = without_template_hash(owner, &pod.metadata.labels).map(str::to_owned);
            }
            Some(OwnerLookup::Missing) | None => {}
        }
    }
    owners
}

/// The name of a ReplicaSet without the hash of its pods' template, which the pods carry as a label.
pub(crate) fn without_template_hash<'a>(
    owner: &'a OwnerReference,
    labels: &BTreeMap<String, String>,
) -> Option<&'a str> {
    let hash = labels.get(POD_TEMPLATE_HASH).filter(|_| owner.is_replica_set())?;
    owner.name.strip_suffix(&format!("-{hash}")).filter(|name| !name.is_empty())
}

impl Owners {
    /// Adds the attributes of one owner; whether its kind is known.
    fn add(&mut self, owner: &OwnerReference, with_uids: bool) -> bool {
        let Some((.., key)) =
            KINDS.iter().find(|(group, kind, _)| owner.group() == *group && owner.kind == *kind)
        else {
            return false;
        };
        self.attributes.insert(format!("k8s.{key}.name"), owner.name.clone());
        if with_uids {
            self.attributes.insert(format!("k8s.{key}.uid"), owner.uid.clone());
        }
        true
    }
}
