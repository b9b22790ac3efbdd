//! What injection makes of a pod is what the API server accepts: it is asked, by dry runs, about hundreds of random
//! pods. The pods are valid as they are, the Instrumentations are whatever can be stored.

#![expect(clippy::expect_used, reason = "a test may panic; so may its functions")]

#[path = "acceptance/generate.rs"]
mod generate;
#[path = "acceptance/random.rs"]
mod random;

use std::{collections::BTreeMap, time::Duration};

use anyhow::Result;
use futures::{StreamExt, stream};
use http_body_util::BodyExt;
use kube::Client;
use random::Random;
use serde_json::{Value, json};
use testkit::Operator;

const VERDICT: &str = "/metadata/annotations/instrumentation.opentelemetry.io~1verdict";
/// Chooses other pods than the usual ones.
const SEED_VARIABLE: &str = "ACCEPTANCE_SEED";
const PODS: usize = 500;
const INSTRUMENTATIONS: usize = 20;
/// Dry runs under way at a time.
const AT_ONCE: usize = 8;

/// Namespaces and what they bound.
const NAMESPACES: [(&str, &str, &str); 6] = [
    ("plain", "privileged", "[]"),
    (
        "tight",
        "privileged",
        "[{type: Container, max: {memory: 1Gi, cpu: 2}, min: {memory: 16Mi, cpu: 10m}, default: {memory: 64Mi, cpu: 200m}, defaultRequest: {memory: 16Mi, cpu: 100m}}]",
    ),
    (
        "sum",
        "privileged",
        "[{type: Pod, max: {memory: 1Gi, cpu: 1}}, {type: Container, default: {memory: 128Mi, cpu: 100m}}]",
    ),
    (
        "ratio",
        "privileged",
        "[{type: Container, maxLimitRequestRatio: {memory: 2, cpu: 2}, default: {memory: 64Mi, cpu: 200m}, defaultRequest: {memory: 32Mi, cpu: 100m}}]",
    ),
    ("baseline", "baseline", "[]"),
    ("restricted", "restricted", "[]"),
];

struct Place {
    namespace: String,
    restricted: bool,
    instrumentations: Vec<Value>,
}

/// The created pod, or why it was refused.
async fn dry_run(client: &Client, namespace: &str, pod: &Value) -> Result<Result<Value, String>> {
    let path = format!("/api/v1/namespaces/{namespace}/pods?dryRun=All");
    let body = serde_json::to_vec(pod)?;
    let request = hyper::Request::post(path).header("content-type", "application/json").body(body.into())?;
    let response = client.send(request).await?;
    let status = response.status();
    let answer: Value = serde_json::from_slice(&response.into_body().collect().await?.to_bytes())?;
    Ok(match status.is_success() {
        true => Ok(answer),
        false => Err(format!("{status}: {}", answer["message"].as_str().unwrap_or_default())),
    })
}

async fn place(client: &Client, random: &mut Random, line: (&str, &str, &str)) -> Result<Place> {
    let (name, level, limits) = line;
    let namespace = testkit::namespace(client, name).await?;
    let label = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace, "labels": {"pod-security.kubernetes.io/enforce": level}}});
    testkit::apply_yaml(client, &label.to_string(), &namespace).await?;
    let objects = format!(
        "
{{apiVersion: v1, kind: LimitRange, metadata: {{name: l}}, spec: {{limits: {limits}}}}}
---
{{apiVersion: v1, kind: Secret, metadata: {{name: certs}}}}
---
{{apiVersion: v1, kind: Secret, metadata: {{name: my.certs}}}}
---
{{apiVersion: v1, kind: ConfigMap, metadata: {{name: certs}}}}
---
{{apiVersion: v1, kind: ConfigMap, metadata: {{name: my.certs}}}}
"
    );
    testkit::create_yaml(client, &objects, &namespace).await?;
    let mut instrumentations = Vec::new();
    for attempt in 0..INSTRUMENTATIONS * 4 {
        if instrumentations.len() == INSTRUMENTATIONS {
            break;
        }
        let object = generate::instrumentation(random, &format!("i{attempt}"));
        // What cannot be stored never meets a pod.
        if testkit::create(client, object.clone(), &namespace).await.is_ok() {
            instrumentations.push(object);
        }
    }
    assert_eq!(
        instrumentations.len(),
        INSTRUMENTATIONS,
        "Instrumentations that can be stored in {namespace}"
    );
    Ok(Place { namespace, restricted: level == "restricted", instrumentations })
}

/// How often each reason was given: `java/app=Injected(ns/i1@1);…`.
fn count(reasons: &mut BTreeMap<String, usize>, verdict: &str) {
    for entry in verdict.split(';') {
        let reason = entry.split_once('=').map_or("", |(_, reason)| reason);
        *reasons.entry(reason.split('(').next().unwrap_or_default().to_owned()).or_default() += 1;
    }
}

#[tokio::test]
async fn five_hundred_random_injected_pods_are_accepted_by_the_real_api_server() -> Result<()> {
    let seed = std::env::var(SEED_VARIABLE).ok().and_then(|s| s.parse().ok()).unwrap_or(20);
    let random = &mut Random::new(seed);
    Operator::shared().await?;
    let client = testkit::shared().await?.client().await?;
    let mut places = Vec::new();
    for line in NAMESPACES {
        places.push(place(&client, random, line).await?);
    }
    // The API server knows labels and limits of a namespace a moment later.
    tokio::time::sleep(Duration::from_secs(1)).await;

    let (mut asked, mut injected, mut reasons, mut refused) = (0, 0, BTreeMap::new(), Vec::new());
    for _ in 0..60 {
        if asked >= PODS {
            break;
        }
        let wishes: Vec<_> = (0..PODS / 10)
            .map(|_| {
                let place = &places[random.below(places.len())];
                let instrumentation = &place.instrumentations[random.below(INSTRUMENTATIONS)];
                let name = instrumentation["metadata"]["name"].as_str().expect("they were named");
                (place, instrumentation, generate::pod(random, name, place.restricted))
            })
            .collect();
        let client = &client;
        let answers = stream::iter(wishes).map(async |(place, instrumentation, pod)| {
            let mut plain = pod.clone();
            // Other keys of the same length: the webhook sees no request in them.
            let renamed = serde_json::to_string(&plain["metadata"]["annotations"])?
                .replace("instrumentation.opentelemetry.io/", "instrumentation.opentelemetry.if/");
            plain["metadata"]["annotations"] = serde_json::from_str(&renamed)?;
            if dry_run(client, &place.namespace, &plain).await?.is_err() {
                return anyhow::Ok(None);
            }
            let answer = dry_run(client, &place.namespace, &pod).await?;
            Ok(Some((instrumentation, pod, answer)))
        });
        let answers: Vec<_> = answers.buffered(AT_ONCE).collect().await;
        for answer in answers {
            let Some((instrumentation, pod, answer)) = answer? else { continue };
            asked += 1;
            match answer {
                Ok(created) => {
                    let verdict = created.pointer(VERDICT).and_then(Value::as_str).unwrap_or_default();
                    injected += usize::from(verdict.contains("=Injected"));
                    count(&mut reasons, verdict);
                }
                Err(message) => refused.push(format!("{message}\npod: {pod}\n{instrumentation}\n")),
            }
        }
    }
    let summary =
        format!("seed {seed} ({SEED_VARIABLE}): {asked} pods, {injected} injected, reasons {reasons:?}");
    println!("{summary}");
    assert!(refused.is_empty(), "{summary}\n{} refused:\n{}", refused.len(), refused.join("\n"));
    assert!(asked >= PODS, "too few pods are valid without injection; {summary}");
    assert!(injected >= 200, "too few pods are injected; {summary}");
    Ok(())
}
