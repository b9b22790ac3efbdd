//! What is known about components of collectors: data where possible.

pub mod catalogue;
mod decode;
mod default;
pub mod port;
mod probe;
mod table;
mod tls;

pub use decode::Problem;
pub use default::{Added, apply_defaults};
pub use port::Port;
pub use probe::{Probe, probe};

pub(crate) use decode::{field, list, map, strings};
pub use tls::TlsProfile;

/// The kinds of component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// Where data comes in.
    Receiver,
    /// Where data goes out.
    Exporter,
    /// What happens in between.
    Processor,
    /// The end of one pipeline and the beginning of another.
    Connector,
    /// What is not part of a pipeline.
    Extension,
}

impl Kind {
    /// Every kind, in the order in which rules and ports are collected.
    pub const ALL: [Kind; 5] =
        [Kind::Receiver, Kind::Exporter, Kind::Processor, Kind::Connector, Kind::Extension];

    /// The top-level key of the configuration that defines them.
    pub fn section(self) -> &'static str {
        match self {
            Kind::Receiver => "receivers",
            Kind::Exporter => "exporters",
            Kind::Processor => "processors",
            Kind::Connector => "connectors",
            Kind::Extension => "extensions",
        }
    }

    /// The word for one of them.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Receiver => "receiver",
            Kind::Exporter => "exporter",
            Kind::Processor => "processor",
            Kind::Connector => "connector",
            Kind::Extension => "extension",
        }
    }
}
