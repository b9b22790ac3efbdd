//! What does not leave the cluster: values that are secret, or look so.
//!
//! An archive that lacks a harmless value is still useful; one with a password is not harmless. So what is kept of variables is
//! listed, and everything else goes.

use std::sync::LazyLock;

use operator::settings::table;
use regex::{Captures, Regex};
use serde_json::Value;

/// What stands in the place of a value.
pub(super) const REDACTED: &str = "<redacted>";

/// Parts of keys whose values are secret.
const SECRET: [&str; 15] = [
    "password",
    "passwd",
    "passphrase",
    "secret",
    "token",
    "credential",
    "apikey",
    "accesskey",
    "privatekey",
    "authorization",
    "cookie",
    "connectionstring",
    "dsn",
    "sasurl",
    "keypem",
];
/// Keys that name a secret instead of holding it, or hold something else.
const HARMLESS: [&str; 8] = [
    "secretname",
    "secretkeyref",
    "secretref",
    "secretnamespace",
    "tokenfile",
    "passwordfile",
    "credentialsfile",
    "tokenpath",
];
/// Keys under which every text is taken out.
const ALL_BELOW: [&str; 4] = ["headers", "htpasswd", "stringdata", "binarydata"];
/// Variables of applications that injection concerns; their values are scrubbed as texts.
const VARIABLES: [&str; 8] = [
    "JAVA_TOOL_OPTIONS",
    "NODE_OPTIONS",
    "PYTHONPATH",
    "LD_PRELOAD",
    "LD_LIBRARY_PATH",
    "GOMEMLIMIT",
    "GOMAXPROCS",
    "NAMESPACE",
];
/// Beginnings of further ones.
const VARIABLE_PREFIXES: [&str; 4] = ["OTEL_", "CORECLR_", "DOTNET_", "K8S_"];
/// What `kubectl apply` keeps: the whole object once more, as a text.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";

/// Patterns in texts, with what remains of them.
static PATTERNS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    [
        (r"(?s)-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|$)", REDACTED),
        (r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{6,}", "$1 <redacted>"),
        (r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*", REDACTED),
        (r"\b(AKIA|ASIA)[0-9A-Z]{16}\b", REDACTED),
        (r"([A-Za-z][A-Za-z0-9+.-]*://)[^/\s@]+@", "$1<redacted>@"),
        (
            r#"(?i)([\w.-]*(?:password|passwd|passphrase|secret|token|credential|api[_-]?key|access[_-]?key|private[_-]?key|authorization)[\w.-]*\\?["']?\s*[:=]\s*)(\\?"[^"]*"|'[^']*'|[^\s,;&}\]]+)"#,
            "$1<redacted>",
        ),
    ]
    .into_iter()
    // The patterns are constants; a test uses each.
    .filter_map(|(pattern, rest)| Some((Regex::new(pattern).ok()?, rest)))
    .collect()
});

/// A text (a log, an event, an argument) without what looks secret in it.
pub(super) fn text(text: &str) -> String {
    let mut out = text.to_owned();
    for (pattern, rest) in PATTERNS.iter() {
        if pattern.is_match(&out) {
            out = pattern
                .replace_all(&out, |found: &Captures<'_>| {
                    let mut replaced = String::new();
                    found.expand(rest, &mut replaced);
                    replaced
                })
                .into_owned();
        }
    }
    out
}

/// An object without what is, or looks, secret in it.
pub(super) fn object(object: &mut Value) {
    if object.get("kind").and_then(Value::as_str) == Some("Secret") {
        for field in ["data", "stringData"] {
            if let Some(map) = object.get_mut(field).and_then(Value::as_object_mut) {
                map.values_mut().for_each(|value| *value = REDACTED.into());
            }
        }
    }
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("managedFields");
        if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
            annotations.remove(LAST_APPLIED);
        }
    }
    walk(object);
}

/// A key as it is compared: `api_key`, `api-key` and `apiKey` are the same.
fn plain(key: &str) -> String {
    key.chars().filter(char::is_ascii_alphanumeric).map(|c| c.to_ascii_lowercase()).collect()
}

fn is_secret(key: &str) -> bool {
    let plain = plain(key);
    let of_key = key.to_ascii_lowercase();
    !HARMLESS.contains(&plain.as_str())
        && (SECRET.iter().any(|part| plain.contains(part))
            || of_key.ends_with("_key")
            || of_key.ends_with("-key"))
}

/// Whether a value only says where the secret is.
fn is_reference(value: &str) -> bool {
    let value = value.trim();
    value.is_empty()
        || ((value.starts_with("${") && value.ends_with('}'))
            && value.matches('$').count() == 1
            && !value.contains(":-"))
}

fn walk(value: &mut Value) {
    match value {
        Value::Object(map) => {
            let variable = map.get("name").and_then(Value::as_str).map(str::to_owned);
            if let (Some(name), Some(Value::String(value))) = (variable, map.get_mut("value")) {
                *value = of_variable(&name, value);
                return;
            }
            for (key, value) in map.iter_mut() {
                match value {
                    _ if ALL_BELOW.contains(&plain(key).as_str()) => below(value),
                    Value::String(text) if is_secret(key) => {
                        if !is_reference(text) {
                            *text = REDACTED.to_owned();
                        }
                    }
                    Value::Number(_) if is_secret(key) => *value = REDACTED.into(),
                    Value::Array(items) if is_secret(key) => {
                        items
                            .iter_mut()
                            .filter(|item| item.is_string())
                            .for_each(|item| *item = REDACTED.into());
                        items.iter_mut().for_each(walk);
                    }
                    Value::Array(items) if matches!(key.as_str(), "args" | "command") => arguments(items),
                    _ => walk(value),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(walk),
        Value::String(string) => *string = document(string),
        _ => {}
    }
}

/// Takes out every text, but for the names of what is set.
fn below(value: &mut Value) {
    match value {
        Value::Object(map) => {
            map.iter_mut().filter(|(key, _)| *key != "key").for_each(|(_, value)| below(value))
        }
        Value::Array(items) => items.iter_mut().for_each(below),
        Value::String(text) if is_reference(text) => {}
        Value::Null => {}
        other => *other = REDACTED.into(),
    }
}

fn of_variable(name: &str, value: &str) -> String {
    let known = VARIABLES.contains(&name)
        || VARIABLE_PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        || table::all().iter().any(|setting| setting.env == Some(name));
    if !known || is_secret(name) || name.ends_with("_HEADERS") { REDACTED.to_owned() } else { text(value) }
}

/// Command lines: `--token=x`, and `--token x` in two entries.
fn arguments(items: &mut [Value]) {
    let mut next_is_secret = false;
    for item in items {
        let Value::String(argument) = item else { continue };
        let flag = argument.starts_with('-') && !argument.contains(['=', ' ']);
        let secret = flag && is_secret(argument);
        if next_is_secret && !flag {
            *argument = REDACTED.to_owned();
        } else if let Some((name, _)) = argument.split_once('=').filter(|(name, _)| is_secret(name)) {
            *argument = format!("{name}={REDACTED}");
        } else {
            *argument = document(argument);
        }
        next_is_secret = secret;
    }
}

/// A text that may itself be a document, such as a collector's configuration in a ConfigMap.
fn document(string: &str) -> String {
    if string.contains('\n') || string.trim_start().starts_with(['{', '[']) {
        let options = serde_saphyr::options! { duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins };
        let parsed: Result<Value, _> = serde_saphyr::from_str_with_options(string, options);
        if let Ok(mut value @ (Value::Object(_) | Value::Array(_))) = parsed {
            walk(&mut value);
            if let Ok(written) = serde_saphyr::to_string(&value) {
                return written;
            }
        }
    }
    text(string)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const CANARY: &str = "hunter2canary";

    fn without_canary(mut value: Value) -> Value {
        object(&mut value);
        assert!(!value.to_string().contains(CANARY), "{value:#}");
        value
    }

    #[test]
    fn nothing_secret_stays_in_objects() {
        without_canary(json!({"kind": "Secret", "data": {"a": CANARY}, "stringData": {"b": CANARY}}));
        without_canary(
            json!({"metadata": {"annotations": {LAST_APPLIED: CANARY}, "managedFields": [CANARY]}}),
        );
        let pod = without_canary(json!({"spec": {"containers": [{
            "env": [
                {"name": "PLAIN", "value": CANARY},
                {"name": "OTEL_EXPORTER_OTLP_HEADERS", "value": format!("a={CANARY}")},
                {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": format!("http://user:{CANARY}@collector:4317")},
                {"name": "JAVA_TOOL_OPTIONS", "value": format!("-Dkey.password={CANARY} -javaagent:/x.jar")},
                {"name": "OTEL_SERVICE_NAME", "value": "web"},
            ],
            "args": [format!("--token={CANARY}"), "--password", CANARY, "--verbose", "serve"],
            "command": ["sh", "-c", format!("curl -H 'Authorization: Bearer {CANARY}' x")],
        }]}}));
        let shown = pod.to_string();
        for kept in ["-javaagent:/x.jar", "collector:4317", "--verbose", "serve", "\"web\"", "PLAIN"] {
            assert!(shown.contains(kept), "{kept} is not in {shown}");
        }
    }

    #[test]
    fn nothing_secret_stays_in_configurations_of_collectors() {
        let config = json!({
            "exporters": {"otlphttp": {
                "endpoint": format!("https://u:{CANARY}@backend"),
                "headers": {"x-team": CANARY},
                "api_key": CANARY,
                "token": "${env:TOKEN}",
                "auth": {"authenticator": "basicauth"},
            }},
            "extensions": {
                "basicauth": {"client_auth": {"username": "u", "password": CANARY}, "htpasswd": {"inline": CANARY}},
                "headers_setter": {"headers": [{"key": "X-Tenant", "value": CANARY}]},
            },
            "receivers": {"prometheus": {"config": {"scrape_configs": [{"authorization": {"credentials": CANARY}}]}}},
        });
        let shown = without_canary(json!({"spec": {"config": config.clone()}})).to_string();
        assert!(
            shown.contains("${env:TOKEN}") && shown.contains("X-Tenant") && shown.contains("basicauth"),
            "{shown}"
        );
        // As a text, in YAML, in JSON, and broken.
        let yaml = serde_saphyr::to_string(&config).unwrap();
        let shown =
            without_canary(json!({"data": {"collector.yaml": yaml, "json": config.to_string()}})).to_string();
        assert!(shown.contains("authenticator: basicauth"), "{shown}");
        without_canary(json!({"data": {"collector.yaml": format!("a: [\npassword: {CANARY}\n")}}));
    }

    #[test]
    fn nothing_secret_stays_in_texts() {
        for line in [
            format!("password={CANARY}"),
            format!("{{\"api_key\":\"{CANARY}\"}}"),
            format!("msg=\"token: '{CANARY}'\""),
            format!("GET https://user:{CANARY}@host/path"),
            format!("Authorization: Basic {CANARY}=="),
            format!("-----BEGIN RSA PRIVATE KEY-----\n{CANARY}\n-----END RSA PRIVATE KEY-----"),
            format!("-----BEGIN PRIVATE KEY-----\n{CANARY}"),
            format!("jwt eyJhbGciOiJIUzI1NiJ9.{CANARY}.x"),
        ] {
            assert!(!text(&line).contains(CANARY), "{}", text(&line));
        }
        assert_eq!(text("AKIAIOSFODNN7EXAMPLE"), REDACTED);
        assert_eq!(text("started 3 receivers at 0.0.0.0:4317"), "started 3 receivers at 0.0.0.0:4317");
        assert_eq!(PATTERNS.len(), 6);
    }
}
