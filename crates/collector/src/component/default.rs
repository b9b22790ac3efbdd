//! Addresses that the operator writes into components which do not say where they listen.

use serde_json::{Map, Value, json};

use super::{
    Kind, Problem, TlsProfile,
    decode::{field, map, text},
    table::{Listener, Listening, default_protocol_port, listener},
};
use crate::config::{Config, Path, endpoint};

/// A component that pipelines refer to, that nobody defined, and that was added because its defaults are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Added {
    /// What it is.
    pub kind: Kind,
    /// Its id.
    pub id: String,
}

/// Fills in the addresses of all enabled components that have a default. The user's values win and nothing is removed.
///
/// `tls` is given when the configuration is rendered for a cluster with a TLS profile, not at admission.
///
/// # Errors
/// The first component that cannot be understood; the configuration is unchanged then.
pub fn apply_defaults(config: &mut Value, tls: Option<&TlsProfile>) -> Result<Vec<Added>, Problem> {
    let graph = Config::read(config);
    let mut changes = Vec::new();
    let mut added = Vec::new();
    for kind in [Kind::Receiver, Kind::Exporter, Kind::Extension] {
        if graph.section(kind).is_none() {
            continue;
        }
        for (id, body) in graph.enabled(kind) {
            let Some(new) = with_defaults(kind, id, *body, tls)? else { continue };
            if body.is_none() {
                added.push(Added { kind, id: (*id).to_owned() });
            }
            if *body != Some(&new) {
                changes.push((kind, (*id).to_owned(), new));
            }
        }
    }
    for (kind, id, new) in changes {
        if let Some(section) = config.get_mut(kind.section()).and_then(Value::as_object_mut) {
            section.insert(id, new);
        }
    }
    Ok(added)
}

/// The body with its defaults; none if there is nothing to say about this type.
fn with_defaults(
    kind: Kind,
    id: &str,
    body: Option<&Value>,
    tls: Option<&TlsProfile>,
) -> Result<Option<Value>, Problem> {
    let path = || Path::of(&[kind.section(), id]);
    if body.is_some_and(Value::is_string) && map(body, path, "")?.is_none() {
        return Ok(None);
    }
    let listener = listener(kind, id);
    if let Listener::None | Listener::PrometheusReceiver = listener {
        return Ok(None);
    }
    let mut new = map(body, path, "")?.cloned().unwrap_or_default();
    match listener {
        Listener::Protocols(known) => protocols(&mut new, known, path, tls)?,
        Listener::Single(Listening { port: Some(port), .. })
        | Listener::Silent(Listening { port: Some(port), .. }) => listen(&mut new, port, path, tls)?,
        Listener::HealthCheck => {
            listen(&mut new, 13133, path, tls)?;
            if text(&new, "path", path)?.is_empty() {
                new.insert("path".to_owned(), json!("/"));
            }
        }
        Listener::JaegerQuery => jaeger_query(&mut new, path, tls)?,
        Listener::None | Listener::PrometheusReceiver | Listener::Single(_) | Listener::Silent(_) => {
            return Ok(None);
        }
    }
    Ok(Some(Value::Object(new)))
}

fn protocols(
    new: &mut Map<String, Value>,
    known: &'static [(&'static str, Listening)],
    path: impl Fn() -> Path,
    tls: Option<&TlsProfile>,
) -> Result<(), Problem> {
    let at = || path().join("protocols");
    let Some(protocols) = member(new, "protocols", at)? else { return Ok(()) };
    for (name, body) in protocols.iter_mut() {
        let at = || at().join(name.as_str());
        let Some(Listening { port: Some(port), .. }) = default_protocol_port(known, name) else { continue };
        map(Some(body), at, &format!("protocols[{name}]"))?;
        if body.is_null() {
            *body = json!({});
        }
        if let Some(body) = body.as_object_mut() {
            listen(body, port, at, tls)?;
        }
    }
    Ok(())
}

fn jaeger_query(
    new: &mut Map<String, Value>,
    path: impl Fn() -> Path,
    tls: Option<&TlsProfile>,
) -> Result<(), Problem> {
    if let Some(http) = member(new, "http", || path().join("http"))? {
        listen(http, 16686, || path().join("http"), tls)?;
    }
    if let Some(grpc) = new.get_mut("grpc").and_then(Value::as_object_mut) {
        let present = text(grpc, "endpoint", || path().join("grpc"))?;
        if !present.is_empty()
            && let Some(full) = endpoint::listening(present, 16685)
        {
            grpc.insert("endpoint".to_owned(), json!(full));
        }
    }
    Ok(())
}

/// The member as a map, made when absent; none when it is a reference.
fn member<'a>(
    map_of: &'a mut Map<String, Value>,
    key: &str,
    path: impl FnOnce() -> Path,
) -> Result<Option<&'a mut Map<String, Value>>, Problem> {
    let value = map_of.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = json!({});
    }
    map(Some(value), path, key)?;
    Ok(value.as_object_mut())
}

fn listen(
    server: &mut Map<String, Value>,
    port: u16,
    path: impl Fn() -> Path,
    tls: Option<&TlsProfile>,
) -> Result<(), Problem> {
    text(server, "listen_address", &path)?;
    let present = text(server, "endpoint", &path)?;
    // A reference as a whole is a value, not an absence.
    let written = server.get("endpoint").and_then(Value::as_str).unwrap_or(present);
    if let Some(full) = endpoint::listening(written, port)
        && (field(server, "endpoint").is_none() || server.contains_key("endpoint"))
    {
        server.insert("endpoint".to_owned(), json!(full));
    }
    if let Some(tls) = tls {
        tls.apply(server);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn defaulted(section: &str, id: &str, body: Value) -> Value {
        let mut config = json!({
            "receivers": {}, "exporters": {}, "extensions": {},
            "service": {"extensions": [], "pipelines": {"traces": {"receivers": [], "exporters": []}}},
        });
        config[section][id] = body;
        match section {
            "extensions" => config["service"]["extensions"] = json!([id]),
            _ => config["service"]["pipelines"]["traces"][section] = json!([id]),
        }
        apply_defaults(&mut config, None).unwrap();
        config[section][id].clone()
    }

    #[test]
    fn servers_get_an_address_that_the_service_reaches() {
        let otlp = json!({"protocols": {"grpc": null, "http": {"cors": {"allowed_origins": ["*"]}}}});
        assert_eq!(
            defaulted("receivers", "otlp", otlp),
            json!({"protocols": {"grpc": {"endpoint": "0.0.0.0:4317"}, "http": {"cors": {"allowed_origins": ["*"]}, "endpoint": "0.0.0.0:4318"}}})
        );
        assert_eq!(defaulted("receivers", "otlp", json!(null)), json!({"protocols": {}}));
        assert_eq!(
            defaulted("receivers", "zipkin", json!({"endpoint": ":9999"})),
            json!({"endpoint": "0.0.0.0:9999"})
        );
        assert_eq!(defaulted("exporters", "prometheus", json!({})), json!({"endpoint": "0.0.0.0:8889"}));
        assert_eq!(
            defaulted("extensions", "health_check", json!(null)),
            json!({"endpoint": "0.0.0.0:13133", "path": "/"})
        );
        assert_eq!(
            defaulted("extensions", "jaeger_query", json!({"grpc": {"endpoint": ":16685"}})),
            json!({"http": {"endpoint": "0.0.0.0:16686"}, "grpc": {"endpoint": "0.0.0.0:16685"}})
        );
    }

    #[test]
    fn what_is_no_number_stays_as_it_is() {
        for endpoint in
            ["localhost", "/var/run/zipkin.sock", "${env:ENDPOINT}", "[::]:9411", "localhost:9411"]
        {
            let body = json!({"endpoint": endpoint});
            assert_eq!(defaulted("receivers", "zipkin", body.clone()), body);
        }
        for (section, id) in [("receivers", "tcplog"), ("receivers", "filelog"), ("exporters", "otlp")] {
            assert_eq!(defaulted(section, id, json!(null)), json!(null), "{id}");
        }
        let reference = json!("${file:otlp.yaml}");
        assert_eq!(defaulted("receivers", "otlp", reference.clone()), reference);
    }

    #[test]
    fn an_undefined_component_with_known_defaults_is_added_and_told() {
        let mut config = json!({
            "receivers": {}, "exporters": {"debug": {}},
            "service": {"extensions": ["health_check"], "pipelines": {"traces": {"receivers": ["zipkin", "filelog"], "exporters": ["debug"]}}},
        });
        let added = apply_defaults(&mut config, None).unwrap();
        assert_eq!(added, [Added { kind: Kind::Receiver, id: "zipkin".to_owned() }]);
        assert_eq!(config["receivers"], json!({"zipkin": {"endpoint": "0.0.0.0:9411"}}));
        assert!(config.get("extensions").is_none());
    }

    #[test]
    fn a_tls_profile_fills_in_tls_that_is_there() {
        let profile = TlsProfile { min_version: "1.2".to_owned(), cipher_suites: vec!["TLS_A".to_owned()] };
        let mut config = json!({
            "receivers": {"otlp": {"protocols": {"grpc": {"endpoint": "a:1", "tls": {"cert_file": "c"}}, "http": {"endpoint": "a:2"}}}},
            "exporters": {},
            "service": {"pipelines": {"traces": {"receivers": ["otlp"], "exporters": []}}},
        });
        apply_defaults(&mut config, Some(&profile)).unwrap();
        assert_eq!(
            config["receivers"]["otlp"]["protocols"],
            json!({"grpc": {"endpoint": "a:1", "tls": {"cert_file": "c", "min_version": "1.2", "cipher_suites": ["TLS_A"]}}, "http": {"endpoint": "a:2"}})
        );
    }
}
