//! Random objects of both versions come back from the other one as they were.

#![expect(clippy::unwrap_used, reason = "a test may panic; so may its functions")]

use api::collector::{
    API_VERSION, OLD_API_VERSION,
    conversion::{ANNOTATION, convert_review, to_v1alpha1, to_v1beta1, unreadable_config},
};
use serde_json::{Value, json};

#[path = "collector/plain.rs"]
mod plain;
#[path = "collector/random.rs"]
mod random;

use plain::plain;
use random::{Random, anything, object, with_autoscaler};

const COUNT: u64 = 10_000;

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
