//! Volumes of the pods and where the collector finds them (collector.md 12.2).

use api::collector::v1beta1::{ConfigMapMount, OpenTelemetryCollectorSpec};
use serde_json::{Value, json};

use crate::{child::CONFIG_KEY, name, object::passed_on};

/// Name of the volume with the configuration.
const CONFIG_VOLUME: &str = "otc-internal";
/// Where the configuration is mounted.
const CONFIG_FOLDER: &str = "/conf";
/// Below this folder the ConfigMaps of the user are mounted.
const EXTRA_FOLDER: &str = "/var/conf";

/// The volume with the configuration.
pub(crate) fn config_volume(config_map: &str) -> Value {
    json!({
        "name": CONFIG_VOLUME,
        "configMap": {"name": config_map, "items": [{"key": CONFIG_KEY, "path": CONFIG_KEY}]},
    })
}

/// The mount of the configuration.
pub(crate) fn config_mount() -> Value {
    json!({"name": CONFIG_VOLUME, "mountPath": CONFIG_FOLDER})
}

/// Where the configuration is found.
pub(crate) fn config_path() -> String {
    format!("{CONFIG_FOLDER}/{CONFIG_KEY}")
}

/// The volumes of the user, and those of his ConfigMaps.
pub(crate) fn user_volumes(spec: &OpenTelemetryCollectorSpec) -> Vec<Value> {
    let config_maps = spec.configmaps.iter().map(
        |mount| json!({"name": name::config_map_volume(&mount.name), "configMap": {"name": mount.name}}),
    );
    spec.volumes.iter().map(passed_on).chain(config_maps).collect()
}

/// The mounts of the user, and those of his ConfigMaps.
pub(crate) fn user_mounts(spec: &OpenTelemetryCollectorSpec) -> Vec<Value> {
    let config_maps = spec
        .configmaps
        .iter()
        .map(|mount| json!({"name": name::config_map_volume(&mount.name), "mountPath": folder(mount)}));
    spec.volume_mounts.iter().map(passed_on).chain(config_maps).collect()
}

/// `/var/conf/<mountpath>/configmap-<name>`, with `.` and `..` resolved.
fn folder(mount: &ConfigMapMount) -> String {
    let joined = format!("{EXTRA_FOLDER}/{}/configmap-{}", mount.mountpath, mount.name);
    let mut parts: Vec<&str> = Vec::new();
    for part in joined.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop();
            }
            part => parts.push(part),
        }
    }
    format!("/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_maps_are_mounted_below_one_folder() {
        for (mountpath, expected) in [
            ("/dir", "/var/conf/dir/configmap-m"),
            ("dir/sub/", "/var/conf/dir/sub/configmap-m"),
            ("./a/../b", "/var/conf/b/configmap-m"),
            ("", "/var/conf/configmap-m"),
            ("../../..", "/configmap-m"),
        ] {
            let mount = ConfigMapMount { name: "m".to_owned(), mountpath: mountpath.to_owned() };
            assert_eq!(folder(&mount), expected, "{mountpath}");
        }
    }
}
