//! The pass at start that moves stored Instrumentations to the agent images of this release. It is repeated until
//! every object is done: the API server sends its changes through our own webhooks, which may not be reachable yet.

use std::{
    collections::{BTreeSet, HashSet},
    sync::Arc,
    time::Duration,
};

use api::{
    Settings,
    instrumentation::{GROUP, KIND, Upgrade, VERSION},
};
use json_patch::{PatchOperation, TestOperation, jsonptr::PointerBuf};
use kube::{
    Api, Client, Resource, ResourceExt,
    api::{ApiResource, DynamicObject, ListParams, Patch, PatchParams},
    core::GroupVersionKind,
    runtime::events::{Event, EventType, Recorder, Reporter},
};
use serde_json::Value;
use tracing::{info, warn};

/// Pauses between passes.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// Repeats the pass until all Instrumentations are done.
pub async fn until_done(client: Client, settings: Arc<Settings>, scope: BTreeSet<String>) {
    let reporter =
        Reporter { controller: "opentelemetry-operator".into(), instance: std::env::var("HOSTNAME").ok() };
    let pass = Pass {
        resource: ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk(GROUP, VERSION, KIND),
            api::instrumentation::PLURAL,
        ),
        recorder: Recorder::new(client.clone(), reporter),
        client,
        settings,
    };
    let mut reported = HashSet::new();
    let mut pause = FIRST_PAUSE;
    loop {
        match pass.run(&scope, &mut reported).await {
            Ok(0) => return info!(target: "instrumentation-upgrade", "all Instrumentations are up to date"),
            Ok(open) => {
                warn!(target: "instrumentation-upgrade", open, "some Instrumentations could not be upgraded, trying again")
            }
            // Without the definition there are no objects, and objects made later get the new images anyway.
            Err(kube::Error::Api(status)) if status.code == 404 => return,
            Err(e) => {
                warn!(target: "instrumentation-upgrade", "cannot list Instrumentations, trying again: {e}")
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

struct Pass {
    client: Client,
    resource: ApiResource,
    settings: Arc<Settings>,
    recorder: Recorder,
}

impl Pass {
    /// One pass; how many objects could not be done. `reported` holds the objects whose events were recorded.
    async fn run(
        &self,
        scope: &BTreeSet<String>,
        reported: &mut HashSet<String>,
    ) -> Result<usize, kube::Error> {
        let apis: Vec<Api<DynamicObject>> = if scope.is_empty() {
            vec![Api::all_with(self.client.clone(), &self.resource)]
        } else {
            scope.iter().map(|ns| Api::namespaced_with(self.client.clone(), ns, &self.resource)).collect()
        };
        let mut open = 0;
        for api in apis {
            for object in api.list(&ListParams::default()).await? {
                let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
                if let Err(e) = self.one(&object, reported).await {
                    warn!(target: "instrumentation-upgrade", namespace, name, "not upgraded: {e}");
                    open += 1;
                }
            }
        }
        Ok(open)
    }

    async fn one(&self, object: &DynamicObject, reported: &mut HashSet<String>) -> Result<(), kube::Error> {
        let raw = serde_json::to_value(object).map_err(kube::Error::SerdeError)?;
        let upgrade = api::instrumentation::upgrade(&raw, &self.settings);
        let (namespace, name) = (object.namespace().unwrap_or_default(), object.name_any());
        let api: Api<DynamicObject> = Api::namespaced_with(self.client.clone(), &namespace, &self.resource);
        if !upgrade.patch.is_empty() {
            let patch = Patch::<Value>::Json(json_patch::Patch(with_precondition(&upgrade, object)));
            api.patch(&name, &PatchParams::default(), &patch).await?;
            info!(target: "instrumentation-upgrade", namespace, name, "moved to the agent images of this release");
        }
        if let Some(status) = upgrade.status_merge_patch(&raw) {
            api.patch_status(&name, &PatchParams::default(), &Patch::Merge(status)).await?;
        }
        if !upgrade.events.is_empty() && reported.insert(format!("{namespace}/{name}")) {
            for event in &upgrade.events {
                warn!(target: "instrumentation-upgrade", namespace, name, reason = event.reason, "{}", event.note);
                let event = Event {
                    type_: if event.kind == "Warning" { EventType::Warning } else { EventType::Normal },
                    reason: event.reason.to_owned(),
                    note: Some(event.note.clone()),
                    action: event.action.clone(),
                    secondary: None,
                };
                self.recorder.publish(&event, &object.object_ref(&self.resource)).await?;
            }
        }
        Ok(())
    }
}

/// The patch, refused by the API server when the object has changed since it was read.
fn with_precondition(upgrade: &Upgrade, object: &DynamicObject) -> Vec<PatchOperation> {
    let version = object.resource_version().unwrap_or_default();
    let path = PointerBuf::from_tokens(["metadata", "resourceVersion"]);
    let test = PatchOperation::Test(TestOperation { path, value: version.into() });
    std::iter::once(test).chain(upgrade.patch.iter().cloned()).collect()
}
