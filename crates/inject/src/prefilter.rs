//! Which pods can be concerned at all, as an expression that the API server evaluates before it asks.
//!
//! The expression (CEL, in `matchConditions` of the pod webhooks) sees the pod and the name of its namespace, not the
//! namespace's annotations. So namespaces that ask are listed by name, from what is known of them.

use api::annotation;

use crate::facts::Namespace;

/// Longer expressions are not tried: the API server parses at most 100,000 characters.
const LONGEST: usize = 50_000;

/// Whether pods of this namespace can be concerned without an annotation of their own.
pub fn asks(namespace: &Namespace) -> bool {
    namespace.annotations.iter().any(|(key, value)| {
        (key.starts_with(annotation::INJECT_PREFIX) || key == annotation::SIDECAR_INJECT)
            && !value.is_empty()
            && !value.eq_ignore_ascii_case("false")
    })
}

/// The expression that is true for each pod that can be concerned, with these namespaces among those that ask. None when it
/// would be too long; then every pod has to be sent.
pub fn expression<'a>(asking: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let mut names: Vec<&str> = asking.into_iter().collect();
    names.sort_unstable();
    names.dedup();
    let mut expression = format!(
        "(has(object.metadata.annotations) && object.metadata.annotations.exists(key, key.startsWith('{}') || key == '{}'))",
        annotation::INJECT_PREFIX,
        annotation::SIDECAR_INJECT,
    );
    if !names.is_empty() {
        // Names of namespaces are DNS labels: nothing in them has to be escaped.
        let list: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
        expression.push_str(&format!(" || request.namespace in [{}]", list.join(", ")));
    }
    (expression.len() <= LONGEST).then_some(expression)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn namespace(key: &str, value: &str) -> Namespace {
        let annotations = [(key.to_owned(), value.to_owned())].into();
        Namespace { name: "shop".to_owned(), annotations, ..Namespace::default() }
    }

    #[test]
    fn a_namespace_asks_by_an_effective_annotation() {
        assert!(asks(&namespace("instrumentation.opentelemetry.io/inject-java", "true")));
        assert!(asks(&namespace("instrumentation.opentelemetry.io/inject-jaava", "main")));
        assert!(asks(&namespace("sidecar.opentelemetry.io/inject", "true")));
        assert!(!asks(&namespace("instrumentation.opentelemetry.io/inject-java", "False")));
        assert!(!asks(&namespace("instrumentation.opentelemetry.io/container-names", "app")));
    }

    #[test]
    fn namespaces_are_listed_in_order_and_once() {
        let expression = expression(["b", "a", "b"]).unwrap();
        assert!(expression.ends_with(" || request.namespace in ['a', 'b']"), "{expression}");
        assert!(!super::expression([]).unwrap().contains("request.namespace"));
    }

    #[test]
    fn more_namespaces_than_fit_mean_every_pod() {
        let names: Vec<String> = (0..2000).map(|i| format!("{i:063}")).collect();
        assert_eq!(expression(names.iter().map(String::as_str)), None);
        assert!(expression(names.iter().take(500).map(String::as_str)).is_some());
    }
}
