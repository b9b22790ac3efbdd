//! `engine`: microseconds of CPU for the engine alone and for the handler, beside floors of the same run.
//!
//! Every round measures each of them once, so that what else the machine does concerns all of them alike; the figure is
//! the median of the rounds, and so is each ratio.

use std::{
    collections::BTreeMap,
    fs::File,
    hint::black_box,
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context;
use api::Settings;
use inject::{Candidates, Facts, Metadata, Namespace, OwnerLookup, OwnerReference, Pod, Request};
use operator::{
    metrics::Metrics,
    settings::values::Values,
    store::Store,
    webhook::{pod::Pods, review},
};
use serde_json::{Value, value::RawValue};
use tokio_util::task::TaskTracker;

use crate::{api_server, goal, machine, sample, usage};

const ROUNDS: u32 = 41;
/// Each measurement of one round is of so many calls that the clock and the call through a pointer do not count.
const CALLS: u32 = 200;

/// Something that is measured: called so many times.
type Work<'a> = Box<dyn FnMut(u32) + 'a>;

pub(crate) fn run() -> anyhow::Result<()> {
    println!("== engine: microseconds of CPU, medians of {ROUNDS} rounds of {CALLS} calls");
    println!("{}", machine::describe());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let handler = runtime.block_on(handler())?;
    let log = log_lines()?;
    println!();
    for asks in [true, false] {
        let pod = sample::pod(asks, api_server::REPLICA_SET)?;
        let (object, body) = (serde_json::value::to_raw_value(&pod)?, sample::review(&pod));
        // With the log first: whether a line is of interest to anybody is remembered from its first use.
        let answer = tracing::dispatcher::with_default(&log, || runtime.block_on(handler.answer(&body)));
        let answer = answer.map_err(anyhow::Error::msg)?;
        sample::check(&answer, asks)?;
        println!(
            "pod that asks for {}: object {} B, request {} B, answer {} B",
            if asks { "Java" } else { "nothing" },
            object.get().len(),
            body.len(),
            answer.len()
        );
        let facts = facts()?;
        let settings = Settings::default();
        anyhow::ensure!(
            engine(&object, &facts, &settings).is_empty() != asks,
            "the engine decided otherwise"
        );
        let answering = || {
            |calls| {
                runtime.block_on(async {
                    for _ in 0..calls {
                        let _ = black_box(handler.answer(black_box(&body)).await);
                    }
                });
            }
        };
        let (silent, logging) = (answering(), answering());
        let works: Vec<Work<'_>> = vec![
            repeat(|| serde_json::from_slice::<Value>(black_box(&body)).is_ok()),
            repeat(|| review::read(black_box(&body)).is_ok()),
            repeat(|| engine(black_box(&object), &facts, &settings)),
            Box::new(silent),
            Box::new(|calls| tracing::dispatcher::with_default(&log, || logging(calls))),
        ];
        report(&measure(works), asks);
        println!();
    }
    Ok(())
}

fn report(rounds: &[Vec<f64>], asks: bool) {
    let of = |index: usize| goal::median(&rounds.iter().map(|round| round[index]).collect::<Vec<_>>());
    let ratio = |index: usize, floor: usize| {
        goal::median(&rounds.iter().map(|round| round[index] / round[floor]).collect::<Vec<_>>())
    };
    let unit = "µs";
    goal::tell("  floor 1: request parsed into a generic JSON value", of(0), unit, "");
    goal::tell("  floor 2: envelope read, object left as text", of(1), unit, "");
    goal::tell("  engine alone: object to patch, as text both", of(2), unit, "");
    goal::compare(
        "  handler: request bytes to response bytes",
        of(3),
        unit,
        if asks { 60.0 } else { 10.0 },
        "",
    );
    goal::tell("  handler, and its log line written to /dev/null", of(4), unit, "");
    goal::tell("  engine ÷ floor 1", ratio(2, 0), "×", "");
    goal::tell("  handler ÷ floor 1", ratio(3, 0), "×", "");
    goal::tell("  handler ÷ floor 2", ratio(3, 1), "×", "");
}

/// Rounds of microseconds for one call of each work.
fn measure(mut works: Vec<Work<'_>>) -> Vec<Vec<f64>> {
    for work in &mut works {
        work(CALLS); // caches, lazily compiled patterns
    }
    let round = |works: &mut Vec<Work<'_>>| {
        let timed = works.iter_mut().map(|work| {
            let before = usage::of_thread();
            work(CALLS);
            (usage::of_thread() - before).as_secs_f64() * 1e6 / f64::from(CALLS)
        });
        timed.collect()
    };
    (0..ROUNDS).map(|_| round(&mut works)).collect()
}

fn repeat<'a, T>(mut f: impl FnMut() -> T + 'a) -> Work<'a> {
    Box::new(move |calls| {
        for _ in 0..calls {
            black_box(f());
        }
    })
}

/// The engine without any shell around it: from the text of the pod to that of the patch; empty: nothing asked for.
fn engine(object: &RawValue, facts: &Facts, settings: &Settings) -> Vec<u8> {
    let Ok(metadata) = Metadata::parse(object) else { return Vec::new() };
    let Some(request) = Request::read(&metadata, &facts.namespace) else { return Vec::new() };
    let Ok(pod) = Pod::parse(object) else { return Vec::new() };
    black_box(inject::needs(&pod, &request, &facts.instrumentations, settings));
    let decision = inject::plan(&pod, &request, facts, settings);
    serde_json::to_vec(&decision.patch).unwrap_or_default()
}

fn facts() -> anyhow::Result<Facts> {
    let instrumentation = serde_json::from_value(api_server::applied_instrumentation())?;
    let deployment = OwnerReference {
        api_version: "apps/v1".to_owned(),
        kind: "Deployment".to_owned(),
        name: sample::DEPLOYMENT.to_owned(),
        uid: "b4d6b1c8-5d0b-4b0e-9a8f-3f0f7c0d1e2a".to_owned(),
        controller: true,
    };
    let replica_set = ("ReplicaSet".to_owned(), api_server::REPLICA_SET.to_owned());
    Ok(Facts {
        namespace: Arc::new(Namespace { name: sample::NAMESPACE.to_owned(), ..Namespace::default() }),
        instrumentations: Candidates { objects: vec![Arc::new(instrumentation)], unreadable: Vec::new() },
        owners: BTreeMap::from([(replica_set, OwnerLookup::Found(vec![deployment]))]),
        ..Facts::default()
    })
}

/// The handler of the running process, with warm caches.
async fn handler() -> anyhow::Result<Pods> {
    let store = Store::new(
        api_server::start().await?,
        std::collections::BTreeSet::new(),
        collector::Settings::default(),
    );
    store.watch(&TaskTracker::new(), true);
    let filled = testkit::wait_for("the caches to be filled", Duration::from_secs(10), async || {
        Ok(store.unfilled().is_empty().then_some(()))
    });
    filled.await?;
    Ok(Pods {
        store,
        settings: Arc::new(Settings::default()),
        metrics: Arc::new(Metrics::default()),
        events: operator::event::Events::default(),
        deadline: Duration::from_millis(500),
    })
}

/// The process's own log format at its default level, into nothing.
fn log_lines() -> anyhow::Result<tracing::Dispatch> {
    let format = operator::log::Settings::read(&Values::default())?;
    let nothing = File::options().write(true).open("/dev/null").context("/dev/null")?;
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter("info")
        .with_ansi(false)
        .event_format(format)
        .with_writer(Mutex::new(nothing));
    Ok(tracing::Dispatch::new(subscriber.finish()))
}
