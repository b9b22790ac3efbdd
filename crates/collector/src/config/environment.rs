//! Environment references in a configuration: `${env:NAME}` and `${NAME}`. They are recognised, never expanded.

/// Whether the text holds a reference that the collector expands.
pub fn has_reference(text: &str) -> bool {
    text.contains("${")
}

/// Whether the whole text is one reference, so that its value may be of any type.
pub fn is_reference(text: &str) -> bool {
    text.starts_with("${") && end_of_reference(text) == Some(text.len())
}

/// The byte after the reference that the text begins with.
pub(crate) fn end_of_reference(text: &str) -> Option<usize> {
    let mut depth = 0_usize;
    let bytes = text.as_bytes();
    for (i, byte) in bytes.iter().enumerate() {
        match byte {
            b'{' if i > 0 && bytes[i - 1] == b'$' => depth += 1,
            b'}' if depth > 0 => {
                depth -= 1;
                if depth == 0 {
                    return Some(i + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// The text outside of references: each reference becomes one `\0`.
pub(crate) fn masked(text: &str) -> String {
    let mut rest = text;
    let mut out = String::with_capacity(text.len());
    while let Some(start) = rest.find("${") {
        out.push_str(&rest[..start]);
        let reference = &rest[start..];
        match end_of_reference(reference) {
            Some(end) => {
                out.push('\0');
                rest = &reference[end..];
            }
            None => {
                out.push_str(reference);
                return out;
            }
        }
    }
    out.push_str(rest);
    out
}

/// `$NAME` without braces, which collectors since 0.104 no longer expand. `$$` is an escaped dollar, `$1` a capture group.
pub fn bare_reference(text: &str) -> Option<&str> {
    let bytes = text.as_bytes();
    let mut i = 0;
    while i < bytes.len() {
        if bytes[i] != b'$' {
            i += 1;
            continue;
        }
        let start = i;
        i += 1;
        match bytes.get(i) {
            Some(b'$') => i += 1,
            Some(c) if c.is_ascii_alphabetic() || *c == b'_' => {
                while bytes.get(i).is_some_and(|c| c.is_ascii_alphanumeric() || *c == b'_') {
                    i += 1;
                }
                return Some(&text[start..i]);
            }
            _ => {}
        }
    }
    None
}

/// What `${env:NAME:-text}` falls back to, if the whole text is such a reference.
pub(crate) fn fallback(text: &str) -> Option<&str> {
    is_reference(text).then_some(())?;
    text.get(2..text.len() - 1)?.split_once(":-").map(|(_, fallback)| fallback)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_recognised() {
        assert!(is_reference("${env:POD_IP}") && is_reference("${X}") && is_reference("${env:A:-${env:B}}"));
        assert!(!is_reference("${env:POD_IP}:4317") && has_reference("${env:POD_IP}:4317"));
        assert!(!is_reference("${env:POD_IP"));
        assert_eq!(masked("${env:A:-1:2}:4317/${B}"), "\0:4317/\0");
        assert_eq!(fallback("${env:ENDPOINT:-0.0.0.0:4317}"), Some("0.0.0.0:4317"));
        assert_eq!(fallback("${env:ENDPOINT}"), None);
    }

    #[test]
    fn bare_references_are_not_escapes_or_groups() {
        assert_eq!(bare_reference("http://$HOST:80"), Some("$HOST"));
        for fine in ["$$HOST", "${env:HOST}", "$1:$2", "a$", "$$1", ""] {
            assert_eq!(bare_reference(fine), None, "{fine}");
        }
    }
}
