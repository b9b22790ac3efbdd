//! Exit codes: what a script can rely on.

use std::process::ExitCode;

/// How a subcommand ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done; for `diff`, no difference; for `explain`, nothing to mend.
    Ok = 0,
    /// `diff`: injection would change something. `explain`: something that is asked for is not injected, or a mistake was
    /// found.
    Found = 1,
    /// The command line makes no sense (clap's own code).
    Usage = 2,
    /// A file or object cannot be read or understood. Everything else was still done.
    Input = 3,
    /// The cluster cannot be reached, or refuses the question.
    Cluster = 4,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// An error with the exit code that it leads to.
#[derive(Debug)]
pub(crate) struct Failure(pub Exit, pub anyhow::Error);

/// Gives errors their exit code.
pub(crate) trait OrExit<T> {
    /// The value, or a failure with this code.
    fn or_exit(self, exit: Exit) -> Result<T, Failure>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit) -> Result<T, Failure> {
        self.map_err(|error| Failure(exit, error.into()))
    }
}

/// The exit code of a subcommand; what went wrong goes to standard error.
pub(crate) fn finish(result: Result<Exit, Failure>) -> ExitCode {
    result
        .unwrap_or_else(|Failure(exit, error)| {
            eprintln!("error: {error:#}");
            exit
        })
        .into()
}
