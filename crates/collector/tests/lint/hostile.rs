//! Whatever a file holds, lint answers, and every position that it names is one of the file.

use std::fmt::Write as _;

use collector::{
    check::{lint_text, render},
    settings::DEFAULT_IMAGE,
};

use super::files;

/// SplitMix64: the same numbers each time.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut x = self.0;
        x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((x ^ (x >> 31)) % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }
}

/// Lints and renders; the number of findings. `what` names the text when a position is none of it.
fn survive(text: &str, what: &str) -> usize {
    let lint = lint_text(text, DEFAULT_IMAGE);
    // A carriage return alone ends a line, too; the end may be a line of its own.
    let lines = text.split(['\n', '\r']).count() + 1;
    for finding in &lint.findings {
        let Some(position) = finding.position else { panic!("{what}: no position: {finding}") };
        assert!(position.line >= 1 && position.column >= 1, "{what}: {finding}");
        assert!(position.line <= lines, "{what}: line {} of {lines}: {finding}", position.line);
        assert!(!finding.sentence.is_empty(), "{what}");
    }
    let file = || render::File { name: "hostile.yaml", text, findings: &lint.findings };
    assert_eq!(render::text(file()).is_empty(), lint.findings.is_empty(), "{what}");
    assert!(render::json(&[file()]).is_object() || render::json(&[file()]).is_array(), "{what}");
    assert!(render::sarif(&[file()], "1")["runs"].is_array(), "{what}");
    lint.findings.len()
}

fn corpus() -> Vec<(String, String)> {
    [files("good"), files("bad")].concat()
}

#[test]
fn a_file_that_ends_anywhere_is_survived() {
    let mut ends = 0;
    for (name, text) in corpus() {
        // Every boundary of a character would be 100,000 files: each twentieth, beginning elsewhere in each file.
        let boundaries = text.char_indices().map(|(at, _)| at).skip(name.len() % 20).step_by(20);
        for end in boundaries {
            survive(&text[..end], &format!("{name} up to byte {end}"));
            ends += 1;
        }
    }
    assert!(ends > 1_000, "{ends}");
}

/// Bytes that mean something in YAML or in Unicode, or nothing anywhere.
const PIECES: [&str; 32] = [
    "\0",
    "\t",
    "\n",
    "\r\n",
    "\r",
    " ",
    "  ",
    ": ",
    ":",
    "- ",
    "#",
    "&a ",
    "*a",
    "!!binary ",
    "!x ",
    "<<: *a",
    "|",
    ">-\n",
    "{",
    "}",
    "[",
    "]",
    "'",
    "\"",
    "\\",
    "---\n",
    "...\n",
    "%YAML 9.9\n",
    "\u{feff}",
    "\u{2028}",
    "é",
    "\u{1f600}",
];

#[test]
fn spoiled_files_are_survived() {
    let corpus = corpus();
    let mut found = 0;
    for seed in 0..1_000 {
        let mut random = Random(seed);
        let (name, text) = &corpus[random.below(corpus.len())];
        let mut bytes = text.clone().into_bytes();
        for _ in 0..=random.below(6) {
            let at = random.below(bytes.len());
            match random.below(4) {
                0 => bytes[at] = u8::try_from(random.below(256)).unwrap(),
                1 => drop(bytes.splice(at..at, PIECES[random.below(PIECES.len())].bytes())),
                2 => drop(bytes.drain(at..(at + random.below(40)).min(bytes.len()))),
                _ => {
                    let other = &corpus[random.below(corpus.len())].1;
                    let from = random.below(other.len());
                    bytes.extend_from_slice(&other.as_bytes()[from..]);
                }
            }
            if bytes.is_empty() {
                break;
            }
        }
        found += survive(&String::from_utf8_lossy(&bytes), &format!("{name} with seed {seed}"));
    }
    assert!(found > 50, "nothing is wrong with spoiled files? {found}");
}

#[test]
fn random_bytes_are_survived() {
    for seed in 0..2_000 {
        let mut random = Random(seed);
        let bytes: Vec<u8> =
            (0..random.below(200)).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        survive(&String::from_utf8_lossy(&bytes), &format!("seed {seed}"));
        let pieces: String = (0..random.below(60)).map(|_| PIECES[random.below(PIECES.len())]).collect();
        survive(&pieces, &format!("pieces of seed {seed}"));
    }
}

#[test]
fn deep_and_large_files_are_survived() {
    let config = "receivers: {otlp: {}}\nexporters: {debug: {}}\nservice: {pipelines: {traces: {receivers: [otlp], exporters: [debug]}}}\n";
    for depth in [10, 100, 1_000, 100_000] {
        for (open, close) in
            [("[", "]"), ("{a: ", "}"), ("{? ", "}"), ("- ", ""), ("? ", ""), ("&a [", "]"), ("!x [", "]")]
        {
            let text = format!("{config}extensions: {}x{}\n", open.repeat(depth), close.repeat(depth));
            survive(&text, &format!("{depth} times {open}"));
            // What was opened and never closed.
            survive(&format!("{config}extensions: {}", open.repeat(depth)), &format!("{depth} times {open}"));
        }
        let mut text = config.to_owned();
        for level in 0..depth.min(1_000) {
            let _ = writeln!(text, "{}k:", " ".repeat(level));
        }
        survive(&text, &format!("{depth} blocks"));
    }
    survive(&config.repeat(500), "one key five hundred times");
    survive(&format!("{config}---\n").repeat(500), "five hundred documents");
    let mut many = String::from("receivers:\n");
    (0..5_000)
        .for_each(|i| _ = writeln!(many, "  otlp/{i}: {{protocols: {{grpc: {{endpoint: '0.0.0.0:{i}'}}}}}}"));
    many += "exporters: {debug: {}}\nservice:\n  pipelines:\n    traces:\n      exporters: [debug]\n      receivers:\n";
    (0..5_000).for_each(|i| _ = writeln!(many, "      - otlp/{i}"));
    survive(&many, "five thousand receivers");
    survive(&format!("receivers: {{otlp: {{x: '{}'}}}}", "a".repeat(2_000_000)), "a long string");
    survive(&format!("{}: 1", "a".repeat(200_000)), "a long key");
}

#[test]
fn anchors_that_explode_are_survived() {
    let mut text = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let before = vec![format!("*a{}", level - 1); 10].join(", ");
        let _ = writeln!(text, "a{level}: &a{level} [{before}]");
    }
    text += "receivers: {otlp: *a11}\nservice: {pipelines: {traces: *a11}}\n";
    survive(&text, "ten to the power of twelve");
    survive("receivers: &r {otlp: *r}\n", "an anchor that holds itself");
    survive("receivers: {otlp: *nobody}\n", "an alias of nothing");
    survive("a: &a {b: 1}\nreceivers:\n  <<: [*a, *a]\n  otlp: {<<: *a}\n", "merge keys");
}

#[test]
fn keys_that_stand_twice_are_survived() {
    for text in [
        "receivers: {otlp: {}, otlp: {}}\n",
        "receivers: {}\nreceivers: {}\n",
        "kind: OpenTelemetryCollector\nkind: OpenTelemetryCollector\nspec: {config: {receivers: {}}, config: 1}\n",
        "service:\n  pipelines:\n    traces: {}\n    traces: {}\n  pipelines: []\n",
        "? [a, b]\n: 1\n? {c: d}\n: 2\nnull: 3\n1: 4\n1.0: 5\ntrue: 6\n",
    ] {
        survive(text, text);
    }
}

/// Everything in the place of everything else.
#[test]
fn values_of_the_wrong_kind_are_survived() {
    let values = [
        "",
        "null",
        "1",
        "-1.5e300",
        "text",
        "[]",
        "{}",
        "[1, null, [x], {y: z}]",
        "{a: [b], 1: 2, null: 3}",
        "'${env:X'",
        "'::'",
    ];
    let places = [
        "receivers: V",
        "receivers: {otlp: V}",
        "receivers: {otlp: {protocols: V}}",
        "receivers: {otlp: {protocols: {grpc: V}}}",
        "receivers: {otlp: {protocols: {grpc: {endpoint: V}}}}",
        "processors: {batch: V, memory_limiter: V}",
        "connectors: {forward: V}",
        "extensions: {health_check: V}",
        "service: V",
        "service: {extensions: V}",
        "service: {pipelines: V}",
        "service: {pipelines: {traces: V}}",
        "service: {pipelines: {traces: {receivers: V, processors: V, exporters: V}}}",
        "service: {telemetry: V}",
        "service: {telemetry: {metrics: V}}",
        "service: {telemetry: {metrics: {address: V, readers: V}}}",
    ];
    let mut found = 0;
    for place in places {
        for value in values {
            let text = place.replace('V', value);
            found += survive(&text, &text);
            let indented = text.replace('\n', "\n    ");
            let resource = format!("kind: OpenTelemetryCollector\nspec:\n  config:\n    {indented}\n");
            found += survive(&resource, &resource);
            let old = format!(
                "apiVersion: opentelemetry.io/v1alpha1\nkind: OpenTelemetryCollector\nspec:\n  config: |\n    {indented}\n"
            );
            found += survive(&old, &old);
        }
    }
    assert!(found > 100, "{found}");
}
