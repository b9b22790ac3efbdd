//! The running operator: Deployment, version, permissions, leader, settings.

use std::collections::BTreeSet;

use operator::{
    manifest::{self, Options},
    settings::published,
};
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Seen, catalogue::Check, items, sheet::Sheet, text, title};
use crate::{
    cluster::{self, Cluster},
    session::Session,
};

/// The Lease that the leader holds, as in the Go operator.
const LEASE: &str = "9f7554c3.opentelemetry.io";
/// The label of the operator's objects.
const SELECTOR: &str = "app.kubernetes.io%2Fname%3Dopentelemetry-operator";

/// Looks at what runs.
///
/// # Errors
///
/// When the cluster cannot be asked.
pub(super) fn check(
    cluster: &Cluster,
    seen: &Seen,
    own: &str,
    session: &Session,
    sheet: &mut Sheet,
) -> anyhow::Result<()> {
    let namespace = cluster::segment(own)?;
    let deployments = cluster
        .list(&format!("/apis/apps/v1/namespaces/{namespace}/deployments?labelSelector={SELECTOR}"))?;
    let by_service = seen.own_webhooks().any(|(_, w)| !text(w, "/clientConfig/service/name").is_empty());
    if deployments.is_empty() {
        let why = "the operator runs outside the cluster";
        if by_service {
            let message = format!("namespace {own} has no Deployment of the operator");
            sheet.error(
                Check::OperatorAvailable,
                "",
                message,
                "install it, or say its namespace with --operator-namespace",
            );
        } else {
            sheet.skip(Check::OperatorAvailable, why);
        }
        sheet.skip(Check::OperatorVersion, why);
        sheet.skip(Check::OperatorPermissions, why);
    }
    for deployment in &deployments {
        of_deployment(deployment, sheet);
        permissions(cluster, own, deployment, sheet)?;
    }
    leader(cluster, own, !deployments.is_empty(), sheet)?;
    let map = cluster.exists(&cluster::core(own, "configmaps", published::CONFIG_MAP)?)?;
    sheet.made(Check::SettingsUnknown, "");
    if !map {
        sheet.warn(Check::SettingsUnknown, "", session.settings.clone(), "");
    }
    Ok(())
}

fn of_deployment(deployment: &Value, sheet: &mut Sheet) {
    let object = || title("Deployment", deployment);
    let number = |pointer: &str| deployment.pointer(pointer).and_then(Value::as_i64);
    let (wanted, available) =
        (number("/spec/replicas").unwrap_or(1), number("/status/availableReplicas").unwrap_or_default());
    sheet.made(Check::OperatorAvailable, format!("{available} of {wanted} replicas"));
    if available == 0 {
        sheet.error(
            Check::OperatorAvailable,
            object(),
            format!("none of {wanted} replicas is available"),
            "",
        );
    } else if available < wanted {
        sheet.warn(
            Check::OperatorAvailable,
            object(),
            format!("{available} of {wanted} replicas are available"),
            "",
        );
    }
    sheet.made(Check::OperatorVersion, "");
    for container in items(deployment, "/spec/template/spec/containers") {
        let image = text(container, "/image");
        let name = image.split('@').next().unwrap_or_default();
        let tag = name
            .rsplit('/')
            .next()
            .and_then(|last| last.split_once(':'))
            .map(|(_, tag)| tag.trim_start_matches('v'));
        // A tag that is no version tells nothing.
        if let Some(version) = tag.and_then(|tag| semver::Version::parse(tag).ok())
            && image.contains("opentelemetry-operator")
            && version.to_string() != env!("CARGO_PKG_VERSION")
        {
            let message = format!("it runs {image}, this program is {}", env!("CARGO_PKG_VERSION"));
            sheet.warn(Check::OperatorVersion, object(), message, "");
        }
    }
}

/// Whether the ServiceAccount has what the manifests grant.
fn permissions(cluster: &Cluster, own: &str, deployment: &Value, sheet: &mut Sheet) -> anyhow::Result<()> {
    let account = text(deployment, "/spec/template/spec/serviceAccountName");
    let user = format!("system:serviceaccount:{own}:{account}");
    let review = json!({
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectRulesReview",
        "spec": {"namespace": own},
    });
    let answer = cluster.post_as(&user, "/apis/authorization.k8s.io/v1/selfsubjectrulesreviews", &review)?;
    if !answer.is_ok() {
        sheet.skip(Check::OperatorPermissions, format!("asking for it was refused: {}", answer.message()));
        return Ok(());
    }
    sheet.made(Check::OperatorPermissions, "");
    let granted = items(&answer.body, "/status/resourceRules");
    let options = Options { namespace: own.to_owned(), ..Options::default() };
    let mut missing = BTreeSet::new();
    for rule in wanted(&manifest::all(&options)) {
        for group in items(&rule, "/apiGroups") {
            for resource in items(&rule, "/resources") {
                for verb in items(&rule, "/verbs") {
                    let allowed = granted.iter().any(|g| {
                        let has = |key: &str, value: &Value| {
                            items(g, key).contains(value) || items(g, key).contains(&Value::from("*"))
                        };
                        // A grant for some names only does not allow all, but what is wanted for names is granted so, too.
                        let names = items(&rule, "/resourceNames").is_empty()
                            && !items(g, "/resourceNames").is_empty();
                        !names
                            && has("/apiGroups", group)
                            && has("/resources", resource)
                            && has("/verbs", verb)
                    });
                    if !allowed {
                        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                        missing.insert(format!("{} {}", text(verb), text(resource)));
                    }
                }
            }
        }
    }
    if !missing.is_empty() {
        let (count, some) = (missing.len(), missing.into_iter().take(5).collect::<Vec<_>>().join(", "));
        let message = format!(
            "it may not {some}{}",
            if count > 5 { format!(" and {} more", count - 5) } else { String::new() }
        );
        sheet.error(Check::OperatorPermissions, format!("ServiceAccount {own}/{account}"), message, "");
    }
    Ok(())
}

/// The rules that the manifests bind to the operator's ServiceAccount.
fn wanted(objects: &[Value]) -> Vec<Value> {
    let kind = |object: &Value| text(object, "/kind").to_owned();
    let bound = objects.iter().filter(|object| {
        kind(object).ends_with("RoleBinding")
            && items(object, "/subjects").iter().any(|s| text(s, "/name").ends_with("controller-manager"))
    });
    let names: BTreeSet<(String, String)> = bound
        .map(|binding| (text(binding, "/roleRef/kind").to_owned(), text(binding, "/roleRef/name").to_owned()))
        .collect();
    let roles = objects.iter().filter(|o| names.contains(&(kind(o), text(o, "/metadata/name").to_owned())));
    roles.flat_map(|role| items(role, "/rules").to_vec()).collect()
}

/// Whether the holder of the Lease lives.
fn leader(cluster: &Cluster, own: &str, in_cluster: bool, sheet: &mut Sheet) -> anyhow::Result<()> {
    let path = cluster::grouped("coordination.k8s.io/v1", own, "leases", LEASE)?;
    let Some(lease) = cluster.get(&path)? else {
        sheet.skip(Check::LeaderGone, "there is no Lease: leader election is off, or nobody has led yet");
        return Ok(());
    };
    let object = title("Lease", &lease);
    let holder = text(&lease, "/spec/holderIdentity");
    let renewed = OffsetDateTime::parse(text(&lease, "/spec/renewTime"), &Rfc3339).ok();
    let lasts = lease.pointer("/spec/leaseDurationSeconds").and_then(Value::as_i64).unwrap_or_default();
    sheet.made(Check::LeaderGone, holder);
    if holder.is_empty() {
        sheet.warn(
            Check::LeaderGone,
            object,
            "nobody holds it: the last leader stopped and no other has begun",
            "",
        );
    } else if let Some(renewed) =
        renewed.filter(|t| *t + Duration::seconds(lasts) < OffsetDateTime::now_utc())
    {
        let message = format!("{holder} has not renewed it since {renewed}, and it lasts {lasts} s");
        sheet.error(Check::LeaderGone, object, message, "");
    } else if in_cluster {
        // `<pod>_<uuid>`, as every Kubernetes client writes it.
        let pod = holder.split('_').next().unwrap_or_default();
        if cluster::segment(pod).is_ok() && !cluster.exists(&cluster::core(own, "pods", pod)?)? {
            let message = format!(
                "its holder {pod} is no pod any more; another replica takes over when the Lease has run out"
            );
            sheet.warn(Check::LeaderGone, object, message, "");
        }
    }
    Ok(())
}
