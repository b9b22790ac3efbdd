//! The table of checks: code, severity, sentence and fix. Warnings, lint output, SARIF rules and docs/lint.md take their words
//! from here.

use std::fmt;

use serde::Serialize;

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Works, and could be better. Shown by `lint`, not at admission.
    Advice,
    /// Probably not what was meant.
    Warning,
    /// The collector will not start, or not load the configuration. Refused at admission with level `enforce`.
    Error,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Severity::Advice => "advice",
            Severity::Warning => "warning",
            Severity::Error => "error",
        })
    }
}

macro_rules! codes {
    ($($variant:ident $code:literal $severity:ident $sentence:literal $fix:literal;)*) => {
        /// A check. The codes are stable: people filter by them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $sentence] $variant,)*
        }

        impl Code {
            /// Every check, in the order of the documentation.
            pub const ALL: &[Code] = &[$(Code::$variant),*];

            /// The stable code, for example `undefined-component`.
            pub fn code(self) -> &'static str {
                match self { $(Code::$variant => $code,)* }
            }

            /// How bad it is. A finding may be milder where less is certain.
            pub fn severity(self) -> Severity {
                match self { $(Code::$variant => Severity::$severity,)* }
            }

            /// What it means, in general.
            pub fn sentence(self) -> &'static str {
                match self { $(Code::$variant => $sentence,)* }
            }

            /// What to do about it, in general.
            pub fn fix(self) -> &'static str {
                match self { $(Code::$variant => $fix,)* }
            }
        }
    };
}

codes! {
    NotYaml "not-yaml" Error
        "The text is no YAML." "Correct the syntax at the position; most often it is the indentation or an unclosed bracket or quote.";
    DuplicateKey "duplicate-key" Error
        "A map has the same key twice; collectors refuse that, Kubernetes keeps the last one." "Join the two, or remove one of them.";
    WrongType "wrong-type" Error
        "A value has another type than the collector expects." "Make it what the message says.";
    UnknownSection "unknown-section" Warning
        "A key at the top, in `service` or in a pipeline is none that collectors know. The operator does not pass it on; a collector that reads the file itself refuses it." "Correct the spelling or remove it.";
    InvalidId "invalid-id" Error
        "A component's or pipeline's id is not `type` or `type/name`." "Begin the type with a letter, use letters, digits and `_`, and put something after the `/`.";
    NoPipelines "no-pipelines" Error
        "There is no pipeline; a collector does not start without one." "Add one under `service.pipelines`, with at least one receiver and one exporter.";
    UnknownSignal "unknown-signal" Error
        "A pipeline's name does not begin with a signal." "Call it `traces`, `metrics`, `logs` or `profiles`, or `<signal>/<name>`.";
    EmptyPipeline "empty-pipeline" Error
        "A pipeline has no receiver or no exporter." "Add one, or remove the pipeline.";
    UndefinedComponent "undefined-component" Error
        "A pipeline or `service.extensions` names a component that is not defined." "Define it in its section, or remove it from the list.";
    WrongKind "wrong-kind" Error
        "A component is in a list of another kind, for example a processor among the exporters." "Move it to the list of its kind.";
    UnusedComponent "unused-component" Warning
        "A component is defined and nothing uses it, so it does not run." "Add it to a pipeline (or `service.extensions`), or remove it.";
    DuplicateReference "duplicate-reference" Error
        "A list names a component twice. Collectors refuse that for processors." "Remove one of them.";
    UnsupportedSignal "unsupported-signal" Error
        "A component is in a pipeline of a signal that it does not handle." "Move it to a pipeline of a signal that it handles.";
    ConnectorNotJoined "connector-not-joined" Error
        "A connector is only the end or only the beginning of pipelines." "Use it as exporter of one pipeline and as receiver of another.";
    ConnectorSignal "connector-signal" Error
        "A connector does not join pipelines of these signals." "Use a connector that does, or change the pipelines.";
    ConnectorCycle "connector-cycle" Error
        "Pipelines feed each other through connectors in a circle." "Take one connector out of the circle.";
    DuplicatePort "duplicate-port" Error
        "Two components listen on the same port." "Give one of them another port.";
    PortInUse "port-in-use" Error
        "A component listens on the port of the collector's own metrics." "Give the component another port, or move the metrics with a reader under `service.telemetry.metrics.readers`.";
    InvalidPort "invalid-port" Error
        "A port is above 65535." "Use a port from 1 to 65535.";
    ListensOnLocalhost "listens-on-localhost" Warning
        "A receiver listens on localhost, where the collector's Service does not reach it." "Use `0.0.0.0` or `${env:POD_IP}` as host.";
    UnknownProtocol "unknown-protocol" Warning
        "A receiver has a protocol that the operator does not know; it gets no port in the Service." "Correct the spelling, or add the port to `spec.ports`.";
    OtlpPortMixedUp "otlp-port-mixed-up" Warning
        "OTLP over gRPC is on 4318, or OTLP over HTTP on 4317; everybody else has it the other way round." "Use 4317 for gRPC and 4318 for HTTP.";
    MissingEndpoint "missing-endpoint" Error
        "An exporter does not say where to send to." "Set its `endpoint`.";
    ExportsToItself "exports-to-itself" Warning
        "An exporter sends to a receiver of the same collector: data goes round for ever." "Point it at the next collector or backend; to join pipelines, use a connector.";
    FileExporterShared "file-exporter-shared" Advice
        "A `file` exporter is in pipelines of several signals. When the collector stops it closes with the first of them, and what another one's processor has kept back makes the collector panic." "Define one for each signal, with a file of its own.";
    MemoryLimiterAbsent "memory-limiter-absent" Advice
        "A pipeline has no `memory_limiter`, so a burst of data may get the collector killed." "Add `memory_limiter` as the first processor.";
    MemoryLimiterNotFirst "memory-limiter-not-first" Warning
        "`memory_limiter` is not the first processor, so it refuses data only after work was done on it." "Move it to the front of `processors`.";
    BatchBeforeMemoryLimiter "batch-before-memory-limiter" Warning
        "`batch` comes before `memory_limiter`: senders are told that data arrived which is then refused." "Move `memory_limiter` to the front of `processors`.";
    NotInDistribution "not-in-distribution" Error
        "The image's distribution does not have this component; the collector refuses the configuration." "Set `spec.image` to a distribution that has it, or use another component.";
    UnknownComponent "unknown-component" Advice
        "No official distribution has this component." "Check the spelling; if the collector is your own build, ignore this.";
    RemovedComponent "removed-component" Error
        "The component was removed from collectors." "Use the replacement that the message names.";
    RemovedKey "removed-key" Error
        "A setting was removed from collectors, which refuse it now." "Use the replacement that the message names.";
    DeprecatedKey "deprecated-key" Warning
        "A setting is deprecated." "Use the replacement that the message names.";
    BareEnvironmentReference "bare-environment-reference" Warning
        "`$NAME` is not expanded any more." "Write `${env:NAME}`.";
    TelemetryNotUnderstood "telemetry-not-understood" Warning
        "The operator does not understand `service.telemetry.metrics`, so it leaves it alone and assumes port 8888 for the monitoring Service." "Use readers of the declarative configuration, with a number as Prometheus port.";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_texts_are_sentences() {
        let mut codes: Vec<_> = Code::ALL.iter().map(|code| code.code()).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.sentence().ends_with('.') && code.fix().ends_with('.'), "{}", code.code());
        }
    }
}
