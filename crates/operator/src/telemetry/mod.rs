//! Traces of the process's own work, by OTLP over HTTP: one span for each request to a webhook and each pass of a controller.
//!
//! Off unless a standard variable (`OTEL_EXPORTER_OTLP_ENDPOINT` and its kin) says where to send them. A review continues the
//! trace of the API server, when that traces.
//!
//! * [`settings`]: the variables.
//! * [`wire`]: the messages.
//! * [`export`]: collecting and sending.

pub mod export;
pub mod settings;
pub mod wire;

use std::{
    sync::OnceLock,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use hyper::HeaderMap;
use rustls::crypto::ring;

use self::{
    export::Exporter,
    settings::{Sampler, Settings},
    wire::{KeyValue, Span as Message, Status},
};

/// `SPAN_KIND_INTERNAL`.
const INTERNAL: i32 = 1;
/// `SPAN_KIND_SERVER`.
const SERVER: i32 = 2;
/// `STATUS_CODE_ERROR`.
const ERROR: i32 = 2;
/// Bit 0 of the flags of a trace context.
const SAMPLED: u8 = 1;

struct Running {
    exporter: Exporter,
    sampler: Sampler,
}

static RUNNING: OnceLock<Running> = OnceLock::new();

/// Starts sending. Once for each process.
///
/// # Errors
/// When the endpoint cannot be reached in principle: a certificate that is none.
pub fn start(settings: Settings) -> anyhow::Result<()> {
    let sampler = settings.sampler;
    let running = Running { exporter: Exporter::start(settings)?, sampler };
    // A second start would be a mistake in the wiring; the first one stands.
    let _ = RUNNING.set(running);
    Ok(())
}

/// Sends what has been collected and waits for it, this long at most.
pub async fn flush(patience: Duration) {
    if let Some(running) = RUNNING.get() {
        let _ = tokio::time::timeout(patience, running.exporter.flush()).await;
    }
}

/// A span that has begun. Nothing is kept, and nothing costs anything, when it is not to be sent.
#[derive(Debug, Default)]
#[must_use = "a span that is not ended is not sent"]
pub struct Span(Option<Box<Message>>);

/// Where a span belongs, as `traceparent` says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Parent {
    trace: [u8; 16],
    span: [u8; 8],
    sampled: bool,
}

impl Span {
    /// An answer to a request.
    pub fn of_request(path: &'static str, headers: &HeaderMap) -> Span {
        let Some(running) = RUNNING.get() else { return Span::default() };
        let parent = headers.get("traceparent").and_then(|value| parent(value.to_str().ok()?));
        let span = begin(running.sampler, format!("POST {path}"), SERVER, parent);
        span.with("http.request.method", "POST").with("url.path", path)
    }

    /// A pass of a controller over an object.
    pub fn of_pass(controller: &'static str, namespace: &str, name: &str) -> Span {
        let Some(running) = RUNNING.get() else { return Span::default() };
        let span = begin(running.sampler, format!("reconcile {controller}"), INTERNAL, None);
        span.with("k8s.namespace.name", namespace).with("k8s.object.name", name)
    }

    /// Adds an attribute.
    pub fn with(mut self, key: &str, value: &str) -> Span {
        if let Some(message) = &mut self.0 {
            message.attributes.push(KeyValue::text(key, value));
        }
        self
    }

    /// Adds a number.
    pub fn with_number(mut self, key: &str, value: i64) -> Span {
        if let Some(message) = &mut self.0 {
            message.attributes.push(KeyValue::number(key, value));
        }
        self
    }

    /// Ends it; an error says why it did not go well.
    pub fn end(self, error: Option<&str>) {
        let (Some(mut message), Some(running)) = (self.0, RUNNING.get()) else { return };
        message.end_time_unix_nano = now();
        message.status = error.map(|text| Status { message: text.to_owned(), code: ERROR });
        running.exporter.take(*message);
    }
}

fn begin(sampler: Sampler, name: String, kind: i32, parent: Option<Parent>) -> Span {
    let trace = parent.map_or_else(random::<16>, |parent| parent.trace);
    if !sampler.samples(trace, parent.map(|parent| parent.sampled)) {
        return Span(None);
    }
    Span(Some(Box::new(Message {
        trace_id: trace.to_vec(),
        span_id: random::<8>().to_vec(),
        parent_span_id: parent.map(|parent| parent.span.to_vec()).unwrap_or_default(),
        name,
        kind,
        start_time_unix_nano: now(),
        ..Message::default()
    })))
}

/// A W3C trace context: `00-<32 hex digits>-<16 hex digits>-<2 hex digits>`.
fn parent(text: &str) -> Option<Parent> {
    let mut parts = text.trim().split('-');
    let (version, trace, span, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    // A later version may say more behind what is known.
    let known = version != "ff" && version.len() == 2 && (version != "00" || parts.next().is_none());
    let parent =
        Parent { trace: bytes(trace)?, span: bytes(span)?, sampled: bytes::<1>(flags)?[0] & SAMPLED != 0 };
    (known && parent.trace != [0; 16] && parent.span != [0; 8]).then_some(parent)
}

fn bytes<const N: usize>(hex: &str) -> Option<[u8; N]> {
    let lower = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    if hex.len() != N * 2 || !hex.bytes().all(lower) {
        return None;
    }
    let mut bytes = [0; N];
    for (byte, pair) in bytes.iter_mut().zip(hex.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    // Without randomness the identifier stays zero, which a receiver drops; nothing else depends on it.
    let _ = ring::default_provider().secure_random.fill(&mut bytes);
    bytes
}

fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_context_is_read_as_w3c_writes_it() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let read = parent(text).unwrap();
        assert_eq!((read.trace[0], read.span[7], read.sampled), (0x0a, 0x31, true));
        assert!(!parent(&text.replace("-01", "-00")).unwrap().sampled);
        assert!(parent(&text.replacen("00-", "cc-", 1)).is_some(), "a later version");
        for wrong in [
            "",
            "00",
            &text.replacen("00-", "ff-", 1),
            &text.replace("0af7651916cd43dd8448eb211c80319c", "00000000000000000000000000000000"),
            &text.replace("b7ad6b7169203331", "0000000000000000"),
            &text.to_uppercase(),
            &format!("{text}-more"),
        ] {
            assert_eq!(parent(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn who_is_not_to_be_traced_costs_nothing() {
        let span = begin(Sampler::parse("always_off", "").unwrap(), "x".to_owned(), SERVER, None);
        assert!(span.with("a", "b").0.is_none());
        let span = begin(
            Sampler::default(),
            "x".to_owned(),
            SERVER,
            parent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"),
        );
        assert!(span.0.is_none(), "the parent decides");
    }

    #[test]
    fn a_span_continues_the_trace_of_its_parent() {
        let parent = parent("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
        let span = begin(Sampler::default(), "x".to_owned(), SERVER, parent).0.unwrap();
        assert_eq!((span.trace_id[0], span.parent_span_id[0], span.span_id.len()), (0x0a, 0xb7, 8));
    }
}
