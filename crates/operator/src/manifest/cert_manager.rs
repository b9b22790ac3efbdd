//! Certificates by cert-manager, for those who prefer it to the process's own authority.

use serde_json::{Value, json};

use super::{Certificates, Options, deployment::CERTIFICATE_SECRET, metadata};

/// The annotation by which cert-manager is asked to write the `caBundle`, and by which the process leaves it alone.
const INJECT_CA_FROM: &str = "cert-manager.io/inject-ca-from";

const SERVING_CERTIFICATE: &str = "opentelemetry-operator-serving-cert";
const SELF_SIGNED: &str = "opentelemetry-operator-selfsigned-issuer";
/// The authority has a certificate and an issuer of its own, so that a renewed serving certificate is trusted by whoever
/// trusted the one before.
const AUTHORITY: &str = "opentelemetry-operator-authority";

/// Issuers and Certificates; none when the process is its own authority.
pub(super) fn objects(options: &Options) -> Vec<Value> {
    if options.certificates != Certificates::CertManager {
        return Vec::new();
    }
    let object = |kind: &str, name: &str, spec: Value| json!({"apiVersion": "cert-manager.io/v1", "kind": kind, "metadata": metadata(name, Some(options)), "spec": spec});
    let service = format!("{}.{}.svc", options.names.webhook_service, options.namespace);
    vec![
        object("Issuer", SELF_SIGNED, json!({"selfSigned": {}})),
        object(
            "Certificate",
            AUTHORITY,
            json!({
                "isCA": true,
                "commonName": AUTHORITY,
                "secretName": AUTHORITY,
                "duration": "87600h",
                "privateKey": {"algorithm": "ECDSA", "size": 256},
                "issuerRef": {"kind": "Issuer", "name": SELF_SIGNED},
            }),
        ),
        object("Issuer", AUTHORITY, json!({"ca": {"secretName": AUTHORITY}})),
        object(
            "Certificate",
            SERVING_CERTIFICATE,
            json!({
                "dnsNames": [service, format!("{service}.cluster.local")],
                "secretName": CERTIFICATE_SECRET,
                "privateKey": {"algorithm": "ECDSA", "size": 256, "rotationPolicy": "Always"},
                // A certificate with neither subject nor common name is refused by some who verify it.
                "subject": {"organizationalUnits": ["opentelemetry-operator"]},
                "issuerRef": {"kind": "Issuer", "name": AUTHORITY},
            }),
        ),
    ]
}

/// Asks cert-manager to write the bundle of this object.
pub(super) fn annotate(object: &mut Value, options: &Options) {
    if options.certificates == Certificates::CertManager {
        object["metadata"]["annotations"][INJECT_CA_FROM] =
            format!("{}/{SERVING_CERTIFICATE}", options.namespace).into();
    }
}
