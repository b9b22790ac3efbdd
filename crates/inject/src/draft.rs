//! The pod while injection works on it: the user's parts by reference, ours by value.

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use serde_json::{Map, Value, json};

use crate::{
    env::{Entry, Environment},
    facts::Facts,
    pod::{self, Pod},
};

/// A pod in the making. Each language works on a clone, which costs little: only containers that it changes are copied.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft {
    /// Regular containers.
    pub containers: Vec<Rc<Container>>,
    /// Init containers.
    pub init_containers: Vec<Rc<Container>>,
    /// Volumes, in order.
    pub volumes: Vec<Volume>,
    /// `spec.shareProcessNamespace`.
    pub share_process_namespace: Option<bool>,
    /// Labels of the pod that are set.
    pub labels: BTreeMap<String, String>,
}

/// A container of the user's, or one of ours.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Container {
    /// Index in the pod's list; none for a container of ours.
    pub origin: Option<usize>,
    /// Name.
    pub name: String,
    /// Image reference.
    pub image: String,
    /// Environment.
    pub env: Environment,
    /// Volume mounts.
    pub mounts: Vec<Mount>,
    /// Security context.
    pub security_context: Option<Value>,
    /// Further fields of a container of ours.
    pub fields: Map<String, Value>,
}

/// A volume mount.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Mount {
    /// Index in the user's list; none for ours.
    pub origin: Option<usize>,
    /// Volume.
    pub volume: String,
    /// Path in the container.
    pub path: String,
    /// Our mount, or a copy of a user's, as the API has it. Null for the user's own.
    pub value: Value,
}

/// A volume.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Volume {
    /// Index in the user's list; none for ours.
    pub origin: Option<usize>,
    /// Name.
    pub name: String,
    /// Our volume as the API has it; null for the user's.
    pub value: Value,
}

impl Mount {
    /// A mount of ours.
    pub(crate) fn new(volume: &str, path: &str) -> Mount {
        Mount {
            origin: None,
            volume: volume.to_owned(),
            path: path.to_owned(),
            value: json!({"name": volume, "mountPath": path}),
        }
    }

    /// A read-only mount of ours.
    pub(crate) fn read_only(volume: &str, path: &str) -> Mount {
        Mount {
            value: json!({"name": volume, "mountPath": path, "readOnly": true}),
            ..Mount::new(volume, path)
        }
    }
}

impl Volume {
    /// A volume of ours, of this source (`{"emptyDir": …}`).
    pub(crate) fn new(name: &str, source: Value) -> Volume {
        let mut value = source;
        if let Value::Object(map) = &mut value {
            map.insert("name".to_owned(), Value::String(name.to_owned()));
        }
        Volume { origin: None, name: name.to_owned(), value }
    }
}

/// Which container of a draft.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// An init container, by index.
    Init(usize),
    /// A regular container, by index.
    Regular(usize),
}

impl Container {
    fn of_user(origin: usize, container: &pod::Container, facts: &Facts) -> Container {
        let entries = container.env.iter().flatten().enumerate().map(|(i, e)| Entry {
            origin: Some(i),
            name: e.name.clone(),
            value: e.value.clone(),
            source: e.value_from.clone().filter(|s| !s.is_null()),
            changed: false,
        });
        let mounts = container.volume_mounts.iter().flatten().enumerate().map(|(i, m)| Mount {
            origin: Some(i),
            volume: m.name.clone(),
            path: m.mount_path.clone(),
            value: Value::Null,
        });
        Container {
            origin: Some(origin),
            name: container.name.clone(),
            image: container.image.clone(),
            env: Environment::new(entries.collect(), names_from_config_maps(container, facts)),
            mounts: mounts.collect(),
            security_context: container.security_context.clone().filter(|s| !s.is_null()),
            fields: Map::new(),
        }
    }

    /// A container of ours; `resources` is always there (spec 2.2).
    pub(crate) fn of_ours(name: &str, image: &str) -> Container {
        Container {
            origin: None,
            name: name.to_owned(),
            image: image.to_owned(),
            env: Environment::default(),
            mounts: Vec::new(),
            security_context: None,
            fields: Map::from_iter([("resources".to_owned(), json!({}))]),
        }
    }

    /// A container as the API has it, which becomes ours.
    pub(crate) fn from_value(value: &Value) -> Container {
        let mut fields = value.as_object().cloned().unwrap_or_default();
        let mut take = |field: &str| fields.remove(field).filter(|v| !v.is_null()).unwrap_or_default();
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let (name, image) = (text(&take("name")), text(&take("image")));
        let (env, mounts) = (take("env"), take("volumeMounts"));
        let security_context = Some(take("securityContext")).filter(|c| !c.is_null());
        let entries = env.as_array().into_iter().flatten().map(|entry| Entry {
            origin: None,
            name: text(&entry["name"]),
            value: entry["value"].as_str().map(str::to_owned),
            source: Some(&entry["valueFrom"]).filter(|s| !s.is_null()).cloned().map(Arc::new),
            changed: false,
        });
        let mounts = mounts.as_array().into_iter().flatten().map(|mount| Mount {
            origin: None,
            volume: text(&mount["name"]),
            path: text(&mount["mountPath"]),
            value: mount.clone(),
        });
        let (env, mounts) = (Environment::new(entries.collect(), BTreeMap::new()), mounts.collect());
        Container { origin: None, name, image, env, mounts, security_context, fields }
    }

    /// Whether we made this container.
    pub(crate) fn is_ours(&self) -> bool {
        self.origin.is_none()
    }

    /// A container of ours as the API has it.
    pub(crate) fn into_value(self) -> Value {
        let Container { name, image, mut env, mounts, security_context, fields: mut value, .. } = self;
        value.insert("name".to_owned(), Value::String(name));
        value.insert("image".to_owned(), Value::String(image));
        let env = env.take_entries();
        if !env.is_empty() {
            value.insert("env".to_owned(), env.into_iter().map(Entry::into_value).collect());
        }
        if !mounts.is_empty() {
            value.insert("volumeMounts".to_owned(), mounts.into_iter().map(|m| m.value).collect());
        }
        if let Some(context) = security_context {
            value.insert("securityContext".to_owned(), context);
        }
        Value::Object(value)
    }
}

/// Keys of ConfigMaps in `envFrom`, with their prefix. A later source wins, as in kubelet.
fn names_from_config_maps(container: &pod::Container, facts: &Facts) -> BTreeMap<String, String> {
    let mut names = BTreeMap::new();
    for source in &container.env_from {
        let Some(reference) = &source.config_map_ref else { continue };
        for key in facts.env_from.get(&reference.name).into_iter().flatten() {
            names.insert(format!("{}{key}", source.prefix), reference.name.clone());
        }
    }
    names
}

impl Draft {
    /// The pod as it came.
    pub(crate) fn new(pod: &Pod<'_>, facts: &Facts) -> Draft {
        let read = |list: &[pod::Container]| {
            list.iter().enumerate().map(|(i, c)| Rc::new(Container::of_user(i, c, facts))).collect::<Vec<_>>()
        };
        Draft {
            containers: read(&pod.spec.containers),
            init_containers: read(pod.spec.init_containers.as_deref().unwrap_or_default()),
            volumes: pod
                .spec
                .volumes
                .iter()
                .flatten()
                .enumerate()
                .map(|(i, v)| Volume { origin: Some(i), name: v.name.clone(), value: Value::Null })
                .collect(),
            share_process_namespace: pod.spec.share_process_namespace,
            labels: BTreeMap::new(),
        }
    }

    /// Finds a container by name: regular ones first, then init containers (spec 4.4).
    pub(crate) fn find(&self, name: &str) -> Option<Place> {
        let of = |list: &[Rc<Container>]| list.iter().position(|c| c.name == name);
        of(&self.containers).map(Place::Regular).or_else(|| of(&self.init_containers).map(Place::Init))
    }

    /// The container at a place.
    pub(crate) fn at(&self, place: Place) -> &Container {
        match place {
            Place::Init(i) => &self.init_containers[i],
            Place::Regular(i) => &self.containers[i],
        }
    }

    /// The container at a place, to be changed.
    pub(crate) fn at_mut(&mut self, place: Place) -> &mut Container {
        match place {
            Place::Init(i) => Rc::make_mut(&mut self.init_containers[i]),
            Place::Regular(i) => Rc::make_mut(&mut self.containers[i]),
        }
    }

    /// Whether we made an init container of this name.
    pub(crate) fn made_init_container(&self, name: &str) -> bool {
        self.init_containers.iter().any(|c| c.origin.is_none() && c.name == name)
    }

    /// Adds a volume of ours, unless we added it already.
    pub(crate) fn ensure_volume(&mut self, volume: Volume) {
        if !self.volumes.iter().any(|v| v.origin.is_none() && v.name == volume.name) {
            self.volumes.push(volume);
        }
    }
}
