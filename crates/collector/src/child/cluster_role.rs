//! The ClusterRole with what the configured components read from the API server (collector.md 17.2).

use crate::{build::Built, context::Context, name, object::Fields};

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    if context.permissions.is_empty() {
        return;
    }
    if context.is_sidecar() {
        built.warn(
            "spec.config",
            format!(
                "its components need permissions, which are granted to the ServiceAccount {}; pods with the sidecar run under \
                 their own accounts, grant them the ClusterRole {} too",
                context.service_account_name(),
                name::cluster_role(context.name(), context.namespace()),
            ),
        );
    }
    let mut body = Fields::new();
    body.all("rules", &context.permissions);
    built.push(context.cluster_child(
        ("rbac.authorization.k8s.io/v1", "ClusterRole"),
        name::cluster_role(context.name(), context.namespace()),
        body,
    ));
}
