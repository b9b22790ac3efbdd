//! Log lines: JSON objects, one a line, with the keys that the reference operator uses; or text for people.

use std::{
    fmt,
    sync::{Mutex, OnceLock, PoisonError},
};

use k8s_openapi::jiff::Timestamp;
use serde_json::{Map, Value};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    EnvFilter,
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::settings::values::{Invalid, Values};

/// `--zap-*`.
#[derive(Clone, Debug)]
pub struct Settings {
    level: &'static str,
    console: bool,
    time: TimeEncoding,
    message_key: String,
    level_key: String,
    time_key: String,
    lowercase: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum TimeEncoding {
    Epoch,
    Millis,
    Nano,
    Iso8601,
    Rfc3339,
    Rfc3339Nano,
}

impl Settings {
    /// Reads the settings.
    ///
    /// # Errors
    /// When a value is not one of the known words.
    pub fn read(values: &Values) -> Result<Settings, Invalid> {
        let devel = values.boolean("zap-devel")?;
        let level = match parse_level(&values.text("zap-log-level")) {
            Some("info") if devel && values.given("zap-log-level").is_none() => "debug",
            Some(level) => level,
            None => {
                let given = values.get("zap-log-level");
                return Err(Invalid::new(
                    &given,
                    "no log level",
                    "give debug, info, warn, error or a number",
                ));
            }
        };
        let console = match values.text("zap-encoder").as_str() {
            "" => devel,
            "console" => true,
            "json" => false,
            _ => {
                return Err(Invalid::new(
                    &values.get("zap-encoder"),
                    "no log format",
                    "give json or console",
                ));
            }
        };
        let time = match values.text("zap-time-encoding").as_str() {
            "epoch" => TimeEncoding::Epoch,
            "millis" => TimeEncoding::Millis,
            "nano" => TimeEncoding::Nano,
            "iso8601" => TimeEncoding::Iso8601,
            "rfc3339" => TimeEncoding::Rfc3339,
            "rfc3339nano" => TimeEncoding::Rfc3339Nano,
            _ => {
                let fix = "give epoch, millis, nano, iso8601, rfc3339 or rfc3339nano";
                return Err(Invalid::new(&values.get("zap-time-encoding"), "no time format", fix));
            }
        };
        Ok(Settings {
            level,
            console,
            time,
            message_key: values.text("zap-message-key"),
            level_key: values.text("zap-level-key"),
            time_key: values.text("zap-time-key"),
            // Anything else counts as uppercase, as in the reference.
            lowercase: values.text("zap-level-format") == "lowercase",
        })
    }

    /// Starts logging to standard error. `RUST_LOG` refines the level, for example `info,kube=debug`.
    pub fn start(self) {
        let wanted = std::env::var("RUST_LOG").unwrap_or_else(|_| filter(self.level));
        let level = self.level;
        let builder = tracing_subscriber::fmt()
            .with_writer(std::io::stderr)
            .with_ansi(false)
            .event_format(self)
            .with_env_filter(EnvFilter::builder().parse_lossy(wanted))
            .with_filter_reloading();
        let handle = builder.reload_handle();
        let set = move |level: &str| {
            handle.reload(EnvFilter::builder().parse_lossy(filter(level))).map_err(|e| e.to_string())
        };
        // An error means that logging was started before, by a test for example.
        if builder.try_init().is_ok() {
            let _ = CONTROL.set(Control { level: Mutex::new(level), set: Box::new(set) });
        }
    }
}

/// The level of the running process.
struct Control {
    level: Mutex<&'static str>,
    set: Box<SetLevel>,
}

/// Puts a level in force.
type SetLevel = dyn Fn(&str) -> Result<(), String> + Send + Sync;

static CONTROL: OnceLock<Control> = OnceLock::new();

/// The level in force; none when this process's logs were not started here.
pub fn level() -> Option<&'static str> {
    CONTROL.get().map(|control| *control.level.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Changes the level of the running process.
///
/// # Errors
/// When the word is no level.
pub fn set_level(text: &str) -> Result<&'static str, String> {
    let level = parse_level(text)
        .ok_or_else(|| format!("{text:?} is no log level; give debug, info, warn, error or a number"))?;
    if let Some(control) = CONTROL.get() {
        let mut current = control.level.lock().unwrap_or_else(PoisonError::into_inner);
        (control.set)(level)?;
        *current = level;
    }
    tracing::info!(target: "setup", level, "the log level is changed");
    Ok(level)
}

/// The levels of the reference, by name or by how much more than `info`.
fn parse_level(text: &str) -> Option<&'static str> {
    match text {
        "trace" => Some("trace"),
        "debug" => Some("debug"),
        "info" => Some("info"),
        "warn" => Some("warn"),
        "error" | "panic" => Some("error"),
        number => number.parse::<u8>().ok().map(|number| match number {
            0 => "info",
            1 => "debug",
            _ => "trace",
        }),
    }
}

fn filter(level: &str) -> String {
    let quiet: String = LIBRARIES.iter().map(|library| format!(",{library}=warn")).collect();
    format!("{level}{quiet}")
}

/// Libraries, by the names of their log targets: only their warnings matter to who runs the operator. Everything else is ours; its
/// targets are the reference's logger names, not module paths.
const LIBRARIES: &[&str] =
    &["h2", "hyper", "hyper_util", "kube_client", "kube_runtime", "mio", "rustls", "tokio_util", "tower"];

/// The fields of one event.
#[derive(Default)]
struct Fields {
    message: String,
    others: Map<String, Value>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field, Value::String(format!("{value:?}")));
    }
    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field, value.into());
    }
    fn record_i64(&mut self, field: &Field, value: i64) {
        self.take(field, value.into());
    }
    fn record_u64(&mut self, field: &Field, value: u64) {
        self.take(field, value.into());
    }
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.take(field, value.into());
    }
    fn record_bool(&mut self, field: &Field, value: bool) {
        self.take(field, value.into());
    }
}

impl Fields {
    fn take(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => {
                self.others.insert(name.to_owned(), value);
            }
        }
    }
}

impl Settings {
    fn level(&self, level: Level) -> &'static str {
        match (level, self.lowercase) {
            (Level::ERROR, false) => "ERROR",
            (Level::ERROR, true) => "error",
            (Level::WARN, false) => "WARN",
            (Level::WARN, true) => "warn",
            (Level::INFO, false) => "INFO",
            (Level::INFO, true) => "info",
            (_, false) => "DEBUG",
            (_, true) => "debug",
        }
    }

    fn time(&self, now: Timestamp) -> Value {
        match self.time {
            TimeEncoding::Epoch => now.as_duration().as_secs_f64().into(),
            TimeEncoding::Millis => now.as_millisecond().into(),
            TimeEncoding::Nano => i64::try_from(now.as_nanosecond()).unwrap_or(i64::MAX).into(),
            TimeEncoding::Iso8601 => format!("{now:.3}").into(),
            TimeEncoding::Rfc3339 => format!("{now:.0}").into(),
            TimeEncoding::Rfc3339Nano => format!("{now:.9}").into(),
        }
    }

    fn write(
        &self,
        mut writer: Writer<'_>,
        level: Level,
        logger: &str,
        now: Timestamp,
        fields: Fields,
    ) -> fmt::Result {
        let Fields { message, others } = fields;
        if self.console {
            write!(writer, "{now:.3}\t{}\t{logger}\t{message}", self.level(level))?;
            if !others.is_empty() {
                write!(writer, "\t{}", Value::Object(others))?;
            }
            return writeln!(writer);
        }
        // Written by hand to keep the order of keys that people's eyes and scripts are used to.
        let text = |text: &str| Value::String(text.to_owned());
        write!(writer, "{{{}:{},", text(&self.level_key), text(self.level(level)))?;
        write!(writer, "{}:{},", text(&self.time_key), self.time(now))?;
        write!(writer, "\"logger\":{},{}:{}", text(logger), text(&self.message_key), text(&message))?;
        for (key, value) in others {
            write!(writer, ",{}:{value}", text(&key))?;
        }
        writeln!(writer, "}}")
    }
}

impl<S, N> FormatEvent<S, N> for Settings
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        self.write(writer, *metadata.level(), metadata.target(), Timestamp::now(), fields)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(flags: &[(&str, &str)]) -> String {
        let mut values = Values::default();
        for (flag, value) in flags {
            values.from_flag(crate::settings::table::by_flag(flag).unwrap(), vec![(*value).to_owned()]);
        }
        let settings = Settings::read(&values).unwrap();
        let mut text = String::new();
        let mut others = Map::new();
        others.insert("namespace".to_owned(), "shop".into());
        let now = "2026-11-23T10:00:00.123456789Z".parse().unwrap();
        settings
            .write(
                Writer::new(&mut text),
                Level::INFO,
                "pod-webhook",
                now,
                Fields { message: "pod \"x\"".into(), others },
            )
            .unwrap();
        text
    }

    #[test]
    fn a_json_line_has_the_keys_of_the_reference() {
        assert_eq!(
            line(&[]),
            "{\"level\":\"INFO\",\"timestamp\":\"2026-11-23T10:00:00Z\",\"logger\":\"pod-webhook\",\"message\":\"pod \\\"x\\\"\",\"namespace\":\"shop\"}\n"
        );
        assert!(line(&[("zap-time-encoding", "rfc3339nano")]).contains("10:00:00.123456789Z"));
        assert!(line(&[("zap-time-encoding", "millis")]).contains("\"timestamp\":1795428000123,"));
        assert!(
            line(&[("zap-level-format", "lowercase"), ("zap-level-key", "l")]).starts_with("{\"l\":\"info\"")
        );
    }

    #[test]
    fn console_lines_are_for_people() {
        assert_eq!(
            line(&[("zap-encoder", "console")]),
            "2026-11-23T10:00:00.123Z\tINFO\tpod-webhook\tpod \"x\"\t{\"namespace\":\"shop\"}\n"
        );
    }

    #[test]
    fn unknown_words_are_refused() {
        let mut values = Values::default();
        values.from_flag(crate::settings::table::by_flag("zap-log-level").unwrap(), vec!["loud".to_owned()]);
        assert_eq!(
            Settings::read(&values).unwrap_err().to_string(),
            "--zap-log-level: \"loud\" is no log level; give debug, info, warn, error or a number"
        );
    }
}
