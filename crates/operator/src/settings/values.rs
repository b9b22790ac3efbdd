//! Values of settings with their origin: file, then environment, then flags, the later one wins.

use std::{collections::BTreeMap, fmt};

use serde_json::Value;

use super::table::{self, Effect, Kind, Setting};

/// A value that somebody gave.
#[derive(Clone, Debug, PartialEq)]
pub struct Given {
    /// Where it comes from, as a user would write it, for example `--webhook-port` or `WEBHOOK_PORT`.
    pub origin: String,
    /// Texts; several for repeated flags and lists.
    pub texts: Vec<String>,
    /// The value of an object.
    pub object: Value,
}

/// A value that makes no sense.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{origin}: {value:?} is {problem}; {fix}")]
pub struct Invalid {
    /// Who gave it.
    pub origin: String,
    /// The value.
    pub value: String,
    /// What is wrong.
    pub problem: String,
    /// What to do.
    pub fix: String,
}

impl Invalid {
    /// An error about this value.
    pub fn new(given: &Given, problem: impl fmt::Display, fix: impl fmt::Display) -> Invalid {
        Invalid {
            origin: given.origin.clone(),
            value: given.texts.join(","),
            problem: problem.to_string(),
            fix: fix.to_string(),
        }
    }
}

/// The values in force.
#[derive(Debug, Default)]
pub struct Values {
    given: BTreeMap<&'static str, Given>,
    /// What the user should know.
    pub warnings: Vec<String>,
}

impl Values {
    /// Adds a value of the configuration file.
    pub fn from_file(&mut self, key: &str, value: &Value) -> Result<(), Invalid> {
        if let Value::Object(nested) = value
            && table::all()
                .iter()
                .any(|s| s.key.is_some_and(|k| k.strip_prefix(key).is_some_and(|k| k.starts_with('.'))))
        {
            return nested
                .iter()
                .try_for_each(|(inner, value)| self.from_file(&format!("{key}.{inner}"), value));
        }
        let Some(setting) = table::by_key(key) else {
            self.warnings.push(format!("configuration file: unknown key {key:?} is ignored; see docs/reference-flags.md for the known ones"));
            return Ok(());
        };
        let origin = format!("configuration file, key {key}");
        let texts = match (setting.kind, value) {
            (_, Value::Null) => return Ok(()),
            (Kind::Object, _) => Vec::new(),
            (Kind::List | Kind::Repeated | Kind::Layered, Value::Array(items)) => {
                if let Some(item) = items.iter().find(|i| matches!(i, Value::Array(_) | Value::Object(_))) {
                    return Err(Invalid {
                        origin,
                        value: item.to_string(),
                        problem: "a list or an object in a list".to_owned(),
                        fix: "give a list of single values".to_owned(),
                    });
                }
                items.iter().filter(|item| !item.is_null()).map(scalar).collect()
            }
            (_, Value::Array(_) | Value::Object(_)) => {
                return Err(Invalid {
                    origin,
                    value: value.to_string(),
                    problem: "a list or an object".to_owned(),
                    fix: "give a single value".to_owned(),
                });
            }
            _ => vec![scalar(value)],
        };
        let object = if setting.kind == Kind::Object { value.clone() } else { Value::Null };
        self.put(setting, Given { origin, texts, object });
        Ok(())
    }

    /// Adds the environment. A variable that is set counts, even if it is empty.
    pub fn from_environment(&mut self, variable: impl Fn(&str) -> Option<String>) {
        for setting in table::all() {
            let Some(name) = setting.env else { continue };
            let Some(value) = variable(name) else { continue };
            if setting.kind == Kind::Bool && value.is_empty() {
                self.warnings.push(format!(
                    "environment variable {name} is empty, which counts as false; give true or false"
                ));
                let texts = vec!["false".to_owned()];
                self.put(setting, Given { origin: name.to_owned(), texts, object: Value::Null });
                continue;
            }
            let origin = format!("environment variable {name}");
            self.put(setting, Given { origin, texts: vec![value], object: Value::Null });
        }
    }

    /// Adds a flag with the values that it was given.
    pub fn from_flag(&mut self, setting: &'static Setting, mut texts: Vec<String>) {
        if !matches!(setting.kind, Kind::Repeated | Kind::Layered)
            && let Some(last) = texts.pop()
        {
            texts = vec![last];
        }
        let origin = format!("--{}", setting.id());
        self.put(setting, Given { origin, texts, object: Value::Null });
    }

    /// The later source wins; of a layered setting each word does.
    fn put(&mut self, setting: &Setting, mut given: Given) {
        if setting.kind == Kind::Layered
            && let Some(earlier) = self.given.remove(setting.id())
        {
            given.origin = format!("{}, {}", earlier.origin, given.origin);
            given.texts.splice(0..0, earlier.texts);
        }
        self.given.insert(setting.id(), given);
    }

    /// The value that somebody gave, if anybody did.
    pub fn given(&self, id: &str) -> Option<&Given> {
        self.given.get(id)
    }

    /// The value in force, with the default as its origin when nobody gave one.
    pub fn get(&self, id: &str) -> Given {
        if let Some(given) = self.given.get(id) {
            return given.clone();
        }
        let default = table::all().iter().find(|s| s.id() == id).map(|s| s.default).unwrap_or_default();
        Given { origin: format!("default of {id}"), texts: vec![default.to_owned()], object: Value::Null }
    }

    /// An error about two settings that do not fit together, each with its fix: the one that is too long is to blame, unless
    /// only the other was given.
    pub fn misfit(&self, (long, shorten): (&str, String), (short, lengthen): (&str, String)) -> Invalid {
        match (self.given(long), self.given(short)) {
            (None, Some(given)) => Invalid::new(given, "too short", lengthen),
            _ => Invalid::new(&self.get(long), "too long", shorten),
        }
    }

    /// A text.
    pub fn text(&self, id: &str) -> String {
        self.get(id).texts.pop().unwrap_or_default()
    }

    /// A boolean, in the spellings of Go.
    pub fn boolean(&self, id: &str) -> Result<bool, Invalid> {
        let given = self.get(id);
        match given.texts.last().map(String::as_str).unwrap_or_default() {
            "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
            "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
            _ => Err(Invalid::new(&given, "no boolean", "give true or false")),
        }
    }

    /// Texts separated by commas, or given as a list. Blanks around and empty entries are dropped.
    pub fn list(&self, id: &str) -> Vec<String> {
        let given = self.get(id);
        let parts = given.texts.iter().flat_map(|text| text.split(','));
        parts.map(str::trim).filter(|part| !part.is_empty()).map(str::to_owned).collect()
    }

    /// Warns of settings that somebody gave and that do nothing.
    pub fn warn_of_the_ineffective(&mut self) {
        let of = |effect: Effect| -> Vec<String> {
            let settings = table::all().iter().filter(|setting| setting.effect == effect);
            let given = settings.filter_map(|setting| Some((setting, self.given.get(setting.id())?)));
            given
                .map(|(setting, given)| match effect {
                    Effect::Without => format!("{} ({})", given.origin, setting.help),
                    _ => given.origin.clone(),
                })
                .collect()
        };
        let (not_yet, without) = (of(Effect::NotYet), of(Effect::Without));
        if !not_yet.is_empty() {
            self.warnings.push(format!("accepted, but without effect yet: {}", not_yet.join(", ")));
        }
        if !without.is_empty() {
            self.warnings.push(format!("accepted without effect: {}", without.join(", ")));
        }
    }
}

/// YAML scalars as their text: `webhook-port: 9443` and `webhook-port: "9443"` mean the same.
fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}
