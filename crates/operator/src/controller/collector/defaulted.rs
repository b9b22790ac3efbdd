//! What the defaulting webhook has to tell about a collector is told once the collector is stored.
//!
//! At admission nobody knows whether a request will be carried out: a later webhook may refuse it. So the webhook leaves a note here,
//! and the watch, which sees what was stored, turns it into an event (WO14). Every replica tells what it admitted itself.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
};

use collector::admission::Event;

use super::Name;

/// Notes of requests that were never carried out are pushed out by newer ones.
const MOST: usize = 256;

/// What is to be told.
#[derive(Debug, Default)]
pub struct Defaulted {
    notes: Mutex<VecDeque<Note>>,
}

#[derive(Debug)]
struct Note {
    collector: Name,
    /// `metadata.generation` before the request; 0 for a new object.
    generation: i64,
    events: Vec<Event>,
}

impl Defaulted {
    /// Keeps events about a collector until its generation is beyond this one. A newer note takes the place of an older one.
    pub fn note(&self, collector: Name, generation: i64, events: Vec<Event>) {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        notes.retain(|note| note.collector != collector);
        if !events.is_empty() {
            notes.push_back(Note { collector, generation, events });
        }
        while notes.len() > MOST {
            notes.pop_front();
        }
    }

    /// The events about a collector that has been stored with this generation.
    pub fn take(&self, collector: &Name, generation: i64) -> Vec<Event> {
        let mut notes = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let found =
            notes.iter().position(|note| note.collector == *collector && note.generation < generation);
        found.and_then(|at| notes.remove(at)).map(|note| note.events).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_wait_for_the_generation_that_the_request_makes_and_are_told_once() {
        let defaulted = Defaulted::default();
        let name = ("shop".to_owned(), "edge".to_owned());
        let event = Event { kind: "Normal", reason: "DefaultsApplied", note: String::new() };
        defaulted.note(name.clone(), 3, vec![event.clone()]);
        assert_eq!(defaulted.take(&name, 3), [], "a status change is not what was admitted");
        assert_eq!(defaulted.take(&name, 4), std::slice::from_ref(&event));
        assert_eq!(defaulted.take(&name, 4), []);
        defaulted.note(name.clone(), 4, vec![event]);
        defaulted.note(name.clone(), 4, Vec::new());
        assert_eq!(defaulted.take(&name, 5), [], "the request after it was the one that was carried out");
    }
}
