//! YAML text with positions: values as Kubernetes reads them, beside line and column of every key and value.

use std::{collections::BTreeMap, fmt};

use api::collector::config_text::{DEEP, SHALLOW, on_a_larger_stack};
use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Number, Value};
use serde_saphyr::{DuplicateKeyPolicy, Error, Location, Spanned, budget::BudgetBreach};

use super::path::{Path, Step};

/// A place in a text. Lines and columns count from 1, columns in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// Number of characters that are meant, at least 1.
    pub length: usize,
}

/// One YAML document: its value and where everything in it stands.
#[derive(Clone, Debug)]
pub struct Source {
    /// The value, integers exact.
    pub value: Value,
    marks: Marks,
    /// Keys that a map holds twice, at their second place. The last one is in [`Source::value`], as in Kubernetes.
    pub duplicate_keys: Vec<(Path, Position)>,
}

/// Why a text is no YAML.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// What the parser says, on one line.
    pub message: String,
    /// Where it says so.
    pub position: Option<Position>,
}

/// Positions in the shape of the value.
#[derive(Clone, Debug, Default)]
struct Marks {
    key: Option<Position>,
    value: Option<Position>,
    children: Children,
}

#[derive(Clone, Debug, Default)]
enum Children {
    #[default]
    None,
    Map(BTreeMap<String, Marks>),
    List(Vec<Marks>),
}

/// Reads all documents of a text.
///
/// # Errors
/// If the text is no YAML, or is nested more than 122 levels deep.
pub fn read_text(text: &str) -> Result<Vec<Source>, Problem> {
    let sources = |depth: usize| -> Result<Vec<Source>, Error> {
        Ok(nodes(text, depth)?.into_iter().map(Source::from_node).collect())
    };
    match sources(SHALLOW) {
        Err(Error::Budget { breach: BudgetBreach::Depth { .. }, .. }) => {
            on_a_larger_stack(|| sources(DEEP).map_err(|error| problem(&error)))
                .map_err(|message| Problem { message, position: None })?
        }
        read => read.map_err(|error| problem(&error)),
    }
}

fn nodes(text: &str, depth: usize) -> Result<Vec<Spanned<Node>>, Error> {
    let options = serde_saphyr::options! {
        // What Kubernetes' own YAML reader does: 0644 is octal.
        legacy_octal_numbers: true,
        duplicate_keys: DuplicateKeyPolicy::PassThrough,
        with_snippet: false,
        // A file may be large and hold many documents; how often aliases repeat something is limited apart from this.
        budget: serde_saphyr::budget! {
            max_depth: depth,
            max_nodes: 8_000_000,
            max_events: 32_000_000,
            max_documents: 100_000,
            simple_key_max_lookahead: 1 << 20,
            enforce_alias_anchor_ratio: false,
        },
    };
    serde_saphyr::from_multiple_with_options(text, options)
}

fn problem(error: &Error) -> Problem {
    let position = error.location().and_then(|location| position(&location));
    let message = error.to_string();
    Problem { message: message.lines().next().unwrap_or_default().trim().to_owned(), position }
}

impl Source {
    fn from_node(node: Spanned<Node>) -> Self {
        let mut duplicate_keys = Vec::new();
        let mut path = Vec::new();
        let (value, marks) = split(node, None, &mut path, &mut duplicate_keys);
        Source { value, marks, duplicate_keys }
    }

    /// Where a value stands: a scalar at itself, a map or list at its key, and what does not exist at its nearest parent.
    pub fn position(&self, path: &Path) -> Option<Position> {
        let mut marks = &self.marks;
        let mut value = Some(&self.value);
        let mut found = marks.key.or(marks.value);
        for step in &path.0 {
            let next = match (step, &marks.children) {
                (Step::Key(key), Children::Map(map)) => map.get(key),
                (Step::Index(index), Children::List(list)) => list.get(*index),
                _ => None,
            };
            let Some(next) = next else { return found };
            value = match step {
                Step::Key(key) => value.and_then(|v| v.get(key)),
                Step::Index(index) => value.and_then(|v| v.get(*index)),
            };
            marks = next;
            let scalar = !matches!(value, None | Some(Value::Null | Value::Object(_) | Value::Array(_)));
            found = if scalar { marks.value.or(marks.key) } else { marks.key.or(marks.value) }.or(found);
        }
        found
    }

    /// Where the value itself stands, not its key.
    pub(crate) fn value_position(&self, path: &Path) -> Option<Position> {
        let mut marks = &self.marks;
        for step in &path.0 {
            marks = match (step, &marks.children) {
                (Step::Key(key), Children::Map(map)) => map.get(key)?,
                (Step::Index(index), Children::List(list)) => list.get(*index)?,
                _ => return None,
            };
        }
        marks.value
    }

    /// A document without anything in it.
    pub(crate) fn empty() -> Self {
        Source { value: Value::Null, marks: Marks::default(), duplicate_keys: Vec::new() }
    }
}

/// A value as the parser hands it out, before it is divided into value and positions.
enum Node {
    Scalar(Value),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
    List(Vec<Spanned<Node>>),
}

fn split(
    node: Spanned<Node>,
    key: Option<Position>,
    path: &mut Vec<Step>,
    duplicates: &mut Vec<(Path, Position)>,
) -> (Value, Marks) {
    let at = position(&node.referenced);
    let (value, children) = match node.value {
        Node::Scalar(value) => (value, Children::None),
        Node::List(items) => {
            let mut values = Vec::with_capacity(items.len());
            let mut marks = Vec::with_capacity(items.len());
            for (index, item) in items.into_iter().enumerate() {
                path.push(Step::Index(index));
                let (value, mark) = split(item, None, path, duplicates);
                path.pop();
                values.push(value);
                marks.push(mark);
            }
            (Value::Array(values), Children::List(marks))
        }
        Node::Map(entries) => {
            let mut values = Map::new();
            let mut marks = BTreeMap::new();
            for (key, item) in entries {
                let key_at = position(&key.referenced);
                path.push(Step::Key(key.value.clone()));
                let (value, mark) = split(item, key_at, path, duplicates);
                if values.insert(key.value.clone(), value).is_some()
                    && let Some(at) = key_at
                {
                    duplicates.push((Path(path.clone()), at));
                }
                path.pop();
                marks.insert(key.value, mark);
            }
            (Value::Object(values), Children::Map(marks))
        }
    };
    (value, Marks { key, value: at, children })
}

/// None where the parser does not know.
fn position(location: &Location) -> Option<Position> {
    let number = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
    if *location == Location::UNKNOWN {
        return None;
    }
    let length = usize::try_from(location.span().len()).unwrap_or(1).max(1);
    Some(Position { line: number(location.line()), column: number(location.column()), length })
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NodeVisitor)
    }
}

struct NodeVisitor;

impl<'de> Visitor<'de> for NodeVisitor {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
        Ok(Node::Scalar(Number::from_f64(value).map_or_else(|| value.to_string().into(), Value::Number)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Node, E> {
        Ok(Node::Scalar(value.into()))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(Value::Null))
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        Node::deserialize(deserializer)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut entries = Vec::new();
        while let Some(entry) = map.next_entry()? {
            entries.push(entry);
        }
        Ok(Node::Map(entries))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn one(text: &str) -> Source {
        let mut all = read_text(text).unwrap();
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    fn at(source: &Source, keys: &[&str]) -> (usize, usize) {
        let position = source.position(&Path::of(keys)).unwrap();
        (position.line, position.column)
    }

    #[test]
    fn values_are_those_that_kubernetes_reads() {
        let source =
            one("a: 0644\nb: yes\nc: 9007199254740993\nd: ~\ne: [1.5, x, {f: \"yes\"}]\n8080: port\n");
        assert_eq!(
            source.value,
            json!({"a": 420, "b": true, "c": 9_007_199_254_740_993_u64, "d": null, "e": [1.5, "x", {"f": "yes"}], "8080": "port"})
        );
    }

    #[test]
    fn everything_has_a_position() {
        let source = one(
            "receivers:\n  otlp:\n    protocols:\n      grpc:\n        endpoint: localhost:4317\n      http:\n",
        );
        assert_eq!(at(&source, &["receivers"]), (1, 1));
        assert_eq!(at(&source, &["receivers", "otlp"]), (2, 3));
        assert_eq!(at(&source, &["receivers", "otlp", "protocols", "grpc", "endpoint"]), (5, 19));
        assert_eq!(at(&source, &["receivers", "otlp", "protocols", "http"]), (6, 7));
        assert_eq!(at(&source, &["receivers", "otlp", "not", "there"]), (2, 3));
    }

    #[test]
    fn list_items_stand_at_themselves() {
        let source = one("a:\n- x\n-  y: 1\n");
        let at = |index: usize| source.position(&Path::of(&["a"]).join(index)).unwrap();
        assert_eq!((at(0).line, at(0).column, at(0).length), (2, 3, 1));
        assert_eq!((at(1).line, at(1).column), (3, 4));
    }

    #[test]
    fn a_key_that_is_there_twice_is_noticed_and_the_last_wins() {
        let source = one("a:\n  b: 1\n  c: 2\n  b: 3\n");
        assert_eq!(source.value, json!({"a": {"b": 3, "c": 2}}));
        let [(path, position)] = &source.duplicate_keys[..] else { panic!("{:?}", source.duplicate_keys) };
        assert_eq!((path.to_string().as_str(), position.line, position.column), ("a.b", 4, 3));
    }

    #[test]
    fn several_documents_keep_the_lines_of_the_file() {
        let all = read_text("a: 1\n---\nb:\n  c: 2\n").unwrap();
        assert_eq!(all.len(), 2);
        assert_eq!(at(&all[1], &["b", "c"]), (4, 6));
    }

    #[test]
    fn a_text_that_is_no_yaml_says_where() {
        let problem = read_text("a: 1\nb: [1, 2\nc: 3\n").unwrap_err();
        assert!(problem.position.is_some_and(|p| p.line >= 2), "{problem:?}");
        assert!(!problem.message.is_empty() && !problem.message.contains('\n'));
    }

    #[test]
    fn an_alias_stands_where_it_is_used() {
        let source = one("x: &x {endpoint: a}\ny: *x\n");
        assert_eq!(source.value["y"], json!({"endpoint": "a"}));
        assert_eq!(at(&source, &["y"]), (2, 1));
    }
}
