//! Realistic collectors and all their children, as files to read: `golden/<name>/collector.yaml` as a user writes it,
//! `expected/` as it is applied. `UPDATE_EXPECT=1` writes what comes out; the difference is reviewed like code.

#![expect(clippy::unwrap_used, reason = "a test may panic; so may its functions")]

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use api::collector::conversion::to_v1beta1;
use collector::{Available, Given, Namespace, admission, build};
use serde::Deserialize;
use serde_json::{Value, json};

/// Contents by file name.
type Files = BTreeMap<String, String>;

/// `settings.yaml`: what differs from an empty cluster.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cluster {
    /// APIs and rights: `monitors`, `gateway`, `routes`, `cluster-roles`.
    available: BTreeSet<String>,
}

#[test]
fn realistic_collectors_have_the_children_that_are_written_down() {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let update = env::var_os("UPDATE_EXPECT").is_some();
    let mut differences = String::new();
    let folders: Vec<PathBuf> = fs::read_dir(&golden).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(folders.len() >= 7, "{folders:?}");
    for folder in folders {
        let expected = folder.join("expected");
        let found = children(&folder);
        if update {
            let _ = fs::remove_dir_all(&expected);
            fs::create_dir_all(&expected).unwrap();
            found.iter().for_each(|(name, text)| fs::write(expected.join(name), text).unwrap());
        }
        let written = files(&expected);
        for name in written.keys().chain(found.keys()).collect::<BTreeSet<_>>() {
            let (written, found) = (text_of(&written, name), text_of(&found, name));
            if written != found {
                let diff = similar::TextDiff::from_lines(written, found);
                differences += &format!("\n── {}\n{}", expected.join(name).display(), diff.unified_diff());
            }
        }
    }
    assert!(differences.is_empty(), "UPDATE_EXPECT=1 takes these over:\n{differences}");
}

fn text_of<'a>(files: &'a Files, name: &str) -> &'a str {
    files.get(name).map(String::as_str).unwrap_or_default()
}

fn files(folder: &Path) -> Files {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    paths
        .map(|path| {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            (name, fs::read_to_string(path).unwrap())
        })
        .collect()
}

/// The children of all collectors of a folder, numbered in their order.
fn children(folder: &Path) -> Files {
    let cluster: Cluster = fs::read_to_string(folder.join("settings.yaml"))
        .map(|text| serde_saphyr::from_str(&text).unwrap())
        .unwrap_or_default();
    let has = |name: &str| cluster.available.contains(name);
    let available = Available {
        monitors: has("monitors"),
        gateway: has("gateway"),
        routes: has("routes"),
        cluster_roles: has("cluster-roles"),
    };
    let text = fs::read_to_string(folder.join("collector.yaml")).unwrap();
    let mut files = Files::new();
    for document in serde_saphyr::from_multiple::<Value>(&text).unwrap() {
        let stored = stored(&document, &available);
        let collector = serde_json::from_value(stored).unwrap();
        let settings = collector::Settings::default();
        let namespace = Namespace::default();
        let given = Given {
            collector: &collector,
            settings: &settings,
            available: &available,
            namespace: &namespace,
            existing: None,
        };
        let built = build(&given).unwrap();
        assert_eq!(built.warnings, [], "{}", folder.display());
        for (index, child) in built.children.iter().enumerate() {
            let kind = child.kind.to_lowercase();
            let name = format!("{}-{:02}-{kind}-{}.yaml", collector.metadata.name, index + 1, child.name);
            files.insert(name, serde_saphyr::to_string(&child.object).unwrap());
        }
    }
    files
}

/// The object as the API server stores it: converted, defaulted, with an identity.
fn stored(document: &Value, available: &Available) -> Value {
    let mut object = to_v1beta1(document);
    let metadata = &mut object["metadata"];
    if metadata["namespace"].is_null() {
        metadata["namespace"] = json!("default");
    }
    metadata["uid"] = json!("5a9c2c8e-0000-4000-8000-000000000001");
    let settings = admission::Settings { available: available.clone(), ..Default::default() };
    let defaulted = admission::default(&object, None, &settings);
    assert_eq!(defaulted.error, None);
    json_patch::patch(&mut object, &defaulted.patch).unwrap();
    object
}
