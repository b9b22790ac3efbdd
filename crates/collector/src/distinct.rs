//! Lists that server-side apply takes only when no two entries have the same key. Kubernetes itself accepts some of them; then the
//! first entry counts.

use serde_json::{Value, json};

/// Drops the variables whose name an earlier one has; returns these names.
pub(crate) fn env(env: &mut Vec<Value>) -> Vec<String> {
    first_of_each(env, |variable| variable["name"].clone())
        .into_iter()
        .map(|name| name.as_str().unwrap_or_default().to_owned())
        .collect()
}

/// A container of the user, with each variable and each port once.
pub(crate) fn container(container: &mut Value) {
    if let Some(list) = container.get_mut("env").and_then(Value::as_array_mut) {
        env(list);
    }
    if let Some(list) = container.get_mut("ports").and_then(Value::as_array_mut) {
        first_of_each(list, |port| {
            json!([port["containerPort"], port["protocol"].as_str().unwrap_or("TCP")])
        });
    }
}

/// Entries of `/etc/hosts`: those of the same address become one, with the names of all.
pub(crate) fn host_aliases(aliases: &[Value]) -> Vec<Value> {
    let mut merged: Vec<Value> = Vec::with_capacity(aliases.len());
    for alias in aliases {
        let of_same_address = |earlier: &&mut Value| alias["ip"].is_string() && earlier["ip"] == alias["ip"];
        match merged.iter_mut().find(of_same_address) {
            Some(earlier) => {
                let names = alias["hostnames"].as_array().into_iter().flatten().cloned();
                match earlier.get_mut("hostnames").and_then(Value::as_array_mut) {
                    Some(list) => list.extend(names),
                    None => earlier["hostnames"] = names.collect(),
                }
            }
            None => merged.push(alias.clone()),
        }
    }
    merged
}

/// Keeps the first entry of each key; returns the keys of the others.
fn first_of_each(list: &mut Vec<Value>, key: impl Fn(&Value) -> Value) -> Vec<Value> {
    let mut keys: Vec<Value> = Vec::with_capacity(list.len());
    let mut repeated = Vec::new();
    list.retain(|entry| {
        let key = key(entry);
        let first = !keys.contains(&key);
        if first {
            keys.push(key)
        } else {
            repeated.push(key)
        }
        first
    });
    repeated
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_entry_counts() {
        let mut user = json!({
            "name": "proxy",
            "env": [{"name": "A", "value": "1"}, {"name": "B"}, {"name": "A", "value": "2"}],
            "ports": [{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}, {"containerPort": 80, "protocol": "TCP"}],
        });
        container(&mut user);
        assert_eq!(user["env"], json!([{"name": "A", "value": "1"}, {"name": "B"}]));
        assert_eq!(user["ports"], json!([{"containerPort": 80}, {"containerPort": 80, "protocol": "UDP"}]));
    }

    #[test]
    fn an_address_keeps_all_its_names() {
        let aliases = [
            json!({"ip": "10.0.0.1", "hostnames": ["a"]}),
            json!({"ip": "10.0.0.2"}),
            json!({"ip": "10.0.0.1", "hostnames": ["b"]}),
            json!({"ip": "10.0.0.2", "hostnames": ["c"]}),
        ];
        assert_eq!(
            host_aliases(&aliases),
            [
                json!({"ip": "10.0.0.1", "hostnames": ["a", "b"]}),
                json!({"ip": "10.0.0.2", "hostnames": ["c"]})
            ]
        );
    }
}
