//! Instrumentations as the store keeps them.

use std::sync::Arc;

use api::Instrumentation;

use super::content::{Content, Kind};

/// `Instrumentation` v1alpha1.
#[derive(Debug)]
pub enum Instrumentations {}

impl Kind for Instrumentations {
    const GROUP: &'static str = api::instrumentation::GROUP;
    const VERSION: &'static str = api::instrumentation::VERSION;
    const KIND: &'static str = api::instrumentation::KIND;
    const PLURAL: &'static str = api::instrumentation::PLURAL;
}

/// An Instrumentation, read or not.
#[derive(Clone, Debug)]
pub enum Entry {
    /// It can be used.
    Usable(Arc<Instrumentation>),
    /// It cannot: name, and why.
    Unreadable(Arc<(String, String)>),
}

impl From<Content<Instrumentations, Instrumentation>> for Entry {
    fn from(read: Content<Instrumentations, Instrumentation>) -> Entry {
        let name = read.name().to_owned();
        match read.content {
            Ok(object) => Entry::Usable(Arc::new(object)),
            Err(why) => Entry::Unreadable(Arc::new((name, why))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bad_object_is_kept_with_the_reason() {
        let text = r#"{"metadata":{"name":"bad","namespace":"shop"},"spec":{"propagators":"b3"}}"#;
        let read: Content<Instrumentations, Instrumentation> = serde_json::from_str(text).unwrap();
        assert!(
            matches!(Entry::from(read), Entry::Unreadable(e) if e.0 == "bad" && e.1.contains("sequence"))
        );
    }
}
