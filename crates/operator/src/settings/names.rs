//! Names and addresses in settings. What Kubernetes or a kubelet would not take is refused where it is given.

use std::collections::BTreeSet;

use super::values::{Invalid, Values};

/// Namespaces to watch; empty for all. A list in which nothing is left would silently mean all.
pub(super) fn watch_namespaces(values: &Values) -> Result<BTreeSet<String>, Invalid> {
    let (given, names) = (values.get("watch-namespace"), values.list("watch-namespace"));
    let wrong = names.iter().any(|name| !is_namespace(name));
    if wrong || (names.is_empty() && given.texts.iter().any(|text| !text.trim().is_empty())) {
        let fix = "give names of namespaces, separated by commas; nothing for all namespaces";
        return Err(Invalid::new(&given, "no list of namespaces", fix));
    }
    Ok(names.into_iter().collect())
}

/// Whether a namespace can have this name: a DNS label
/// (<https://kubernetes.io/docs/concepts/overview/working-with-objects/names/#dns-label-names>).
pub fn is_namespace(name: &str) -> bool {
    name.len() <= 63 && is_part(name)
}

/// Lower-case letters, digits and, inside, dashes.
fn is_part(text: &str) -> bool {
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    !text.is_empty() && text.chars().all(inner) && !text.starts_with('-') && !text.ends_with('-')
}

/// The name of a Service or of a webhook configuration.
pub(super) fn object_name(values: &Values, id: &'static str) -> Result<String, Invalid> {
    let name = values.text(id);
    // The name of a configuration may have dots, and be longer than a Service's: the chart makes it of the release's name.
    let is_name = match id {
        "webhook-service" => is_namespace(&name),
        _ => name.len() <= 253 && name.split('.').all(is_part),
    };
    if is_name {
        return Ok(name);
    }
    Err(Invalid::new(&values.get(id), "no name of an object", "give lower-case letters, digits and '-'"))
}

/// An image setting. An empty value is what a build without defaults would have; the built-in one is meant.
pub(super) fn image(values: &Values, id: &'static str) -> Result<Option<String>, Invalid> {
    let image = values.text(id);
    if image.is_empty() || inject::is_image_reference(&image) {
        return Ok(Some(image).filter(|image| !image.is_empty()));
    }
    let fix = "give one that a node can pull, for example registry.example/name:1.0";
    Err(Invalid::new(&values.get(id), "no image reference", fix))
}

pub(super) fn webhook_url(values: &Values) -> Result<Option<String>, Invalid> {
    let given = values.get("webhook-url");
    let text = given.texts.last().map(|t| t.trim_end_matches('/')).unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    if is_webhook_url(text) {
        return Ok(Some(text.to_owned()));
    }
    Err(Invalid::new(&given, "no usable URL", WEBHOOK_URL))
}

/// What a base URL of webhooks has to be.
pub const WEBHOOK_URL: &str = "give https://HOST:PORT; the API server calls webhooks by HTTPS only";

/// Whether the API server takes this as the base of a webhook's URL: no user, no query
/// (<https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#url>).
pub fn is_webhook_url(text: &str) -> bool {
    let Ok(url) = text.parse::<hyper::Uri>() else { return false };
    let Some(authority) = url.authority().map(hyper::http::uri::Authority::as_str) else { return false };
    let after_host = authority.rsplit(']').next().unwrap_or_default();
    let port_fits = !after_host.contains(':') || url.port_u16().is_some();
    url.scheme_str() == Some("https") && url.query().is_none() && !authority.contains('@') && port_fits
}
