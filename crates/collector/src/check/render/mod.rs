//! Findings as text with source excerpts, as JSON, and as SARIF for code hosts.

mod json;
mod markdown;
mod sarif;
mod text;

pub use json::json;
pub use markdown::markdown;
pub use sarif::sarif;
pub use text::text;

use super::Finding;

/// The findings of one file.
#[derive(Clone, Copy, Debug)]
pub struct File<'a> {
    /// Its name as shown: a path, or `-`.
    pub name: &'a str,
    /// Its text, for excerpts.
    pub text: &'a str,
    /// What was found in it.
    pub findings: &'a [Finding],
}
