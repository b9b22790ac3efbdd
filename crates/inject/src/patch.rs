//! Draft → JSON patch: only what changed, each operation against the user's own lists.

use std::{collections::BTreeMap, rc::Rc};

use json_patch::{AddOperation, MoveOperation, PatchOperation, RemoveOperation, jsonptr::PointerBuf};
use serde_json::{Map, Value};

use crate::{
    draft::{Container, Draft, Mount, Volume},
    env::Entry,
    pod::Pod,
};

/// The operations that turn the pod into the draft, and set an annotation.
pub(crate) fn patch(pod: &Pod<'_>, draft: Draft, annotation: Option<(&str, &str)>) -> Vec<PatchOperation> {
    let mut patch = Patch(Vec::new());
    let annotations = annotation.map(|(key, value)| (key.to_owned(), value.to_owned())).into_iter().collect();
    patch.metadata(pod, &annotations, &draft.labels);
    patch.containers("/spec/containers", draft.containers, Some(&pod.spec.containers));
    patch.containers("/spec/initContainers", draft.init_containers, pod.spec.init_containers.as_deref());
    patch.list("/spec/volumes", draft.volumes, pod.spec.volumes.as_ref().map(Vec::len));
    if draft.share_process_namespace != pod.spec.share_process_namespace
        && let Some(share) = draft.share_process_namespace
    {
        patch.add("/spec/shareProcessNamespace".to_owned(), Value::Bool(share));
    }
    patch.0
}

struct Patch(Vec<PatchOperation>);

type TextMap = BTreeMap<String, String>;

/// An item of a list that the user may have begun.
trait Item {
    fn origin(&self) -> Option<usize>;
    fn into_value(self) -> Value;
}

impl Item for Entry {
    fn origin(&self) -> Option<usize> {
        self.origin
    }
    fn into_value(self) -> Value {
        Entry::into_value(self)
    }
}

impl Item for Mount {
    fn origin(&self) -> Option<usize> {
        self.origin
    }
    fn into_value(self) -> Value {
        self.value
    }
}

impl Item for Volume {
    fn origin(&self) -> Option<usize> {
        self.origin
    }
    fn into_value(self) -> Value {
        self.value
    }
}

impl Item for Rc<Container> {
    fn origin(&self) -> Option<usize> {
        self.origin
    }
    fn into_value(self) -> Value {
        Rc::unwrap_or_clone(self).into_value()
    }
}

impl Patch {
    fn add(&mut self, path: String, value: Value) {
        self.0.push(PatchOperation::Add(AddOperation { path: pointer(path), value }));
    }

    /// Annotations and labels of the pod that are to be set.
    fn metadata(&mut self, pod: &Pod<'_>, annotations: &TextMap, labels: &TextMap) {
        let mut metadata = Map::new();
        let fields = [
            ("annotations", annotations, &pod.metadata.annotations),
            ("labels", labels, &pod.metadata.labels),
        ];
        for (field, wanted, there) in fields {
            let news = wanted.iter().filter(|(key, value)| there.get(*key) != Some(value));
            let news: Map<String, Value> = news.map(|(k, v)| (k.clone(), Value::from(v.as_str()))).collect();
            if news.is_empty() {
                continue;
            }
            if !pod.has_metadata {
                metadata.insert(field.to_owned(), Value::Object(news));
            } else if !there.present {
                self.add(format!("/metadata/{field}"), Value::Object(news));
            } else {
                for (key, value) in news {
                    self.add(format!("/metadata/{field}/{}", escape(&key)), value);
                }
            }
        }
        if !metadata.is_empty() {
            self.add("/metadata".to_owned(), Value::Object(metadata));
        }
    }

    /// First the inside of the user's containers, at the indexes that the user knows; then containers of ours.
    fn containers(
        &mut self,
        path: &str,
        mut list: Vec<Rc<Container>>,
        before: Option<&[crate::pod::Container]>,
    ) {
        for container in &mut list {
            let Some(index) = container.origin else { continue };
            let Some(user) = before.and_then(|b| b.get(index)) else { continue };
            let path = item(path, index);
            let Container { env, mounts, .. } = Rc::make_mut(container);
            let entries = env.take_entries();
            let changed = changed_values(&entries);
            self.list(&join(&path, "env"), entries, user.env.as_ref().map(Vec::len));
            if user.env.is_some() {
                for (i, value) in changed {
                    self.add(join(&item(&join(&path, "env"), i), "value"), Value::String(value));
                }
            }
            let mounts = std::mem::take(mounts);
            self.list(&join(&path, "volumeMounts"), mounts, user.volume_mounts.as_ref().map(Vec::len));
        }
        self.list(path, list, before.map(<[_]>::len));
    }

    /// `before`: how many items the user's list has; none when the field is absent.
    fn list<T: Item>(&mut self, path: &str, list: Vec<T>, before: Option<usize>) {
        let Some(count) = before else {
            if !list.is_empty() {
                self.add(path.to_owned(), list.into_iter().map(Item::into_value).collect());
            }
            return;
        };
        if list.len() == count && list.iter().enumerate().all(|(i, item)| item.origin() == Some(i)) {
            return;
        }
        // What stands in the pod after the operations so far, by the user's index; none for ours.
        let mut current = self.remove_missing(path, &list, count);
        self.move_strays_to_end(path, &list, &mut current);
        for (i, entry) in list.into_iter().enumerate() {
            match entry.origin() {
                None => {
                    self.add(item(path, i), entry.into_value());
                    current.insert(i, None);
                }
                origin if current.get(i) == Some(&origin) => {}
                origin => {
                    if let Some(from) = current.iter().position(|c| *c == origin) {
                        self.move_item(path, from, i);
                        let moved = current.remove(from);
                        current.insert(i, moved);
                    }
                }
            }
        }
    }

    fn remove_missing<T: Item>(&mut self, path: &str, list: &[T], count: usize) -> Vec<Option<usize>> {
        let mut current: Vec<Option<usize>> = (0..count).map(Some).collect();
        for index in (0..count).rev().filter(|i| !list.iter().any(|item| item.origin() == Some(*i))) {
            self.remove(path, index);
            current.remove(index);
        }
        current
    }

    fn remove(&mut self, path: &str, index: usize) {
        self.0.push(PatchOperation::Remove(RemoveOperation { path: pointer(item(path, index)) }));
    }

    fn move_item(&mut self, path: &str, from: usize, to: usize) {
        self.0.push(PatchOperation::Move(MoveOperation {
            from: pointer(item(path, from)),
            path: pointer(item(path, to)),
        }));
    }

    /// An item that now stands behind one that it stood before (`OTEL_RESOURCE_ATTRIBUTES` goes last) is moved once, by
    /// `move`, so that fields of it which we do not know survive.
    fn move_strays_to_end<T: Item>(&mut self, path: &str, list: &[T], current: &mut Vec<Option<usize>>) {
        let order: Vec<usize> = list.iter().filter_map(Item::origin).collect();
        let mut highest_behind = usize::MAX;
        let mut strays: Vec<usize> = Vec::new();
        for &origin in order.iter().rev() {
            if origin > highest_behind {
                // Stands before a smaller index: somebody moved. The later, smaller one is the stray.
                let stray = highest_behind;
                if !strays.contains(&stray) {
                    strays.push(stray);
                }
            } else {
                highest_behind = origin;
            }
        }
        strays.sort_by_key(|s| order.iter().position(|o| o == s));
        for stray in strays {
            if let Some(from) = current.iter().position(|c| *c == Some(stray)) {
                let to = current.len() - 1;
                if from != to {
                    self.move_item(path, from, to);
                    let moved = current.remove(from);
                    current.push(moved);
                }
            }
        }
    }
}

/// Values of the user's entries that were changed, by place.
fn changed_values(entries: &[Entry]) -> Vec<(usize, String)> {
    let changed = entries.iter().enumerate().filter(|(_, entry)| entry.changed);
    changed.map(|(i, entry)| (i, entry.text().to_owned())).collect()
}

/// The path of a field.
fn join(path: &str, field: &str) -> String {
    [path, "/", field].concat()
}

/// The path of a list's item.
fn item(path: &str, index: usize) -> String {
    join(path, &index.to_string())
}

/// RFC 6901 escaping of one reference token.
fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

#[expect(
    clippy::expect_used,
    reason = "our paths are literals, indexes and escaped tokens, all of them valid pointers"
)]
fn pointer(path: String) -> PointerBuf {
    PointerBuf::parse(path).expect("a valid JSON pointer")
}
