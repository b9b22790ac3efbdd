//! Answers of the API server to questions about single objects, remembered for some seconds.

use std::{
    collections::HashMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::OnceCell;

/// How long an answer is believed, "it does not exist" included.
const BELIEVED: Duration = Duration::from_secs(5);
/// How long one question may take.
pub const PATIENCE: Duration = Duration::from_millis(200);
/// How many answers are remembered at most.
const CAPACITY: usize = 4096;

struct Slot<V> {
    asked: Instant,
    answer: Arc<OnceCell<V>>,
}

/// Remembered answers about objects of one kind, by namespace and name. Questions asked at the same time are asked once.
pub struct Lookup<V> {
    slots: Mutex<HashMap<(String, String), Slot<V>>>,
}

impl<V> Default for Lookup<V> {
    fn default() -> Self {
        Lookup { slots: Mutex::default() }
    }
}

impl<V: Clone> Lookup<V> {
    /// The remembered answer, or that of `ask`. `None`: there was no answer in time; it will be asked again.
    pub async fn get<F>(&self, namespace: &str, name: &str, ask: impl FnOnce() -> F) -> Option<V>
    where
        F: Future<Output = Option<V>>,
    {
        let cell = self.cell(namespace, name);
        let answer = cell.get_or_try_init(|| async {
            match tokio::time::timeout(PATIENCE, ask()).await {
                Ok(Some(answer)) => Ok(answer),
                Ok(None) | Err(_) => Err(()),
            }
        });
        answer.await.ok().cloned()
    }

    fn cell(&self, namespace: &str, name: &str) -> Arc<OnceCell<V>> {
        let now = Instant::now();
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        if slots.len() >= CAPACITY {
            slots.retain(|_, slot| now.duration_since(slot.asked) < BELIEVED);
            if slots.len() >= CAPACITY {
                slots.clear();
            }
        }
        let slot = slots
            .entry((namespace.to_owned(), name.to_owned()))
            .or_insert_with(|| Slot { asked: now, answer: Arc::default() });
        if now.duration_since(slot.asked) >= BELIEVED {
            *slot = Slot { asked: now, answer: Arc::default() };
        }
        slot.answer.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    fn runtime() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn simultaneous_questions_are_asked_once_and_remembered() {
        runtime().block_on(async {
            let lookup = Lookup::<u8>::default();
            let asked = AtomicUsize::new(0);
            let ask = || async {
                asked.fetch_add(1, Ordering::Relaxed);
                tokio::task::yield_now().await;
                Some(7)
            };
            let (a, b) = tokio::join!(lookup.get("shop", "tls", ask), lookup.get("shop", "tls", ask));
            assert_eq!((a, b, lookup.get("shop", "tls", ask).await), (Some(7), Some(7), Some(7)));
            assert_eq!(asked.load(Ordering::Relaxed), 1);
        });
    }

    #[test]
    fn a_question_without_an_answer_is_given_up_and_asked_again() {
        runtime().block_on(async {
            let lookup = Lookup::<u8>::default();
            let began = Instant::now();
            assert_eq!(lookup.get("shop", "tls", std::future::pending).await, None);
            assert!(began.elapsed() < PATIENCE * 3);
            assert_eq!(lookup.get("shop", "tls", || async { Some(1) }).await, Some(1));
        });
    }
}
