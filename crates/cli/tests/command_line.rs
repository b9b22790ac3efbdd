//! What the subcommands print and how they end, on small inputs. Each folder of `data` is a case: `command` holds the
//! arguments, `stdin` what is piped in, `expected` what must come out.
//!
//! `UPDATE_EXPECT=1 cargo test -p otel-operator-cli` rewrites the expectations.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::{
    fs,
    io::Write,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

fn data() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data")
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples")
}

fn run(folder: &Path, arguments: &[&str], stdin: &[u8]) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_otel-operator"))
        .args(arguments)
        .current_dir(folder)
        .env_clear()
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut pipe = child.stdin.take().unwrap();
    let stdin = stdin.to_vec();
    let writer = std::thread::spawn(move || pipe.write_all(&stdin));
    let output = child.wait_with_output().unwrap();
    // A program that does not read its input closes it.
    let _ = writer.join().unwrap();
    output
}

fn stdout(output: Output) -> Vec<u8> {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn every_case_prints_what_it_is_expected_to() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    let mut wrong = Vec::new();
    let mut cases: Vec<_> = fs::read_dir(data()).unwrap().map(|e| e.unwrap().path()).collect();
    cases.sort();
    assert!(cases.len() > 10, "the cases are there");
    for case in cases {
        let command = fs::read_to_string(case.join("command")).unwrap();
        let arguments: Vec<&str> = command.split_whitespace().collect();
        let output = run(&case, &arguments, &fs::read(case.join("stdin")).unwrap_or_default());
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        let got = format!(
            "exit code {}\n==== standard error\n{}==== standard output\n{}",
            output.status.code().unwrap(),
            text(&output.stderr),
            text(&output.stdout)
        );
        let expected = case.join("expected");
        if update {
            fs::write(&expected, &got).unwrap();
        } else if fs::read_to_string(&expected).unwrap_or_default() != got {
            let diff =
                similar::TextDiff::from_lines(&fs::read_to_string(&expected).unwrap_or_default(), &got)
                    .unified_diff()
                    .to_string();
            wrong.push(format!("{}:\n{diff}", case.file_name().unwrap().display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_is_injected_can_be_taken_out_again_byte_for_byte() {
    let switches = ["--enable-go-instrumentation", "--enable-nginx-instrumentation"];
    let mut changed = 0;
    for entry in walk(&examples()) {
        let mut text = fs::read(entry.with_file_name("instrumentation.yaml")).unwrap_or_default();
        text.extend_from_slice(b"---\n");
        text.extend(fs::read(&entry).unwrap());
        let with = |command: &'static str| [&[command, "-f", "-"], &switches[..]].concat();
        let injected = stdout(run(&data(), &with("inject"), &text));
        changed += usize::from(injected != text);
        let back = stdout(run(&data(), &with("uninject"), &injected));
        assert_eq!(String::from_utf8(back), String::from_utf8(text), "{}", entry.display());
    }
    assert!(changed > 5, "the examples are injected");
}

fn walk(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for path in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if path.is_dir() {
            found.extend(walk(&path));
        } else if path.file_name().is_some_and(|n| n == "deployment.yaml") {
            found.push(path);
        }
    }
    found.sort();
    found
}

#[test]
fn windows_line_breaks_and_a_missing_newline_at_the_end_stay() {
    let text = fs::read_to_string(data().join("inject/app.yaml")).unwrap();
    let text = text.trim_end().replace('\n', "\r\n");
    let injected = String::from_utf8(stdout(run(&data(), &["inject", "-f", "-"], text.as_bytes()))).unwrap();
    assert!(
        injected.contains("javaagent.jar")
            && injected.matches('\n').count() == injected.matches("\r\n").count()
    );
    let back = stdout(run(&data(), &["uninject", "-f", "-"], injected.as_bytes()));
    assert_eq!(String::from_utf8(back).unwrap(), text);
}

/// Each `console` block of the page is a command, and what it prints; a line `…` stands for any lines.
#[test]
fn the_page_shows_what_is_printed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let page = fs::read_to_string(root.join("docs/command-line.md")).unwrap();
    let mut blocks = 0;
    for block in page.split("```console\n").skip(1) {
        let block = block.split("```").next().unwrap();
        let (command, shown) = block.strip_prefix("$ otel-operator ").unwrap().split_once('\n').unwrap();
        let output = run(&root, &command.split_whitespace().collect::<Vec<_>>(), b"");
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8(printed).unwrap();
        let mut rest = printed.as_str();
        for part in shown.split("…\n") {
            let at =
                rest.find(part).unwrap_or_else(|| panic!("`{command}` does not print\n{part}\nbut\n{rest}"));
            rest = &rest[at + part.len()..];
        }
        assert!(shown.ends_with("…\n") || rest.is_empty(), "`{command}` prints more:\n{rest}");
        blocks += 1;
    }
    assert!(blocks > 5);
}

#[test]
fn injecting_twice_changes_nothing() {
    let text = fs::read(data().join("inject/app.yaml")).unwrap();
    let once = stdout(run(&data(), &["inject", "-f", "-"], &text));
    assert_eq!(stdout(run(&data(), &["inject", "-f", "-"], &once)), once);
}

#[test]
fn each_shell_gets_a_script_that_knows_every_subcommand() {
    for shell in ["bash", "zsh", "fish"] {
        let script = String::from_utf8(stdout(run(&data(), &["completion", shell], b""))).unwrap();
        for word in ["explain", "lint", "images", "enable-go-instrumentation"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn images_are_those_of_the_flags_the_environment_and_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("config.yaml");
    fs::write(&file, "auto-instrumentation-java-image: mirror/java:1\ncollector-image: mirror/collector:1\n")
        .unwrap();
    let file = format!("--config-file={}", file.display());
    let arguments = [
        "images",
        "-o",
        "json",
        &file,
        "--collector-image=mirror/collector:2",
        "--enable-go-instrumentation",
    ];
    let images: serde_json::Value = serde_json::from_slice(&stdout(run(&data(), &arguments, b""))).unwrap();
    let of =
        |purpose: &str| images.as_array().unwrap().iter().find(|i| i["usedFor"] == purpose).unwrap().clone();
    assert_eq!(of("java")["image"], "mirror/java:1");
    assert_eq!(of("collector")["image"], "mirror/collector:2");
    assert_eq!((of("go").get("note"), of("nginx").get("note").is_some()), (None, true));
    for purpose in ["operator", "target-allocator", "operator-opamp-bridge", "dotnet", "python", "nodejs"] {
        assert!(of(purpose)["image"].as_str().unwrap().contains(':'));
    }
}

#[test]
fn manifests_are_the_same_in_json() {
    for subcommand in ["manifests", "crds"] {
        let yaml = String::from_utf8(stdout(run(&data(), &[subcommand], b""))).unwrap();
        let json: serde_json::Value =
            serde_json::from_slice(&stdout(run(&data(), &[subcommand, "-o", "json"], b""))).unwrap();
        let objects: Vec<serde_json::Value> = serde_saphyr::from_multiple(&yaml).unwrap();
        assert_eq!(json["items"], serde_json::Value::Array(objects), "{subcommand}");
    }
}
