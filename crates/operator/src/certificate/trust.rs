//! What a `caBundle` has to hold, and whether every one of them does.

use base64::{Engine, engine::general_purpose::STANDARD};
use kube::{
    Api, Client, ResourceExt,
    api::{ApiResource, DynamicObject},
};
use serde_json::Value;
use time::OffsetDateTime;

use super::{Certificate, Served};

/// cert-manager writes the bundle of objects that carry this annotation.
pub const CERT_MANAGER: &str = "cert-manager.io/inject-ca-from";

/// Beside the CA of mounted files, a bundle keeps at most so many others.
const OTHERS: usize = 3;

/// The bundle that an object with this one (base64 of PEM) should have; none when nobody knows, or it is good as it is.
///
/// Of the process's own authorities the bundle holds exactly those that its document names. Mounted files reach replicas
/// at different times, so other CAs stay until they expire: a replica never takes away the trust that another needs.
pub fn wanted(present: Option<&str>, served: &Served, now: OffsetDateTime) -> Option<String> {
    let ours = served.ca.as_ref()?;
    let decoded = present.and_then(|text| String::from_utf8(STANDARD.decode(text).ok()?).ok());
    let bundle = match &decoded {
        Some(present) if served.mounted => beside(present, ours, now),
        _ => ours.clone(),
    };
    (decoded.as_ref() != Some(&bundle)).then(|| STANDARD.encode(bundle))
}

/// Our certificates, and those of a present bundle that are still valid.
fn beside(present: &str, ours: &str, now: OffsetDateTime) -> String {
    let valid = |pem: &&str| Certificate::read(pem).is_ok_and(|certificate| now < certificate.expires);
    let (of_ours, of_present) = (certificates(ours), certificates(present));
    let kept: Vec<&str> = of_present.iter().copied().filter(valid).collect();
    if kept.len() == of_present.len() && of_ours.iter().all(|certificate| kept.contains(certificate)) {
        return present.to_owned();
    }
    let others = kept.into_iter().filter(|certificate| !of_ours.contains(certificate)).take(OTHERS);
    of_ours.iter().copied().chain(others).map(|certificate| format!("{certificate}\n")).collect()
}

/// The certificates of a PEM text, each as text.
fn certificates(pem: &str) -> Vec<&str> {
    const END: &str = "-----END CERTIFICATE-----";
    pem.split_inclusive(END)
        .filter_map(|block| Some(block.get(block.find("-----BEGIN CERTIFICATE-----")?..)?.trim()))
        .collect()
}

/// Whether every one of these objects, as far as it exists, holds this bundle (PEM) in each of its client
/// configurations. Objects whose bundle is cert-manager's to write are not looked at.
///
/// # Errors
/// When one cannot be read.
pub async fn everywhere(
    client: &Client,
    objects: impl IntoIterator<Item = (ApiResource, String)>,
    bundle: &str,
) -> Result<bool, kube::Error> {
    let bundle = STANDARD.encode(bundle);
    for (resource, name) in objects {
        let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
        let Some(object) = api.get_opt(&name).await? else { continue };
        if !object.annotations().contains_key(CERT_MANAGER) && !holds(&object.data, &bundle) {
            return Ok(false);
        }
    }
    Ok(true)
}

/// Whether each client configuration of a webhook configuration or definition has this bundle (base64).
fn holds(object: &Value, bundle: &str) -> bool {
    let webhooks = object.get("webhooks").and_then(Value::as_array).into_iter().flatten();
    let conversion = object.pointer("/spec/conversion/webhook");
    webhooks
        .chain(conversion)
        .all(|webhook| webhook.pointer("/clientConfig/caBundle").and_then(Value::as_str) == Some(bundle))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::{Ca, Current};
    use serde_json::json;
    use time::Duration;

    fn now() -> OffsetDateTime {
        OffsetDateTime::now_utc()
    }

    fn served(ca: &str, mounted: bool) -> std::sync::Arc<Served> {
        let names = ["localhost".to_owned()].into();
        let leaf =
            Ca::create(Duration::days(1), now()).unwrap().issue(&names, Duration::days(1), now()).unwrap();
        let current = Current::default();
        current.serve(&leaf.certificate, &leaf.key, Some(ca.to_owned()), mounted).unwrap();
        current.served().unwrap()
    }

    fn ca(life: Duration) -> String {
        Ca::create(life, now()).unwrap().certificate
    }

    #[test]
    fn a_bundle_of_our_own_holds_exactly_what_is_ours() {
        let (ours, others) = (ca(Duration::days(1)), ca(Duration::days(1)));
        let served = served(&ours, false);
        assert_eq!(wanted(None, &served, now()), Some(STANDARD.encode(&ours)));
        assert_eq!(
            wanted(Some(&STANDARD.encode(format!("{others}{ours}"))), &served, now()),
            Some(STANDARD.encode(&ours))
        );
        assert_eq!(wanted(Some(&STANDARD.encode(&ours)), &served, now()), None);
    }

    #[test]
    fn replicas_with_different_mounted_files_do_not_take_each_others_trust_away() {
        let (a, b, expired) = (ca(Duration::days(1)), ca(Duration::days(1)), ca(Duration::seconds(-5)));
        let (of_a, of_b) = (served(&a, true), served(&b, true));
        let first = wanted(Some(&STANDARD.encode(format!("{expired}{a}"))), &of_b, now()).unwrap();
        assert_eq!(String::from_utf8(STANDARD.decode(&first).unwrap()).unwrap(), format!("{b}{a}"));
        assert_eq!(wanted(Some(&first), &of_a, now()), None, "both are in it: nobody writes again");
        assert_eq!(wanted(Some(&first), &of_b, now()), None);
    }

    #[test]
    fn every_client_configuration_counts() {
        let with = |bundle: &str| json!({"clientConfig": {"caBundle": bundle}});
        assert!(holds(&json!({"webhooks": [with("x"), with("x")]}), "x"));
        assert!(!holds(&json!({"webhooks": [with("x"), {"clientConfig": {}}]}), "x"));
        assert!(!holds(&json!({"spec": {"conversion": {"webhook": with("y")}}}), "x"));
        assert!(holds(&json!({"spec": {"conversion": {"strategy": "None"}}}), "x"));
    }
}
