//! The recorded collectors, from their creation to their deletion: verdict, warnings, stored form, children, what is left.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use collector::build::TARGET_ALLOCATOR_LABEL;
use futures::{StreamExt, stream};
use kube::Client;
use serde::Deserialize;
use serde_json::{Value, json};
use testkit::Options;

use crate::{
    cluster::{
        self, Answer, PATIENCE, TURN, V1ALPHA1, V1BETA1, all_comparable, everything, get, send, settled,
        start, with_definitions,
    },
    difference,
    plain::plain,
    record::{self, Children, Record},
};

/// How many are under way at a time.
const AT_ONCE: usize = 6;

/// How long what is seen may differ from what is expected.
const LOOKED_AT: Duration = Duration::from_secs(30);

/// Why something differs; each must occur.
#[derive(Deserialize)]
struct Reason {
    /// Key of an entry in docs/differences.
    reason: String,
    /// `<record> <phase> <what>`: `verdict`, `warnings`, `v1beta1/replicas`, `status/image`, `Service/c /spec/ports`, …; `*` at the end
    /// stands for anything.
    what: BTreeSet<String>,
}

/// All reasons.
struct Listed(Vec<Reason>);

impl Listed {
    /// The pattern and the reason for a difference.
    fn covers(&self, what: &str) -> Option<&str> {
        let matches = |pattern: &str| match pattern.strip_suffix('*') {
            Some(begin) => what.starts_with(begin),
            None => what == pattern,
        };
        self.0.iter().flat_map(|reason| &reason.what).map(String::as_str).find(|pattern| matches(pattern))
    }
}

/// What differs, as `<record> <phase> <what>`, and how.
type Found = BTreeMap<String, String>;

/// The entry `bare-objects`: empty values that nobody wrote, and quantities that are numbers in one and text in the other.
fn is_bare(ours: &Value, theirs: &Value) -> bool {
    fn says_nothing(value: &Value) -> bool {
        match value {
            Value::Object(members) => members.values().all(says_nothing),
            Value::Array(items) => items.is_empty(),
            value => [json!(null), json!(0), json!(""), json!(false)].contains(value),
        }
    }
    says_nothing(ours) && says_nothing(theirs)
        || ours.is_number() && theirs.as_str() == Some(ours.to_string().as_str())
}

struct Run<'a> {
    client: &'a Client,
    record: &'a Record,
    line: Value,
    listed: &'a Listed,
    found: Found,
}

impl Run<'_> {
    fn differs(&mut self, what: impl std::fmt::Display, how: impl std::fmt::Display) {
        self.found.insert(format!("{} {what}", self.record.id), how.to_string());
    }

    /// The same verdict, the same words, and no warning less.
    fn compare_answer(&mut self, phase: &str, ours: &Answer, theirs: &Value) {
        let message = theirs["message"].as_str().unwrap_or_default();
        let code = theirs["code"].as_u64().unwrap_or_default();
        // The fix of ours comes behind the words that they share.
        if u64::from(ours.code) != code || !ours.message().starts_with(message) {
            self.differs(
                format!("{phase} verdict"),
                format!("{} {}\n    theirs: {code} {message}", ours.code, ours.message()),
            );
        }
        let missing: Vec<&str> = theirs["warnings"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .filter(|warning| !ours.warnings.iter().any(|w| w.starts_with(warning)))
            .collect();
        if !missing.is_empty() {
            self.differs(
                format!("{phase} warnings"),
                format!("missing {missing:#?} of {:#?}", ours.warnings),
            );
        }
    }

    /// The object at rest, in both versions and in its status.
    async fn compare_stored(&mut self, phase: &str, name: &str, theirs: &Value) -> Result<()> {
        for version in [V1BETA1, V1ALPHA1] {
            let path = cluster::collector(version, &self.record.id, name);
            let ours = get(self.client, &path).await?;
            let spec = |object: &Value| {
                let mut spec = plain(&json!({"spec": object["spec"]}), version)["spec"].clone();
                // The autoscaler of this control plane really scales; that of the recorder did not.
                if spec["autoscaler"].is_object()
                    && let Some(spec) = spec.as_object_mut()
                {
                    spec.remove("replicas");
                }
                spec
            };
            let fields = difference::fields(Some(&spec(&ours)), Some(&spec(&theirs[version])));
            for field in fields {
                let at = |object: &Value| spec(object).pointer(&field).cloned().unwrap_or_default();
                if is_bare(&at(&ours), &at(&theirs[version])) {
                    continue;
                }
                let how = format!("{}\n    theirs: {}", at(&ours), at(&theirs[version]));
                self.differs(format!("{phase} {version}{field}"), how);
            }
            // Sent again it stays as it is.
            let again = self.update(&format!("{path}?dryRun=All"), ours.clone()).await?.object()?;
            if again["spec"] != ours["spec"]
                || again["metadata"]["generation"] != ours["metadata"]["generation"]
            {
                self.differs(format!("{phase} {version} again"), format!("{ours}\n    again: {again}"));
            }
            if version == V1BETA1 {
                for field in [
                    "/version",
                    "/image",
                    "/conditions/0/status",
                    "/conditions/0/reason",
                    "/conditions/0/message",
                ] {
                    let (ours, theirs) = (
                        ours["status"].pointer(field).cloned(),
                        theirs[version]["status"].pointer(field).cloned(),
                    );
                    if ours != theirs {
                        self.differs(
                            format!("{phase} status{field}"),
                            format!("{ours:?}\n    theirs: {theirs:?}"),
                        );
                    }
                }
                let finalizers = |object: &Value| object["metadata"]["finalizers"].clone();
                if finalizers(&ours) != finalizers(&theirs[version]) {
                    self.differs(format!("{phase} finalizers"), finalizers(&ours));
                }
            }
        }
        Ok(())
    }

    /// Children, with the reasons of the comparison without a cluster.
    async fn compare_children(
        &mut self,
        phase: &str,
        theirs: &Children,
        before: &Children,
    ) -> Result<Children> {
        let all = everything(self.client, &self.record.id).await?;
        let mut ours = all_comparable(&all);
        // Earlier configurations are kept for a while on both sides.
        ours.retain(|name, _| {
            theirs.contains_key(name) || !before.contains_key(name) || !name.starts_with("ConfigMap/")
        });
        let reasons = difference::reasons();
        for name in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
            let child = format!("{} {phase} {name}", self.record.id);
            for field in difference::fields(ours.get(name), theirs.get(name)) {
                if reasons.iter().any(|reason| reason.covers(&child, &field)) {
                    continue;
                }
                let at = |side: &Children| {
                    side.get(name).and_then(|o| o.pointer(field.trim_end_matches('/'))).cloned()
                };
                let how = format!("{:?}\n    theirs: {:?}", at(&ours), at(theirs));
                self.found.insert(format!("{child} {field}"), how);
            }
        }
        Ok(all)
    }

    async fn all(&mut self) -> Result<()> {
        let id = self.record.id.clone();
        cluster::namespace(self.client, &id).await?;
        let reference = self.line["reference"].clone();
        let object = self.line["input"]["objects"][0].clone();
        let version =
            object["apiVersion"].as_str().and_then(|v| v.split('/').nth(1)).unwrap_or_default().to_owned();
        let name = object["metadata"]["name"].as_str().context("no name")?.to_owned();
        let path = cluster::collectors(&version, &id);
        let tried = send(self.client, "POST", &format!("{path}?dryRun=All"), &object).await?;
        self.compare_answer("dryrun", &tried, &reference["dryrun"]);
        let created = send(self.client, "POST", &path, &object).await?;
        self.compare_answer("create", &created, &reference["create"]);
        let states = self.record.states();
        if created.code >= 300 {
            return Ok(());
        }
        let unmanaged = object["spec"]["managementState"] == "unmanaged";
        let mut before = Children::new();
        for (phase, state) in &states {
            if *phase == "update" {
                let update = self.line["input"]["update"].clone();
                let version =
                    update["apiVersion"].as_str().and_then(|v| v.split('/').nth(1)).unwrap_or_default();
                if update["spec"]["targetAllocator"]["enabled"] == true
                    || !update["metadata"]["labels"][TARGET_ALLOCATOR_LABEL].is_null()
                {
                    continue;
                }
                let path = cluster::collector(version, &id, &name);
                let updated = self.update(&path, update).await?;
                self.compare_answer("update", &updated, &reference["update"]);
            }
            if !unmanaged {
                settled(self.client, &id, &name).await?;
            }
            let stored = match *phase {
                "create" => &reference["stored"],
                _ => &reference["update"]["stored"],
            };
            // A change of labels alone has no generation by which to see that it has been looked at.
            let known = self.found.clone();
            let theirs = state.children();
            let deadline = Instant::now() + LOOKED_AT;
            let made = loop {
                self.found.clone_from(&known);
                self.compare_stored(phase, &name, stored).await?;
                let made = self.compare_children(phase, &theirs, &before).await?;
                let expected = self
                    .found
                    .keys()
                    .all(|what| known.contains_key(what) || self.listed.covers(what).is_some());
                if expected || Instant::now() > deadline {
                    break made;
                }
                tokio::time::sleep(Duration::from_millis(200)).await;
            };
            before = made;
        }
        if states.len() < 2 && !self.line["input"]["update"].is_null() {
            let update = self.line["input"]["update"].clone();
            let version = update["apiVersion"].as_str().and_then(|v| v.split('/').nth(1)).unwrap_or_default();
            let refused = self.update(&cluster::collector(version, &id, &name), update).await?;
            self.compare_answer("update", &refused, &reference["update"]);
        }
        send(self.client, "DELETE", &cluster::collector(V1BETA1, &id, &name), &Value::Null)
            .await?
            .object()?;
        let left = testkit::wait_for(&format!("everything of {id} to go"), PATIENCE, async || {
            let left = everything(self.client, &id).await?;
            Ok(left.is_empty().then_some(()))
        })
        .await;
        if let Err(error) = left {
            let left: Vec<String> = everything(self.client, &id).await?.into_keys().collect();
            self.differs("delete left", format!("{left:?} {error}"));
        }
        Ok(())
    }

    /// Replaces the object, whatever version of it is there; the operator writes its status meanwhile.
    async fn update(&self, path: &str, mut update: Value) -> Result<Answer> {
        loop {
            let stored = get(self.client, path.split('?').next().unwrap_or_default()).await?;
            update["metadata"]["resourceVersion"] = stored["metadata"]["resourceVersion"].clone();
            let answer = send(self.client, "PUT", path, &update).await?;
            if answer.code != 409 {
                return Ok(answer);
            }
        }
    }
}

#[tokio::test]
async fn recorded_collectors_come_about_and_go_as_recorded_or_differ_for_a_listed_reason() -> Result<()> {
    let _turn = TURN.lock().await;
    let control_plane = with_definitions(Options::default()).await?;
    // Findings about configurations are ours alone.
    let operator = start(&control_plane, &["--collector-config-validation=off"]).await?;
    let client = control_plane.client().await?;
    let lines = include_str!("../../../collector/tests/recorded/collector.jsonl").lines();
    let lines: Vec<Value> = lines.map(serde_json::from_str).collect::<Result<_, _>>()?;
    let records = record::all();
    let listed = Listed(serde_saphyr::from_str(include_str!("recorded.yaml"))?);
    let mut runs: Vec<Run<'_>> = records
        .iter()
        .zip(lines)
        .filter(|(record, _)| !record.wants_allocator_or_bridge())
        .map(|(record, line)| Run { client: &client, record, line, listed: &listed, found: Found::new() })
        .collect();
    assert_eq!(runs.len(), 73);
    stream::iter(&mut runs)
        .for_each_concurrent(AT_ONCE, |run| async {
            if let Err(error) = run.all().await {
                run.differs("does not end", format!("{error:#}"));
            }
        })
        .await;

    let docs = [
        include_str!("../../../../docs/differences/collector-api.md"),
        include_str!("../../../../docs/differences/collector-children.md"),
        include_str!("../../../../docs/differences/collector-config.md"),
        include_str!("../../../../docs/differences/collector-controller.md"),
    ]
    .concat();
    let mut unused = BTreeSet::new();
    for reason in &listed.0 {
        let heading = docs.lines().any(|line| {
            line.strip_prefix("### ")
                .and_then(|line| line.split_once(" · "))
                .is_some_and(|(ids, _)| ids.split(", ").any(|id| id == reason.reason))
        });
        assert!(heading, "no entry for {}", reason.reason);
        unused.extend(reason.what.iter().map(String::as_str));
    }
    let mut unexpected = Vec::new();
    let mut different = BTreeSet::new();
    for (what, how) in runs.iter().flat_map(|run| &run.found) {
        different.insert(what.split(' ').next().unwrap_or_default());
        if let Some(pattern) = listed.covers(what) {
            unused.remove(pattern);
        } else {
            unexpected.push(format!("{what}\n    ours:   {how}"));
        }
    }
    println!(
        "{} collectors: {} equal in all that is not listed for their children",
        runs.len(),
        runs.len() - different.len()
    );
    if !unexpected.is_empty() {
        operator.keep_log();
    }
    assert!(unexpected.is_empty(), "{} unexpected differences:\n{}", unexpected.len(), unexpected.join("\n"));
    assert!(unused.is_empty(), "listed but equal: {unused:#?}");
    Ok(())
}
