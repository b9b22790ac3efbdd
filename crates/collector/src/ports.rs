//! Where the components of a configuration listen, as ports of Services.

use api::collector::v1beta1::Port;
use serde_json::json;

use crate::{
    build::Warning,
    component::{
        Kind,
        port::{self, LISTENING_KINDS},
    },
    config::{Config, split_id},
};

/// The ports of a configuration, by the kind of component that listens; each list sorted by name.
#[derive(Clone, Debug, Default)]
pub(crate) struct Listeners {
    pub(crate) receivers: Vec<Port>,
    pub(crate) extensions: Vec<Port>,
    exporters: Vec<Port>,
    /// Those of `exporters` from which Prometheus scrapes.
    pub(crate) prometheus_exporters: Vec<Port>,
}

/// Whether a port can have this number.
pub(crate) fn is_valid(number: i32) -> bool {
    (1..=65535).contains(&number)
}

impl Listeners {
    /// Reads them; what cannot be understood is a warning and has no port.
    pub(crate) fn of(config: &Config<'_>, warnings: &mut Vec<Warning>) -> Self {
        if let Err(problem) = port::ports(config, &LISTENING_KINDS) {
            warnings.push(Warning::new(format!("spec.config.{}", problem.path), problem.to_string()));
        }
        let mut listeners = Listeners::default();
        for listening in port::understood_ports(config) {
            if !is_valid(listening.number) {
                warnings.push(Warning::new(
                    format!("spec.config.{}", listening.path),
                    format!(
                        "{} is no port, nothing is opened for it; write one from 1 to 65535",
                        listening.number
                    ),
                ));
                continue;
            }
            let port = service_port(&listening);
            let (kind, id) = &listening.component;
            match kind {
                Kind::Receiver => listeners.receivers.push(port),
                Kind::Extension => listeners.extensions.push(port),
                Kind::Exporter => {
                    if split_id(id).0 == "prometheus" {
                        listeners.prometheus_exporters.push(port.clone());
                    }
                    listeners.exporters.push(port);
                }
                Kind::Processor | Kind::Connector => {}
            }
        }
        listeners
    }

    /// The ports of receivers and exporters, sorted by name.
    pub(crate) fn receivers_and_exporters(&self) -> Vec<Port> {
        sorted([&self.receivers, &self.exporters])
    }

    /// All ports, sorted by name.
    pub(crate) fn all(&self) -> Vec<Port> {
        sorted([&self.receivers_and_exporters(), &self.extensions])
    }
}

fn sorted(lists: [&Vec<Port>; 2]) -> Vec<Port> {
    let mut ports: Vec<Port> = lists.into_iter().flatten().cloned().collect();
    ports.sort_by(|a, b| a.name.cmp(&b.name));
    ports
}

fn service_port(listening: &port::Port) -> Port {
    Port {
        name: listening.name.clone(),
        protocol: listening.protocol.unwrap_or_default().to_owned(),
        app_protocol: listening.app_protocol.map(str::to_owned),
        port: listening.number,
        target_port: listening.target_port.map(|number| json!(number)),
        node_port: None,
        host_port: None,
    }
}
