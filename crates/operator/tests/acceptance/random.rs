//! Choices that a seed decides, so that a refused pod can be had again.

use serde_json::{Map, Value};

/// SplitMix64 (<https://prng.di.unimi.it/splitmix64.c>).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Random {
        Random(seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`.
    pub(crate) fn below(&mut self, end: usize) -> usize {
        usize::try_from(self.next() % end as u64).expect("it is below a usize")
    }

    /// True once in `times`.
    pub(crate) fn once_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    /// One of these.
    pub(crate) fn of<T: Clone>(&mut self, these: &[T]) -> T {
        these[self.below(these.len())].clone()
    }

    /// Up to `most` of these, each at most once.
    pub(crate) fn some<T: Clone>(&mut self, these: &[T], most: usize) -> Vec<T> {
        let mut left = these.to_vec();
        let count = self.below(most + 1).min(left.len());
        (0..count)
            .map(|_| {
                let i = self.below(left.len());
                left.swap_remove(i)
            })
            .collect()
    }

    /// Sets a field once in `times`.
    pub(crate) fn field(
        &mut self,
        object: &mut Value,
        times: usize,
        name: &str,
        value: impl FnOnce(&mut Random) -> Value,
    ) {
        if self.once_in(times) {
            object[name] = value(self);
        }
    }

    /// An object of these texts.
    pub(crate) fn map(&mut self, entries: &[(&str, &str)], most: usize) -> Value {
        let entries = self.some(entries, most);
        entries.into_iter().map(|(k, v)| (k.to_owned(), Value::from(v))).collect::<Map<_, _>>().into()
    }
}
