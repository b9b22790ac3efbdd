//! The operator's image: one static program and the certificate authorities of the web, nothing else.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail, ensure};
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::json;

use super::{Image, Layer, smoke};
use crate::cargo::{cargo, root, target_directory};

/// The name of this release's image.
const NAME: &str = concat!(
    "ghcr.io/open-telemetry/opentelemetry-operator/opentelemetry-operator:",
    env!("CARGO_PKG_VERSION")
);
/// musl, because glibc looks for parts of itself at run time.
const TARGET: &str = "x86_64-unknown-linux-musl";
/// No name: an empty root has no list of users. A pod that demands non-root needs a number.
const USER: &str = "65532:65532";

/// Of the operator's image only.
#[derive(clap::Args)]
pub(crate) struct OfTheOperator {
    /// Where the operator's archive goes; without, `operator-image.tar` in cargo's target folder
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
    /// A static binary of the operator that has been built already
    #[arg(long, value_name = "FILE")]
    binary: Option<PathBuf>,
    /// The operator's image, with host and tag
    #[arg(long, value_name = "IMAGE", default_value = NAME)]
    tag: String,
}

/// Makes the operator's image, and runs what is in it.
pub(super) async fn run(options: OfTheOperator) -> anyhow::Result<()> {
    let output = match options.output {
        Some(output) => output,
        None => target_directory()?.join("operator-image.tar"),
    };
    let (archive, tag, binary) = (output.clone(), options.tag, options.binary);
    let digest = tokio::task::spawn_blocking(move || image(&tag, binary.as_deref(), &archive)).await??;
    println!("{}  {digest}", output.display());
    smoke::run(&output).await
}

/// Writes the image's archive and returns its digest. What is written twice is the same, or it is an error.
fn image(name: &str, binary: Option<&Path>, output: &Path) -> anyhow::Result<String> {
    let binary = match binary {
        Some(binary) => binary.to_owned(),
        None => build()?,
    };
    ensure!(
        is_static(&fs::read(&binary).with_context(|| format!("cannot read {}", binary.display()))?),
        "{} needs an interpreter that the image has not; build it for {TARGET}",
        binary.display()
    );
    let certificates = output.with_extension("certificates");
    fs::create_dir_all(&certificates).with_context(|| format!("cannot make {}", certificates.display()))?;
    fs::write(certificates.join("ca-certificates.crt"), authorities())?;
    let image = Image {
        name: name.to_owned(),
        layers: vec![
            Layer::default()
                .tree("etc/ssl/certs", &certificates, |_| false)?
                .text("etc/passwd", "nonroot:x:65532:65532:nonroot:/:/\n")
                .folder("tmp", 0o1777),
            Layer::default().file("manager", &binary)?.link("otel-operator", "manager"),
        ],
        config: json!({
            "User": USER,
            "Entrypoint": ["/manager"],
            "WorkingDir": "/",
            "Labels": {
                "org.opencontainers.image.title": "OpenTelemetry operator",
                "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
                "org.opencontainers.image.licenses": "Apache-2.0",
                "org.opencontainers.image.source": "https://github.com/open-telemetry/opentelemetry-operator",
            },
        }),
    };
    let digest = image.write(output)?;
    let again = output.with_extension("again.tar");
    let second = image.write(&again)?;
    let same = digest == second && fs::read(output)? == fs::read(&again)?;
    fs::remove_file(&again)?;
    fs::remove_dir_all(&certificates)?;
    ensure!(same, "the image is not reproducible: {digest}, then {second}");
    Ok(digest)
}

/// Builds the operator for an empty root.
fn build() -> anyhow::Result<PathBuf> {
    let installed =
        Command::new("rustup").args(["target", "list", "--installed"]).current_dir(root()).output();
    let known = |output: std::process::Output| String::from_utf8_lossy(&output.stdout).contains(TARGET);
    if !installed.is_ok_and(known) {
        bail!("the Rust standard library for {TARGET} is missing; get it with: rustup target add {TARGET}");
    }
    eprintln!("image: building the operator for {TARGET} …");
    let mut command = cargo(&["build", "--locked", "--profile", "dist", "--target", TARGET]);
    command.args(["--package", "otel-operator-cli", "--bin", "otel-operator"]);
    // Paths of this machine have no place in the image, and would make it another one elsewhere.
    let home = std::env::var("CARGO_HOME").or_else(|_| std::env::var("HOME").map(|home| home + "/.cargo"))?;
    command.env(
        "RUSTFLAGS",
        format!("--remap-path-prefix={home}=/cargo --remap-path-prefix={}=/src", root().display()),
    );
    // ring's C code needs no libc; the machine's compiler does for it where there is none for musl.
    if Command::new("musl-gcc").arg("--version").output().is_err() {
        command.env("CC_x86_64_unknown_linux_musl", "cc");
    }
    let status = command.status().context("cannot start cargo")?;
    ensure!(status.success(), "cargo build ended with {status}");
    Ok(target_directory()?.join(TARGET).join("dist/otel-operator"))
}

/// The authorities that Mozilla trusts, as PEM: for sending the process's own telemetry by HTTPS.
fn authorities() -> String {
    let mut text = String::new();
    for certificate in webpki_root_certs::TLS_SERVER_ROOT_CERTS {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        for line in STANDARD.encode(certificate).as_bytes().chunks(64) {
            text.push_str(&String::from_utf8_lossy(line));
            text.push('\n');
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

/// Whether a 64-bit little-endian ELF program starts without a dynamic linker: it has no segment that names one.
fn is_static(program: &[u8]) -> bool {
    const INTERPRETER: u32 = 3;
    let number = |at: usize, length: usize| -> Option<u64> {
        let bytes = program.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    let segments = || -> Option<Vec<u64>> {
        let (first, size, count) = (number(32, 8)?, number(54, 2)?, number(56, 2)?);
        (0..count).map(|i| number(usize::try_from(first + i * size).ok()?, 4)).collect()
    };
    program.starts_with(b"\x7fELF\x02\x01")
        && segments().is_some_and(|kinds| !kinds.contains(&u64::from(INTERPRETER)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_that_needs_an_interpreter_is_told_from_one_that_does_not() {
        // This test itself is linked against the machine's libc.
        assert!(!is_static(&fs::read(std::env::current_exe().unwrap()).unwrap()));
        assert!(!is_static(b"#!/bin/sh"));
        // One segment, of the kind LOAD, right behind the header.
        let mut program = vec![0; 64 + 56];
        program[..6].copy_from_slice(b"\x7fELF\x02\x01");
        (program[32], program[54], program[56], program[64]) = (64, 56, 1, 1);
        assert!(is_static(&program));
        program[64] = 3;
        assert!(!is_static(&program));
        assert!(!is_static(&program[..70]), "cut off");
    }

    #[test]
    fn the_authorities_are_a_list_of_certificates() {
        let text = authorities();
        assert!(text.matches("BEGIN CERTIFICATE").count() > 100);
        assert!(text.lines().all(|line| line.len() <= 64));
    }
}
