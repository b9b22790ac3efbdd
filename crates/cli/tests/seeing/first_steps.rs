//! Every block of `docs/first-steps.md`, with the real kubectl, in its order.

use std::{
    fs,
    os::unix::fs::symlink,
    process::{Command, Output},
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject, ListParams, PostParams},
    core::GroupVersionKind,
};
use serde_json::Value;
use testkit::{ControlPlane, Operator, OperatorOptions};

const PATIENCE: Duration = Duration::from_secs(90);

/// A command of the page, and what it prints there.
#[derive(Debug)]
struct Step {
    command: String,
    expected: Vec<String>,
}

/// The commands of the console blocks. A command with `<<EOF` goes on to the line `EOF`.
fn steps(page: &str) -> Vec<Step> {
    let mut steps = Vec::new();
    for block in page.split("```console\n").skip(1).filter_map(|rest| rest.split("```").next()) {
        let mut lines = block.lines();
        while let Some(line) = lines.next() {
            if let Some(command) = line.strip_prefix("$ ") {
                let mut command = command.to_owned();
                if command.ends_with("<<EOF") {
                    for line in lines.by_ref() {
                        command.push_str(&format!("\n{line}"));
                        if line == "EOF" {
                            break;
                        }
                    }
                }
                steps.push(Step { command, expected: Vec::new() });
            } else if let Some(step) = steps.last_mut() {
                step.expected.push(line.to_owned());
            }
        }
    }
    steps
}

impl Step {
    /// Whether it may be run again until it prints what the page says: it only looks.
    fn only_looks(&self) -> bool {
        ["kubectl get ", "kubectl events ", "otel-operator explain "]
            .iter()
            .any(|verb| self.command.starts_with(verb))
    }

    /// Whether this is what the page prints. Columns may have other widths; `…` stands for anything.
    fn is_as_printed(&self, printed: &str) -> bool {
        let squeeze = |line: &str| line.split_whitespace().collect::<Vec<_>>().join(" ");
        let printed: Vec<String> = printed.lines().map(squeeze).filter(|line| !line.is_empty()).collect();
        let expected: Vec<String> =
            self.expected.iter().map(|l| squeeze(l)).filter(|l| !l.is_empty()).collect();
        let (printed, expected) = (printed.join("\n"), expected.join("\n"));
        let mut parts = expected.split('…');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = printed.strip_prefix(first.trim_end_matches('\n')) else { return false };
        let mut last = first;
        for part in parts {
            let part = part.trim_matches('\n');
            let Some(at) = rest.find(part) else { return false };
            rest = &rest[at + part.len()..];
            last = part;
        }
        rest.is_empty() || last.is_empty()
    }
}

/// Has the API server call the process instead of the Service.
async fn point_webhooks_at(client: &Client, port: u16) -> Result<()> {
    let kinds = [
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration"),
        ("apiextensions.k8s.io", "CustomResourceDefinition"),
    ];
    for (group, kind) in kinds {
        let resource = ApiResource::from_gvk(&GroupVersionKind::gvk(group, "v1", kind));
        let api = Api::<DynamicObject>::all_with(client.clone(), &resource);
        for object in api.list(&ListParams::default()).await? {
            let name = object.metadata.name.clone().unwrap_or_default();
            testkit::wait_for(&format!("{kind} {name}"), PATIENCE, async || {
                let mut object = api.get(&name).await?;
                let webhooks = object.data.get("webhooks").and_then(Value::as_array).map_or(0, Vec::len);
                let configs = (0..webhooks).map(|i| format!("/webhooks/{i}/clientConfig"));
                for pointer in configs.chain(["/spec/conversion/webhook/clientConfig".to_owned()]) {
                    let config = object.data.pointer_mut(&pointer).and_then(Value::as_object_mut);
                    let Some(config) = config else { continue };
                    let Some(service) = config.remove("service") else { continue };
                    let path = service["path"].as_str().unwrap_or_default();
                    config.insert("url".to_owned(), format!("https://127.0.0.1:{port}{path}").into());
                }
                // Refused when the operator has written the caBundle in between: then once more.
                api.replace(&name, &PostParams::default(), &object).await?;
                Ok(Some(()))
            })
            .await?;
        }
    }
    Ok(())
}

#[test]
fn dots_stand_for_anything() {
    let step = |expected: &str| Step { command: String::new(), expected: vec![expected.to_owned()] };
    assert!(step("web  …  4317/TCP").is_as_printed("web   ClusterIP   4317/TCP\n"));
    assert!(step("…Injected…").is_as_printed("java/app=Injected(x)"));
    assert!(!step("a …").is_as_printed("b c"));
    assert!(!step("a … c").is_as_printed("a b c d"));
    assert!(!step("created").is_as_printed("created twice"));
}

#[tokio::test]
async fn every_block_of_first_steps_prints_what_the_page_says() -> Result<()> {
    let root = format!("{}/../..", env!("CARGO_MANIFEST_DIR"));
    let page = fs::read_to_string(format!("{root}/docs/first-steps.md"))?;
    let steps = steps(&page);
    ensure!(steps.len() > 12, "{steps:?}");

    let control_plane = ControlPlane::start().await?;
    let folder = tempfile::tempdir()?;
    symlink(testkit::binaries::get()?.kubectl, folder.path().join("kubectl"))?;
    symlink(env!("CARGO_BIN_EXE_otel-operator"), folder.path().join("otel-operator"))?;
    let path = format!("{}:{}", folder.path().display(), std::env::var("PATH")?);
    let kubeconfig = control_plane.kubeconfig().to_owned();
    let run = async |command: &str| -> Result<Output> {
        let mut bash = Command::new("bash");
        bash.args(["-c", command]).current_dir(&root).env("PATH", &path).env("KUBECONFIG", &kubeconfig);
        Ok(tokio::task::spawn_blocking(move || bash.output()).await??)
    };
    // There is no node to run the Deployment's pod on: the operator is a process beside the API server, which takes the Service's place.
    let mut operator = None;
    for step in &steps {
        println!("$ {}", step.command);
        let mut printed = String::new();
        let outcome = testkit::wait_for("what the page prints", PATIENCE, async || {
            let output = run(&step.command).await?;
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            printed = text(&output.stdout);
            if step.is_as_printed(&printed) {
                return Ok(Some(true));
            }
            printed.push_str(&text(&output.stderr));
            Ok((!step.only_looks()).then_some(false))
        })
        .await;
        let as_printed = matches!(outcome, Ok(true));
        ensure!(
            as_printed,
            "$ {}\n{printed}\nis not as the page says:\n{}",
            step.command,
            step.expected.join("\n")
        );
        if operator.is_none() {
            let options = OperatorOptions { no_install: true, ..OperatorOptions::default() };
            let started = Operator::start(&control_plane, options).await.context("the operator")?;
            point_webhooks_at(&control_plane.client().await?, started.webhook_port()).await?;
            operator = Some(started);
        }
    }
    Ok(())
}
