//! TLS settings that a cluster prescribes for servers (`tls-configure-operands`).

use serde_json::{Map, Value, json};

/// The lowest TLS version and the ciphers that the cluster's profile asks of servers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsProfile {
    /// `1.0` to `1.3`.
    pub min_version: String,
    /// IANA names. Not written when the lowest version is 1.3, whose ciphers cannot be chosen.
    pub cipher_suites: Vec<String>,
}

impl TlsProfile {
    /// Fills in what a server's `tls` map does not say; a server without one stays without TLS.
    pub(crate) fn apply(&self, server: &mut Map<String, Value>) {
        let Some(tls) = server.get_mut("tls").and_then(Value::as_object_mut) else { return };
        let missing = |tls: &Map<String, Value>, key: &str| tls.get(key).is_none_or(Value::is_null);
        if missing(tls, "min_version") {
            tls.insert("min_version".to_owned(), json!(self.min_version));
        }
        if self.min_version != "1.3" && !self.cipher_suites.is_empty() && missing(tls, "cipher_suites") {
            tls.insert("cipher_suites".to_owned(), json!(self.cipher_suites));
        }
    }
}
