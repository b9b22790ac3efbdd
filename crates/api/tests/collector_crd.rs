//! The CustomResourceDefinition of OpenTelemetryCollector: same structure as the Go operator's, our words, read by our
//! types.

#![expect(clippy::unwrap_used, reason = "a test may panic; so may its functions")]

use std::{collections::BTreeMap, path::PathBuf};

use api::collector::{
    OpenTelemetryCollector,
    crd::{crd, crd_yaml, open_api_schema},
};
use serde_json::{Map, Value, json};

const FACTS: [(&str, &str); 2] = [
    ("v1alpha1", include_str!("collector/data/opentelemetrycollectors-v1alpha1.tsv")),
    ("v1beta1", include_str!("collector/data/opentelemetrycollectors-v1beta1.tsv")),
];

/// Facts in which our schemas differ from the Go operator's on purpose: version and path, and what it is here.
fn additions() -> BTreeMap<(&'static str, &'static str), Value> {
    // The Go operator's rules cannot be evaluated for a collector without a mode, which is refused then when no webhook has given it
    // one.
    let sidecar_without = |attribute: &str, set: &str| {
        format!("!(has(self.mode) && self.mode == 'sidecar' && {set}) || !has(self.{attribute})")
    };
    let spec = json!({
        "type": "object",
        "required": ["config"],
        "rules": [
            sidecar_without("affinity", "self.affinity != null"),
            sidecar_without("priorityClassName", "self.priorityClassName != ''"),
            sidecar_without("additionalContainers", "size(self.additionalContainers) > 0"),
            sidecar_without("tolerations", "size(self.tolerations) > 0"),
        ],
    });
    BTreeMap::from([(("v1beta1", ".spec"), spec)])
}

/// Everything about a schema node but its text and its children, by path: `[]` items, `{}` values of a map.
fn facts(schema: &Value, path: &str, found: &mut BTreeMap<String, Value>) {
    let mut own = schema.as_object().unwrap().clone();
    // Says in OpenAPI what x-kubernetes-int-or-string says already.
    let either = own.remove("anyOf");
    assert_eq!(either.is_some(), own.contains_key("x-kubernetes-int-or-string"), "{path}");
    own.remove("description");
    if let Some(rules) = own.remove("x-kubernetes-validations") {
        let mut rules: Vec<Value> = rules.as_array().unwrap().iter().map(|of| of["rule"].clone()).collect();
        rules.sort_by_key(Value::to_string);
        own.insert("rules".into(), rules.into());
    }
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

#[test]
fn the_structure_is_that_of_the_go_operator_but_for_listed_additions() {
    let crd = crd();
    let spec = &crd["spec"];
    assert_eq!(crd["metadata"]["name"], "opentelemetrycollectors.opentelemetry.io");
    assert_eq!(spec["group"], "opentelemetry.io");
    assert_eq!(spec["versions"].as_array().unwrap().len(), FACTS.len());
    for (i, (version, file)) in FACTS.into_iter().enumerate() {
        let mut lines = file.lines().map(|line| {
            let (path, facts) = line.split_once('\t').unwrap();
            (path, serde_json::from_str::<Value>(facts).unwrap())
        });
        let (_, names) = lines.next().unwrap();
        let (_, facts_of_version) = lines.next().unwrap();
        assert_eq!(spec["scope"], names["scope"]);
        for name in ["kind", "listKind", "plural", "singular", "shortNames"] {
            assert_eq!(spec["names"][name], names[name], "{name}");
        }
        let ours = &spec["versions"][i];
        assert_eq!(ours["name"], version);
        for (ours, column) in ours["additionalPrinterColumns"]
            .as_array()
            .unwrap()
            .iter()
            .zip(facts_of_version["columns"].as_array().unwrap())
        {
            for fact in ["name", "type", "jsonPath"] {
                assert_eq!(ours[fact], column[fact]);
            }
        }
        for fact in ["served", "storage", "subresources"] {
            assert_eq!(ours[fact], facts_of_version[fact], "{fact}");
        }
        assert_eq!(ours.get("deprecated").is_some_and(|is| is == true), facts_of_version["deprecated"]);

        let mut expected: BTreeMap<String, Value> =
            lines.map(|(path, facts)| (path.to_owned(), facts)).collect();
        for ((_, path), facts) in additions().into_iter().filter(|((of, _), _)| *of == version) {
            let reference = expected.insert(path.to_owned(), facts.clone());
            assert!(reference.is_none_or(|reference| reference != facts), "{path} is no addition");
        }
        let mut found = BTreeMap::new();
        facts(open_api_schema(version), "", &mut found);
        for (path, facts) in &expected {
            assert_eq!(found.get(path), Some(facts), "{version} {path}");
        }
        let more: Vec<_> = found.keys().filter(|path| !expected.contains_key(*path)).collect();
        assert_eq!(more, Vec::<&String>::new(), "fields that the Go operator does not have");
    }
}

#[test]
fn the_old_version_is_converted_by_webhook_and_says_that_it_is_deprecated() {
    let crd = crd();
    let conversion = &crd["spec"]["conversion"];
    assert_eq!(conversion["strategy"], "Webhook");
    assert_eq!(conversion["webhook"]["clientConfig"]["service"]["path"], "/convert");
    assert_eq!(conversion["webhook"]["clientConfig"]["service"]["port"], 443);
    assert_eq!(conversion["webhook"]["conversionReviewVersions"], json!(["v1", "v1beta1"]));
    assert_eq!(
        crd["spec"]["versions"][0]["deprecationWarning"],
        "OpenTelemetryCollector v1alpha1 is deprecated. Migrate to v1beta1."
    );
}

/// A23: what `kubectl get otelcol` shows.
#[test]
fn the_columns_are_those_that_people_know() {
    let crd = crd();
    for version in crd["spec"]["versions"].as_array().unwrap() {
        let columns: Vec<&str> = version["additionalPrinterColumns"]
            .as_array()
            .unwrap()
            .iter()
            .map(|of| of["name"].as_str().unwrap())
            .collect();
        assert_eq!(columns, ["Mode", "Version", "Ready", "Age", "Image", "Management"]);
    }
}

/// A sidecar refuses what belongs to the pods that it is injected into, in the webhook's words.
#[test]
fn the_rules_for_sidecars_name_the_attribute() {
    let rules =
        open_api_schema("v1beta1")["properties"]["spec"]["x-kubernetes-validations"].as_array().unwrap();
    for attribute in ["tolerations", "priorityClassName", "affinity", "additionalContainers"] {
        let message = format!(
            "the OpenTelemetry Collector mode is set to sidecar, which does not support the attribute '{attribute}'"
        );
        let rule = rules.iter().find(|rule| rule["message"] == *message).unwrap();
        assert!(rule["rule"].as_str().unwrap().contains(&format!("self.{attribute}")));
    }
}

/// Fields of a Kubernetes type start below a field of ours: they have no description, and nothing below has.
#[test]
fn every_own_field_is_described_and_no_embedded_one() {
    fn is_described(schema: &Value) -> bool {
        schema["description"].is_string()
            || ["properties", "additionalProperties", "items"].iter().any(|key| match &schema[key] {
                Value::Object(of) if *key == "properties" => of.values().any(is_described),
                Value::Object(_) => is_described(&schema[key]),
                _ => false,
            })
    }
    /// Members of an object of ours all have descriptions; an object without any is Kubernetes'.
    fn visit(schema: &Value, path: &str, silent: &mut Vec<String>) {
        for (suffix, key) in [("[]", "items"), ("{}", "additionalProperties")] {
            if schema[key].is_object() {
                visit(&schema[key], &format!("{path}{suffix}"), silent);
            }
        }
        let Some(properties) = schema["properties"].as_object() else { return };
        if !properties.values().any(is_described) {
            silent.push(path.to_owned());
            return;
        }
        for (name, schema) in properties {
            let path = format!("{path}.{name}");
            assert!(path == ".metadata" || schema["description"].is_string(), "{path}");
            visit(schema, &path, silent);
        }
    }
    let embedded = [
        ".affinity",
        ".behavior",
        ".metrics[].pods",
        ".conditions[]",
        "UpdateStrategy",
        ".env[]",
        ".envFrom[]",
        ".hostAliases[]",
        ".tls[]",
        "ontainers[]",
        ".lifecycle",
        "persistentVolumeClaimRetentionPolicy",
        ".podDnsConfig",
        "ecurityContext",
        ".resources",
        ".sessionAffinityConfig",
        "Selector",
        ".tolerations[]",
        ".topologySpreadConstraints[]",
        ".volumeClaimTemplates[]",
        ".volumeMounts[]",
        ".volumes[]",
        ".updateStrategy",
    ];
    for (version, _) in FACTS {
        let mut silent = Vec::new();
        visit(open_api_schema(version), "", &mut silent);
        for path in silent {
            assert!(embedded.iter().any(|of| path.ends_with(of)), "{version} {path} has no descriptions");
        }
    }
}

/// An object in which every field of the schema has a value.
fn full(schema: &Value) -> Value {
    if schema["x-kubernetes-int-or-string"] == true {
        return json!("1Mi");
    }
    match schema["type"].as_str().unwrap() {
        "object" => match (schema.get("properties"), schema.get("additionalProperties")) {
            (None, Some(values)) => json!({ "key": full(values) }),
            (properties, _) => properties
                .and_then(Value::as_object)
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
fn every_field_is_read_by_the_types() {
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
    let mut object = full(open_api_schema("v1beta1"));
    for member in ["apiVersion", "kind", "metadata"] {
        object.as_object_mut().unwrap().remove(member);
    }
    let read: OpenTelemetryCollector = serde_json::from_value(object.clone()).unwrap();
    let mut found = Vec::new();
    lost(&object, &serde_json::to_value(read).unwrap(), "", &mut found);
    assert_eq!(found, Vec::<String>::new());
}

/// Every field as null, which means that it is absent.
#[test]
fn null_is_absence() {
    let spec = &open_api_schema("v1beta1")["properties"]["spec"]["properties"];
    let nulls: Map<String, Value> =
        spec.as_object().unwrap().keys().map(|name| (name.clone(), Value::Null)).collect();
    let read: OpenTelemetryCollector =
        serde_json::from_value(json!({ "metadata": null, "spec": nulls, "status": null })).unwrap();
    assert_eq!(read, OpenTelemetryCollector::default());
    assert_eq!(read.spec.mode.as_str(), "deployment");
}

#[test]
fn a_word_from_the_future_is_kept() {
    let read: OpenTelemetryCollector =
        serde_json::from_value(json!({ "spec": { "mode": "job", "ingress": { "type": "" } } })).unwrap();
    assert_eq!(read.spec.mode.as_str(), "job");
    assert_eq!(serde_json::to_value(&read).unwrap()["spec"]["mode"], "job");
    assert_eq!(read.spec.ingress.kind.as_str(), "");
}

#[test]
fn the_rendered_file_is_checked_in_and_small_enough_for_kubectl_apply() {
    let file =
        PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../deploy/crds/opentelemetrycollectors.yaml");
    let yaml = crd_yaml();
    // kubectl apply keeps the object as JSON in an annotation, and annotations end at 256 KiB.
    assert!(crd().to_string().len() < 200 * 1024, "{} bytes of JSON", crd().to_string().len());
    assert!(yaml.len() < 256 * 1024, "{} bytes", yaml.len());
    assert_eq!(serde_saphyr::from_str::<Value>(&yaml).unwrap(), crd());
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&file, &yaml).unwrap();
    }
    let checked_in = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(
        checked_in == yaml,
        "deploy/crds/opentelemetrycollectors.yaml is not up to date: run with UPDATE_EXPECT=1"
    );
}

#[test]
fn all_kinds_are_installed_together() {
    let names: Vec<Value> = api::crds().iter().map(|crd| crd["metadata"]["name"].clone()).collect();
    assert_eq!(names, ["instrumentations.opentelemetry.io", "opentelemetrycollectors.opentelemetry.io"]);
}
