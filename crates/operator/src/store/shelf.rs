//! Values of one kind by namespace and name, kept up to date by watches.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError, RwLock},
    time::{Duration, Instant},
};

use tokio::sync::watch;

/// Values by name, within one namespace (or within the cluster).
type Names<V> = BTreeMap<Box<str>, V>;

/// Values of one kind by namespace and name. Cluster-scoped kinds use the empty namespace.
#[derive(Debug)]
pub struct Shelf<V> {
    /// What the shelf holds, for messages and metrics, for example `replicasets`.
    name: &'static str,
    values: RwLock<BTreeMap<Box<str>, Names<V>>>,
    /// How many watches have not listed their objects yet.
    missing: watch::Sender<usize>,
    changed: watch::Sender<()>,
    /// Since when a watch has been failing, and when it failed last.
    trouble: Mutex<Option<(Instant, Instant)>>,
}

/// A watch that has not failed for this long works again: while it fails, it is tried more often.
const CALM: Duration = Duration::from_secs(45);

impl<V: Clone> Shelf<V> {
    /// An empty shelf that counts as filled once `watches` watches have reported.
    pub fn new(name: &'static str, watches: usize) -> Self {
        Shelf {
            name,
            values: RwLock::default(),
            missing: watch::Sender::new(watches),
            changed: watch::Sender::default(),
            trouble: Mutex::default(),
        }
    }

    /// What the shelf holds.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// The value of this name.
    pub fn get(&self, namespace: &str, name: &str) -> Option<V> {
        self.read().get(namespace)?.get(name).cloned()
    }

    /// All values of a namespace, with their names.
    pub fn in_namespace(&self, namespace: &str) -> Vec<V> {
        self.read().get(namespace).map(|names| names.values().cloned().collect()).unwrap_or_default()
    }

    /// How many values there are.
    pub fn len(&self) -> usize {
        self.read().values().map(BTreeMap::len).sum()
    }

    /// Whether there are no values.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Whether every watch has listed its objects once.
    pub fn is_filled(&self) -> bool {
        *self.missing.borrow() == 0
    }

    /// How long a watch has been failing; none when all work.
    pub fn stale(&self) -> Option<Duration> {
        let trouble = *self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.filter(|(_, last)| last.elapsed() < CALM).map(|(since, _)| since.elapsed())
    }

    /// A watch has failed, or works.
    pub(super) fn heard(&self, works: bool) {
        let now = Instant::now();
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        *trouble = match *trouble {
            _ if works => None,
            Some((since, last)) if now.duration_since(last) < CALM => Some((since, now)),
            _ => Some((now, now)),
        };
    }

    /// Shows each value, with namespace and name, in their order.
    pub fn for_each(&self, mut show: impl FnMut(&str, &str, &V)) {
        for (namespace, names) in self.read().iter() {
            for (name, value) in names {
                show(namespace, name, value);
            }
        }
    }

    /// Waits until every watch has listed its objects once. Costs nothing afterwards.
    pub async fn filled(&self) {
        if self.is_filled() {
            return;
        }
        // An error means that the sender is gone, and the sender is part of self.
        let _ = self.missing.subscribe().wait_for(|missing| *missing == 0).await;
    }

    /// Tells when a value may have changed.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    /// Adds or replaces a value.
    pub(super) fn put(&self, namespace: &str, name: &str, value: V) {
        self.write().entry(namespace.into()).or_default().insert(name.into(), value);
        self.changed.send_replace(());
    }

    /// Removes a value.
    pub(super) fn remove(&self, namespace: &str, name: &str) {
        let mut values = self.write();
        if let Some(names) = values.get_mut(namespace) {
            names.remove(name);
            if names.is_empty() {
                values.remove(namespace);
            }
        }
        drop(values);
        self.changed.send_replace(());
    }

    /// Replaces all values of a namespace, or all values at all.
    pub(super) fn replace(&self, scope: Option<&str>, new: BTreeMap<Box<str>, Names<V>>) {
        let mut values = self.write();
        match scope {
            None => *values = new,
            Some(namespace) => {
                values.remove(namespace);
                values.extend(new);
            }
        }
        drop(values);
        self.changed.send_replace(());
    }

    /// One watch has reported for the first time.
    pub(super) fn reported(&self) {
        self.missing.send_modify(|missing| *missing = missing.saturating_sub(1));
    }

    // A panic while the lock is held cannot leave the maps half changed, so a poisoned lock is as good as another.
    fn read(&self) -> std::sync::RwLockReadGuard<'_, BTreeMap<Box<str>, Names<V>>> {
        self.values.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, BTreeMap<Box<str>, Names<V>>> {
        self.values.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relist_of_one_namespace_leaves_the_others() {
        let shelf = Shelf::new("things", 2);
        shelf.put("a", "x", 1);
        shelf.put("b", "y", 2);
        shelf.replace(Some("a"), BTreeMap::from([("a".into(), BTreeMap::from([("z".into(), 3)]))]));
        assert_eq!((shelf.get("a", "x"), shelf.get("a", "z"), shelf.get("b", "y")), (None, Some(3), Some(2)));
    }

    #[test]
    fn it_is_stale_while_a_watch_fails() {
        let shelf = Shelf::<u8>::new("things", 1);
        assert_eq!(shelf.stale(), None);
        shelf.heard(false);
        shelf.heard(false);
        assert!(shelf.stale().is_some());
        shelf.heard(true);
        assert_eq!(shelf.stale(), None);
    }

    #[test]
    fn it_is_filled_when_all_watches_reported() {
        let shelf = Shelf::<u8>::new("things", 2);
        shelf.reported();
        assert!(!shelf.is_filled());
        shelf.reported();
        assert!(shelf.is_filled());
    }
}
