//! What was said lately.

use std::{
    collections::HashMap,
    time::{Duration, Instant},
};

/// The same thing about the same object is a new event after this time.
const NEWS_AFTER: Duration = Duration::from_secs(600);
/// Repetitions are written at most this often.
const WRITE_EVERY: Duration = Duration::from_secs(10);
/// Most things that are remembered; beyond, the oldest are forgotten and may be said again.
const REMEMBERED: usize = 4096;

/// What an event says.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Said {
    /// The event's reason.
    pub(super) reason: &'static str,
    /// What was tried.
    pub(super) action: String,
    /// The sentence.
    pub(super) note: String,
}

/// Namespace of the event, its object, and what it says.
pub(super) type Key = (String, String, Said);

/// Whether something is news.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Told {
    /// It is: make an event.
    First,
    /// It was said before and is counted.
    Again,
}

/// How often an event was repeated by now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Repeat {
    /// Namespace of the event.
    pub(super) namespace: String,
    /// Name of the event.
    pub(super) event: String,
    /// How often it was said, the first time included.
    pub(super) count: i32,
}

/// What was said lately.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    entries: HashMap<Key, Entry>,
}

#[derive(Debug)]
struct Entry {
    event: String,
    first: Instant,
    count: i32,
    /// The count that the event carries, and since when.
    written: (i32, Instant),
}

impl Ledger {
    /// Says something now; `event` is the name of the event if there is to be one.
    pub(super) fn tell(&mut self, key: Key, event: &str, now: Instant) -> Told {
        if let Some(entry) = self.entries.get_mut(&key)
            && now.duration_since(entry.first) < NEWS_AFTER
        {
            entry.count = entry.count.saturating_add(1);
            return Told::Again;
        }
        if self.entries.len() >= REMEMBERED {
            self.forget(now);
        }
        let entry = Entry { event: event.to_owned(), first: now, count: 1, written: (1, now) };
        self.entries.insert(key, entry);
        Told::First
    }

    /// When the next repetitions are to be written.
    pub(super) fn next_repeat(&self) -> Option<Instant> {
        let open = self.entries.values().filter(|e| e.count > e.written.0);
        open.map(|e| e.written.1 + WRITE_EVERY).min()
    }

    /// The repetitions that are due; they count as written.
    pub(super) fn repeats(&mut self, now: Instant) -> Vec<Repeat> {
        let mut repeats = Vec::new();
        for (key, entry) in &mut self.entries {
            if entry.count > entry.written.0 && now.duration_since(entry.written.1) >= WRITE_EVERY {
                entry.written = (entry.count, now);
                repeats.push(Repeat {
                    namespace: key.0.clone(),
                    event: entry.event.clone(),
                    count: entry.count,
                });
            }
        }
        repeats
    }

    /// Forgets what is news again; and when that is not enough, the older half.
    fn forget(&mut self, now: Instant) {
        self.entries.retain(|_, e| now.duration_since(e.first) < NEWS_AFTER);
        if self.entries.len() >= REMEMBERED {
            let mut ages: Vec<Instant> = self.entries.values().map(|e| e.first).collect();
            ages.sort_unstable();
            let middle = ages[ages.len() / 2];
            self.entries.retain(|_, e| e.first > middle);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(object: &str) -> Key {
        let said = Said { reason: "PodSecurity", action: "Inject-go".to_owned(), note: "no".to_owned() };
        ("shop".to_owned(), object.to_owned(), said)
    }

    #[test]
    fn a_thousand_pods_of_a_workload_are_one_event_and_a_count() {
        let mut ledger = Ledger::default();
        let start = Instant::now();
        assert_eq!(ledger.tell(key("Deployment/web"), "web.1", start), Told::First);
        assert_eq!(ledger.next_repeat(), None, "at rest nothing is due");
        for _ in 0..999 {
            assert_eq!(ledger.tell(key("Deployment/web"), "web.2", start), Told::Again);
        }
        assert_eq!(ledger.tell(key("Deployment/cart"), "cart.1", start), Told::First);
        assert_eq!(ledger.repeats(start), []);
        let due = ledger.next_repeat().unwrap();
        let repeat = Repeat { namespace: "shop".to_owned(), event: "web.1".to_owned(), count: 1000 };
        assert_eq!(ledger.repeats(due), [repeat]);
        assert_eq!(ledger.next_repeat(), None);
    }

    #[test]
    fn it_is_news_again_after_a_while() {
        let mut ledger = Ledger::default();
        let start = Instant::now();
        ledger.tell(key("Deployment/web"), "web.1", start);
        assert_eq!(ledger.tell(key("Deployment/web"), "web.2", start + NEWS_AFTER), Told::First);
    }

    #[test]
    fn memory_has_a_limit() {
        let mut ledger = Ledger::default();
        let start = Instant::now();
        for i in 0..10_000_u64 {
            ledger.tell(key(&format!("Deployment/{i}")), "e", start + Duration::from_millis(i));
        }
        assert!(ledger.entries.len() <= REMEMBERED);
    }
}
