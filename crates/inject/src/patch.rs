//! Draft → JSON patch: only what changed, each operation against the user's own lists.

use json_patch::{AddOperation, MoveOperation, PatchOperation, RemoveOperation, jsonptr::PointerBuf};
use serde_json::{Value, json};

use crate::{
    draft::{Container, Draft, Mount, Volume},
    env::Entry,
    pod::Pod,
};

/// The operations that turn the pod into the draft, and set an annotation.
pub(crate) fn patch(pod: &Pod<'_>, draft: &Draft, annotation: Option<(&str, &str)>) -> Vec<PatchOperation> {
    let mut patch = Patch(Vec::new());
    if let Some((key, value)) = annotation
        && pod.metadata.annotations.get(key).map(String::as_str) != Some(value)
    {
        if !pod.has_metadata {
            patch.add("/metadata", json!({"annotations": {key: value}}));
        } else if !pod.metadata.annotations.present {
            patch.add("/metadata/annotations", json!({ key: value }));
        } else {
            patch.add(&format!("/metadata/annotations/{}", escape(key)), Value::String(value.to_owned()));
        }
    }
    patch.containers("/spec/containers", &draft.containers, Some(&pod.spec.containers));
    patch.containers("/spec/initContainers", &draft.init_containers, pod.spec.init_containers.as_deref());
    patch.list("/spec/volumes", &draft.volumes, pod.spec.volumes.as_ref().map(Vec::len));
    if draft.share_process_namespace != pod.spec.share_process_namespace
        && let Some(share) = draft.share_process_namespace
    {
        patch.add("/spec/shareProcessNamespace", Value::Bool(share));
    }
    patch.0
}

struct Patch(Vec<PatchOperation>);

/// An item of a list that the user may have begun.
trait Item {
    fn origin(&self) -> Option<usize>;
    fn value(&self) -> Value;
}

impl Item for Entry {
    fn origin(&self) -> Option<usize> {
        self.origin
    }
    fn value(&self) -> Value {
        self.to_value()
    }
}

impl Item for Mount {
    fn origin(&self) -> Option<usize> {
        self.origin
    }
    fn value(&self) -> Value {
        self.value.clone()
    }
}

impl Item for Volume {
    fn origin(&self) -> Option<usize> {
        self.origin
    }
    fn value(&self) -> Value {
        self.value.clone()
    }
}

impl Item for Container {
    fn origin(&self) -> Option<usize> {
        self.origin
    }
    fn value(&self) -> Value {
        self.to_value()
    }
}

impl Patch {
    fn add(&mut self, path: &str, value: Value) {
        self.0.push(PatchOperation::Add(AddOperation { path: pointer(path), value }));
    }

    /// First the inside of the user's containers, at the indexes that the user knows; then containers of ours.
    fn containers(&mut self, path: &str, list: &[Container], before: Option<&[crate::pod::Container]>) {
        for container in list {
            let Some(index) = container.origin else { continue };
            let Some(user) = before.and_then(|b| b.get(index)) else { continue };
            let path = format!("{path}/{index}");
            let entries = container.env.entries();
            self.list(&format!("{path}/env"), entries, user.env.as_ref().map(Vec::len));
            if user.env.is_some() {
                for (i, entry) in entries.iter().enumerate().filter(|(_, e)| e.changed) {
                    self.add(&format!("{path}/env/{i}/value"), Value::String(entry.text().to_owned()));
                }
            }
            self.list(
                &format!("{path}/volumeMounts"),
                &container.mounts,
                user.volume_mounts.as_ref().map(Vec::len),
            );
        }
        self.list(path, list, before.map(<[_]>::len));
    }

    /// `before`: how many items the user's list has; none when the field is absent.
    fn list<T: Item>(&mut self, path: &str, list: &[T], before: Option<usize>) {
        let Some(count) = before else {
            if !list.is_empty() {
                self.add(path, list.iter().map(Item::value).collect());
            }
            return;
        };
        // What stands in the pod after the operations so far, by the user's index; none for ours.
        let mut current = self.remove_missing(path, list, count);
        self.move_strays_to_end(path, list, &mut current);
        for (i, item) in list.iter().enumerate() {
            match item.origin() {
                None => {
                    self.add(&format!("{path}/{i}"), item.value());
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
        self.0.push(PatchOperation::Remove(RemoveOperation { path: pointer(&format!("{path}/{index}")) }));
    }

    fn move_item(&mut self, path: &str, from: usize, to: usize) {
        self.0.push(PatchOperation::Move(MoveOperation {
            from: pointer(&format!("{path}/{from}")),
            path: pointer(&format!("{path}/{to}")),
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

/// RFC 6901 escaping of one reference token.
fn escape(token: &str) -> String {
    token.replace('~', "~0").replace('/', "~1")
}

#[expect(
    clippy::expect_used,
    reason = "our paths are literals, indexes and escaped tokens, all of them valid pointers"
)]
fn pointer(path: &str) -> PointerBuf {
    PointerBuf::parse(path).expect("a valid JSON pointer")
}
