//! The hash of a configuration: it names the ConfigMap and, as an annotation of the pods, restarts them.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::config_text::go_exponent;

/// SHA-256, in hexadecimal, of the configuration as the Go operator encodes it in JSON, so that a taken-over collector
/// keeps its ConfigMap and its pods: members in the collector's order, all others sorted, Go's escapes and numbers,
/// nothing that a collector does not know.
pub fn config_hash(config: &Value) -> String {
    hex(&Sha256::digest(encode(config)))
}

fn hex(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn encode(config: &Value) -> String {
    let mut out = String::from("{");
    for (i, name) in ["receivers", "exporters"].into_iter().enumerate() {
        member(&mut out, i == 0, name);
        value(&mut out, &config[name]);
    }
    for name in ["processors", "connectors", "extensions"] {
        if !config[name].is_null() {
            member(&mut out, false, name);
            value(&mut out, &config[name]);
        }
    }
    member(&mut out, false, "service");
    service(&mut out, &config["service"]);
    out.push('}');
    out
}

fn service(out: &mut String, service: &Value) {
    out.push('{');
    let mut first = true;
    if !is_empty_list(&service["extensions"]) {
        member(out, first, "extensions");
        value(out, &service["extensions"]);
        first = false;
    }
    if !service["telemetry"].is_null() {
        member(out, first, "telemetry");
        value(out, &service["telemetry"]);
        first = false;
    }
    member(out, first, "pipelines");
    match &service["pipelines"] {
        Value::Object(pipelines) => {
            out.push('{');
            let mut pipelines: Vec<_> = pipelines.iter().collect();
            pipelines.sort_unstable_by_key(|(name, _)| name.as_str());
            for (i, (name, of)) in pipelines.into_iter().enumerate() {
                member(out, i == 0, name);
                pipeline(out, of);
            }
            out.push('}');
        }
        other => value(out, other),
    }
    out.push('}');
}

fn pipeline(out: &mut String, pipeline: &Value) {
    if !pipeline.is_object() {
        return value(out, pipeline);
    }
    out.push('{');
    member(out, true, "exporters");
    value(out, &pipeline["exporters"]);
    if !is_empty_list(&pipeline["processors"]) {
        member(out, false, "processors");
        value(out, &pipeline["processors"]);
    }
    member(out, false, "receivers");
    value(out, &pipeline["receivers"]);
    out.push('}');
}

fn is_empty_list(list: &Value) -> bool {
    list.is_null() || list.as_array().is_some_and(Vec::is_empty)
}

fn member(out: &mut String, first: bool, name: &str) {
    if !first {
        out.push(',');
    }
    string(out, name);
    out.push(':');
}

fn value(out: &mut String, of: &Value) {
    match of {
        Value::Null => out.push_str("null"),
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Number(number) => match number.as_f64() {
            Some(float) if number.is_f64() => self::float(out, float),
            _ => out.push_str(&number.to_string()),
        },
        Value::String(text) => string(out, text),
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                value(out, item);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            let mut members: Vec<_> = members.iter().collect();
            members.sort_unstable_by_key(|(name, _)| name.as_str());
            for (i, (name, of)) in members.into_iter().enumerate() {
                member(out, i == 0, name);
                value(out, of);
            }
            out.push('}');
        }
    }
}

/// Go's JSON: the shortest digits, an exponent only outside of 1e-6 to 1e21.
fn float(out: &mut String, value: f64) {
    let (digits, exponent) = go_exponent(value);
    if value == 0.0 || (-6..21).contains(&exponent) {
        out.push_str(&value.to_string());
    } else {
        let sign = if exponent < 0 { '-' } else { '+' };
        out.push_str(&format!("{digits}e{sign}{}", exponent.abs()));
    }
}

fn string(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                out.push_str(&format!("\\u{:04x}", u32::from(c)));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}
