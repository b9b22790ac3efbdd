//! The CustomResourceDefinition: same structure as the Go operator's, our words, read by our types.

#![expect(clippy::unwrap_used, reason = "a test may panic; so may its functions")]

use std::{collections::BTreeMap, path::PathBuf};

use api::{
    Instrumentation,
    instrumentation::crd::{crd, crd_yaml, open_api_schema},
};
use serde_json::{Map, Value, json};

/// Facts in which our schema differs from the Go operator's on purpose: path, and what it is here.
fn additions() -> BTreeMap<&'static str, Value> {
    let samplers = [
        "always_on",
        "always_off",
        "traceidratio",
        "parentbased_always_on",
        "parentbased_always_off",
        "parentbased_traceidratio",
        "jaeger_remote",
        "parentbased_jaeger_remote",
        "xray",
    ];
    // docs/differences.md, W40
    BTreeMap::from([(".spec.sampler.type", json!({ "enum": samplers, "type": "string" }))])
}

/// Everything about a schema node but its text and its children, by path: `[]` items, `{}` values of a map.
fn facts(schema: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
    let mut own = schema.as_object().unwrap().clone();
    // Says in OpenAPI what x-kubernetes-int-or-string says already.
    let either = own.remove("anyOf");
    assert_eq!(either.is_some(), own.contains_key("x-kubernetes-int-or-string"), "{path}");
    own.remove("description");
    let children = [own.remove("properties"), own.remove("items"), own.remove("additionalProperties")];
    let shown = if path.is_empty() { "." } else { path };
    assert_eq!(found.insert(shown.to_owned(), own.into()), None, "{shown} twice");
    let [properties, items, values] = children;
    for (name, schema) in properties.as_ref().and_then(Value::as_object).into_iter().flatten() {
        facts(schema, &format!("{path}.{name}"), found);
    }
    for (suffix, schema) in [("[]", items), ("{}", values)] {
        if let Some(schema) = schema {
            facts(&schema, &format!("{path}{suffix}"), found);
        }
    }
}

/// Fields of Kubernetes types that we embed; their texts are Kubernetes' own and left out.
fn is_embedded(path: &str) -> bool {
    let types = [
        ".env[]",
        ".attrs[]",
        ".resources.",
        ".resourceRequirements.",
        "ecurityContext.",
        ".volumeClaimTemplate.",
    ];
    path == ".metadata" || types.iter().any(|part| path.contains(part))
}

#[test]
fn the_structure_is_that_of_the_go_operator_but_for_listed_additions() {
    let mut lines = include_str!("data/instrumentations-v1alpha1.tsv").lines().map(|line| {
        let (path, facts) = line.split_once('\t').unwrap();
        (path, serde_json::from_str::<Value>(facts).unwrap())
    });
    let (_, names) = lines.next().unwrap();
    let (_, version) = lines.next().unwrap();

    let crd = crd();
    let spec = &crd["spec"];
    assert_eq!(crd["metadata"]["name"], "instrumentations.opentelemetry.io");
    assert_eq!(spec["group"], "opentelemetry.io");
    assert_eq!(spec["scope"], names["scope"]);
    assert_eq!(spec.get("conversion"), None);
    for name in ["kind", "listKind", "plural", "singular", "shortNames"] {
        assert_eq!(spec["names"][name], names[name], "{name}");
    }
    let [ours] = &spec["versions"].as_array().unwrap()[..] else { panic!("one version") };
    assert_eq!(ours["name"], "v1alpha1");
    assert_eq!(ours["additionalPrinterColumns"], version["columns"]);
    for fact in ["served", "storage", "subresources"] {
        assert_eq!(ours[fact], version[fact], "{fact}");
    }

    let mut expected: BTreeMap<String, Value> = lines.map(|(path, facts)| (path.to_owned(), facts)).collect();
    for (path, facts) in additions() {
        let reference = expected.insert(path.to_owned(), facts.clone());
        assert!(reference.is_some_and(|reference| reference != facts), "{path} is no addition");
    }
    let mut found = BTreeMap::new();
    facts(open_api_schema(), "", &mut found);
    for (path, facts) in &expected {
        assert_eq!(found.get(path), Some(facts), "{path}");
    }
    // docs/differences/api.md, status
    let counts = [".status.observedGeneration", ".status.conditions", ".status.workloads", ".status.reasons"];
    let is_listed = |path: &str| counts.iter().any(|prefix| path.starts_with(prefix));
    let more: Vec<_> =
        found.keys().filter(|path| !expected.contains_key(*path) && !is_listed(path)).collect();
    assert_eq!(more, Vec::<&String>::new(), "fields that the Go operator does not have");
}

#[test]
fn every_own_field_is_described_and_no_embedded_one() {
    fn visit(schema: &Value, path: &str) {
        let text = schema["description"].as_str().unwrap_or_default();
        assert_eq!(text.is_empty(), is_embedded(path), "{path}: {text:?}");
        for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
            visit(schema, &format!("{path}.{name}"));
        }
        for (suffix, key) in [("[]", "items"), ("{}", "additionalProperties")] {
            if let Some(schema) = schema.get(key) {
                visit(schema, &format!("{path}{suffix}"));
            }
        }
    }
    visit(open_api_schema(), "");
}

#[test]
fn defaults_named_in_descriptions_are_those_written() {
    let spec = &open_api_schema()["properties"]["spec"]["properties"];
    for language in api::Language::with_image() {
        let info = language.info();
        let text = spec[info.spec_field.unwrap()]["properties"][info.resources_field]["description"]
            .as_str()
            .unwrap();
        let ((limit_cpu, limit_memory), (cpu, memory)) = (info.default_limits, info.default_requests);
        assert!(
            text.contains(&format!("limits: cpu {limit_cpu}, memory {limit_memory}")),
            "{language}: {text}"
        );
        assert!(text.contains(&format!("requests: cpu {cpu}, memory {memory}")), "{language}: {text}");
    }
    for (language, field, default) in [
        ("apacheHttpd", "version", "2.4"),
        ("apacheHttpd", "configPath", "/usr/local/apache2/conf"),
        ("nginx", "configFile", "/etc/nginx/nginx.conf"),
    ] {
        let text = spec[language]["properties"][field]["description"].as_str().unwrap();
        assert!(text.contains(&format!("Default: {default}.")), "{text}");
    }
}

/// An object in which every field of the schema has a value.
fn full(schema: &Value) -> Value {
    if schema["x-kubernetes-int-or-string"] == true {
        return json!("1Mi");
    }
    match schema["type"].as_str().unwrap() {
        "object" => match schema.get("additionalProperties") {
            Some(values) => json!({ "key": full(values) }),
            None => schema["properties"]
                .as_object()
                .into_iter()
                .flatten()
                .map(|(name, schema)| (name.clone(), full(schema)))
                .collect::<Map<_, _>>()
                .into(),
        },
        "array" => json!([full(&schema["items"])]),
        "boolean" => json!(true),
        "integer" => json!(7),
        _ => schema["enum"].get(0).cloned().unwrap_or(json!("text")),
    }
}

#[test]
fn every_own_field_is_read_by_the_types() {
    fn lost(before: &Value, after: &Value, path: &str, found: &mut Vec<String>) {
        match before {
            Value::Object(members) => {
                for (name, value) in members {
                    lost(value, &after[name], &format!("{path}.{name}"), found);
                }
            }
            Value::Array(items) => lost(&items[0], &after[0], &format!("{path}[]"), found),
            leaf if leaf == after => {}
            _ => found.push(path.to_owned()),
        }
    }
    let mut object = full(open_api_schema());
    // What the API server manages, and the status, which the upgrade reads raw.
    for member in ["apiVersion", "kind", "metadata", "status"] {
        object.as_object_mut().unwrap().remove(member);
    }
    let read: Instrumentation = serde_json::from_value(object.clone()).unwrap();
    let mut found = Vec::new();
    lost(&object, &serde_json::to_value(read).unwrap(), "", &mut found);
    assert_eq!(found, Vec::<String>::new());
}

#[test]
fn the_rendered_file_is_checked_in_and_small_enough_for_kubectl_apply() {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds/instrumentations.yaml");
    let yaml = crd_yaml();
    assert!(yaml.len() < 256 * 1024, "{} bytes", yaml.len());
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), crd());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&file, &yaml).unwrap();
    }
    let checked_in = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        checked_in == yaml,
        "deploy/crds/instrumentations.yaml is not up to date: run with UPDATE_EXPECT=1"
    );
}
