//! How the process starts, and refuses to: its messages and exit codes.

#![allow(clippy::unwrap_used, reason = "tests")]

use std::process::{Command, Output};

fn operator(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    // Without a cluster nothing starts, so what is right so far ends with that.
    Command::new(env!("CARGO_BIN_EXE_otel-operator"))
        .args(arguments)
        .env_clear()
        .env("KUBECONFIG", "/nonexistent")
        .envs(variables.iter().copied())
        .output()
        .unwrap()
}

fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = operator(arguments, variables);
    assert_eq!(output.status.code(), Some(1), "{arguments:?}: {output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn file(content: &str) -> tempfile::NamedTempFile {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), content).unwrap();
    file
}

#[test]
fn t2_what_cannot_be_read_stops_the_start_with_who_said_it() {
    assert!(
        refused(&["--config-file=/no/such/file"], &[])
            .contains("configuration error: --config-file: cannot read")
    );
    let bad = file("webhook-port: 1foo");
    let path = format!("--config-file={}", bad.path().display());
    let message = refused(&[&path], &[]);
    assert!(
        message.contains(&format!(
            "configuration error: {path}: configuration file, key webhook-port: \"1foo\""
        )),
        "{message}"
    );
    assert!(refused(&["--webhook-port=1foo"], &[]).contains("--webhook-port: \"1foo\" is no port number"));
}

#[test]
fn t4_a_word_that_is_no_boolean_is_refused() {
    let message = refused(&["run"], &[("ENABLE_WEBHOOKS", "yes")]);
    assert!(
        message.contains("environment variable ENABLE_WEBHOOKS: \"yes\" is no boolean; give true or false")
    );
}

#[test]
fn t8_gates_that_do_not_exist_or_are_locked_are_refused_in_both_roles() {
    assert!(
        refused(&["run"], &[("FEATURE_GATES", "no.such.gate")])
            .contains("\"no.such.gate\" is no feature gate")
    );
    assert!(
        refused(&["run", "--feature-gates=-operator.golang.flags"], &[]).contains("cannot be switched off")
    );
    assert!(refused(&["webhook-server", "--feature-gates=x"], &[]).contains("\"x\" is no feature gate"));
}

#[test]
fn t3_unknown_flags_and_keys_are_warned_of_and_the_start_goes_on() {
    let odd = file("webhok-port: 1");
    let path = format!("--config-file={}", odd.path().display());
    let message = refused(&[&path, "--no-such-flag=1", "--pprof-addr=:6060"], &[]);
    // Nothing but the missing cluster stops it.
    for part in [
        "unknown key \\\"webhok-port\\\"",
        "unknown flag --no-such-flag=1",
        "no profiler is served",
        "kubeconfig",
    ] {
        assert!(message.contains(part), "{part} in {message}");
    }
}
