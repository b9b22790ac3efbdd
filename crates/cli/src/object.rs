//! The objects of a document: itself, or the items of a List.

use serde_json::Value;

use crate::source::{Document, File, Problem};

/// A Kubernetes object in a document.
#[derive(Clone, Debug)]
pub(crate) struct Object<'a> {
    /// Where it stands in the document, as a JSON pointer.
    pub pointer: String,
    /// `apiVersion`.
    pub api_version: &'a str,
    /// Kind.
    pub kind: &'a str,
    /// Name; empty when it has only `generateName`, or none.
    pub name: &'a str,
    /// The namespace that it states.
    pub namespace: Option<&'a str>,
    /// All of it.
    pub value: &'a Value,
}

impl<'a> Object<'a> {
    /// An object of the cluster.
    pub(crate) fn of_cluster(value: &'a Value) -> Option<Self> {
        Object::new(value, String::new(), None, None)
    }

    /// A value as an object, with the kind and version that the List around it gives.
    fn new(
        value: &'a Value,
        pointer: String,
        kind: Option<&'a str>,
        api_version: Option<&'a str>,
    ) -> Option<Self> {
        let text = |pointer: &str| value.pointer(pointer).and_then(Value::as_str).filter(|t| !t.is_empty());
        Some(Object {
            pointer,
            api_version: text("/apiVersion").or(api_version)?,
            kind: text("/kind").or(kind)?,
            name: text("/metadata/name").or(text("/metadata/generateName")).unwrap_or_default(),
            namespace: text("/metadata/namespace"),
            value,
        })
    }

    /// The API group; empty for the core group.
    pub(crate) fn group(&self) -> &'a str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Whether it is of this group and kind, in any version.
    pub(crate) fn is(&self, group: &str, kind: &str) -> bool {
        self.group() == group && self.kind == kind
    }
}

/// The objects of a document. An empty document has none.
///
/// # Errors
///
/// When it is not YAML, or something in it is no object with `apiVersion` and `kind`.
pub(crate) fn objects<'a>(file: &File, document: &'a Document) -> Result<Vec<Object<'a>>, Problem> {
    let value = match &document.value {
        Ok(Value::Null) => return Ok(Vec::new()),
        Ok(value) => value,
        Err(error) => {
            return Err(Problem::of(file, document, format!("it is neither YAML nor JSON: {error}")));
        }
    };
    let fix = "every document must be an object with apiVersion and kind";
    if !value.is_object() {
        return Err(Problem::of(file, document, format!("it is no object; {fix}")));
    }
    let missing = |value: &Value, at: &str| {
        let field = if value.get("kind").and_then(Value::as_str).is_none_or(str::is_empty) {
            "kind"
        } else {
            "apiVersion"
        };
        let name = value.pointer("/metadata/name").and_then(Value::as_str);
        let object = name.map(|n| format!("object {n}: ")).unwrap_or_default();
        Problem::of(file, document, format!("{object}{at}{field} is missing; {fix}"))
    };
    let Some(object) = Object::new(value, String::new(), None, None) else { return Err(missing(value, "")) };
    let item_kind = object.kind.strip_suffix("List");
    let (Some(item_kind), Some(items)) = (item_kind, value.get("items").and_then(Value::as_array)) else {
        return Ok(vec![object]);
    };
    let item_kind = Some(item_kind).filter(|k| !k.is_empty());
    let version = item_kind.map(|_| object.api_version);
    items
        .iter()
        .enumerate()
        .map(|(i, item)| {
            Object::new(item, format!("/items/{i}"), item_kind, version)
                .ok_or_else(|| missing(item, &format!("items[{i}].")))
        })
        .collect()
}
