//! Whatever the values, what is written is read back as meant.

use proptest::{collection::vec, prelude::*, sample::select};
use serde_json::{Map, Value};

use super::{Style, block, parse, rewrite};

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => select(vec!["app", "web 1", "true", "no", "1", "0x1f", "1e3", "12:34", "~", "", " a", "a: b", "- a", "a #b", "#a", "$(A)", "a\nb", "a\n\nb\n", "\n", "é"])
            .prop_map(str::to_owned),
        1 => "\\PC{0,12}",
        1 => any::<String>(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        4 => text().prop_map(Value::String),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => any::<i64>().prop_map(Value::from),
        1 => Just(Value::Null),
    ];
    leaf.prop_recursive(4, 32, 5, |inner| {
        let key = prop_oneof![5 => select(vec!["name", "env", "value", "spec", "containers", "a"]).prop_map(str::to_owned), 1 => text()];
        prop_oneof![
            vec(inner.clone(), 0..5).prop_map(Value::Array),
            vec((key, inner), 0..5).prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    let key = select(vec!["apiVersion", "kind", "metadata", "spec", "list"]).prop_map(str::to_owned);
    vec((key, value()), 1..5).prop_map(|pairs| Value::Object(pairs.into_iter().collect::<Map<_, _>>()))
}

/// A value with one part of it replaced, added or removed.
fn changed(mut value: Value, path: &[usize], replacement: Value) -> Value {
    fn change(value: &mut Value, path: &[usize], replacement: Value) {
        let Some((&step, rest)) = path.split_first() else {
            *value = replacement;
            return;
        };
        match value {
            Value::Object(map) if !map.is_empty() => {
                let key = map.keys().nth(step % map.len()).cloned().unwrap_or_default();
                if rest.is_empty() && step % 3 == 0 {
                    map.remove(&key);
                } else if rest.is_empty() && step % 3 == 1 {
                    map.insert(format!("new{step}"), replacement);
                } else if let Some(member) = map.get_mut(&key) {
                    change(member, rest, replacement);
                }
            }
            Value::Array(items) if !items.is_empty() => {
                let at = step % items.len();
                if rest.is_empty() && step % 3 == 0 {
                    items.remove(at);
                } else if rest.is_empty() && step % 3 == 1 {
                    items.insert(at, replacement);
                } else {
                    change(&mut items[at], rest, replacement);
                }
            }
            other => *other = replacement,
        }
    }
    change(&mut value, path, replacement);
    value
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(value in object(), indented_lists: bool) {
        let text = block(&value, 0, Style { indented_lists });
        prop_assert_eq!(parse(&text), Ok(value), "{}", text);
    }

    #[test]
    fn a_change_is_a_change_and_nothing_else(
        old in object(),
        indented_lists: bool,
        path in vec(0..6usize, 1..6),
        replacement in value(),
    ) {
        let text = format!("---\n# head\n{}\n# tail\n", block(&old, 0, Style { indented_lists }));
        prop_assume!(parse(&text).as_ref() == Ok(&old));
        let new = changed(old.clone(), &path, replacement);
        prop_assume!(new.as_object().is_some_and(|map| !map.is_empty()));
        let written = rewrite(&text, &old, &new);
        prop_assert_eq!(parse(&written), Ok(new), "{}\nbecame\n{}", text, written);
        prop_assert!(written.starts_with("---\n# head\n"), "{}", written);
    }
}
