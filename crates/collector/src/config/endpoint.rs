//! Host and port of an endpoint, as collectors write them.

use super::environment::{fallback, masked};

/// The port of an endpoint: `0.0.0.0:4317`, `[::1]:4317`, `:4317`, `http://host:8080/path`, `${env:IP}:4317`.
///
/// None if there is none, if it is 0, or if it is no number of 32 bits; the numbers that no port has (65536 and more) are kept,
/// so that they can be complained about.
pub fn port(endpoint: &str) -> Option<i32> {
    if let Some(fallback) = fallback(endpoint) {
        return port(fallback);
    }
    let masked = masked(endpoint);
    let (_, rest) = authority(&masked)?;
    let digits: String = rest.strip_prefix(':')?.chars().take_while(char::is_ascii_digit).collect();
    digits.parse().ok().filter(|port| *port > 0)
}

/// The host of an endpoint, without brackets; empty for `:4317`. None for what names no host (a path, a reference).
pub fn host(endpoint: &str) -> Option<String> {
    let masked = masked(endpoint);
    let (host, _) = authority(&masked)?;
    (!host.contains('\0')).then(|| host.to_owned())
}

/// Host and what follows it (`:port` or nothing).
fn authority(masked: &str) -> Option<(&str, &str)> {
    let rest = match masked.split_once("://") {
        Some((scheme, _)) if scheme.starts_with("unix") => return None,
        Some((_, rest)) => rest,
        None if masked.starts_with('/') || masked.starts_with("unix:") => return None,
        None => masked,
    };
    let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let rest = rest.rsplit_once('@').map_or(rest, |(_, host)| host);
    if let Some(v6) = rest.strip_prefix('[') {
        return v6.split_once(']');
    }
    match rest.rfind(':') {
        Some(colon) => Some(rest.split_at(colon)),
        None => Some((rest, "")),
    }
}

/// What the operator stores for the endpoint of a receiver: a bare port listens on all addresses. Only numeric forms (and
/// references to the port alone) are rewritten; a host without port or a socket's path is the user's.
pub fn listening(endpoint: &str, default_port: u16) -> Option<String> {
    if endpoint.is_empty() {
        return Some(format!("0.0.0.0:{default_port}"));
    }
    let port = endpoint.strip_prefix(':').unwrap_or(endpoint);
    let numeric = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let reference = endpoint.starts_with(':') && super::environment::is_reference(port);
    (numeric || reference).then(|| format!("0.0.0.0:{port}"))
}

/// Whether only processes of the same pod reach a listener on this host.
pub fn is_local(host: &str) -> bool {
    host == "localhost" || host.starts_with("127.") || host == "::1"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports() {
        for (endpoint, expected) in [
            ("0.0.0.0:4317", Some(4317)),
            (":4317", Some(4317)),
            ("[::1]:4317", Some(4317)),
            ("[::]:4317", Some(4317)),
            ("http://h:8080/x:9", Some(8080)),
            ("https://user:1@h:8080", Some(8080)),
            ("${env:IP}:4317", Some(4317)),
            ("${env:IP:-127.0.0.1}:4317", Some(4317)),
            ("${env:ENDPOINT:-0.0.0.0:4317}", Some(4317)),
            ("0.0.0.0:65536", Some(65536)),
            ("0.0.0.0:0", None),
            (":-1", None),
            ("localhost", None),
            ("0.0.0.0:99999999999", None),
            ("${env:ENDPOINT}", None),
            ("0.0.0.0:${env:PORT}", None),
            ("unix:///var/run/x:1.sock", None),
            ("/var/run/x:1.sock", None),
            ("", None),
        ] {
            assert_eq!(port(endpoint), expected, "{endpoint}");
        }
    }

    #[test]
    fn only_numeric_forms_are_rewritten() {
        for (endpoint, expected) in [
            ("", Some("0.0.0.0:4317")),
            (":4000", Some("0.0.0.0:4000")),
            ("4000", Some("0.0.0.0:4000")),
            (":${env:PORT}", Some("0.0.0.0:${env:PORT}")),
            ("localhost", None),
            ("[::]:4317", None),
            ("/var/run/x.sock", None),
            ("${env:ENDPOINT}", None),
            (":-1", None),
        ] {
            assert_eq!(listening(endpoint, 4317).as_deref(), expected, "{endpoint}");
        }
    }

    #[test]
    fn hosts() {
        assert_eq!(host("http://a.b:80/x").as_deref(), Some("a.b"));
        assert_eq!(host("[::1]:80").as_deref(), Some("::1"));
        assert_eq!(host(":80").as_deref(), Some(""));
        assert_eq!(host("${env:H}:80"), None);
        assert!(is_local("127.0.0.1") && is_local("::1") && !is_local("0.0.0.0"));
    }
}
