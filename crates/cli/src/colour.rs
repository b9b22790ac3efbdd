//! Colours for people, and only for them: on a terminal, unless `NO_COLOR` says otherwise (<https://no-color.org>).

use std::io::IsTerminal;

/// Whether and how to colour.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Colour(bool);

impl Colour {
    /// As standard output and environment want it.
    pub(crate) fn of_stdout() -> Colour {
        let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|value| value == "dumb");
        Colour(std::io::stdout().is_terminal() && !unwanted && !dumb)
    }

    /// None at all.
    pub(crate) const NEVER: Colour = Colour(false);

    /// A text in this ANSI style (`31` is red).
    pub(crate) fn paint(self, style: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
    }
}
