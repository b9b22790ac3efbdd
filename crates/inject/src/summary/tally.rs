//! Pods folded into groups as they come and go.

use std::{collections::HashMap, sync::Arc};

use super::PodGroup;

/// Pods folded into groups. What is kept for one pod is its UID and the number of its group, so ten thousand pods of two
/// hundred workloads take less than a megabyte.
#[derive(Debug, Default)]
pub struct Tally {
    pods: HashMap<Uid, u32>,
    groups: Vec<Slot>,
    numbers: HashMap<Arc<PodGroup>, u32>,
    free: Vec<u32>,
}

/// A UID in as few bytes as it takes.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Uid {
    /// In its usual form.
    Number(u128),
    /// Whatever else it is.
    Text(Box<str>),
}

impl Uid {
    fn of(text: &str) -> Uid {
        let usual = text.len() == 36 && text.bytes().filter(|b| *b == b'-').count() == 4;
        let digits: String = text.chars().filter(|c| *c != '-').collect();
        match u128::from_str_radix(&digits, 16) {
            Ok(number) if usual && digits.len() == 32 => Uid::Number(number),
            _ => Uid::Text(text.into()),
        }
    }
}

#[derive(Clone, Debug, Default)]
struct Slot {
    group: Option<Arc<PodGroup>>,
    pods: u32,
}

impl Tally {
    /// Counts a pod, which may have been counted before. Returns whether anything changed.
    pub fn put(&mut self, uid: &str, group: PodGroup) -> bool {
        let uid = Uid::of(uid);
        let before = self.pods.get(&uid).copied();
        if before.is_some() && before == self.numbers.get(&group).copied() {
            return false;
        }
        let number = self.number(group);
        if let Some(slot) = self.groups.get_mut(number as usize) {
            slot.pods += 1;
        }
        self.pods.insert(uid, number);
        if let Some(before) = before {
            self.release(before);
        }
        true
    }

    /// Forgets a pod. Returns whether it was counted.
    pub fn remove(&mut self, uid: &str) -> bool {
        let Some(number) = self.pods.remove(&Uid::of(uid)) else { return false };
        self.release(number);
        true
    }

    /// How many pods are counted.
    pub fn len(&self) -> usize {
        self.pods.len()
    }

    /// Whether no pods are counted.
    pub fn is_empty(&self) -> bool {
        self.pods.is_empty()
    }

    /// The groups, and how many pods are in each.
    pub fn groups(&self) -> impl Iterator<Item = (&Arc<PodGroup>, u32)> {
        self.groups.iter().filter_map(|slot| Some((slot.group.as_ref()?, slot.pods)))
    }

    fn number(&mut self, group: PodGroup) -> u32 {
        if let Some(number) = self.numbers.get(&group) {
            return *number;
        }
        let group = Arc::new(group);
        let number = self.free.pop().unwrap_or_else(|| {
            self.groups.push(Slot::default());
            // There are fewer pods than that.
            u32::try_from(self.groups.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(slot) = self.groups.get_mut(number as usize) {
            *slot = Slot { group: Some(group.clone()), pods: 0 };
        }
        self.numbers.insert(group, number);
        number
    }

    fn release(&mut self, number: u32) {
        let Some(slot) = self.groups.get_mut(number as usize) else { return };
        slot.pods = slot.pods.saturating_sub(1);
        if slot.pods == 0
            && let Some(group) = slot.group.take()
        {
            self.numbers.remove(&group);
            self.free.push(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Metadata;

    fn group(verdict: &str) -> PodGroup {
        let annotations = [(api::annotation::VERDICT.to_owned(), verdict.to_owned())];
        let metadata = Metadata {
            name: "p".to_owned(),
            annotations: std::collections::BTreeMap::from(annotations).into(),
            ..Metadata::default()
        };
        PodGroup::of("shop", &metadata)
    }

    fn counts(tally: &Tally) -> Vec<u32> {
        tally.groups().map(|(_, pods)| pods).collect()
    }

    #[test]
    fn pods_come_change_and_go() {
        let mut tally = Tally::default();
        assert!(tally.put("00000000-0000-0000-0000-000000000001", group("a")));
        assert!(tally.put("00000000-0000-0000-0000-000000000002", group("a")));
        assert!(
            !tally.put("00000000-0000-0000-0000-000000000002", group("a")),
            "its status changed, no more"
        );
        assert_eq!(counts(&tally), [2]);
        assert!(tally.put("00000000-0000-0000-0000-000000000002", group("b")));
        assert_eq!(counts(&tally), [1, 1]);
        assert!(tally.remove("00000000-0000-0000-0000-000000000001"));
        assert!(!tally.remove("00000000-0000-0000-0000-000000000001"));
        assert_eq!((tally.len(), counts(&tally)), (1, vec![1]));
        tally.put("odd uid", group("c"));
        assert_eq!((tally.groups.len(), counts(&tally)), (2, vec![1, 1]), "a slot is used again");
    }
}
