//! How long it takes from a collector to its children: the documentation page's demo (goal: 300 µs), and growing configurations
//! (goal: linear).

#![expect(clippy::unwrap_used, reason = "a bench may panic")]

use std::hint::black_box;

use api::collector::{conversion::to_v1beta1, v1beta1::OpenTelemetryCollector};
use collector::{Available, Given, Namespace, Settings, admission, build};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use serde_json::{Value, json};

const DEMO: &str = include_str!("../tests/golden/documentation-demo/collector.yaml");

/// Numbers of receivers in growing configurations.
const SIZES: [usize; 3] = [10, 100, 1000];

/// Bytes of the largest configuration: what etcd still stores.
const LARGEST: usize = 1 << 20;

fn children(criterion: &mut Criterion) {
    let demo = stored(&serde_saphyr::from_str(DEMO).unwrap());
    criterion.bench_function("children/documentation-demo", |bencher| {
        bencher.iter(|| build_all(black_box(&demo)))
    });

    let mut group = criterion.benchmark_group("children/components");
    for size in SIZES {
        let collector = stored(&of_size(size, 0));
        group.throughput(Throughput::Elements(size as u64));
        group.bench_with_input(BenchmarkId::from_parameter(size), &collector, |bencher, collector| {
            bencher.iter(|| build_all(black_box(collector)));
        });
    }
    group.finish();

    let large = stored(&of_size(100, LARGEST / 100));
    criterion.bench_function("children/1-MB", |bencher| bencher.iter(|| build_all(black_box(&large))));
}

fn build_all(collector: &OpenTelemetryCollector) -> usize {
    let given = Given {
        collector,
        settings: &Settings::default(),
        available: &Available { monitors: true, gateway: true, routes: false, cluster_roles: true },
        namespace: &Namespace::default(),
        existing: None,
    };
    build(&given).unwrap().children.len()
}

/// The collector as the API server stores it.
fn stored(document: &Value) -> OpenTelemetryCollector {
    let mut object = to_v1beta1(document);
    object["metadata"]["namespace"] = json!("default");
    let defaulted = admission::default(&object, None, &admission::Settings::default());
    json_patch::patch(&mut object, &defaulted.patch).unwrap();
    serde_json::from_value(object).unwrap()
}

/// A collector with so many receivers, each with a text of so many bytes.
fn of_size(receivers: usize, text: usize) -> Value {
    let ids: Vec<String> = (0..receivers).map(|index| format!("zipkin/{index}")).collect();
    let bodies: serde_json::Map<String, Value> = ids
        .iter()
        .enumerate()
        .map(|(index, id)| {
            (id.clone(), json!({"endpoint": format!("0.0.0.0:{}", 10_000 + index), "note": "x".repeat(text)}))
        })
        .collect();
    json!({
        "apiVersion": "opentelemetry.io/v1beta1",
        "kind": "OpenTelemetryCollector",
        "metadata": {"name": "large"},
        "spec": {"config": {
            "receivers": bodies,
            "exporters": {"debug": {}},
            "service": {"pipelines": {"traces": {"receivers": ids, "exporters": ["debug"]}}},
        }},
    })
}

criterion_group!(benches, children);
criterion_main!(benches);
