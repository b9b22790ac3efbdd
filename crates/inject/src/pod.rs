//! The pod in the request, read without losing anything.
//!
//! A slim typed view of what injection looks at, beside the raw text it came from. The raw text is never written
//! back: the answer is a patch, so fields of a newer Kubernetes survive (W18).

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Deserializer};
use serde_json::{Value, value::RawValue};

/// A pod in an admission request, or the pod template of a workload dressed as one.
#[derive(Clone, Debug)]
pub struct Pod<'a> {
    /// The object as it came.
    pub raw: &'a RawValue,
    /// Whether the object has `metadata` at all; the template of a workload may not.
    pub has_metadata: bool,
    /// Metadata.
    pub metadata: Metadata,
    /// Spec.
    pub spec: Spec,
}

#[derive(Deserialize)]
struct Typed {
    #[serde(default)]
    metadata: Option<Metadata>,
    #[serde(default, deserialize_with = "null_is_default")]
    spec: Spec,
}

#[derive(Deserialize)]
struct OnlyMetadata {
    #[serde(default, deserialize_with = "null_is_default")]
    metadata: Metadata,
}

/// The part of a pod's metadata that injection reads.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Metadata {
    /// Name; empty at admission when a controller makes the pod.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// Prefix of the name that the API server will make.
    #[serde(deserialize_with = "null_is_default")]
    pub generate_name: String,
    /// Namespace; may be empty at admission, use the request's.
    #[serde(deserialize_with = "null_is_default")]
    pub namespace: String,
    /// UID; empty at admission.
    #[serde(deserialize_with = "null_is_default")]
    pub uid: String,
    /// Labels.
    #[serde(deserialize_with = "present_map")]
    pub labels: Texts,
    /// Annotations.
    #[serde(deserialize_with = "present_map")]
    pub annotations: Texts,
    /// Owners.
    #[serde(deserialize_with = "null_is_default")]
    pub owner_references: Vec<OwnerReference>,
}

/// Labels or annotations, and whether the field was there at all (a patch must create it otherwise).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Texts {
    /// Whether the object has the field and it is not `null`.
    pub present: bool,
    map: BTreeMap<String, String>,
}

impl std::ops::Deref for Texts {
    type Target = BTreeMap<String, String>;
    fn deref(&self) -> &BTreeMap<String, String> {
        &self.map
    }
}

impl From<BTreeMap<String, String>> for Texts {
    fn from(map: BTreeMap<String, String>) -> Texts {
        Texts { present: true, map }
    }
}

impl<'a> IntoIterator for &'a Texts {
    type Item = (&'a String, &'a String);
    type IntoIter = std::collections::btree_map::Iter<'a, String, String>;
    fn into_iter(self) -> Self::IntoIter {
        self.map.iter()
    }
}

/// An owner reference.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct OwnerReference {
    /// Group and version.
    pub api_version: String,
    /// Kind.
    pub kind: String,
    /// Name.
    pub name: String,
    /// UID.
    pub uid: String,
    /// Whether this owner is the controller.
    #[serde(deserialize_with = "null_is_default")]
    pub controller: bool,
}

impl OwnerReference {
    /// The API group.
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// Whether this is `apps` ReplicaSet.
    pub fn is_replica_set(&self) -> bool {
        self.group() == "apps" && self.kind == "ReplicaSet"
    }

    /// Whether this is `batch` Job.
    pub fn is_job(&self) -> bool {
        self.group() == "batch" && self.kind == "Job"
    }
}

/// The part of a pod's spec that injection reads.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Spec {
    /// Regular containers.
    #[serde(deserialize_with = "null_is_default")]
    pub containers: Vec<Container>,
    /// Init containers; none when the field is absent.
    pub init_containers: Option<Vec<Container>>,
    /// Volumes; none when the field is absent.
    pub volumes: Option<Vec<Volume>>,
    /// Node the pod is bound to already.
    #[serde(deserialize_with = "null_is_default")]
    pub node_name: String,
    /// Shared process namespace.
    pub share_process_namespace: Option<bool>,
    /// Host process namespace.
    #[serde(rename = "hostPID", deserialize_with = "null_is_default")]
    pub host_pid: bool,
    /// Host users; `false` asks for a user namespace.
    pub host_users: Option<bool>,
    /// Pod-level security context.
    pub security_context: Option<Value>,
    /// Pod-level resources.
    pub resources: Option<Value>,
    /// Resource claims that containers may refer to.
    #[serde(deserialize_with = "null_is_default")]
    pub resource_claims: Vec<Named>,
    /// Operating system.
    pub os: Option<Named>,
}

/// Anything of which only the name matters.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct Named {
    /// Name.
    pub name: String,
}

/// A volume: only its name matters.
pub type Volume = Named;

/// The part of a container that injection reads.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Container {
    /// Name.
    pub name: String,
    /// Image reference.
    #[serde(deserialize_with = "null_is_default")]
    pub image: String,
    /// Environment; none when the field is absent.
    pub env: Option<Vec<Env>>,
    /// Environment taken from whole objects.
    #[serde(deserialize_with = "null_is_default")]
    pub env_from: Vec<EnvFrom>,
    /// Mounts; none when the field is absent.
    pub volume_mounts: Option<Vec<Mount>>,
    /// `Always` makes an init container one that stays.
    #[serde(deserialize_with = "null_is_default")]
    pub restart_policy: String,
    /// Block devices.
    #[serde(deserialize_with = "null_is_default")]
    pub volume_devices: Vec<Device>,
    /// Resources.
    pub resources: Option<Value>,
    /// Security context, passed on.
    pub security_context: Option<Value>,
    /// Pull policy.
    #[serde(deserialize_with = "null_is_default")]
    pub image_pull_policy: String,
}

/// An environment variable of the user's.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Env {
    /// Name.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,
    /// Literal value.
    pub value: Option<String>,
    /// Source of the value; shared with the drafts made of the pod.
    pub value_from: Option<Arc<Value>>,
}

/// Environment taken from a whole object.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct EnvFrom {
    /// Put before each key.
    #[serde(deserialize_with = "null_is_default")]
    pub prefix: String,
    /// A ConfigMap.
    pub config_map_ref: Option<Named>,
    /// A Secret.
    pub secret_ref: Option<Named>,
}

/// A volume mount.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Mount {
    /// Volume name.
    pub name: String,
    /// Path in the container.
    pub mount_path: String,
}

/// A block device in a container.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Device {
    /// Path in the container.
    pub device_path: String,
}

impl Metadata {
    /// Reads only the metadata: enough to know whether anything is asked for, at a fraction of the cost.
    pub fn parse(raw: &RawValue) -> Result<Metadata, serde_json::Error> {
        Ok(serde_json::from_str::<OnlyMetadata>(raw.get())?.metadata)
    }
}

impl<'a> Pod<'a> {
    /// Reads a pod. Fields that injection does not look at may hold anything.
    pub fn parse(raw: &'a RawValue) -> Result<Pod<'a>, serde_json::Error> {
        let Typed { metadata, spec } = serde_json::from_str(raw.get())?;
        Ok(Pod { raw, has_metadata: metadata.is_some(), metadata: metadata.unwrap_or_default(), spec })
    }

    /// Regular containers, then init containers: the order in which names are looked up (spec 4.4).
    pub fn all_containers(&self) -> impl Iterator<Item = &Container> {
        self.spec.containers.iter().chain(self.spec.init_containers.iter().flatten())
    }
}

impl Container {
    /// Names of the ConfigMaps in `envFrom`.
    pub fn env_from_config_maps(&self) -> impl Iterator<Item = String> {
        self.env_from.iter().filter_map(|e| e.config_map_ref.as_ref()).map(|r| r.name.clone())
    }
}

fn null_is_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}

fn present_map<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Texts, D::Error> {
    let map = Option::<BTreeMap<String, String>>::deserialize(deserializer)?;
    Ok(Texts { present: map.is_some(), map: map.unwrap_or_default() })
}
