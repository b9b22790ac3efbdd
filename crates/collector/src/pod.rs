//! The pods of a workload (collector.md 12.1).

use api::collector::v1beta1::Mode;
use serde_json::{Value, json};

use crate::{
    build::Warning,
    container,
    context::Context,
    distinct,
    object::{Fields, passed_on},
    volume::{config_volume, user_volumes},
};

/// OpenShift's ranges of groups and users of a namespace; the first counts.
const OPENSHIFT_RANGES: [&str; 2] =
    ["openshift.io/sa.scc.supplemental-groups", "openshift.io/sa.scc.uid-range"];

/// `spec` of the pod template.
pub(crate) fn spec(context: &Context<'_>, warnings: &mut Vec<Warning>) -> Fields {
    let wished = context.spec();
    let mut containers = vec![container::of_workload(context, warnings)];
    containers.extend(users(&wished.additional_containers));
    let mut volumes = vec![config_volume(&context.config_map_name())];
    volumes.extend(user_volumes(wished));

    let mut pod = Fields::new();
    pod.set("serviceAccountName", context.service_account_name());
    pod.all("initContainers", users(&wished.init_containers));
    pod.set("containers", containers);
    pod.set("volumes", volumes);
    pod.flag("hostNetwork", wished.host_network);
    pod.flag("hostPID", wished.host_pid);
    pod.option("hostUsers", wished.host_users);
    pod.all("hostAliases", distinct::host_aliases(&wished.host_aliases));
    pod.set("shareProcessNamespace", wished.share_process_namespace);
    pod.set("dnsPolicy", dns_policy(context));
    pod.set("dnsConfig", wished.pod_dns_config.as_ref().map_or_else(|| json!({}), passed_on));
    pod.all("tolerations", &wished.tolerations);
    pod.all("nodeSelector", &wished.node_selector);
    pod.given("affinity", wished.affinity.as_ref());
    if matches!(wished.mode, Mode::Deployment | Mode::StatefulSet) {
        pod.all("topologySpreadConstraints", &wished.topology_spread_constraints);
    }
    pod.text("priorityClassName", &wished.priority_class_name);
    pod.given("securityContext", security_context(context).as_ref());
    pod.option("terminationGracePeriodSeconds", wished.termination_grace_period_seconds);
    pod
}

/// Containers of the user, in a form that server-side apply takes.
pub(crate) fn users(containers: &[Value]) -> Vec<Value> {
    let mut containers: Vec<Value> = containers.iter().map(passed_on).collect();
    containers.iter_mut().for_each(distinct::container);
    containers
}

fn dns_policy<'a>(context: &Context<'a>) -> &'a str {
    let spec = context.spec();
    let nameservers = spec.pod_dns_config.as_ref().and_then(|dns| dns["nameservers"].as_array());
    if !spec.dns_policy.is_empty() {
        &spec.dns_policy
    } else if nameservers.is_some_and(|servers| !servers.is_empty()) {
        "None"
    } else if spec.host_network {
        "ClusterFirstWithHostNet"
    } else {
        "ClusterFirst"
    }
}

/// The user's, on OpenShift with the group that the namespace may use.
fn security_context(context: &Context<'_>) -> Option<Value> {
    let given = context.spec().pod_security_context.as_ref().filter(|given| !given.is_null());
    if !context.available.routes || given.is_some_and(|given| !given["fsGroup"].is_null()) {
        return given.cloned();
    }
    let Some(group) = group_of_namespace(context) else { return given.cloned() };
    let mut security_context = given.cloned().unwrap_or_else(|| json!({}));
    if let Some(fields) = security_context.as_object_mut() {
        fields.insert("fsGroup".to_owned(), json!(group));
    }
    Some(security_context)
}

/// The first number of `1000850000/10000` or `1000850000-1000859999`.
fn group_of_namespace(context: &Context<'_>) -> Option<i64> {
    let annotations = &context.given.namespace.annotations;
    let range =
        OPENSHIFT_RANGES.iter().find_map(|key| annotations.get(*key).filter(|range| !range.is_empty()))?;
    let (start, end) = range.split_once(['/', '-'])?;
    end.parse::<i64>().ok()?;
    start.parse().ok()
}
