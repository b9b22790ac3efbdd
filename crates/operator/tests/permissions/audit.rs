//! What the process asked of the API server, from the audit log.

use anyhow::Result;
use serde_json::Value;
use testkit::ControlPlane;

/// The user that the process is.
pub(crate) const ACCOUNT: &str =
    "system:serviceaccount:opentelemetry-operator-system:opentelemetry-operator-controller-manager";

/// A request for a resource, and the answer.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Request {
    pub(crate) verb: String,
    pub(crate) group: String,
    /// With the subresource after a `/`.
    pub(crate) resource: String,
    /// Empty for resources of the cluster and requests for all namespaces.
    pub(crate) namespace: String,
    /// Empty for lists and what is made under a name of the API server's choice.
    pub(crate) name: String,
    pub(crate) code: u64,
}

impl Request {
    fn read(event: &Value) -> Request {
        let of = &event["objectRef"];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let resource = match of["subresource"].as_str() {
            Some(subresource) => format!("{}/{subresource}", text(&of["resource"])),
            None => text(&of["resource"]),
        };
        Request {
            verb: text(&event["verb"]),
            group: text(&of["apiGroup"]),
            resource,
            namespace: text(&of["namespace"]),
            name: text(&of["name"]),
            code: event["responseStatus"]["code"].as_u64().unwrap_or_default(),
        }
    }

    /// The rights that it took. An apply that makes the object needs the right to create as well, which is asked for on the way.
    pub(crate) fn rights(&self) -> Vec<Request> {
        let mut rights = vec![self.clone()];
        if self.verb == "patch" && self.code == 201 {
            rights.push(Request { verb: "create".to_owned(), ..self.clone() });
        }
        rights
    }
}

/// The requests of the ServiceAccount of the manifest, in order.
pub(crate) fn of_the_process(cluster: &ControlPlane) -> Result<Vec<Request>> {
    let events = cluster.audit_events()?;
    let ours = events.iter().filter(|e| e["user"]["username"] == ACCOUNT && e["objectRef"].is_object());
    Ok(ours.map(Request::read).collect())
}
