//! How a string is written: plain, in double quotes, or as a literal block.

use std::sync::LazyLock;

use regex::Regex;

/// The forms of a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    /// As it is.
    Plain,
    /// In double quotes, with escapes.
    Quoted,
    /// As a literal block (`|`).
    Literal,
}

/// Words that are no strings when they stand alone, in YAML 1.1 or 1.2.
const WORDS: [&str; 38] = [
    "null", "Null", "NULL", "~", "true", "True", "TRUE", "false", "False", "FALSE", "y", "Y", "yes", "Yes",
    "YES", "n", "N", "no", "No", "NO", "on", "On", "ON", "off", "Off", "OFF", ".inf", ".Inf", ".INF",
    "-.inf", "-.Inf", "-.INF", "+.inf", ".nan", ".NaN", ".NAN", "-", "?",
];

/// How this string is written.
pub(super) fn style(text: &str) -> Style {
    if needs_quotes(text) {
        Style::Quoted
    } else if text.contains('\n') {
        Style::Literal
    } else {
        Style::Plain
    }
}

fn needs_quotes(text: &str) -> bool {
    let (Some(first), Some(last)) = (text.chars().next(), text.chars().next_back()) else { return true };
    if "*&[{}],!|>%'\"@` \t".contains(first) || ": \t".contains(last) {
        return true;
    }
    // A dash or a question mark with a blank behind it opens a list item or a key; three dots end a document.
    if ["?\t", "? ", "-\t", "... "].iter().any(|opening| text.starts_with(opening)) {
        return true;
    }
    // The first line of a block that is not empty tells its indentation.
    if first == '\n' && matches!(text.trim_start_matches('\n').chars().next(), None | Some(' ' | '\t')) {
        return true;
    }
    let mut before = '\0';
    for c in text.chars() {
        match c {
            '#' | '\\' => return true,
            ' ' if before == ':' || before == '-' => return true,
            '\t' if before == ':' => return true,
            c if c != '\n' && c != '\t' && is_special(c) => return true,
            _ => before = c,
        }
    }
    WORDS.contains(&text) || is_number(text) || is_time(text)
}

/// Characters that a YAML reader refuses, drops or takes for a line break.
fn is_special(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}')
}

/// Whether some reader of YAML takes this for a number.
fn is_number(text: &str) -> bool {
    static NUMBER: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(
            r"^[-+]?(0[xX][0-9a-fA-F_]+|0[oO][0-7_]+|0[bB][01_]+|(\.[0-9_]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?)$",
        )
        .ok()
    });
    text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c))
        && NUMBER.as_ref().is_some_and(|number| number.is_match(text))
}

/// Whether goccy/go-yaml takes this for a time: a date, a date with a time, or hours and minutes.
fn is_time(text: &str) -> bool {
    static TIME: LazyLock<Option<Regex>> = LazyLock::new(|| {
        Regex::new(concat!(
            r"^(?:(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)",
            r"(?:[Tt](?<h1>\d{1,2}):(?<m1>\d\d):(?<s1>\d\d)(?:[.,]\d+)?(?:Z|[-+]\d\d:\d\d)",
            r"| (?<h2>\d{1,2}):(?<m2>\d\d):(?<s2>\d\d)(?:[.,]\d+)?)?",
            r"|(?<h3>\d{1,2}):(?<m3>\d{1,2}))$"
        ))
        .ok()
    });
    if !text.starts_with(|c: char| c.is_ascii_digit()) {
        return false;
    }
    let Some(found) = TIME.as_ref().and_then(|time| time.captures(text)) else { return false };
    let part = |names: &[&str]| {
        names.iter().find_map(|name| found.name(name)).and_then(|part| part.as_str().parse::<u32>().ok())
    };
    let date = match (part(&["year"]), part(&["month"]), part(&["day"])) {
        (Some(year), Some(month), Some(day)) => (1..=days(year, month)).contains(&day),
        _ => true,
    };
    let below = |value: Option<u32>, limit| value.is_none_or(|value| value < limit);
    date && below(part(&["h1", "h2", "h3"]), 24)
        && below(part(&["m1", "m2", "m3"]), 60)
        && below(part(&["s1", "s2"]), 60)
}

fn days(year: u32, month: u32) -> u32 {
    match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400)) => 29,
        2 => 28,
        _ => 0,
    }
}

/// Writes a string in double quotes, with the escapes that Go's `strconv.Quote` uses; YAML knows them all.
pub(super) fn quoted(out: &mut String, text: &str) {
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\u{7}' => out.push_str("\\a"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{b}' => out.push_str("\\v"),
            ' '..='~' => out.push(c),
            c if c.is_ascii() => out.push_str(&format!("\\x{:02x}", u32::from(c))),
            c if is_printable(c) => out.push(c),
            c if u32::from(c) < 0x10000 => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push_str(&format!("\\U{:08x}", u32::from(c))),
        }
    }
    out.push('"');
}

/// Whether a character shows as itself. The standard library knows, but tells only while it escapes a string; the
/// letter in front keeps it from escaping a mark that combines with what stands before it.
fn is_printable(c: char) -> bool {
    let mut text = String::from("a");
    text.push(c);
    text.escape_debug().count() == 2
}
