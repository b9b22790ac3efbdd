//! What the Go operator made of real collectors, recorded behind a real API server: ours is equal, or differs for a listed reason
//! that really occurs.

#![expect(clippy::expect_used, reason = "a test may panic; so may its functions")]

#[path = "recorded/api_server.rs"]
mod api_server;
#[path = "recorded/difference.rs"]
mod difference;
#[path = "recorded/record.rs"]
mod record;

use std::collections::{BTreeMap, BTreeSet};

use api::collector::v1beta1::{ManagementState, OpenTelemetryCollector};
use collector::{Available, BuildError, ExistingWorkload, Given, Namespace, Settings, build};
use record::{Children, Record, State};

/// Recordings with a target allocator or a bridge from the start. They wait until this operator makes these.
const WAITING: usize = 27;

/// The only reason that is none of ours: the recorder looked for ClusterRoles by a label that these do not have.
const NOT_RECORDED: &str = "not-recorded";

#[test]
fn children_come_out_as_recorded_or_differ_for_a_listed_reason() {
    let reasons = difference::reasons();
    let entries = include_str!("../../../docs/differences/collector-children.md");
    for reason in reasons.iter().filter(|reason| reason.reason != NOT_RECORDED) {
        assert!(entries.contains(&format!("### {} · ", reason.reason)), "no entry for {}", reason.reason);
    }
    let mut unused: BTreeSet<(usize, String)> = BTreeSet::new();
    for (index, reason) in reasons.iter().enumerate() {
        unused.extend(reason.children.iter().map(|child| (index, child.clone())));
    }
    let mut unexpected = Vec::new();
    let mut by_reason: BTreeMap<&str, usize> = BTreeMap::new();
    let (mut waiting, mut updates_waiting, mut refused, mut compared, mut equal) = (0, 0, 0, 0, 0);
    for record in record::all() {
        if record.wants_allocator_or_bridge() {
            waiting += 1;
            continue;
        }
        if record.states().is_empty() {
            refused += 1;
        }
        for (phase, state) in record.states() {
            let Some(ours) = built(&record, &state, None) else {
                updates_waiting += 1;
                continue;
            };
            let theirs = state.children();
            for name in ours.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
                compared += 1;
                let child = format!("{} {phase} {name}", record.id);
                let differing = difference::fields(ours.get(name), theirs.get(name));
                equal += usize::from(differing.is_empty());
                for field in differing {
                    let explained: Vec<usize> =
                        (0..reasons.len()).filter(|index| reasons[*index].covers(&child, &field)).collect();
                    for index in &explained {
                        if unused.remove(&(*index, child.clone())) {
                            *by_reason.entry(&reasons[*index].reason).or_default() += 1;
                        }
                    }
                    if explained.is_empty() {
                        let at = |side: &Children| {
                            side.get(name).and_then(|o| o.pointer(field.trim_end_matches('/'))).cloned()
                        };
                        unexpected.push(format!(
                            "{child} {field}\n    ours:   {:?}\n    theirs: {:?}",
                            at(&ours),
                            at(&theirs)
                        ));
                    }
                }
            }
        }
    }
    println!("{compared} children compared: {equal} equal, others differ by reason: {by_reason:?}");
    println!(
        "{refused} collectors refused at creation; waiting for target allocator and bridge: {waiting} recordings, {updates_waiting} updates"
    );
    assert!(unexpected.is_empty(), "{} unexpected differences:\n{}", unexpected.len(), unexpected.join("\n"));
    let unused: Vec<String> =
        unused.iter().map(|(index, child)| format!("{} {child}", reasons[*index].reason)).collect();
    assert!(unused.is_empty(), "listed but equal:\n{}", unused.join("\n"));
    assert_eq!(waiting, WAITING);
}

/// The children in the form in which they are compared; none if the collector wants a target allocator.
fn built(record: &Record, state: &State, existing: Option<&ExistingWorkload>) -> Option<Children> {
    let collector = collector(record, state);
    if collector.spec.management_state == ManagementState::Unmanaged {
        return Some(Children::new());
    }
    let built = match build_for(&collector, existing) {
        Ok(built) => built,
        Err(BuildError::TargetAllocatorNotSupported { .. }) => return None,
        Err(error) => panic!("{}: {error}", record.id),
    };
    let children = built.children.into_iter().map(|child| {
        let mut object = child.object;
        api_server::comparable(child.kind, &mut object);
        (format!("{}/{}", child.kind, child.name), object)
    });
    Some(children.collect())
}

fn build_for(
    collector: &OpenTelemetryCollector,
    existing: Option<&ExistingWorkload>,
) -> Result<collector::Built, BuildError> {
    build(&Given {
        collector,
        settings: &Settings::default(),
        available: &Available { monitors: true, gateway: true, routes: false, cluster_roles: true },
        namespace: &Namespace::default(),
        existing,
    })
}

fn collector(record: &Record, state: &State) -> OpenTelemetryCollector {
    let stored = state.stored(&record.id);
    serde_json::from_value(stored).unwrap_or_else(|error| panic!("{}: {error}", record.id))
}

/// The selector of a workload cannot be changed: one that the Go operator made keeps it, and the Services with it.
#[test]
fn a_takeover_selects_the_same_pods() {
    let mut workloads = 0;
    for record in record::all().into_iter().filter(|record| !record.wants_allocator_or_bridge()) {
        for (phase, state) in record.states() {
            let theirs = state.children();
            let Some((name, workload)) = theirs.iter().find(|(name, _)| is_workload(name)) else { continue };
            let existing = ExistingWorkload::read(workload, "otel-operator");
            let Some(ours) = built(&record, &state, Some(&existing)) else { continue };
            workloads += 1;
            let service = format!("Service/{}", name.split('/').nth(1).unwrap_or_default());
            for (name, pointer) in [
                (name, "/spec/selector"),
                (name, "/spec/template/metadata/labels"),
                (&service, "/spec/selector"),
            ] {
                let (Some(ours), Some(theirs)) = (ours.get(name), theirs.get(name)) else { continue };
                assert_eq!(ours.pointer(pointer), theirs.pointer(pointer), "{} {phase} {name}", record.id);
            }
        }
    }
    assert!(workloads > 50, "{workloads}");
}

fn is_workload(name: &str) -> bool {
    ["Deployment/", "DaemonSet/", "StatefulSet/"].iter().any(|kind| name.starts_with(kind))
}
