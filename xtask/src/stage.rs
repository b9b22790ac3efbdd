//! One stage of `cargo xtask test`: a command whose output is counted, kept in a file, and shown when it fails.

use std::{
    fs::File,
    io::{BufRead, BufReader, PipeReader, Write},
    path::Path,
    process::Command,
    time::Instant,
};

use anyhow::Context;

use crate::outcome::Outcome;

/// Runs `command` and says so in a line before and after. `tests`: the output holds results of tests, each of which
/// is shown as it comes.
///
/// # Errors
/// When the command cannot be started or the log cannot be written; not when it fails, which the outcome tells.
pub(crate) fn run(name: &str, mut command: Command, logs: &Path, tests: bool) -> anyhow::Result<Outcome> {
    let start = Instant::now();
    println!("== {name} …");
    let path = logs.join(format!("{}.log", name.replace([' ', ','], "-")));
    let mut log = File::create(&path).with_context(|| format!("cannot write {}", path.display()))?;

    // One pipe for both, so that lines keep their order: cargo names the binary on stderr, its result is on stdout.
    let (reader, writer) = std::io::pipe()?;
    command.env("CARGO_TERM_COLOR", "never").stdin(std::process::Stdio::null());
    command.stdout(writer.try_clone()?).stderr(writer);
    let mut child = command.spawn().with_context(|| format!("cannot start {command:?}"))?;
    // The writing ends inside it would keep the pipe open.
    drop(command);
    let (mut outcome, output) = read(reader, &mut log, tests)?;
    let status = child.wait()?;

    // A build that fails or a test binary that is killed reports no count.
    if !status.success() && outcome.failed == 0 {
        outcome += Outcome::FAILED_CHECK;
    }
    let seconds = start.elapsed().as_secs_f32();
    if outcome.failed > 0 {
        println!("{}", output.join("\n"));
        println!("== {name}: FAILED after {seconds:.0} s ({outcome}); log: {}", path.display());
    } else if tests {
        println!("== {name}: ok after {seconds:.0} s ({outcome})");
    } else {
        println!("== {name}: ok after {seconds:.0} s");
    }
    Ok(outcome)
}

fn read(pipe: PipeReader, log: &mut File, tests: bool) -> anyhow::Result<(Outcome, Vec<String>)> {
    let (mut outcome, mut output, mut binary) = (Outcome::default(), Vec::new(), String::new());
    for line in BufReader::new(pipe).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).into_owned();
        writeln!(log, "{line}")?;
        let trimmed = line.trim_start();
        if let Some(running) = trimmed.strip_prefix("Running ").or_else(|| trimmed.strip_prefix("Doc-tests "))
        {
            // `tests/crd.rs (target/…)`: where it was built is of no interest.
            binary = running.split(" (").next().unwrap_or_default().to_owned();
        }
        if let Some(result) = Outcome::from_line(&line) {
            outcome += result;
            if tests && result != Outcome::default() {
                println!("   {binary}: {result}");
            }
        }
        if let Some(test) = line.strip_prefix("test ").and_then(|l| l.strip_suffix(" ... FAILED")) {
            println!("   {binary}: {test} FAILED");
        }
        // Scenarios take minutes; each says how long it took.
        if line.starts_with("test ") && line.contains(" ... ok (") {
            println!("   {line}");
        }
        // What passed is of no use to somebody who looks for what failed.
        if !(line.starts_with("test ") && line.ends_with(" ... ok")) {
            output.push(line);
        }
    }
    Ok((outcome, output))
}
