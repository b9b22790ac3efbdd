//! One watch that keeps one shelf up to date, for ever.

use std::{collections::BTreeMap, fmt::Debug, sync::Arc, time::Duration};

use futures::{StreamExt, pin_mut};
use kube::{
    Api, Resource, ResourceExt,
    runtime::watcher::{self, Event},
};
use serde::de::DeserializeOwned;
use tracing::{info, warn};

use super::shelf::Shelf;

/// Pauses between attempts to list or watch: short first, since a CRD may be about to appear.
const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// What it means that a kind cannot be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// The custom resource definition is not installed: there are no objects, until it appears.
    NoObjects,
    /// The kind is part of Kubernetes, so this is an error.
    Error,
    /// Decisions are better with these objects and possible without: an older ClusterRole of ours may not allow them.
    Optional,
}

/// Keeps the shelf up to date: lists, watches, lists again when the watch is lost. Never returns.
///
/// `scope` is the namespace that the API is limited to, `convert` takes what is worth keeping.
pub async fn reflect<K, V>(
    api: Api<K>,
    scope: Option<String>,
    shelf: Arc<Shelf<V>>,
    absence: Absence,
    convert: impl Fn(K) -> V + Send,
) where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
    V: Clone + Send + Sync + 'static,
{
    let events = watcher::watcher(api, watcher::Config::default());
    pin_mut!(events);
    let mut listed = BTreeMap::<Box<str>, BTreeMap<Box<str>, V>>::new();
    let mut reported = false;
    let mut failures = 0_u32;
    let mut complaint = String::new();
    while let Some(event) = events.next().await {
        if event.is_ok() {
            shelf.heard(true);
        }
        let error = match event {
            Ok(Event::Init) => {
                listed.clear();
                continue;
            }
            Ok(Event::InitApply(object)) => {
                let (namespace, name) = key(&object);
                listed.entry(namespace.into()).or_default().insert(name.into(), convert(object));
                continue;
            }
            Ok(Event::InitDone) => {
                shelf.replace(scope.as_deref(), std::mem::take(&mut listed));
                give_memory_back();
                if !complaint.is_empty() {
                    info!(target: "store", kind = shelf.name(), "listing works again");
                    complaint.clear();
                }
                failures = 0;
                if !std::mem::replace(&mut reported, true) {
                    shelf.reported();
                }
                continue;
            }
            Ok(Event::Apply(object)) => {
                let (namespace, name) = key(&object);
                shelf.put(&namespace, &name, convert(object));
                continue;
            }
            Ok(Event::Delete(object)) => {
                let (namespace, name) = key(&object);
                shelf.remove(&namespace, &name);
                continue;
            }
            Err(error) => error,
        };
        let without = match absence {
            Absence::NoObjects => status_code(&error) == Some(404),
            Absence::Optional => matches!(status_code(&error), Some(403 | 404)),
            Absence::Error => false,
        };
        if without {
            shelf.replace(scope.as_deref(), BTreeMap::new());
            if !std::mem::replace(&mut reported, true) {
                shelf.reported();
            }
        }
        // The same complaint is made once, not with each attempt. A lost watch that lists again at once is no news.
        let text = describe(&error, shelf.name(), absence);
        if text != complaint && !is_routine(&error) {
            warn!(target: "store", kind = shelf.name(), "{text}");
            complaint = text;
        }
        if !without && !is_routine(&error) {
            shelf.heard(false);
        }
        failures = failures.saturating_add(1);
        tokio::time::sleep(pause(failures)).await;
    }
}

fn key<K: Resource>(object: &K) -> (String, String) {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// The pause before the next attempt, doubling from [`FIRST_PAUSE`] to [`LONGEST_PAUSE`], spread by up to a fifth so
/// that the watches of one process do not come back in step.
fn pause(failures: u32) -> Duration {
    let doubled = FIRST_PAUSE.saturating_mul(1 << failures.saturating_sub(1).min(10)).min(LONGEST_PAUSE);
    let noise = std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos() % 200);
    doubled + doubled.mul_f64(f64::from(noise) / 1000.0)
}

/// What the API server answered, if it did.
pub(crate) fn status_code(error: &watcher::Error) -> Option<u16> {
    use watcher::Error::{InitialListFailed, WatchFailed, WatchStartFailed};
    match error {
        InitialListFailed(kube::Error::Api(status))
        | WatchStartFailed(kube::Error::Api(status))
        | WatchFailed(kube::Error::Api(status)) => Some(status.code),
        watcher::Error::WatchError(status) => Some(status.code),
        _ => None,
    }
}

/// A watch whose place in history is gone (410) starts again with a list: nothing to worry about.
pub(crate) fn is_routine(error: &watcher::Error) -> bool {
    status_code(error) == Some(410)
}

fn describe(error: &watcher::Error, kind: &str, absence: Absence) -> String {
    match status_code(error) {
        Some(404) if absence == Absence::NoObjects => format!(
            "the custom resource definition {kind}.{} is not installed: going on without; apply it with \
             `otel-operator crds | kubectl apply -f -`, or start with --install",
            api::instrumentation::GROUP
        ),
        Some(403) => format!(
            "not allowed to list and watch {kind}, trying again: if this stays, bind the ClusterRole of `otel-operator manifests` \
             (for a moment after its start an API server allows nobody anything) ({error})"
        ),
        _ => format!("cannot list or watch {kind}, trying again: {error}"),
    }
}

/// After a list glibc keeps the memory of the parsed pages; this returns it to the system.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[expect(unsafe_code, reason = "malloc_trim takes a number, returns a number and touches only free memory")]
pub(crate) fn give_memory_back() {
    // SAFETY: malloc_trim has no precondition and is thread-safe.
    unsafe {
        libc::malloc_trim(0);
    }
}

/// Other allocators return it by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(crate) fn give_memory_back() {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_their_limit() {
        assert!(pause(1) >= FIRST_PAUSE && pause(1) < FIRST_PAUSE * 2);
        assert!(pause(3) >= FIRST_PAUSE * 4);
        assert!(pause(u32::MAX) < LONGEST_PAUSE * 2);
    }
}
