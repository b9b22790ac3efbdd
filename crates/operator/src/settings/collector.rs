//! Settings about collectors (collector.md 19).

use collector::{
    admission::{DeniedComponents, Level, Settings},
    component::TlsProfile,
};
use regex::Regex;

use super::values::{Invalid, Values};
use crate::tls::TlsSettings;

/// Where the kernel says whether it is in FIPS mode.
const FIPS: &str = "/proc/sys/crypto/fips_enabled";

/// Reads them.
pub(super) fn read(values: &Values, tls: &TlsSettings) -> Result<Settings, Invalid> {
    let mut settings = Settings::default();
    if let Some(image) = super::names::image(values, "collector-image")? {
        settings.collector.image = image;
    }
    settings.collector.labels_filter = expressions(values, "labels-filter")?;
    // What `kubectl apply` leaves behind is about the collector, whatever else is filtered.
    settings.collector.annotations_filter.extend(expressions(values, "annotations-filter")?);
    settings.collector.proxy = proxy();
    if values.boolean("tls-configure-operands")? {
        let min_version = if tls.only_13() { "1.3" } else { "1.2" }.to_owned();
        let cipher_suites = values.list("tls-cipher-suites");
        settings.collector.tls_profile = Some(TlsProfile { min_version, cipher_suites });
    }
    let given = values.get("collector-config-validation");
    let level = given.texts.last().map(String::as_str).unwrap_or_default();
    settings.config_validation =
        Level::parse(level).ok_or_else(|| Invalid::new(&given, "no level", "give off, warn or enforce"))?;
    if std::fs::read_to_string(FIPS).is_ok_and(|mode| mode.trim() == "1") {
        settings.fips_denied = Some(DeniedComponents::parse(&values.text("fips-disabled-components")));
    }
    Ok(settings)
}

fn expressions(values: &Values, id: &str) -> Result<Vec<Regex>, Invalid> {
    let given = values.get(id);
    let texts = given.texts.iter().filter(|text| !text.is_empty());
    texts
        .map(|text| {
            Regex::new(text).map_err(|_| Invalid::new(&given, "no regular expression", "correct the pattern"))
        })
        .collect()
}

/// The process's own proxy variables, which collectors get as well.
fn proxy() -> Vec<(String, String)> {
    let names = ["HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"];
    let set = names
        .into_iter()
        .filter_map(|name| Some((name, std::env::var(name).ok().filter(|v| !v.is_empty())?)));
    set.flat_map(|(name, value)| [(name.to_owned(), value.clone()), (name.to_lowercase(), value)]).collect()
}
