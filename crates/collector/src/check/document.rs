//! What a file holds: OpenTelemetryCollectors of either version, lists of them, a bare configuration, or something else.

use serde_json::Value;

use super::{Context, Object};
use crate::{
    component::Kind,
    config::{Path, Position, Source, read_text},
};

/// A configuration in a document.
pub(super) struct Subject<'a> {
    /// `OpenTelemetryCollector namespace/name`, empty for a bare configuration.
    pub(super) object: String,
    pub(super) context: Context<'a>,
    /// Where the configuration stands in the document.
    pub(super) path: Path,
    pub(super) config: Found<'a>,
}

/// The configuration itself.
pub(super) enum Found<'a> {
    /// Part of the document.
    Value(&'a Value),
    /// A text in the document (v1alpha1).
    Text(&'a str),
    /// The object has none.
    Missing,
}

/// The configurations of a document; `bare` is the image that a bare one is for.
pub(super) fn subjects<'a>(
    document: &'a Value,
    default_image: &'a str,
    bare: Option<&'a str>,
) -> Vec<Subject<'a>> {
    let mut subjects = Vec::new();
    collect(document, Path::default(), default_image, &mut subjects);
    for subject in subjects.iter_mut().filter(|subject| subject.context.object.is_none()) {
        subject.context.image = bare;
    }
    subjects
}

fn collect<'a>(value: &'a Value, path: Path, default_image: &'a str, subjects: &mut Vec<Subject<'a>>) {
    match value.get("kind").and_then(Value::as_str) {
        Some("OpenTelemetryCollector") => subjects.push(collector(value, &path, default_image)),
        Some("List" | "OpenTelemetryCollectorList") => {
            let items = value.get("items").and_then(Value::as_array);
            for (index, item) in items.into_iter().flatten().enumerate() {
                collect(item, path.join("items").join(index), default_image, subjects);
            }
        }
        Some(_) => {}
        None => {
            let sections = || Kind::ALL.iter().map(|kind| kind.section()).chain(["service"]);
            if sections().any(|key| value.get(key).is_some()) {
                subjects.push(Subject {
                    object: String::new(),
                    context: Context::default(),
                    path,
                    config: Found::Value(value),
                });
            }
        }
    }
}

fn collector<'a>(value: &'a Value, path: &Path, default_image: &'a str) -> Subject<'a> {
    let spec = value.get("spec").unwrap_or(&Value::Null);
    let config = match spec.get("config") {
        None | Some(Value::Null) => Found::Missing,
        Some(Value::String(text)) => Found::Text(text),
        Some(value) => Found::Value(value),
    };
    let context = context(value, default_image);
    let object = context.object.as_ref().map_or_else(String::new, |object| {
        let slash = if object.namespace.is_empty() { "" } else { "/" };
        format!("OpenTelemetryCollector {}{slash}{}", object.namespace, object.name)
    });
    Subject { object, context, path: path.join("spec").join("config"), config }
}

/// What surrounds the configuration of an object.
pub(crate) fn context<'a>(object: &'a Value, default_image: &'a str) -> Context<'a> {
    let spec = object.get("spec").unwrap_or(&Value::Null);
    let text = |value: &'a Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default();
    let metadata = object.get("metadata").unwrap_or(&Value::Null);
    let image = text(spec, "image");
    let others = spec.get("additionalContainers").and_then(Value::as_array).is_some_and(|c| !c.is_empty());
    Context {
        image: Some(if image.is_empty() { default_image } else { image }),
        object: Some(Object {
            name: text(metadata, "name"),
            namespace: text(metadata, "namespace"),
            has_service: text(spec, "mode") != "sidecar" && !others,
        }),
    }
}

/// A text inside of a document, and how its places become places of the file.
pub(super) struct Inner {
    pub(super) source: Result<Source, crate::config::Problem>,
    place: Place,
}

enum Place {
    /// A block whose lines stand in the file as they are: lines before it, and columns before each line.
    Block { line: usize, column: usize },
    /// Folded or quoted: only the beginning is known.
    Whole(Option<Position>),
}

impl Inner {
    /// Reads a text that begins at `at` in the file.
    pub(super) fn read(file: &str, text: &str, at: Option<Position>) -> Self {
        let source = read_text(text).map(|mut all| match all.len() {
            0 => Source::empty(),
            _ => all.swap_remove(0),
        });
        let block = at.and_then(|at| block(file, text, at));
        Inner { source, place: block.unwrap_or(Place::Whole(at)) }
    }

    pub(super) fn position(&self, inner: Option<Position>) -> Option<Position> {
        match &self.place {
            Place::Block { line, column } => {
                inner.map(|p| Position { line: p.line + line, column: p.column + column, length: p.length })
            }
            Place::Whole(position) => *position,
        }
    }
}

/// Where the lines of a literal block stand in the file; none if they do not.
fn block(file: &str, text: &str, at: Position) -> Option<Place> {
    let first = text.lines().position(|line| !line.trim().is_empty())?;
    // The parser may place a block at its indicator, at its first line, or at the first one that is not blank.
    let candidates = [Some(at.line), at.line.checked_sub(1), at.line.checked_sub(1 + first)];
    candidates.into_iter().flatten().find_map(|before| {
        let of_file = file.lines().skip(before);
        let indented = of_file.clone().nth(first)?;
        let column = indented.len().checked_sub(text.lines().nth(first)?.len())?;
        let mut pairs = text.lines().zip(of_file);
        let equal = pairs.all(|(inner, outer)| {
            outer.get(column..).map_or(inner.trim().is_empty(), |rest| rest.trim_end() == inner.trim_end())
        });
        (equal && indented[..column].bytes().all(|b| b == b' '))
            .then_some(Place::Block { line: before, column })
    })
}
