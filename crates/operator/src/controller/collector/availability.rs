//! Which optional APIs the cluster has, and what the operator may do. Custom resource definitions are watched, so that one
//! that is installed later is noticed without a restart.

use std::{collections::BTreeSet, time::Duration};

use collector::Available;
use futures::{StreamExt, pin_mut};
use k8s_openapi::{
    api::authorization::v1::{ResourceAttributes, SelfSubjectAccessReview, SelfSubjectAccessReviewSpec},
    apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition,
};
use kube::{
    Api, Client,
    api::PostParams,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio::sync::watch;
use tracing::{info, warn};

use crate::store::lean::Lean;

/// Pause between attempts to find out.
const RETRY: Duration = Duration::from_secs(2);

/// Keeps `available` true for as long as the process runs. It is none until the first look is done.
pub async fn follow(client: Client, available: watch::Sender<Option<Available>>) {
    let cluster_roles = may_manage_cluster_roles(&client).await;
    let routes = has_routes(&client).await;
    let update = |names: &BTreeSet<String>| {
        let has = |name: &str| names.contains(name);
        let now = Available {
            monitors: has("servicemonitors.monitoring.coreos.com")
                && has("podmonitors.monitoring.coreos.com"),
            gateway: has("httproutes.gateway.networking.k8s.io"),
            routes: routes || has("routes.route.openshift.io"),
            cluster_roles,
        };
        available.send_if_modified(|known| {
            let changed = known.as_ref() != Some(&now);
            if changed {
                info!(target: "setup", monitors = now.monitors, gateway = now.gateway, routes = now.routes,
                    cluster_roles = now.cluster_roles, "what the cluster offers");
                *known = Some(now);
            }
            changed
        });
    };
    let definitions = Api::<Lean<CustomResourceDefinition>>::all(client);
    let events = watcher::watcher(definitions, watcher::Config::default()).default_backoff();
    pin_mut!(events);
    let mut names = BTreeSet::new();
    let mut listing = false;
    while let Some(event) = events.next().await {
        let name =
            |definition: Lean<CustomResourceDefinition>| definition.into_metadata().name.unwrap_or_default();
        match event {
            Ok(Event::Init) => {
                names.clear();
                listing = true;
            }
            Ok(Event::InitApply(definition) | Event::Apply(definition)) => {
                names.insert(name(definition));
            }
            Ok(Event::Delete(definition)) => {
                names.remove(&name(definition));
            }
            Ok(Event::InitDone) => listing = false,
            // Without this knowledge collectors get what every cluster has.
            Err(error) => {
                if available.borrow().is_none() {
                    warn!(target: "setup", "cannot list custom resource definitions: {error}");
                    update(&names);
                }
                continue;
            }
        }
        if !listing {
            update(&names);
        }
    }
}

/// Whether ClusterRoles and ClusterRoleBindings may be managed (collector.md 17.1).
async fn may_manage_cluster_roles(client: &Client) -> bool {
    let reviews = Api::<SelfSubjectAccessReview>::all(client.clone());
    for resource in ["clusterroles", "clusterrolebindings"] {
        for verb in ["create", "delete", "get", "list", "patch", "watch"] {
            let attributes = ResourceAttributes {
                group: Some("rbac.authorization.k8s.io".to_owned()),
                resource: Some(resource.to_owned()),
                verb: Some(verb.to_owned()),
                ..ResourceAttributes::default()
            };
            let review = SelfSubjectAccessReview {
                spec: SelfSubjectAccessReviewSpec {
                    resource_attributes: Some(attributes),
                    ..Default::default()
                },
                ..SelfSubjectAccessReview::default()
            };
            if !is_allowed(&reviews, &review).await {
                return false;
            }
        }
    }
    true
}

/// Asks until there is an answer: taking silence for a no would take the roles of all collectors away.
async fn is_allowed(reviews: &Api<SelfSubjectAccessReview>, review: &SelfSubjectAccessReview) -> bool {
    loop {
        match reviews.create(&PostParams::default(), review).await {
            Ok(answer) => return answer.status.is_some_and(|status| status.allowed),
            Err(kube::Error::Api(status)) if status.code == 403 => return false,
            Err(error) => {
                warn!(target: "setup", "cannot find out whether cluster roles may be managed, trying again: {error}");
                tokio::time::sleep(RETRY).await;
            }
        }
    }
}

/// On OpenShift Routes are served by an aggregated API server, not by a definition.
async fn has_routes(client: &Client) -> bool {
    match client.list_api_groups().await {
        Ok(groups) => groups.groups.iter().any(|g| g.name == "route.openshift.io"),
        Err(_) => false,
    }
}
