//! The configuration as text and its hash: what the Go operator writes, byte for byte.

use api::collector::{
    config_hash,
    config_text::{parse, render, render_all},
};
use serde_json::{Map, Value, json};

/// Values and their text by goccy/go-yaml 1.19 (`IndentSequence`, `AutoInt`), which the Go operator writes with.
#[test]
fn strings_numbers_lists_and_blocks_are_written_like_goccy_does() {
    for line in include_str!("collector/data/yaml.jsonl").lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let text = render(&json!({ "receivers": case["value"] }));
        let body = text
            .strip_prefix("receivers:\n")
            .and_then(|text| text.strip_suffix("exporters: {}\nservice:\n  pipelines: {}\n"))
            .unwrap();
        let expected: String = case["text"].as_str().unwrap().split_inclusive('\n').map(indented).collect();
        assert_eq!(body, expected);
        assert_same(&parse(&text).unwrap()["receivers"], &case["value"], &text);
    }
}

fn indented(line: &str) -> String {
    if line == "\n" { line.to_owned() } else { format!("  {line}") }
}

/// Equal, but for 1 and 1.0.
fn assert_same(a: &Value, b: &Value, about: &str) {
    fn plain(value: &Value) -> Value {
        match value {
            Value::Number(n) if n.as_f64().is_some_and(|n| n.fract() == 0.0 && n.abs() < 1e15) => {
                json!(n.as_f64())
            }
            Value::Array(items) => items.iter().map(plain).collect(),
            Value::Object(all) => {
                all.iter().map(|(name, value)| (name.clone(), plain(value))).collect::<Map<_, _>>().into()
            }
            other => other.clone(),
        }
    }
    assert_eq!(plain(a), plain(b), "{about}");
}

/// The order is the collector's in the parts that it knows; what it does not know is only in the complete text.
#[test]
fn sections_have_their_order_and_everything_below_is_sorted() {
    let config = json!({
        "service": {
            "unknown": 1,
            "pipelines": {
                "traces": { "receivers": ["b", "a"], "processors": [], "exporters": ["c"], "unknown": 2 },
                "metrics": null,
                "logs": {},
            },
            "telemetry": {},
            "extensions": ["z"],
        },
        "unknown": { "b": 1, "a": [] },
        "extensions": { "z": null },
        "connectors": null,
        "processors": {},
        "exporters": { "c": {} },
    });
    let known = "\
receivers: {}
exporters:
  c: {}
processors: {}
extensions:
  z: null
service:
  extensions:
    - z
  telemetry: {}
  pipelines:
    logs:
      exporters: []
      receivers: []
    metrics: null
    traces:
      exporters:
        - c
      receivers:
        - b
        - a
";
    assert_eq!(render(&config), known);
    assert_eq!(
        render_all(&config),
        format!("{known}      unknown: 2\n  unknown: 1\nunknown:\n  a: []\n  b: 1\n")
    );
    assert_eq!(render(&Value::Null), "receivers: {}\nexporters: {}\nservice:\n  pipelines: {}\n");
}

/// The Go operator writes these so that they are read as something else, or not at all.
#[test]
fn what_would_be_read_as_something_else_is_quoted() {
    let strings = [
        "1e10", "08", "0X1F", "1_0e3", "a\rb", "\r\n", "\n", "\n  x\n", "\tx", "x\t", "a:\tb", "? x",
        "\u{85}", "\u{2028}", "\u{feff}", "\u{1}", "<<", ".inf",
    ];
    for string in strings {
        let config = json!({ "receivers": { "a": string, "l": [string], string: 1 } });
        let text = render(&config);
        assert_eq!(parse(&text).unwrap()["receivers"], config["receivers"], "{text}");
    }
}

#[test]
fn integers_are_written_as_such_however_large() {
    let config = json!({ "receivers": { "a": 1_000_000, "b": u64::MAX, "c": i64::MIN, "d": 9_007_199_254_740_993_u64 } });
    let text = render(&config);
    assert!(text.contains("  a: 1000000\n  b: 18446744073709551615\n  c: -9223372036854775808\n"), "{text}");
    assert_eq!(parse(&text).unwrap()["receivers"], config["receivers"]);
}

#[test]
fn what_is_no_yaml_is_said_with_its_place() {
    let error = parse("receivers:\n\totlp: {}\n").unwrap_err().to_string();
    assert!(error.contains("line 2"), "{error}");
    // A bomb of aliases is an error and costs nothing.
    let bomb = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned()
        + &(0..12)
            .map(|i| {
                let name = |i: usize| char::from(b'a' + u8::try_from(i).unwrap());
                let aliases = vec![format!("*{}", name(i)); 9].join(",");
                format!("{}: &{} [{aliases}]\n", name(i + 1), name(i + 1))
            })
            .collect::<String>();
    assert!(parse(&bomb).is_err());
    // Depth is an error too, not the end of the process.
    assert!(parse(&"[".repeat(100_000)).is_err());
    assert!(parse(&format!("a: {}", "{a: ".repeat(1_000))).is_err());
}

#[test]
fn a_large_configuration_and_a_deep_one_are_read_back() {
    let receivers = json!({ "r": { "list": vec![1; 300_000] } });
    let config = json!({ "receivers": receivers });
    assert_eq!(parse(&render(&config)).unwrap()["receivers"], config["receivers"]);
    // As deep as JSON may be.
    let deep =
        (0..120).fold(json!(1), |deep, i| if i % 2 == 0 { json!({ "k": deep }) } else { json!([deep]) });
    let config = json!({ "receivers": { "deep": deep } });
    assert_eq!(parse(&render(&config)).unwrap()["receivers"], config["receivers"]);
    let config = json!({ "receivers": { "long".repeat(1_000): "x".repeat(10_000) } });
    assert_eq!(parse(&render(&config)).unwrap()["receivers"], config["receivers"]);
}

#[test]
fn the_hash_is_that_of_the_go_operators_json() {
    let reader = json!([{ "pull": { "exporter": { "prometheus": { "host": "0.0.0.0", "port": 8888 } } } }]);
    let full = |timeout: &str| {
        json!({
            "receivers": { "otlp": { "protocols": { "grpc": { "endpoint": "0.0.0.0:4317" }, "http": { "endpoint": "0.0.0.0:4318" } } } },
            "exporters": { "debug": {} },
            "processors": { "batch": { "send_batch_size": 10000, "timeout": timeout } },
            "service": {
                "telemetry": { "metrics": { "readers": reader } },
                "pipelines": { "traces": { "exporters": ["debug"], "processors": ["batch"], "receivers": ["otlp"] } },
            },
        })
    };
    let one = json!({
        "receivers": { "examplereceiver": { "endpoint": "0.0.0.0:12345" } },
        "exporters": { "debug": null },
        "service": { "pipelines": { "metrics": { "exporters": ["debug"], "receivers": ["examplereceiver"] } } },
    });
    for (config, beginning) in [
        (json!({}), "fbcdae6a02b2115c"),
        (json!({ "service": { "extensions": ["test"] } }), "5b3b62aa5e0a3c72"),
        (one, "2d266e5502562865"),
        (full("10s"), "5723ff27edf2be60"),
        (full("20s"), "dfcfaead5a2ed1a7"),
    ] {
        let hash = config_hash(&config);
        assert!(hash.starts_with(beginning) && hash.len() == 64, "{config} has {hash}");
    }
}

/// What a collector does not read does not restart it.
#[test]
fn unknown_members_and_empty_lists_do_not_count_in_the_hash() {
    let plain =
        json!({ "service": { "pipelines": { "traces": { "exporters": ["a"], "receivers": ["b"] } } } });
    let more = json!({
        "unknown": 1,
        "processors": null,
        "service": {
            "unknown": 1,
            "extensions": [],
            "telemetry": null,
            "pipelines": { "traces": { "exporters": ["a"], "receivers": ["b"], "processors": [], "unknown": 1 } },
        },
    });
    assert_eq!(config_hash(&plain), config_hash(&more));
    // 1 and 1.0 are one number to Go.
    assert_eq!(
        config_hash(&json!({ "receivers": { "a": 1 } })),
        config_hash(&json!({ "receivers": { "a": 1.0 } }))
    );
    assert_ne!(config_hash(&plain), config_hash(&json!({})));
}
