//! Random objects of both versions come back from the other one as they were.

#![expect(clippy::unwrap_used, reason = "a test may panic; so may its functions")]

use api::collector::{
    API_VERSION, OLD_API_VERSION,
    conversion::{ANNOTATION, convert_review, to_v1alpha1, to_v1beta1, unreadable_config},
    crd::open_api_schema,
};
use serde_json::{Map, Value, json};

#[path = "collector/plain.rs"]
mod plain;

use plain::plain;

const COUNT: u64 = if cfg!(debug_assertions) { 1_000 } else { 10_000 };

/// SplitMix64: the same numbers each time.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        x ^ (x >> 31)
    }
    fn below(&mut self, limit: usize) -> usize {
        usize::try_from(self.next() % u64::try_from(limit).unwrap()).unwrap()
    }
    fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }
    fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
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
fn anything(random: &mut Random, depth: usize) -> Value {
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

fn object(random: &mut Random, api_version: &str) -> Value {
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
fn with_autoscaler(mut object: Value) -> Value {
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

#[test]
fn an_object_of_v1beta1_comes_back_from_v1alpha1() {
    for seed in 0..COUNT {
        let given = object(&mut Random(seed), API_VERSION);
        let back = to_v1beta1(&to_v1alpha1(&given));
        assert_eq!(plain(&back, "v1beta1"), plain(&given, "v1beta1"), "seed {seed}");
        assert_eq!(back["metadata"], given["metadata"], "seed {seed}");
    }
}

#[test]
fn an_object_of_v1alpha1_comes_back_from_v1beta1() {
    for seed in 0..COUNT {
        let given = object(&mut Random(seed), OLD_API_VERSION);
        let away = to_v1beta1(&given);
        assert_eq!(
            unreadable_config(&away).is_some(),
            given["spec"]["config"] == "@@@ no YAML",
            "seed {seed}"
        );
        let back = to_v1alpha1(&away);
        assert_eq!(
            plain(&back, "v1alpha1"),
            plain(&with_autoscaler(given.clone()), "v1alpha1"),
            "seed {seed}"
        );
        assert_eq!(back["metadata"], given["metadata"], "seed {seed}");
    }
}

/// Going back and forth changes nothing more: an old client that writes what it read writes nothing new.
#[test]
fn a_second_round_is_equal_to_the_first() {
    for seed in 0..COUNT / 4 {
        let once = to_v1beta1(&to_v1alpha1(&object(&mut Random(seed), API_VERSION)));
        assert_eq!(to_v1beta1(&to_v1alpha1(&once)), once, "seed {seed}");
        let once = to_v1alpha1(&to_v1beta1(&object(&mut Random(seed), OLD_API_VERSION)));
        assert_eq!(to_v1alpha1(&to_v1beta1(&once)), once, "seed {seed}");
    }
}

/// An edit in the other version stays: here, of every field that both have.
#[test]
fn an_edit_in_the_old_version_is_not_undone_by_what_was_kept() {
    for seed in 0..COUNT / 4 {
        let mut random = Random(seed);
        let mut old = to_v1alpha1(&object(&mut random, API_VERSION));
        let edited = without_deprecated(to_v1alpha1(&object(&mut random, API_VERSION)));
        let kept = old["metadata"]["annotations"].get(ANNOTATION).cloned();
        old["spec"] = edited["spec"].clone();
        let again = to_v1alpha1(&to_v1beta1(&old));
        assert_eq!(
            plain(&again, "v1alpha1")["spec"],
            plain(&old, "v1alpha1")["spec"],
            "seed {seed} {kept:?}"
        );
    }
}

fn without_deprecated(mut object: Value) -> Value {
    for name in ["minReplicas", "maxReplicas"] {
        object["spec"].as_object_mut().unwrap().remove(name);
    }
    object
}

/// Whatever stands where something else belongs: no panic, an answer for each object, nothing of the metadata changed.
#[test]
fn nonsense_is_survived() {
    fn spoil(random: &mut Random, value: &mut Value, depth: usize) {
        let members = match value {
            Value::Object(members) if depth > 0 && !members.is_empty() => members,
            value => return *value = anything(random, 2),
        };
        let name = members.keys().nth(random.below(members.len())).unwrap().clone();
        spoil(random, &mut members[&name], depth - 1);
    }
    for seed in 0..COUNT {
        let mut random = Random(seed);
        let version = *random.of(&[API_VERSION, OLD_API_VERSION]);
        let mut given = object(&mut random, version);
        for _ in 0..=random.below(4) {
            let depth = random.below(5);
            spoil(&mut random, &mut given["spec"], depth);
        }
        if random.one_in(3) {
            let junk = anything(&mut random, 3);
            let stash = json!({ "v1alpha1": junk, "v1beta1": { "spec": anything(&mut random, 3) } });
            given["metadata"]["annotations"][ANNOTATION] =
                if random.one_in(4) { junk_text(&mut random) } else { json!(stash.to_string()) };
        }
        for desired in [API_VERSION, OLD_API_VERSION] {
            let answer = convert_review(&json!({
                "apiVersion": "apiextensions.k8s.io/v1",
                "kind": "ConversionReview",
                "request": { "uid": "u", "desiredAPIVersion": desired, "objects": [given] },
            }));
            let converted = &answer["response"]["convertedObjects"][0];
            assert_eq!(converted["apiVersion"], desired, "seed {seed}");
            assert_eq!(converted["metadata"]["name"], given["metadata"]["name"], "seed {seed}");
            assert_eq!(converted["metadata"]["labels"], given["metadata"]["labels"], "seed {seed}");
            let _ = unreadable_config(converted);
        }
    }
}

fn junk_text(random: &mut Random) -> Value {
    anything(random, 1).to_string().into()
}
