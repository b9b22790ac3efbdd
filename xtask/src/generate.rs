//! `cargo xtask generate`: the files that are generated from the code and checked in.
//!
//! Each of them is compared with the code by a test whose name contains `checked_in` or `up_to_date`; with
//! `UPDATE_EXPECT` set, the test writes the file first.

use std::process::ExitCode;

use anyhow::Context;

use crate::cargo::cargo;

pub(crate) fn run() -> anyhow::Result<ExitCode> {
    let arguments = ["test", "--workspace", "--quiet", "--lib", "--bins", "--test", "*", "--"];
    let status = cargo(&arguments)
        .args(["checked_in", "up_to_date"])
        .env("UPDATE_EXPECT", "1")
        .status()
        .context("cannot start cargo")?;
    Ok(if status.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
