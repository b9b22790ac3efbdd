//! One pass over one collector: dereference → upgrade → build → apply → prune → status.

use std::{sync::Arc, time::Duration};

use api::collector::v1beta1::{ManagementState, Mode, OpenTelemetryCollector};
use collector::{
    Available, Child, ExistingWorkload, Given, Namespace, Pods, Settings, status::Outcome, upgrade::Note,
};
use futures::future::join_all;
use k8s_openapi::api::core::v1;
use kube::{
    Api, Client,
    api::{Patch, PatchParams},
    runtime::events::Recorder,
};
use semver::Version;
use serde_json::{Value, json};
use tokio::sync::watch;
use tracing::{debug, info};

use super::{
    apply::{Applier, MANAGER, key},
    children::{Children, Key, Stored},
    finalizer, prune, report, upgrade,
};

/// What a pass needs beside the collector.
pub struct Context {
    /// The client.
    pub client: Client,
    /// What there is.
    pub children: Arc<Children>,
    /// The operator's settings in force.
    pub settings: watch::Receiver<Arc<Settings>>,
    /// Where events go.
    pub recorder: Recorder,
    /// Version of the collectors that this operator makes.
    pub version: Version,
}

/// No single pass takes longer; the next one begins anew.
pub const LONGEST_PASS: Duration = Duration::from_secs(60);
/// Another attempt after somebody else has changed the collector meanwhile; the watch is usually sooner.
const STALE: Duration = Duration::from_millis(200);

/// How a pass ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// All is well.
    Done,
    /// The collector is to be looked at again after this time, unless something happens before.
    Again(Duration),
    /// Worth another attempt.
    Failed(String),
    /// Only the user can mend it, and has been told.
    Stuck(String),
}

/// Why a pass ended early.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The collector is not the one that was looked at any more.
    Stale(String),
    /// Worth another attempt.
    Failed(String),
    /// Only the user can mend it.
    Refused { reason: &'static str, message: String },
    /// The collector cannot be upgraded, which only the user can mend.
    Upgrade { error: String, notes: Vec<Note> },
}

impl Trouble {
    /// What the API server said.
    pub(super) fn of(what: &str, error: kube::Error) -> Trouble {
        let message = format!("{what}: {error}");
        match error {
            // A failed test of a JSON patch is a 422 with this message; what is wrong with the object is said in other words.
            kube::Error::Api(status)
                if status.code == 409
                    || status.code == 422 && status.message.contains("error in our request") =>
            {
                Trouble::Stale(message)
            }
            _ => Trouble::Failed(message),
        }
    }

    /// Tells the user.
    async fn report(self, context: &Context, collector: &OpenTelemetryCollector) -> End {
        let (outcome, notes, end) = match self {
            Trouble::Stale(message) => {
                debug!(target: "controllers.OpenTelemetryCollector", "{message}");
                return End::Again(STALE);
            }
            Trouble::Failed(message) => (report::failed(message.clone()), Vec::new(), End::Failed(message)),
            Trouble::Refused { reason, message } => {
                let outcome = Outcome::Failed { reason: reason.to_owned(), message: message.clone() };
                (outcome, Vec::new(), End::Stuck(message))
            }
            Trouble::Upgrade { error, notes } => (report::failed(error.clone()), notes, End::Stuck(error)),
        };
        match report::status(context, collector, &outcome, None, None).await {
            Err(error) => End::Failed(error),
            Ok(news) => {
                if news && notes.is_empty() {
                    report::outcome(context, collector, &outcome).await;
                } else if news {
                    upgrade::tell(context, collector, &notes).await;
                }
                end
            }
        }
    }
}

/// Brings a collector about.
pub async fn reconcile(context: &Context, raw: &Value, available: &Available) -> End {
    let (collector, result) = match serde_json::from_value::<OpenTelemetryCollector>(raw.clone()) {
        Ok(collector) => {
            let result = look(context, raw, &collector, available).await;
            (collector, result)
        }
        Err(error) => report::unreadable(raw, &error),
    };
    match result {
        Ok(end) => end,
        Err(trouble) => trouble.report(context, &collector).await,
    }
}

async fn look(
    context: &Context,
    raw: &Value,
    collector: &OpenTelemetryCollector,
    available: &Available,
) -> Result<End, Trouble> {
    if collector.metadata.deletion_timestamp.is_some() {
        return finalizer::clean_up(context, collector, available).await.map(|()| End::Done);
    }
    if collector.spec.management_state == ManagementState::Unmanaged {
        return Ok(End::Done);
    }
    let upgrade = collector::upgrade::upgrade(raw, &context.version);
    if !upgrade.is_unchanged() {
        upgrade::apply(context, raw, collector, upgrade).await?;
        return Ok(End::Done);
    }
    finalizer::keep(context, collector, available).await?;

    let (mut children, warnings) = build(context, collector, available).await?;
    for warning in warnings {
        debug!(target: "controllers.OpenTelemetryCollector", namespace = collector.metadata.namespace,
            name = collector.metadata.name, "{warning}");
    }
    own(collector, &mut children);
    let mut errors = apply(context, collector, &children).await;
    if errors.is_empty() {
        errors = prune::prune(context, collector, &children, available).await;
    } else {
        errors =
            vec![format!("failed to create objects for {}: {}", collector.metadata.name, errors.join("; "))];
    }
    let workload = children.iter().find(|c| c.is_workload()).and_then(|c| context.children.get(&key(c)));
    let workload = workload.map(|w| w.value());
    let outcome = match errors.is_empty() {
        true => Outcome::Reconciled,
        false => report::failed(errors.join("; ")),
    };
    if let (Outcome::Reconciled, Some(workload)) = (&outcome, &workload)
        && let Some(pause) = report::too_early(collector, workload)
    {
        return Ok(End::Again(pause));
    }
    let selector = workload.as_ref().map(|w| ExistingWorkload::read(w, MANAGER).selector);
    match report::status(context, collector, &outcome, selector.as_ref(), workload.as_ref()).await {
        Err(error) => Ok(End::Failed(error)),
        Ok(news) => {
            if news {
                report::outcome(context, collector, &outcome).await;
            }
            Ok(if errors.is_empty() { End::Done } else { End::Failed(errors.join("; ")) })
        }
    }
}

/// What should be there.
async fn build(
    context: &Context,
    collector: &OpenTelemetryCollector,
    available: &Available,
) -> Result<(Vec<Child>, Vec<collector::Warning>), Trouble> {
    let live = workload(context, collector).map(|(_, stored)| stored.value());
    let existing = live.as_ref().map(|live| ExistingWorkload::read(live, MANAGER));
    let namespace = namespace(context, collector, available).await?;
    let settings = context.settings.borrow().clone();
    let built = collector::build(&Given {
        collector,
        settings: &settings,
        available,
        namespace: &namespace,
        existing: existing.as_ref(),
    })
    .map_err(|error| Trouble::Refused { reason: error.reason(), message: error.to_string() })?;
    let mut children = built.children;
    if built.pods == Pods::KeptIfDifferent
        && let (Some(workload), Some(live)) = (children.last_mut(), &live)
        && applier(context, collector)
            .would_restart(workload, live)
            .await
            .map_err(|error| Trouble::Failed(error.to_string()))?
    {
        *workload = workload.with_pods_kept();
    }
    Ok((children, built.warnings))
}

/// The controller reference, by which children are found and go with their collector.
fn own(collector: &OpenTelemetryCollector, children: &mut [Child]) {
    let metadata = &collector.metadata;
    for child in children.iter_mut().filter(|c| c.namespace().is_some()) {
        child.object["metadata"]["ownerReferences"] = json!([{
            "apiVersion": "opentelemetry.io/v1beta1",
            "kind": "OpenTelemetryCollector",
            "name": metadata.name,
            "uid": metadata.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        }]);
    }
}

fn applier<'a>(context: &'a Context, collector: &'a OpenTelemetryCollector) -> Applier<'a> {
    Applier { client: &context.client, children: &context.children, uid: &collector.metadata.uid }
}

/// Applies what pods need, as much at once as can be, then the workload. The messages of what failed.
async fn apply(context: &Context, collector: &OpenTelemetryCollector, children: &[Child]) -> Vec<String> {
    let applier = applier(context, collector);
    let (workloads, others): (Vec<_>, Vec<_>) = children.iter().partition(|c| c.is_workload());
    // Who may not do everything may only bind a role whose rules they hold. The API server reads the role for that, so it has to be
    // there: sent side by side, the binding is refused with "not found" whenever it arrives first.
    let (bindings, others): (Vec<_>, Vec<_>) =
        others.into_iter().partition(|c| c.kind == "ClusterRoleBinding");
    let mut errors = Vec::new();
    for group in [others, bindings, workloads] {
        for (child, result) in
            group.iter().zip(join_all(group.iter().map(|child| applier.apply(child))).await)
        {
            match result {
                Ok(true) => {
                    info!(target: "controllers.OpenTelemetryCollector", namespace = collector.metadata.namespace,
                    name = collector.metadata.name, kind = child.kind, child = child.name, "applied")
                }
                Ok(false) => {}
                Err(error) => errors.push(error.to_string()),
            }
        }
    }
    errors
}

/// The workload that is there, of the kind that the collector has.
fn workload(context: &Context, collector: &OpenTelemetryCollector) -> Option<(Key, Stored)> {
    let kind = match collector.spec.mode {
        Mode::DaemonSet => "DaemonSet",
        Mode::StatefulSet => "StatefulSet",
        Mode::Sidecar => return None,
        _ => "Deployment",
    };
    let metadata = &collector.metadata;
    let mut owned = context.children.owned(&metadata.namespace, &metadata.uid).into_iter();
    owned.find(|(key, _)| key.1 == kind)
}

/// What the namespace tells; only OpenShift's tells something.
async fn namespace(
    context: &Context,
    collector: &OpenTelemetryCollector,
    available: &Available,
) -> Result<Namespace, Trouble> {
    if !available.routes {
        return Ok(Namespace::default());
    }
    let name = &collector.metadata.namespace;
    let found = Api::<v1::Namespace>::all(context.client.clone()).get_metadata(name).await;
    let found = found.map_err(|error| Trouble::of(&format!("namespace {name} cannot be read"), error))?;
    Ok(Namespace { annotations: found.metadata.annotations.unwrap_or_default() })
}

/// Writes to the collector itself.
pub(super) async fn patch_collector(
    context: &Context,
    collector: &OpenTelemetryCollector,
    patch: json_patch::Patch,
) -> Result<(), Trouble> {
    let api = super::collectors(&context.client, Some(&collector.metadata.namespace));
    let parameters = PatchParams { field_manager: Some(MANAGER.into()), ..PatchParams::default() };
    match api.patch(&collector.metadata.name, &parameters, &Patch::Json::<()>(patch)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        Err(error) => Err(Trouble::of("the finalizer of the collector cannot be written", error)),
    }
}
