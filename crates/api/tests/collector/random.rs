//! Random OpenTelemetryCollectors.

use api::collector::crd::open_api_schema;
use serde_json::{Map, Value, json};

/// SplitMix64: the same numbers each time.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }
    pub(crate) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
    pub(crate) fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

const STRINGS: [&str; 28] = [
    "",
    "text",
    "a b",
    "1",
    "1e3",
    "0755",
    "true",
    "no",
    "null",
    "~",
    "a: b",
    "#x",
    "${env:X}:4317",
    ":4317",
    "- x",
    "line\nline\n",
    "\n",
    " x ",
    "tab\t",
    "é",
    "\u{2028}",
    "\\d+",
    "{a}",
    "[::]:1",
    "2020-01-01",
    "relabel-config",
    "\r\n",
    "x\u{0}y",
];

/// Any value, as it may stand in a component of a configuration.
pub(crate) fn anything(random: &mut Random, depth: usize) -> Value {
    match random.below(if depth == 0 { 6 } else { 9 }) {
        0 => Value::Null,
        1 => json!(random.one_in(2)),
        2 => json!(random.next() >> random.below(64)),
        3 => json!(-i64::try_from(random.next() >> 1).unwrap() >> random.below(62)),
        4 => json!(*random.of(&[0.5, -1.25e-7, 1e300, 3.0, 1.5e9])),
        5 => json!(random.of(&STRINGS)),
        6 => (0..random.below(4)).map(|_| anything(random, depth - 1)).collect(),
        _ => (0..random.below(4))
            .map(|_| ((*random.of(&STRINGS)).to_owned(), anything(random, depth - 1)))
            .collect::<Map<_, _>>()
            .into(),
    }
}

/// A value of a schema; each member of an object is there with a chance of one in `sparse`.
fn of_schema(random: &mut Random, schema: &Value, sparse: usize) -> Value {
    if schema["x-kubernetes-int-or-string"] == true {
        return if random.one_in(2) { json!(random.below(100)) } else { json!("25%") };
    }
    if let Some(words) = schema["enum"].as_array() {
        return random.of(words).clone();
    }
    match schema["type"].as_str().unwrap() {
        "object" => match (&schema["properties"], &schema["additionalProperties"]) {
            (Value::Object(properties), _) => {
                let mut members = Map::new();
                for (name, schema) in properties {
                    if random.one_in(sparse) {
                        members.insert(name.clone(), of_schema(random, schema, sparse));
                    }
                }
                members.into()
            }
            (_, Value::Object(_)) => (0..random.below(3))
                .map(|i| (format!("key{i}"), of_schema(random, &schema["additionalProperties"], sparse)))
                .collect::<Map<_, _>>()
                .into(),
            _ => anything(random, 2).as_object().cloned().unwrap_or_default().into(),
        },
        "array" => (0..random.below(3)).map(|_| of_schema(random, &schema["items"], sparse)).collect(),
        "boolean" => json!(random.one_in(2)),
        "integer" => json!(random.below(100_000)),
        _ => json!(random.of(&STRINGS)),
    }
}

fn ids(random: &mut Random) -> Value {
    (0..random.below(3)).map(|_| *random.of(&["otlp", "debug", "batch/2", "1"])).collect()
}

fn config(random: &mut Random) -> Value {
    let mut config = json!({ "receivers": {}, "exporters": {}, "service": { "pipelines": {} } });
    for section in ["receivers", "exporters", "processors", "connectors", "extensions", "unknown"] {
        if random.one_in(2) {
            config[section] = (0..random.below(3))
                .map(|i| (format!("c/{i}"), anything(random, 3)))
                .collect::<Map<_, _>>()
                .into();
        }
    }
    if random.one_in(2) {
        config["service"]["extensions"] = ids(random);
    }
    if random.one_in(2) {
        config["service"]["telemetry"] = anything(random, 3).as_object().cloned().unwrap_or_default().into();
    }
    for name in ["traces", "metrics/2"] {
        if random.one_in(2) {
            config["service"]["pipelines"][name] =
                json!({ "receivers": ids(random), "exporters": ids(random), "processors": ids(random) });
        }
    }
    config
}

pub(crate) fn object(random: &mut Random, api_version: &str) -> Value {
    let version = api_version.split_once('/').unwrap().1;
    let sparse = 1 + random.below(6);
    let mut object = of_schema(random, open_api_schema(version), sparse);
    object["apiVersion"] = json!(api_version);
    object["kind"] = json!("OpenTelemetryCollector");
    object["metadata"] = json!({ "name": "c", "labels": { "a": "b" }, "annotations": { "c": "d" } });
    if !object["spec"].is_object() {
        object["spec"] = json!({});
    }
    let config = config(random);
    object["spec"]["config"] = match version {
        "v1alpha1" if random.one_in(10) => json!("@@@ no YAML"),
        "v1alpha1" => json!(serde_json::to_string_pretty(&config).unwrap()),
        _ => config,
    };
    // A field that only a later version has.
    if random.one_in(4) {
        let spec = object["spec"].as_object_mut().unwrap();
        let (name, value) = (format!("future{}", random.below(9)), anything(random, 2));
        if !value.is_null() {
            spec.insert(name, value);
        }
    }
    object
}

/// The deprecated fields of v1alpha1 come back as the autoscaler's.
pub(crate) fn with_autoscaler(mut object: Value) -> Value {
    let Some(spec) = object["spec"].as_object_mut() else { return object };
    for name in ["minReplicas", "maxReplicas"] {
        let Some(value) = spec.get(name).filter(|value| !value.is_null()).cloned() else { continue };
        let autoscaler = spec.entry("autoscaler").or_insert(json!({}));
        if autoscaler[name].is_null() {
            autoscaler[name] = value.clone();
        }
        if autoscaler[name] == value {
            spec.remove(name);
        }
    }
    object
}
