//! What a Collector wrote with its file exporter: one OTLP message as JSON a line.

use std::{collections::BTreeMap, fs, path::Path};

use serde_json::Value;

/// A span with the attributes of its resource.
#[derive(Clone, Debug)]
pub(super) struct Span {
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: String,
    pub(super) name: String,
    /// 2 is a server's, 3 a client's.
    pub(super) kind: u64,
    pub(super) resource: BTreeMap<String, String>,
}

impl Span {
    pub(super) fn service(&self) -> &str {
        self.resource.get("service.name").map_or("", String::as_str)
    }
}

/// All messages in the files of `folder`, one of each pod that wrote; none while there is no file. A line that is half
/// written is left out.
pub(super) fn messages(folder: &Path) -> Vec<Value> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten();
    let texts = files.filter_map(|file| fs::read_to_string(file.path()).ok());
    texts
        .flat_map(|text| text.lines().filter_map(|l| serde_json::from_str(l).ok()).collect::<Vec<_>>())
        .collect()
}

pub(super) fn spans(messages: &[Value]) -> Vec<Span> {
    let mut spans = Vec::new();
    for part in messages.iter().flat_map(|m| list(m, "resourceSpans")) {
        let resource = attributes(&part["resource"]);
        for span in list(part, "scopeSpans").flat_map(|scope| list(scope, "spans")) {
            let text = |key: &str| span[key].as_str().unwrap_or_default().to_owned();
            spans.push(Span {
                trace: text("traceId"),
                id: text("spanId"),
                parent: text("parentSpanId"),
                name: text("name"),
                kind: span["kind"].as_u64().unwrap_or_default(),
                resource: resource.clone(),
            });
        }
    }
    spans
}

/// The services of which there is something under `key` (`resourceMetrics`, `resourceLogs`).
pub(super) fn services(messages: &[Value], key: &str) -> Vec<String> {
    let parts = messages.iter().flat_map(|m| list(m, key));
    parts.filter_map(|part| attributes(&part["resource"]).remove("service.name")).collect()
}

/// The trace as a tree, a line for each span.
pub(super) fn tree(spans: &[Span]) -> String {
    fn below(spans: &[Span], parent: &str, indent: usize, lines: &mut String) {
        for span in spans.iter().filter(|span| span.parent == parent) {
            let kind = match span.kind {
                2 => "server",
                3 => "client",
                _ => "internal",
            };
            let pod = span.resource.get("k8s.pod.name").map_or("", String::as_str);
            let name = format!("{:indent$}{}  {}", "", span.service(), span.name);
            *lines += &format!("{name:<58} {kind:<9} {pod}\n");
            below(spans, &span.id, indent + 2, lines);
        }
    }
    let mut lines = String::new();
    below(spans, "", 0, &mut lines);
    lines
}

fn attributes(resource: &Value) -> BTreeMap<String, String> {
    let pairs = list(resource, "attributes");
    pairs
        .filter_map(|pair| {
            let value = &pair["value"];
            let text = value["stringValue"]
                .as_str()
                .map(str::to_owned)
                .or_else(|| Some(value["intValue"].as_str()?.to_owned()))?;
            Some((pair["key"].as_str()?.to_owned(), text))
        })
        .collect()
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}
