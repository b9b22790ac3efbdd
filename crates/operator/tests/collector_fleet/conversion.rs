//! The conversion webhook as the API server asks it.

use anyhow::{Result, ensure};
use api::collector::{
    API_VERSION, OLD_API_VERSION,
    conversion::{ANNOTATION, to_v1alpha1, to_v1beta1},
};
use futures::{StreamExt, stream};
use kube::Client;
use serde_json::{Value, json};
use testkit::ControlPlane;

use crate::{
    cluster::{
        TURN, V1ALPHA1, V1BETA1, collector, collectors, get, namespace, send, start, without_admission,
    },
    plain::plain,
    random::{Random, with_autoscaler},
    storable::storable,
};

/// Objects of each version.
const SAMPLE: u64 = 200;

fn version(api_version: &str) -> &str {
    api_version.rsplit('/').next().unwrap_or_default()
}

/// What an object says, without what the API server adds, in the words of its version.
fn said(object: &Value, version: &str) -> Value {
    let object = if version == V1ALPHA1 { with_autoscaler(object.clone()) } else { object.clone() };
    json!({"spec": plain(&json!({"spec": object["spec"]}), version)["spec"], "labels": object["metadata"]["labels"]})
}

/// Writes one object, reads it in both versions, and lets a client of the other version write back what it read. Whether the API
/// server took it: the schema of Kubernetes' own types is wider than what it accepts.
async fn there_and_back(client: &Client, seed: u64, api_version: &str) -> Result<Option<String>> {
    let mut given = storable(&mut Random(seed), api_version);
    let (mine, other, convert): (_, _, fn(&Value) -> Value) = match api_version {
        API_VERSION => (V1BETA1, V1ALPHA1, to_v1alpha1),
        _ => (V1ALPHA1, V1BETA1, to_v1beta1),
    };
    let name = format!("{mine}-{seed}");
    given["metadata"]["name"] = json!(name);
    let answer = send(client, "POST", &collectors(mine, "conversion"), &given).await?;
    if answer.code == 422 {
        return Ok(Some(answer.message().to_owned()));
    }
    answer.object()?;

    let path = |version: &str| collector(version, "conversion", &name);
    let (here, there) = (get(client, &path(mine)).await?, get(client, &path(other)).await?);
    ensure!(said(&here, mine) == said(&given, mine), "{name} is not what was written:\n{given}\n{here}");
    let expected = convert(&given);
    ensure!(said(&there, other) == said(&expected, other), "{name} in {other}:\n{expected}\n{there}");

    // A client of the other version that writes what it read changes nothing, annotations and generation included.
    let mut answer = send(client, "PUT", &path(other), &there).await?;
    while answer.code == 409 {
        // The operator has written its status or finalizer meanwhile.
        answer = send(client, "PUT", &path(other), &get(client, &path(other)).await?).await?;
    }
    answer.object()?;
    let after = get(client, &path(mine)).await?;
    ensure!(said(&after, mine) == said(&here, mine), "{name} after a round:\n{here}\n{after}");
    let annotations = |object: &Value| {
        let mut annotations = object["metadata"]["annotations"].clone();
        annotations.as_object_mut().map(|all| all.remove(ANNOTATION));
        annotations
    };
    ensure!(
        annotations(&after) == annotations(&here),
        "{name}: {} {}",
        annotations(&here),
        annotations(&after)
    );
    ensure!(
        after["metadata"]["generation"] == here["metadata"]["generation"],
        "{name}: writing back what was read is no change:\n{here}\n{after}"
    );
    Ok(None)
}

#[tokio::test]
async fn random_objects_go_through_the_conversion_webhook_and_come_back() -> Result<()> {
    let _turn = TURN.lock().await;
    let control_plane = ControlPlane::start().await?;
    let _operator = start(&control_plane, &[]).await?;
    let client = control_plane.client().await?;
    // Defaults and refusals are tested elsewhere; here objects are stored as they are.
    without_admission(&client).await?;
    namespace(&client, "conversion").await?;
    let all =
        [API_VERSION, OLD_API_VERSION].into_iter().flat_map(|of| (0..SAMPLE).map(move |seed| (of, seed)));
    let results: Vec<_> = stream::iter(all)
        .map(|(of, seed)| {
            let client = &client;
            async move { (of, seed, there_and_back(client, seed, of).await) }
        })
        .buffer_unordered(4)
        .collect()
        .await;
    let mut refused = Vec::new();
    let mut failed = Vec::new();
    for (of, seed, result) in results {
        match result {
            Ok(None) => {}
            Ok(Some(message)) => refused.push(format!("{} {seed}: {message}", version(of))),
            Err(error) => failed.push(format!("{} {seed}: {error:#}", version(of))),
        }
    }
    println!("{} objects were refused by the schema of Kubernetes:\n{}", refused.len(), refused.join("\n"));
    assert!(failed.is_empty(), "{} failed:\n{}", failed.len(), failed.join("\n"));
    assert!(refused.len() < 20, "only {} were stored:\n{}", 400 - refused.len(), refused.join("\n"));
    Ok(())
}
