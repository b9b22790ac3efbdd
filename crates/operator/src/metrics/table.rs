//! Every family of metrics, for `docs/reference-metrics.md`. The tests hold it against what a running process shows.

use std::fmt::Write as _;

/// One family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line {
    /// Name as it is scraped: that of a counter ends in `_total`.
    pub name: &'static str,
    /// `counter`, `gauge` or `histogram`.
    pub kind: &'static str,
    /// Labels and their values.
    pub labels: &'static str,
    /// What it counts.
    pub meaning: &'static str,
}

impl Line {
    /// The name in `# TYPE` lines.
    pub fn family(&self) -> &'static str {
        self.name.strip_suffix("_total").unwrap_or(self.name)
    }
}

const fn line(name: &'static str, kind: &'static str, labels: &'static str, meaning: &'static str) -> Line {
    Line { name, kind, labels, meaning }
}

/// All families, in the order of the document.
#[rustfmt::skip]
pub const LINES: &[Line] = &[
    line("opentelemetry_operator_injection_verdicts_total", "counter", "`language` (`none` for the pod as a whole, `sidecar`), `verdict` (`injected`, `already_injected`, `declined`), `reason` (the reason codes)", "Decisions about pods, one for each requested language and container"),
    line("opentelemetry_operator_pod_reviews_total", "counter", "`outcome` (`injected`, `already_injected`, `declined`, `not_requested`, `bad_request`)", "Reviews of pods"),
    line("opentelemetry_operator_pod_review_seconds", "histogram", "", "Time from the last byte of a pod review to its answer"),
    line("opentelemetry_operator_injection_patch_bytes", "histogram", "", "Size of the JSON patch of an injected pod"),
    line("opentelemetry_operator_workload_events_total", "counter", "`outcome` (`written`, `counted`: said before, `dropped`: too many, `failed`)", "Notices for workloads whose pods were not injected as asked"),
    line("opentelemetry_operator_cache_objects", "gauge", "`kind`", "Objects held in memory"),
    line("opentelemetry_operator_cache_stale_seconds", "gauge", "`kind`", "How long the watch of a kind has been failing, so that decisions are made from what was known before; 0 when it works"),
    line("opentelemetry_operator_certificate_expiry_timestamp_seconds", "gauge", "", "When the certificate of the webhook server expires, in seconds since 1970"),
    line("opentelemetry_operator_certificate_authority_expiry_timestamp_seconds", "gauge", "", "When the certificate of the own authority expires, in seconds since 1970"),
    line("controller_runtime_webhook_requests_total", "counter", "`webhook` (the path), `code`", "Requests to webhooks by HTTP code"),
    line("controller_runtime_webhook_latency_seconds", "histogram", "`webhook`", "Time to answer a request to a webhook"),
    line("controller_runtime_webhook_requests_in_flight", "gauge", "`webhook`", "Requests being answered"),
    line("controller_runtime_webhook_panics_total", "counter", "", "Panics caught while answering a request"),
    line("controller_runtime_reconcile_total", "counter", "`controller`, `result`", "Passes over objects by how they ended"),
    line("controller_runtime_reconcile_errors_total", "counter", "`controller`", "Passes over objects that failed"),
    line("controller_runtime_reconcile_time_seconds", "histogram", "`controller`", "Time of a pass over an object"),
    line("workqueue_depth", "gauge", "`name`, `controller`, `priority`", "Objects that wait to be looked at, those with an appointment included"),
    line("leader_election_master_status", "gauge", "`name`", "1 in the replica that leads"),
    line("certwatcher_read_certificate_total", "counter", "", "Mounted certificates read"),
    line("certwatcher_read_certificate_errors_total", "counter", "", "Mounted certificates that could not be used"),
    line("opentelemetry_collector_info", "gauge", "`collector_name`, `namespace`, `type` (the mode)", "Collectors by mode; with --enable-cr-metrics"),
    line("opentelemetry_collector_receivers", "gauge", "`collector_name`, `namespace`, `type`", "Types of receivers that a collector defines; with --enable-cr-metrics"),
    line("opentelemetry_collector_exporters", "gauge", "`collector_name`, `namespace`, `type`", "Types of exporters that a collector defines; with --enable-cr-metrics"),
    line("opentelemetry_collector_processors", "gauge", "`collector_name`, `namespace`, `type`", "Types of processors that a collector defines; with --enable-cr-metrics"),
    line("opentelemetry_collector_extensions", "gauge", "`collector_name`, `namespace`, `type`", "Types of extensions that a collector defines; with --enable-cr-metrics"),
    line("opentelemetry_collector_connectors", "gauge", "`collector_name`, `namespace`, `type`", "Types of connectors that a collector defines; with --enable-cr-metrics"),
    line("process_resident_memory_bytes", "gauge", "", "Resident memory"),
];

/// The table as Markdown.
pub fn markdown() -> String {
    let mut text = String::from("| Metric | Type | Labels | What it tells |\n|---|---|---|---|\n");
    for line in LINES {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "| `{}` | {} | {} | {} |", line.name, line.kind, line.labels, line.meaning);
    }
    text
}
