//! What several children are made from, worked out once.

use api::collector::v1beta1::{Mode, OpenTelemetryCollector, OpenTelemetryCollectorSpec, Port};
use serde_json::{Value, json};

use crate::{
    build::{BuildError, Given, Warning},
    child::{Child, Scope},
    component,
    config::{Config, telemetry},
    container_port::container_ports,
    image, label,
    label::Labels,
    name,
    object::Fields,
    port,
    ports::Listeners,
    rbac::{self, Rule},
    settings::{Available, Settings},
};

/// What several children are made from.
pub(crate) struct Context<'a> {
    pub(crate) collector: &'a OpenTelemetryCollector,
    pub(crate) settings: &'a Settings,
    pub(crate) available: &'a Available,
    pub(crate) given: Given<'a>,
    /// The configuration as the user wrote it.
    pub(crate) graph: Config<'a>,
    /// The configuration as it is rendered: with the TLS profile, if there is one.
    pub(crate) config: Value,
    /// Hash of `config`.
    pub(crate) config_hash: String,
    /// Labels by which pods are selected.
    pub(crate) selector: Labels,
    /// Annotations of most children.
    pub(crate) annotations: Labels,
    /// Where the configuration listens.
    pub(crate) listeners: Listeners,
    /// TCP port of the collector's own metrics.
    pub(crate) metrics_port: i32,
    /// Ports of the container.
    pub(crate) container_ports: Vec<Port>,
    /// Ports of the base Service.
    pub(crate) service_ports: Vec<Port>,
    /// Ports of Ingress, Routes and HTTPRoutes.
    pub(crate) ingress_ports: Vec<Port>,
    /// What the components may do with the API server, by which a ClusterRole is made.
    pub(crate) permissions: Vec<Rule>,
    labels: Labels,
    filtered_labels: Labels,
}

impl<'a> Context<'a> {
    pub(crate) fn new(given: &Given<'a>, warnings: &mut Vec<Warning>) -> Result<Self, BuildError> {
        let Given { collector, settings, available, .. } = *given;
        let metadata = &collector.metadata;
        let spec = &collector.spec;
        let config = rendered(&spec.config, settings, warnings);
        let graph = Config::read(&spec.config);
        let metrics_port = match telemetry::metrics_endpoint(graph.telemetry()) {
            Ok(endpoint) => endpoint.port,
            // Nothing of a sidecar's needs it but the name of a container port.
            Err(_) if spec.mode == Mode::Sidecar => telemetry::DEFAULT_PORT,
            Err(message) => return Err(BuildError::MetricsPort(message)),
        };
        let listeners = Listeners::of(&graph, warnings);
        let selector = match given.existing {
            Some(existing) if !existing.selector.is_empty() => existing.selector.clone(),
            _ => label::selector(&label::instance(metadata)),
        };
        let version = image::version(&spec.image);
        let ingress_ports = port::merge(&spec.ports, &listeners.receivers, &mut Vec::new());
        Ok(Context {
            collector,
            settings,
            available,
            given: *given,
            config_hash: api::collector::config_hash(&config),
            config,
            annotations: label::annotations(&metadata.annotations, &settings.annotations_filter),
            metrics_port,
            service_ports: crate::child::service::base_ports(spec, &listeners, warnings),
            ingress_ports,
            container_ports: container_ports(&spec.ports, &listeners, metrics_port),
            listeners,
            permissions: permissions(&graph, available, warnings),
            graph,
            labels: label::full(&metadata.labels, &selector, version, &[]),
            filtered_labels: label::full(&metadata.labels, &selector, version, &settings.labels_filter),
            selector,
        })
    }

    pub(crate) fn spec(&self) -> &'a OpenTelemetryCollectorSpec {
        &self.collector.spec
    }

    pub(crate) fn name(&self) -> &'a str {
        &self.collector.metadata.name
    }

    pub(crate) fn namespace(&self) -> &'a str {
        &self.collector.metadata.namespace
    }

    /// Name of the workload, the base Service and others.
    pub(crate) fn collector_name(&self) -> String {
        name::collector(self.name())
    }

    /// Name of the ConfigMap.
    pub(crate) fn config_map_name(&self) -> String {
        name::config_map(self.name(), &self.config_hash)
    }

    /// ServiceAccount of the pods.
    pub(crate) fn service_account_name(&self) -> String {
        if self.spec().service_account.is_empty() {
            self.collector_name()
        } else {
            self.spec().service_account.clone()
        }
    }

    pub(crate) fn is_sidecar(&self) -> bool {
        self.spec().mode == Mode::Sidecar
    }

    /// Whether there are ServiceMonitors or PodMonitors.
    pub(crate) fn monitored(&self) -> bool {
        self.spec().observability.metrics.enable_metrics && self.available.monitors
    }

    /// All labels of a child with this name.
    pub(crate) fn labels(&self, name: &str) -> Labels {
        label::named(&self.labels, name)
    }

    /// The labels of a child with this name that pass the operator's filter.
    pub(crate) fn filtered_labels(&self, name: &str) -> Labels {
        label::named(&self.filtered_labels, name)
    }

    /// A child in the collector's namespace, owned by it.
    pub(crate) fn child(
        &self,
        (api_version, kind): (&'static str, &'static str),
        name: String,
        labels: Labels,
        annotations: Labels,
        body: Fields,
    ) -> Child {
        let mut metadata = Fields::new();
        metadata.set("name", name.as_str());
        metadata.set("namespace", self.namespace());
        metadata.all("labels", labels);
        metadata.all("annotations", annotations);
        metadata.set("ownerReferences", json!([self.owner_reference()]));
        Child::new(api_version, kind, Scope::Namespaced(self.namespace().to_owned()), name, metadata, body)
    }

    /// A child without a namespace; it cannot be owned by an object that has one.
    pub(crate) fn cluster_child(
        &self,
        (api_version, kind): (&'static str, &'static str),
        name: String,
        body: Fields,
    ) -> Child {
        let mut metadata = Fields::new();
        metadata.set("name", name.as_str());
        metadata.all("labels", self.filtered_labels(&name));
        metadata.all("annotations", &self.annotations);
        Child::new(api_version, kind, Scope::Cluster, name, metadata, body)
    }

    fn owner_reference(&self) -> Value {
        json!({
            "apiVersion": api::collector::API_VERSION,
            "kind": api::collector::KIND,
            "name": self.name(),
            "uid": self.collector.metadata.uid,
            "controller": true,
            "blockOwnerDeletion": true,
        })
    }
}

/// The configuration, with the operator's TLS profile where it has `tls` sections.
fn rendered(config: &Value, settings: &Settings, warnings: &mut Vec<Warning>) -> Value {
    let mut config = config.clone();
    if let Some(profile) = &settings.tls_profile
        && let Err(problem) = component::apply_defaults(&mut config, Some(profile))
    {
        warnings.push(Warning::new(
            format!("spec.config.{}", problem.path),
            format!("the TLS profile of the operator is not applied: {problem}"),
        ));
    }
    config
}

fn permissions(config: &Config<'_>, available: &Available, warnings: &mut Vec<Warning>) -> Vec<Rule> {
    if !available.cluster_roles {
        return Vec::new();
    }
    rbac::rules(config).unwrap_or_else(|problem| {
        warnings.push(Warning::new(
            format!("spec.config.{}", problem.path),
            format!("no ClusterRole is made: {problem}"),
        ));
        Vec::new()
    })
}
