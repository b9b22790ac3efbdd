//! OTLP endpoints, and the Services that they name.

/// An endpoint, taken apart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Endpoint<'a> {
    /// Host name or address.
    pub host: &'a str,
    /// Port: as written, or that of the scheme.
    pub port: Option<u16>,
}

/// Reads an endpoint; none when it is decided only in the pod (`$(…)`).
///
/// # Errors
///
/// What is wrong with it.
pub(super) fn read(endpoint: &str) -> Result<Option<Endpoint<'_>>, String> {
    if endpoint.contains("$(") {
        return Ok(None);
    }
    let Some((scheme, rest)) = endpoint.split_once("://") else {
        return Err(format!("{endpoint:?} has no scheme; write http://{endpoint} or https://{endpoint}"));
    };
    // SDKs also take grpc:// and unix://; what those mean is theirs to say.
    let of_scheme = match scheme {
        "http" => Some(80),
        "https" => Some(443),
        "grpc" | "grpcs" => None,
        "unix" => return Ok(None),
        _ => {
            return Err(format!(
                "{endpoint:?} has the scheme {scheme}, which SDKs do not know; use http or https"
            ));
        }
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let authority = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
    let (host, port) = match authority.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, rest)) => (address, rest.strip_prefix(':')),
        None => match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    if host.is_empty() {
        return Err(format!("{endpoint:?} names no host"));
    }
    let port = match port {
        None => of_scheme,
        Some(port) => match port.parse::<u16>() {
            Ok(port) if port > 0 => Some(port),
            _ => return Err(format!("{endpoint:?} has {port:?} as port, which is none from 1 to 65535")),
        },
    };
    Ok(Some(Endpoint { host, port }))
}

/// Namespace and name of the Service that a host names for pods of `namespace`; none when it is no Service, as far as the name
/// tells. `is_namespace` says which namespaces there are: `a.b` may also be a host on the internet.
pub(super) fn service<'a>(
    host: &'a str,
    namespace: &'a str,
    is_namespace: impl Fn(&str) -> bool,
) -> Option<(&'a str, &'a str)> {
    let host = host.trim_end_matches('.');
    if host == "localhost" || host.parse::<std::net::IpAddr>().is_ok() {
        return None;
    }
    let parts: Vec<&str> = host.split('.').collect();
    match parts.as_slice() {
        [name] => Some((namespace, name)),
        [name, other] if is_namespace(other) => Some((other, name)),
        [name, other, "svc", ..] => Some((other, name)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoints_are_taken_apart() {
        let host = |text: &'static str| read(text).unwrap().map(|e| (e.host, e.port));
        assert_eq!(host("http://c:4318"), Some(("c", Some(4318))));
        assert_eq!(host("https://c.ns.svc/v1?x"), Some(("c.ns.svc", Some(443))));
        assert_eq!(host("http://[::1]:4317/"), Some(("::1", Some(4317))));
        assert_eq!(host("http://$(OTEL_NODE_IP):4317"), None);
        for bad in ["c:4317", "http://", "tcp://c:1", "http://c:0", "http://c:port"] {
            assert!(read(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn hosts_name_services() {
        let known = |name: &str| name == "obs";
        let of = |host: &'static str| service(host, "shop", known);
        assert_eq!(of("c"), Some(("shop", "c")));
        assert_eq!(of("c.obs"), Some(("obs", "c")));
        assert_eq!(of("c.gone.svc.cluster.local"), Some(("gone", "c")));
        for host in ["example.com", "api.example.com", "localhost", "10.0.0.1", "::1"] {
            assert_eq!(of(host), None, "{host}");
        }
    }
}
