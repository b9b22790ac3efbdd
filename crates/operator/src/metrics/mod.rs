//! Numbers about the process, in the OpenMetrics text format.
//!
//! Names that the reference operator has too keep their names and labels.

mod authorization;
pub mod controller;
pub mod server;
pub mod table;
pub mod usage;

use std::{sync::Arc, time::Duration};

use inject::{About, Reason};
use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric},
    metrics::{
        counter::Counter,
        family::Family,
        gauge::{ConstGauge, Gauge},
        histogram::Histogram,
    },
    registry::{Registry, Unit},
};

use crate::{
    certificate::{Certificate, Current},
    store::Store,
};

/// Labels of [`Metrics::verdicts`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct VerdictLabels {
    language: &'static str,
    verdict: &'static str,
    reason: &'static str,
}

/// Labels of [`Metrics::reviews`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OutcomeLabels {
    pub(crate) outcome: &'static str,
}

/// Labels of [`Metrics::requests`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct RequestLabels {
    webhook: &'static str,
    code: u16,
}

/// Labels of [`Metrics::latency`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct WebhookLabels {
    webhook: &'static str,
}

/// Labels of [`Metrics::leads`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct LeaseLabels {
    name: &'static str,
}

/// What became of a pod review, in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Something was injected.
    Injected,
    /// It had been injected before, most likely a moment ago: the API server asks again when somebody changed the pod.
    AlreadyInjected,
    /// Something was asked for and nothing was injected.
    Declined,
    /// Nothing was asked for.
    NotRequested,
    /// The body was no AdmissionReview.
    BadRequest,
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Outcome::Injected => "injected",
            Outcome::AlreadyInjected => "already_injected",
            Outcome::Declined => "declined",
            Outcome::NotRequested => "not_requested",
            Outcome::BadRequest => "bad_request",
        }
    }
}

/// All metrics of the process.
#[derive(Debug, Default)]
pub struct Metrics {
    /// `opentelemetry_operator_injection_verdicts_total{language,verdict,reason}`
    pub verdicts: Family<VerdictLabels, Counter>,
    /// `opentelemetry_operator_pod_reviews_total{outcome}`
    pub reviews: Family<OutcomeLabels, Counter>,
    /// `opentelemetry_operator_pod_review_seconds`
    pub review_seconds: Seconds,
    /// `opentelemetry_operator_injection_patch_bytes`
    pub patch_bytes: Bytes,
    /// `opentelemetry_operator_workload_events_total{outcome}`
    pub workload_events: Family<OutcomeLabels, Counter>,
    /// `controller_runtime_webhook_requests_total{webhook,code}`
    pub requests: Family<RequestLabels, Counter>,
    /// `controller_runtime_webhook_latency_seconds{webhook}`
    pub latency: Family<WebhookLabels, Seconds>,
    /// `controller_runtime_webhook_requests_in_flight{webhook}`
    pub in_flight: Family<WebhookLabels, Gauge>,
    /// `controller_runtime_webhook_panics_total`
    pub panics: Counter,
    /// `certwatcher_read_certificate_total`
    pub certificate_reads: Counter,
    /// `certwatcher_read_certificate_errors_total`
    pub certificate_read_errors: Counter,
    /// Numbers about the controllers.
    pub controllers: controller::Controllers,
    /// `leader_election_master_status{name}`
    pub leads: Family<LeaseLabels, Gauge>,
    /// What collectors are made of; empty unless it is asked for.
    pub usage: usage::Usage,
}

/// A histogram of durations, from 50 µs to 3 s.
#[derive(Clone, Debug)]
pub struct Seconds(Histogram);

impl Default for Seconds {
    fn default() -> Self {
        Seconds(Histogram::new([
            0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 3.0,
        ]))
    }
}

impl Seconds {
    /// Records a duration.
    pub fn observe(&self, duration: Duration) {
        self.0.observe(duration.as_secs_f64());
    }
}

/// A histogram of sizes, from 256 bytes to 64 KiB.
#[derive(Clone, Debug)]
pub struct Bytes(Histogram);

impl Default for Bytes {
    fn default() -> Self {
        Bytes(Histogram::new([256.0, 512.0, 1024.0, 2048.0, 4096.0, 8192.0, 16384.0, 65536.0]))
    }
}

macro_rules! histogram {
    ($name:ident) => {
        impl prometheus_client::metrics::TypedMetric for $name {
            const TYPE: prometheus_client::metrics::MetricType =
                prometheus_client::metrics::MetricType::Histogram;
        }
        impl EncodeMetric for $name {
            fn encode(
                &self,
                encoder: prometheus_client::encoding::MetricEncoder<'_>,
            ) -> Result<(), std::fmt::Error> {
                self.0.encode(encoder)
            }
            fn metric_type(&self) -> prometheus_client::metrics::MetricType {
                self.0.metric_type()
            }
        }
    };
}
histogram!(Seconds);
histogram!(Bytes);

impl Metrics {
    /// One verdict of a pod.
    pub fn verdict(&self, about: About, reason: Reason) {
        let language = if about == About::Pod { "none" } else { about.id() };
        let verdict = match reason {
            Reason::Injected => "injected",
            Reason::AlreadyInjected => "already_injected",
            _ => "declined",
        };
        let labels = VerdictLabels { language, verdict, reason: reason.code() };
        self.verdicts.get_or_create(&labels).inc();
    }

    /// One pod review.
    pub fn review(&self, outcome: Outcome, took: Duration) {
        self.reviews.get_or_create(&OutcomeLabels { outcome: outcome.word() }).inc();
        self.review_seconds.observe(took);
    }

    /// What became of a notice for a workload: `written`, `counted` (said before), `dropped` (too many), `failed`.
    pub fn event(&self, outcome: &'static str) {
        self.workload_events.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    /// The size of one patch, in bytes of JSON.
    pub fn patch(&self, bytes: usize) {
        // A patch is far below 2^52 bytes.
        #[expect(clippy::cast_precision_loss, reason = "sizes are far below 2^52")]
        self.patch_bytes.0.observe(bytes as f64);
    }

    /// One HTTP request to a webhook path.
    pub fn request(&self, webhook: &'static str, code: u16, took: Duration) {
        self.requests.get_or_create(&RequestLabels { webhook, code }).inc();
        self.latency.get_or_create(&WebhookLabels { webhook }).observe(took);
    }

    /// The gauge of requests being answered at this path.
    pub fn in_flight(&self, webhook: &'static str) -> Gauge {
        self.in_flight.get_or_create(&WebhookLabels { webhook }).clone()
    }

    /// Whether this process holds the Lease. Nothing is said where there is no election.
    pub fn leading(&self, leads: bool) {
        self.leads.get_or_create(&LeaseLabels { name: crate::leader::LEASE }).set(leads.into());
    }

    /// A registry with all of it, and what is read from the process when asked.
    pub fn registry(self: &Arc<Self>, store: Arc<Store>, certificate: Arc<Current>) -> Registry {
        let mut registry = Registry::default();
        let r = &mut registry;
        r.register(
            "opentelemetry_operator_injection_verdicts",
            "Decisions about pods, one for each requested language and container",
            self.verdicts.clone(),
        );
        r.register("opentelemetry_operator_pod_reviews", "Reviews of pods by outcome", self.reviews.clone());
        r.register(
            "opentelemetry_operator_workload_events",
            "Notices for workloads by what became of them: written, counted, dropped, failed",
            self.workload_events.clone(),
        );
        r.register_with_unit(
            "opentelemetry_operator_pod_review",
            "Time from the last byte of a pod review to its answer",
            Unit::Seconds,
            self.review_seconds.clone(),
        );
        r.register_with_unit(
            "opentelemetry_operator_injection_patch",
            "Size of the JSON patch of an injected pod",
            Unit::Bytes,
            self.patch_bytes.clone(),
        );
        r.register(
            "controller_runtime_webhook_requests",
            "Requests to webhooks by HTTP code",
            self.requests.clone(),
        );
        r.register_with_unit(
            "controller_runtime_webhook_latency",
            "Time to answer a request to a webhook",
            Unit::Seconds,
            self.latency.clone(),
        );
        r.register(
            "controller_runtime_webhook_requests_in_flight",
            "Requests being answered",
            self.in_flight.clone(),
        );
        r.register(
            "controller_runtime_webhook_panics",
            "Panics caught while answering a request",
            self.panics.clone(),
        );
        r.register(
            "certwatcher_read_certificate",
            "Mounted certificates read",
            self.certificate_reads.clone(),
        );
        r.register(
            "certwatcher_read_certificate_errors",
            "Mounted certificates that could not be used",
            self.certificate_read_errors.clone(),
        );
        self.controllers.register(r);
        self.usage.register(r);
        r.register("leader_election_master_status", "1 where this process leads", self.leads.clone());
        r.register_collector(Box::new(Observed { store, certificate }));
        registry
    }
}

/// Numbers that are read when somebody asks, instead of being kept.
struct Observed {
    store: Arc<Store>,
    certificate: Arc<Current>,
}

impl std::fmt::Debug for Observed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Observed").finish_non_exhaustive()
    }
}

impl Collector for Observed {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let objects = Family::<KindLabels, Gauge>::default();
        for (kind, count) in self.store.counts() {
            objects.get_or_create(&KindLabels { kind }).set(i64::try_from(count).unwrap_or(i64::MAX));
        }
        let name = "opentelemetry_operator_cache_objects";
        let descriptor =
            encoder.encode_descriptor(name, "Objects held in memory", None, objects.metric_type())?;
        objects.encode(descriptor)?;
        let stale = Family::<KindLabels, Gauge>::default();
        for (kind, time) in self.store.stale() {
            let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
            stale.get_or_create(&KindLabels { kind }).set(seconds);
        }
        let descriptor = encoder.encode_descriptor(
            "opentelemetry_operator_cache_stale",
            "How long the watch of a kind has been failing; 0 when it works",
            Some(&Unit::Seconds),
            stale.metric_type(),
        )?;
        stale.encode(descriptor)?;
        if let Some(served) = self.certificate.served() {
            let expires = ConstGauge::new(served.certificate.expires.unix_timestamp());
            let descriptor = encoder.encode_descriptor(
                "opentelemetry_operator_certificate_expiry_timestamp",
                "When the certificate of the webhook server expires, in seconds since 1970",
                Some(&Unit::Seconds),
                expires.metric_type(),
            )?;
            expires.encode(descriptor)?;
            let ca = served.ca.as_deref().and_then(|ca| Certificate::read(ca).ok());
            if let Some(ca) = ca {
                let expires = ConstGauge::new(ca.expires.unix_timestamp());
                let descriptor = encoder.encode_descriptor(
                    "opentelemetry_operator_certificate_authority_expiry_timestamp",
                    "When the certificate authority of the webhook server's certificate expires, in seconds since 1970",
                    Some(&Unit::Seconds),
                    expires.metric_type(),
                )?;
                expires.encode(descriptor)?;
            }
        }
        if let Some(bytes) = resident_bytes() {
            let resident = ConstGauge::new(bytes);
            let descriptor = encoder.encode_descriptor(
                "process_resident_memory",
                "Resident memory",
                Some(&Unit::Bytes),
                resident.metric_type(),
            )?;
            resident.encode(descriptor)?;
        }
        Ok(())
    }
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct KindLabels {
    kind: &'static str,
}

/// Resident memory of this process, where the system tells.
fn resident_bytes() -> Option<i64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.parse::<i64>().ok().map(|kib| kib * 1024)
}
