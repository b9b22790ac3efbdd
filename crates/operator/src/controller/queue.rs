//! What is to be looked at, each thing once at a time and no sooner than told.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    hash::Hash,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use prometheus_client::metrics::gauge::Gauge;
use tokio::{sync::Notify, time::Instant};

/// Pause after the first failure; it doubles with each further one, up to [`LONGEST_PAUSE`].
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// Longest pause between attempts.
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// A queue of keys.
#[derive(Debug)]
pub struct Queue<K> {
    state: Mutex<State<K>>,
    changed: Notify,
    /// How many keys wait, for those who watch the process.
    depth: Gauge,
}

#[derive(Debug)]
struct State<K> {
    /// When each waiting key is due.
    due: HashMap<K, Instant>,
    /// The same, in order of time; the number keeps equal times apart.
    order: BTreeMap<(Instant, u64), K>,
    running: HashSet<K>,
    failures: HashMap<K, u32>,
    counter: u64,
}

impl<K: Clone + Eq + Hash> Default for Queue<K> {
    fn default() -> Self {
        Self::measured(Gauge::default())
    }
}

impl<K: Clone + Eq + Hash> Queue<K> {
    /// An empty queue that tells in this gauge how many keys wait.
    pub fn measured(depth: Gauge) -> Self {
        let state = State {
            due: HashMap::new(),
            order: BTreeMap::new(),
            running: HashSet::new(),
            failures: HashMap::new(),
            counter: 0,
        };
        Queue { state: Mutex::new(state), changed: Notify::new(), depth }
    }

    fn state(&self) -> MutexGuard<'_, State<K>> {
        // A panic while the lock was held cannot leave the maps half changed in a way that matters.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Has the key looked at after a while; an earlier appointment stands.
    pub fn add(&self, key: K, after: Duration) {
        let at = Instant::now() + after;
        let mut state = self.state();
        if state.due.get(&key).is_some_and(|due| *due <= at) {
            return;
        }
        if let Some(later) = state.due.insert(key.clone(), at) {
            state.order.retain(|(time, _), waiting| *time != later || *waiting != key);
        }
        state.counter += 1;
        let number = state.counter;
        state.order.insert((at, number), key);
        self.tell(&state);
        drop(state);
        self.changed.notify_one();
    }

    /// The next key that is due and not being worked on. It must be handed back with [`Queue::done`].
    pub async fn next(&self) -> K {
        loop {
            let wake = self.changed.notified();
            let until = {
                let mut state = self.state();
                let now = Instant::now();
                let ready = state
                    .order
                    .iter()
                    .find(|(_, key)| !state.running.contains(*key))
                    .map(|(at, key)| (*at, key.clone()));
                match ready {
                    Some((at, key)) if at.0 <= now => {
                        state.order.remove(&at);
                        state.due.remove(&key);
                        state.running.insert(key.clone());
                        self.tell(&state);
                        return key;
                    }
                    Some((at, _)) => at.0,
                    None => now + LONGEST_PAUSE,
                }
            };
            tokio::select! {
                () = wake => {}
                () = tokio::time::sleep_until(until) => {}
            }
        }
    }

    /// Hands a key back; after a failure it comes again, after a pause that grows.
    pub fn done(&self, key: K, succeeded: bool) {
        let pause = {
            let mut state = self.state();
            state.running.remove(&key);
            if succeeded {
                state.failures.remove(&key);
                None
            } else {
                let failures = state.failures.entry(key.clone()).or_insert(0);
                *failures += 1;
                Some(FIRST_PAUSE.saturating_mul(1 << (*failures - 1).min(16)).min(LONGEST_PAUSE))
            }
        };
        match pause {
            Some(pause) => self.add(key, pause),
            None => self.changed.notify_one(),
        }
    }

    fn tell(&self, state: &State<K>) {
        self.depth.set(i64::try_from(state.due.len()).unwrap_or(i64::MAX));
    }

    /// How many keys wait.
    pub fn depth(&self) -> usize {
        self.state().due.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_key_waits_until_it_is_due_and_is_worked_on_once_at_a_time() {
        let queue = Queue::default();
        queue.add("a", Duration::from_secs(5));
        queue.add("a", Duration::from_secs(1));
        queue.add("b", Duration::from_secs(2));
        let began = Instant::now();
        assert_eq!(queue.next().await, "a");
        assert_eq!(began.elapsed().as_secs(), 1);
        queue.add("a", Duration::ZERO);
        assert_eq!(queue.next().await, "b");
        queue.done("a", true);
        assert_eq!(queue.next().await, "a");
        assert_eq!(queue.depth(), 0);
    }

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_with_failures_and_begin_anew_after_a_success() {
        let queue = Queue::default();
        queue.add("a", Duration::ZERO);
        let mut pauses = Vec::new();
        for succeeded in [false, false, false, true] {
            let began = Instant::now();
            let key = queue.next().await;
            pauses.push(began.elapsed().as_millis());
            queue.done(key, succeeded);
        }
        assert_eq!(pauses, [0, 50, 100, 200]);
        assert_eq!(queue.depth(), 0);
    }
}
