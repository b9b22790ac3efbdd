//! What the collector's ServiceAccount must be allowed, by the components that are enabled.

mod kubernetes;

use serde::Serialize;

use crate::{
    component::{Kind, Problem},
    config::{Config, split_id},
};

/// A rule of a ClusterRole, in the JSON form of Kubernetes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Rule {
    /// API groups; the core group is empty.
    pub api_groups: Vec<String>,
    /// Resources, with their subresources.
    pub resources: Vec<String>,
    /// Verbs.
    pub verbs: Vec<String>,
}

impl Rule {
    fn new(group: &str, resources: &[&str], verbs: &[&str]) -> Self {
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Rule { api_groups: vec![group.to_owned()], resources: owned(resources), verbs: owned(verbs) }
    }
}

/// The rules of all enabled components: receivers, exporters, processors, extensions, each kind by id.
///
/// # Errors
/// The first component that cannot be understood.
pub fn rules(config: &Config<'_>) -> Result<Vec<Rule>, Problem> {
    let mut rules = Vec::new();
    for kind in Kind::ALL {
        for (id, body) in config.enabled(kind) {
            rules.extend(kubernetes::rules(kind, split_id(id).0, id, *body)?);
        }
    }
    Ok(rules)
}
