//! Counting what `cargo test` says.

/// Tests that passed and failed; a failed check (formatting, lints, a build) counts as one failure, a stage that this
/// machine cannot run as one that was skipped.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
    pub(crate) skipped: u64,
}

impl Outcome {
    pub(crate) const FAILED_CHECK: Outcome = Outcome { passed: 0, failed: 1, skipped: 0 };
    pub(crate) const SKIPPED: Outcome = Outcome { passed: 0, failed: 0, skipped: 1 };

    /// Reads a line `test result: ok. 5 passed; 0 failed; …`; none for other lines.
    pub(crate) fn from_line(line: &str) -> Option<Outcome> {
        let counts = line.trim().strip_prefix("test result: ")?.split_once(". ")?.1;
        let count = |word: &str| {
            let part = counts.split("; ").find_map(|part| part.strip_suffix(word));
            part.and_then(|number| number.trim().parse().ok())
        };
        Some(Outcome { passed: count("passed")?, failed: count("failed")?, skipped: 0 })
    }
}

impl std::ops::AddAssign for Outcome {
    fn add_assign(&mut self, other: Outcome) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }
}

impl std::fmt::Display for Outcome {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} passed, {} failed", self.passed, self.failed)?;
        if self.skipped > 0 {
            write!(f, ", {} skipped", self.skipped)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::Outcome;

    #[test]
    fn result_lines_are_counted_and_others_are_not() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 4 filtered out; finished in 1.02s";
        assert_eq!(Outcome::from_line(line), Some(Outcome { passed: 12, failed: 3, skipped: 0 }));
        let line =
            "test result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(Outcome::from_line(line), Some(Outcome { passed: 1, failed: 0, skipped: 0 }));
        assert_eq!(Outcome::from_line("test a::b ... ok"), None);
    }
}
