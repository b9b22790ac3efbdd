//! Which object an event is about.

use std::time::Duration;

use inject::{OwnerLookup, OwnerReference};
use k8s_openapi::api::core::v1::{self, ObjectReference};
use kube::{Api, Client};

use super::Subject;
use crate::store::{NamespaceLookup, Store, lean::Lean};

/// A pod without owner appears a moment after its review. It is looked for this often, with these pauses.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(50),
    Duration::from_millis(200),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
];

/// The object: the workload that owns the pod, else the pod itself, else its Namespace. None when there is nothing any more.
pub(super) async fn find(client: &Client, store: &Store, subject: &Subject) -> Option<ObjectReference> {
    let Subject { namespace, owner, pod } = subject;
    match owner {
        Some(owner) => {
            let mut workload = owner.clone();
            if (owner.is_replica_set() || owner.is_job())
                && let OwnerLookup::Found(above) = store.owner(namespace, &owner.kind, &owner.name).await
                && let Some(above) = above.into_iter().find(|o| o.controller)
            {
                workload = above;
            }
            Some(reference(namespace, workload))
        }
        None if !pod.is_empty() => {
            let api = Api::<Lean<v1::Pod>>::namespaced(client.clone(), namespace);
            for pause in PAUSES {
                tokio::time::sleep(pause).await;
                if let Ok(Some(found)) = api.get_opt(pod).await {
                    let pod = OwnerReference {
                        api_version: "v1".to_owned(),
                        kind: "Pod".to_owned(),
                        name: pod.clone(),
                        uid: found.into_metadata().uid.unwrap_or_default(),
                        controller: false,
                    };
                    return Some(reference(namespace, pod));
                }
            }
            None
        }
        // Nobody owns it and it has no name yet. An event about a Namespace stands in namespace default.
        None => match store.namespace(namespace).await {
            NamespaceLookup::Found(_) => Some(ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Namespace".to_owned()),
                name: Some(namespace.clone()),
                ..ObjectReference::default()
            }),
            NamespaceLookup::Unreadable(_) => None,
        },
    }
}

fn reference(namespace: &str, owner: OwnerReference) -> ObjectReference {
    ObjectReference {
        api_version: Some(owner.api_version),
        kind: Some(owner.kind),
        name: Some(owner.name),
        namespace: Some(namespace.to_owned()),
        uid: Some(owner.uid).filter(|uid| !uid.is_empty()),
        ..ObjectReference::default()
    }
}
