//! The ClusterRoleBinding that gives the ClusterRole to the pods' ServiceAccount (collector.md 17.2).

use serde_json::json;

use crate::{build::Built, context::Context, name, object::Fields};

pub(super) fn add(context: &Context<'_>, built: &mut Built) {
    if context.permissions.is_empty() {
        return;
    }
    let mut body = Fields::new();
    body.set(
        "subjects",
        json!([{
            "kind": "ServiceAccount",
            "name": context.service_account_name(),
            "namespace": context.namespace(),
        }]),
    );
    body.set(
        "roleRef",
        json!({
            "apiGroup": "rbac.authorization.k8s.io",
            "kind": "ClusterRole",
            "name": name::cluster_role(context.name(), context.namespace()),
        }),
    );
    built.push(context.cluster_child(
        ("rbac.authorization.k8s.io/v1", "ClusterRoleBinding"),
        name::cluster_role_binding(context.name(), context.namespace()),
        body,
    ));
}
