//! The results, and how they are shown.

use std::{collections::BTreeMap, fmt::Write as _};

use serde::Serialize;
use serde_json::{Value, json};

use super::catalogue::{Check, Group};
use crate::colour::Colour;

/// How bad something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Could not be looked at.
    Skipped,
    /// Good.
    Ok,
    /// Works, should be looked at.
    Warning,
    /// Broken.
    Error,
}

impl Level {
    fn sign(self) -> (&'static str, &'static str) {
        match self {
            Level::Skipped => ("–", "2"),
            Level::Ok => ("√", "32"),
            Level::Warning => ("‼", "33"),
            Level::Error => ("×", "31"),
        }
    }
}

/// Something that is wrong.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct Problem {
    /// How bad.
    pub level: Level,
    /// The object, as `kind namespace/name`; may be empty.
    pub object: String,
    /// What is wrong.
    pub message: String,
    /// What to do.
    pub fix: String,
}

/// Where a doc section is found.
fn see(check: Check) -> String {
    format!("docs/check.md#{}", check.id())
}

/// Problems of one check that are printed; the rest is counted.
const SHOWN: usize = 10;

/// Results of the checks.
#[derive(Debug, Default)]
pub(crate) struct Sheet {
    made: BTreeMap<Check, String>,
    skipped: BTreeMap<Check, String>,
    problems: BTreeMap<Check, Vec<Problem>>,
}

impl Sheet {
    /// A check was made; `detail` is worth showing when nothing is wrong, and may be empty.
    pub(crate) fn made(&mut self, check: Check, detail: impl Into<String>) {
        self.made.insert(check, detail.into());
    }

    /// A check could not be made, and why. What was found nevertheless stays.
    pub(crate) fn skip(&mut self, check: Check, why: impl Into<String>) {
        self.skipped.insert(check, why.into());
    }

    /// Something is broken.
    pub(crate) fn error(
        &mut self,
        check: Check,
        object: impl Into<String>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(check, Level::Error, object.into(), message.into(), fix.into());
    }

    /// Something should be looked at.
    pub(crate) fn warn(
        &mut self,
        check: Check,
        object: impl Into<String>,
        message: impl Into<String>,
        fix: impl Into<String>,
    ) {
        self.add(check, Level::Warning, object.into(), message.into(), fix.into());
    }

    fn add(&mut self, check: Check, level: Level, object: String, message: String, fix: String) {
        let fix = if fix.is_empty() { check.fix().trim_end_matches('.').to_owned() } else { fix };
        let problem = Problem { level, object, message, fix };
        let all = self.problems.entry(check).or_default();
        if !all.contains(&problem) {
            all.push(problem);
        }
    }

    fn level(&self, check: Check) -> Option<Level> {
        let worst = self.problems.get(&check).and_then(|all| all.iter().map(|p| p.level).max());
        worst
            .or_else(|| self.skipped.contains_key(&check).then_some(Level::Skipped))
            .or_else(|| self.made.contains_key(&check).then_some(Level::Ok))
    }

    /// The worst result.
    pub(crate) fn worst(&self) -> Level {
        Check::ALL.iter().filter_map(|check| self.level(*check)).max().unwrap_or(Level::Ok).max(Level::Ok)
    }

    /// For people.
    pub(crate) fn text(&self, colour: Colour) -> String {
        let mut out = String::new();
        for group in Group::ALL {
            let checks: Vec<_> = Check::ALL
                .iter()
                .filter(|check| check.group() == group)
                .filter_map(|check| Some((*check, self.level(*check)?)))
                .collect();
            if checks.is_empty() {
                continue;
            }
            let _ = writeln!(out, "{}", colour.paint("1", group.title()));
            for (check, level) in checks {
                self.one(&mut out, check, level, colour);
            }
            out.push('\n');
        }
        let count = |level| Check::ALL.iter().filter(|check| self.level(**check) == Some(level)).count();
        let _ = writeln!(
            out,
            "{} good, {} to look at, {} broken, {} not looked at",
            count(Level::Ok),
            count(Level::Warning),
            count(Level::Error),
            count(Level::Skipped)
        );
        out
    }

    // Writing to a String cannot fail, so the results of `writeln!` are dropped here and above.
    fn one(&self, out: &mut String, check: Check, level: Level, colour: Colour) {
        let (sign, style) = level.sign();
        let sign = colour.paint(style, sign);
        let id = check.id();
        match level {
            Level::Skipped => {
                let why = self.skipped.get(&check).map(String::as_str).unwrap_or_default();
                let _ = writeln!(out, "  {sign} {id}: not looked at: {why}");
            }
            Level::Ok => {
                let detail = self.made.get(&check).filter(|detail| !detail.is_empty());
                let detail = detail.map(|detail| format!(" ({detail})")).unwrap_or_default();
                let _ = writeln!(out, "  {sign} {id}: {}{detail}", check.good());
            }
            Level::Warning | Level::Error => {
                let problems = self.problems.get(&check).map(Vec::as_slice).unwrap_or_default();
                for problem in problems.iter().take(SHOWN) {
                    let (sign, style) = problem.level.sign();
                    let object = if problem.object.is_empty() {
                        String::new()
                    } else {
                        format!("{}: ", problem.object)
                    };
                    let _ = writeln!(
                        out,
                        "  {} {}: {object}{}",
                        colour.paint(style, sign),
                        colour.paint("1", id),
                        problem.message
                    );
                    let _ = writeln!(out, "      {}: {}", colour.paint("36", "fix"), problem.fix);
                }
                if problems.len() > SHOWN {
                    let _ = writeln!(out, "      and {} more; -o json has all", problems.len() - SHOWN);
                }
                let _ = writeln!(out, "      see: {}", see(check));
            }
        }
    }

    /// For programs.
    pub(crate) fn json(&self) -> Value {
        let checks = Check::ALL.iter().filter_map(|check| {
            let level = self.level(*check)?;
            let mut value =
                json!({"id": check.id(), "group": check.group(), "result": level, "see": see(*check)});
            if let Some(why) = self.skipped.get(check) {
                value["skipped"] = why.as_str().into();
            }
            if let Some(detail) = self.made.get(check).filter(|detail| !detail.is_empty()) {
                value["detail"] = detail.as_str().into();
            }
            if let Some(problems) = self.problems.get(check) {
                value["problems"] = json!(problems);
            }
            Some(value)
        });
        json!({"result": self.worst(), "checks": checks.collect::<Vec<_>>()})
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worst_of_a_check_is_its_sign_and_every_problem_has_its_fix() {
        let mut sheet = Sheet::default();
        sheet.made(Check::ServerVersion, "1.36");
        sheet.made(Check::Apis, "");
        sheet.skip(Check::LeaderGone, "no Lease");
        sheet.warn(Check::Apis, "", "slow", "");
        sheet.error(Check::Apis, "APIService a", "away", "bring it back");
        let text = sheet.text(Colour::NEVER);
        for line in [
            "  √ server-version: the API server is new enough (1.36)\n",
            "  ‼ apis: slow\n      fix: Serve it;",
            "  × apis: APIService a: away\n      fix: bring it back\n      see: docs/check.md#apis\n",
            "  – leader-gone: not looked at: no Lease\n",
            "1 good, 0 to look at, 1 broken, 1 not looked at\n",
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
        assert_eq!(
            (sheet.worst(), &sheet.json()["checks"][1]["problems"][1]["level"]),
            (Level::Error, &json!("error"))
        );
    }
}
