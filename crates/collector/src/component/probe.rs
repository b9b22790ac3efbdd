//! The health check that Kubernetes probes.

use serde_json::Value;

use super::{
    Kind, Problem,
    decode::{map, text},
};
use crate::config::{Config, Path, endpoint, split_id};

/// Where the collector says that it is healthy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Probe {
    /// Path of the HTTP request.
    pub path: String,
    /// Port.
    pub port: i32,
}

/// The probe of the first `health_check` extension, by id, that is enabled; none without an `extensions` section.
///
/// # Errors
/// If the extension's body cannot be understood; there is no probe then.
pub fn probe(config: &Config<'_>) -> Result<Option<Probe>, Problem> {
    if config.section(Kind::Extension).is_none() {
        return Ok(None);
    }
    let mut enabled = config.enabled(Kind::Extension).iter();
    let Some((id, body)) = enabled.find(|(id, _)| split_id(id).0 == "health_check") else { return Ok(None) };
    let at = || Path::of(&["extensions", id]);
    let body: Option<&Value> = *body;
    let Some(body) = map(body, at, "")? else {
        return Ok(Some(Probe { path: "/".to_owned(), port: 13133 }));
    };
    let path = text(body, "path", at)?;
    let address = text(body, "endpoint", at)?;
    Ok(Some(Probe {
        path: if path.is_empty() { "/".to_owned() } else { path.to_owned() },
        port: endpoint::port(address).unwrap_or(13133),
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(extensions: Value, enabled: Value) -> Option<Probe> {
        let raw = json!({"extensions": extensions, "service": {"extensions": enabled}});
        probe(&Config::read(&raw)).unwrap()
    }

    #[test]
    fn probes_ask_the_health_check() {
        let found = |path: &str, port| Some(Probe { path: path.to_owned(), port });
        let body = json!({"health_check": {"endpoint": ":8080", "path": "/healthz"}});
        assert_eq!(of(body, json!(["health_check"])), found("/healthz", 8080));
        assert_eq!(of(json!({}), json!(["health_check"])), found("/", 13133));
        assert_eq!(of(json!({"health_check": {}}), json!(["pprof"])), None);
        assert_eq!(of(json!({"healthcheckv2": {}}), json!(["healthcheckv2"])), None);
        assert_eq!(of(json!(null), json!(["health_check"])), None);
    }
}
