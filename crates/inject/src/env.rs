//! The environment of a container while it is being composed.
//!
//! Order matters twice: kubelet expands `$(NAME)` only from entries defined earlier, and users' assertions compare
//! lists. So the list knows which entries are the user's and where they stood, and the patch touches only what changed.

use std::{
    cell::OnceCell,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use api::instrumentation::EnvVar;
use serde_json::{Value, json};

/// An entry.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    /// Index in the user's list; none for entries that injection adds.
    pub origin: Option<usize>,
    /// Name.
    pub name: String,
    /// Literal value.
    pub value: Option<String>,
    /// Source of the value, passed on.
    pub source: Option<Arc<Value>>,
    /// Whether the value of a user's entry was changed.
    pub changed: bool,
}

impl Entry {
    /// A literal value.
    pub(crate) fn plain(name: &str, value: impl Into<String>) -> Entry {
        Entry { origin: None, name: name.to_owned(), value: Some(value.into()), source: None, changed: false }
    }

    /// A field of the pod.
    pub(crate) fn field(name: &str, path: &str) -> Entry {
        Entry {
            origin: None,
            name: name.to_owned(),
            value: None,
            source: Some(Arc::new(json!({"fieldRef": {"fieldPath": path}}))),
            changed: false,
        }
    }

    /// Whether the value comes from a source.
    pub(crate) fn is_sourced(&self) -> bool {
        self.source.as_ref().is_some_and(|s| !s.is_null())
    }

    /// Whether the value is this field of the pod.
    pub(crate) fn is_field(&self, path: &str) -> bool {
        self.source.as_ref().is_some_and(|source| source["fieldRef"]["fieldPath"] == path)
    }

    /// The literal value; empty when none is written.
    pub(crate) fn text(&self) -> &str {
        self.value.as_deref().unwrap_or_default()
    }

    /// The entry as the API has it.
    pub(crate) fn into_value(self) -> Value {
        let mut entry = serde_json::Map::new();
        entry.insert("name".to_owned(), Value::String(self.name));
        if let Some(value) = self.value {
            entry.insert("value".to_owned(), Value::String(value));
        }
        if let Some(source) = self.source {
            entry.insert("valueFrom".to_owned(), Arc::unwrap_or_clone(source));
        }
        Value::Object(entry)
    }
}

impl From<&EnvVar> for Entry {
    fn from(var: &EnvVar) -> Entry {
        Entry {
            origin: None,
            name: var.name.clone(),
            value: var.value.clone(),
            source: var.value_from.clone().filter(|s| !s.is_null()).map(Arc::new),
            changed: false,
        }
    }
}

/// The environment of one container.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Environment {
    entries: Vec<Entry>,
    /// Names that the container takes from ConfigMaps in `envFrom`, with the ConfigMap's name (W31).
    from_config_maps: BTreeMap<String, String>,
}

impl Environment {
    pub(crate) fn new(entries: Vec<Entry>, from_config_maps: BTreeMap<String, String>) -> Environment {
        Environment { entries, from_config_maps }
    }

    pub(crate) fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The entries by value; none are left.
    pub(crate) fn take_entries(&mut self) -> Vec<Entry> {
        std::mem::take(&mut self.entries)
    }

    /// The entry that counts: with duplicate names kubelet takes the last one.
    pub(crate) fn get(&self, name: &str) -> Option<&Entry> {
        self.entries.iter().rev().find(|e| e.name == name)
    }

    /// The ConfigMap that gives this name by `envFrom`, unless an entry overrides it.
    pub(crate) fn config_map_of(&self, name: &str) -> Option<&str> {
        if self.get(name).is_some() {
            return None;
        }
        self.from_config_maps.get(name).map(String::as_str)
    }

    /// Whether the container has a variable of this name, in its list or by `envFrom`.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.get(name).is_some() || self.from_config_maps.contains_key(name)
    }

    /// The literal value, when it is one.
    pub(crate) fn plain(&self, name: &str) -> Option<&str> {
        self.get(name).filter(|e| !e.is_sourced()).map(Entry::text)
    }

    /// Whether the value exists and cannot be read here: sourced, or from a ConfigMap.
    pub(crate) fn is_opaque(&self, name: &str) -> bool {
        match self.get(name) {
            Some(entry) => entry.is_sourced(),
            None => self.from_config_maps.contains_key(name),
        }
    }

    pub(crate) fn push(&mut self, entry: Entry) {
        self.entries.push(entry);
    }

    pub(crate) fn prepend_if_absent(&mut self, entry: Entry) {
        if !self.has(&entry.name) {
            self.entries.insert(0, entry);
        }
    }

    pub(crate) fn push_if_absent(&mut self, entry: Entry) {
        if !self.has(&entry.name) {
            self.entries.push(entry);
        }
    }

    /// Appends each variable whose name is not there yet (spec 5.1).
    pub(crate) fn append_if_absent(&mut self, vars: &[EnvVar]) {
        for var in vars {
            self.push_if_absent(var.into());
        }
    }

    /// Adds an entry directly behind the one of this name, or at the end.
    pub(crate) fn insert_after(&mut self, name: &str, entry: Entry) {
        let at = self.entries.iter().rposition(|e| e.name == name).map_or(self.entries.len(), |i| i + 1);
        self.entries.insert(at, entry);
    }

    /// Replaces the literal value of the entry that counts, in place.
    pub(crate) fn set(&mut self, name: &str, value: String) {
        if let Some(entry) = self.entries.iter_mut().rev().find(|e| e.name == name)
            && entry.value.as_deref() != Some(&value)
        {
            entry.value = Some(value);
            entry.changed = entry.origin.is_some();
        }
    }

    /// Extends a literal value in place, or appends the variable.
    pub(crate) fn extend(
        &mut self,
        name: &str,
        when_present: impl FnOnce(&str) -> String,
        when_absent: &str,
    ) {
        match self.plain(name).map(when_present) {
            Some(value) => self.set(name, value),
            None => self.push(Entry::plain(name, when_absent)),
        }
    }

    /// Moves every entry of this name to the end, keeping the order of the rest.
    pub(crate) fn move_to_end(&mut self, name: &str) {
        if self.entries.last().is_some_and(|e| e.name == name)
            && self.entries.iter().filter(|e| e.name == name).count() == 1
        {
            return;
        }
        let (moved, kept): (Vec<_>, Vec<_>) = self.entries.drain(..).partition(|e| e.name == name);
        self.entries = kept;
        self.entries.extend(moved);
    }

    /// Moves each variable of ours before the first entry that refers to it (W30). The user's own entries stay
    /// where they are: their order is the user's.
    pub(crate) fn order_by_reference(&mut self) {
        let mut at = 0;
        // Each move brings one entry of ours forward past `at` and never back, so this ends; the bound is a belt.
        let mut moves_left = self.entries.len() * self.entries.len();
        while at < self.entries.len() {
            let later = self.later_reference(at);
            match later {
                Some(from) if moves_left > 0 => {
                    moves_left -= 1;
                    let entry = self.entries.remove(from);
                    self.entries.insert(at, entry);
                }
                _ => at += 1,
            }
        }
    }

    /// Index of an entry of ours behind `at` that the entry at `at` refers to and nobody defines before it. An entry
    /// that refers back (a cycle) stays.
    fn later_reference(&self, at: usize) -> Option<usize> {
        let entry = &self.entries[at];
        let text = entry.value.as_deref().filter(|v| v.contains("$("))?;
        references(text).find_map(|name| {
            if name == entry.name || self.entries[..at].iter().any(|e| e.name == name) {
                return None;
            }
            let from = (at + 1..self.entries.len())
                .find(|&i| self.entries[i].name == name && self.entries[i].origin.is_none())?;
            let cycle = references(self.entries[from].text()).any(|back| back == entry.name);
            (!cycle).then_some(from)
        })
    }

    /// Names that must be in front of an entry with this text for it to be expanded, and are not defined.
    pub(crate) fn defines_all(&self, text: &str) -> bool {
        let names: OnceCell<BTreeSet<&str>> = OnceCell::new();
        references(text)
            .all(|r| names.get_or_init(|| self.entries.iter().map(|e| e.name.as_str()).collect()).contains(r))
    }
}

/// The names in `$(NAME)`; `$$(NAME)` is an escape and refers to nothing.
pub(crate) fn references(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        loop {
            let dollar = rest.find('$')?;
            let tail = &rest[dollar + 1..];
            if let Some(tail) = tail.strip_prefix('$') {
                rest = tail;
            } else if let Some(tail) = tail.strip_prefix('(')
                && let Some(end) = tail.find(')')
            {
                rest = &tail[end + 1..];
                return Some(&tail[..end]);
            } else {
                rest = tail;
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn user(names: &[(&str, &str)]) -> Environment {
        let entries = names
            .iter()
            .enumerate()
            .map(|(i, (n, v))| Entry { origin: Some(i), ..Entry::plain(n, *v) })
            .collect();
        Environment::new(entries, BTreeMap::new())
    }

    fn names(env: &Environment) -> Vec<&str> {
        env.entries().iter().map(|e| e.name.as_str()).collect()
    }

    #[test]
    fn a_variable_of_ours_moves_before_the_first_entry_that_refers_to_it() {
        let mut env = user(&[("A", "1")]);
        env.push(Entry::plain("URL", "http://$(HOST):$(PORT)"));
        env.push(Entry::plain("PORT", "80"));
        env.push(Entry::plain("HOST", "h"));
        env.order_by_reference();
        assert_eq!(names(&env), ["A", "HOST", "PORT", "URL"]);
    }

    #[test]
    fn the_users_own_order_and_cycles_stay() {
        let mut env = user(&[("A", "$(B)"), ("B", "1")]);
        env.push(Entry::plain("X", "$(Y)"));
        env.push(Entry::plain("Y", "$(X)"));
        env.order_by_reference();
        assert_eq!(names(&env), ["A", "B", "X", "Y"]);
    }

    #[test]
    fn an_escaped_dollar_refers_to_nothing() {
        assert_eq!(references("$$(A) $(B) $C $(D").collect::<Vec<_>>(), ["B"]);
    }
}
