//! Components that a host in FIPS mode must not run.

use std::collections::BTreeSet;

use crate::{
    component::Kind,
    config::{Config, split_id},
};

/// Component types that are denied (`--fips-disabled-components`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeniedComponents(BTreeSet<(Kind, String)>);

impl DeniedComponents {
    /// Reads `receiver.x,exporter.y,processor.z,extension.w`; other words are passed over.
    pub fn parse(text: &str) -> Self {
        let one = |word: &str| {
            let (kind, name) = word.trim().split_once('.')?;
            let kind = Kind::ALL.into_iter().find(|k| k.name() == kind)?;
            Some((kind, name.to_owned()))
        };
        DeniedComponents(text.split(',').filter_map(one).collect())
    }

    /// Why a configuration is refused: at most one component of each kind is named.
    pub(super) fn refusal(&self, config: &Config<'_>) -> Option<String> {
        let found: Vec<&str> = [Kind::Receiver, Kind::Exporter, Kind::Processor, Kind::Extension]
            .into_iter()
            .filter_map(|kind| {
                let mut types = config.enabled(kind).keys().map(|id| split_id(id).0);
                types.find(|name| self.0.contains(&(kind, (*name).to_owned())))
            })
            .collect();
        (!found.is_empty()).then(|| {
            format!(
                "the collector configuration contains not FIPS compliant components: [{}]. Please remove it from the config; take \
                 them out of service.pipelines and service.extensions",
                found.join(" ")
            )
        })
    }
}
