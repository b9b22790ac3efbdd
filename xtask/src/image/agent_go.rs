//! The image of the eBPF agent for Go: its programs for the kernel are compiled with clang, then the agent with Go.
//!
//! The module holds the sources of both, and not what `go generate` makes of the first.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context;
use testkit::node::debian_packages;

use super::{Layer, base, recipe::run};

const MODULE: &str = "go.opentelemetry.io/auto";
/// clang, llvm-strip and the libraries that they need.
const CLANG: &[&str] = &[
    "clang-14",
    "libclang-common-14-dev",
    "libclang-cpp14",
    "libclang1-14",
    "libllvm14",
    "llvm-14",
    "libedit2",
    "libz3-4",
    "libtinfo6",
    "libxml2",
    "libicu72",
    "libbsd0",
    "libmd0",
];

/// The layers of the image of this version, for example `v0.24.0`.
///
/// # Errors
/// When a package cannot be had, or something does not compile.
pub(super) fn layers(version: &str, work: &Path) -> anyhow::Result<Vec<Layer>> {
    let source = source(version, work)?;
    let clang = debian_packages("clang", CLANG)?;
    let include = source.join("internal/include");
    let libraries = format!("{0}/usr/lib/x86_64-linux-gnu:{0}/lib/x86_64-linux-gnu", clang.display());
    let path = std::env::var("PATH").unwrap_or_default();
    let go = |arguments: &[&str]| {
        run(Command::new("go")
            .args(arguments)
            .current_dir(&source)
            .env("GOFLAGS", "-mod=mod")
            .env("CGO_ENABLED", "0")
            .env("PATH", format!("{}/usr/lib/llvm-14/bin:{path}", clang.display()))
            .env("LD_LIBRARY_PATH", &libraries)
            .env("BPF2GO_CFLAGS", format!("-I{0}/libbpf -I{0}", include.display())))
    };
    // The repository builds with its own copy of that module, which the module does not hold.
    go(&["mod", "edit", "-dropreplace", "go.opentelemetry.io/auto/sdk"])?;
    go(&["generate", "./internal/pkg/instrumentation/bpf/..."])?;
    let program = work.join("otel-go-instrumentation");
    go(&["build", "-trimpath", "-ldflags=-s -w", "-o", &program.to_string_lossy(), "./cli/..."])?;
    Ok(vec![base::shell()?, Layer::default().file("otel-go-instrumentation", &program)?])
}

/// A copy of the module's sources that can be written to.
fn source(version: &str, work: &Path) -> anyhow::Result<PathBuf> {
    let mut download = Command::new("go");
    download.args(["mod", "download", "-json", &format!("{MODULE}@{version}")]).current_dir(work);
    let output = download.output().context("cannot start go; is it installed?")?;
    let answer: serde_json::Value = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("{download:?}: {}", String::from_utf8_lossy(&output.stderr)))?;
    let folder = answer["Dir"].as_str().with_context(|| {
        format!("{MODULE} {version}: {}", answer["Error"].as_str().unwrap_or("no folder"))
    })?;
    let copy = work.join("source");
    run(Command::new("cp").arg("-r").arg(folder).arg(&copy))?;
    run(Command::new("chmod").arg("-R").arg("u+w").arg(&copy))?;
    fs::canonicalize(&copy).with_context(|| format!("cannot find {}", copy.display()))
}
