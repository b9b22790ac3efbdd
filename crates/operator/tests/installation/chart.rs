//! The Helm chart: what its values do, that its defaults are the manifest, and installing it with the real Helm.

use std::{path::PathBuf, time::Duration};

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Namespace, Pod};
use kube::{
    Api, Client,
    api::{ListParams, ObjectMeta, PostParams},
};
use operator::manifest::{self, Names, Options};
use serde_json::{Value, json};
use testkit::{Cluster, ControlPlane, Operator, OperatorOptions, Rights};

use crate::{deploy, find};

fn chart() -> String {
    deploy("helm/opentelemetry-operator").to_string_lossy().into_owned()
}

pub(crate) fn data(file: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/installation")).join(file)
}

/// What `helm template` prints for a release `otel` in the namespace `observed`.
pub(crate) fn render(arguments: &[&str]) -> Result<Vec<Value>> {
    let chart = chart();
    let mut all = vec!["template", "otel", &chart, "--namespace=observed", "--kube-version=1.37.0"];
    all.extend(arguments);
    let objects = testkit::documents(&testkit::helm(&all)?)?;
    Ok(objects.into_iter().filter(|object| !object.is_null()).collect())
}

const FULLNAME: &str = "otel-opentelemetry-operator";

fn names_of_the_chart() -> Options {
    Options {
        namespace: "observed".to_owned(),
        names: Names {
            webhook_service: format!("{FULLNAME}-webhook"),
            mutating: format!("{FULLNAME}-mutation"),
            validating: format!("{FULLNAME}-validation"),
        },
        ..Options::default()
    }
}

#[test]
fn helm_lint_finds_nothing() -> Result<()> {
    testkit::helm(&["lint", "--strict", &chart()]).map(|_| ())
}

#[test]
fn with_default_values_the_chart_is_the_manifest() -> Result<()> {
    let (chart, manifest) = (render(&[])?, manifest::all(&names_of_the_chart()));
    for (kind, of_the_chart, of_the_manifest) in [
        ("ClusterRole", format!("{FULLNAME}-manager"), "opentelemetry-operator-manager-role"),
        ("ClusterRole", format!("{FULLNAME}-proxy"), "opentelemetry-operator-proxy-role"),
        ("ClusterRole", format!("{FULLNAME}-metrics"), "opentelemetry-operator-metrics-reader"),
        ("Role", format!("{FULLNAME}-manager"), "opentelemetry-operator-manager-role"),
    ] {
        let (ours, theirs) = (find(&chart, kind, &of_the_chart), find(&manifest, kind, of_the_manifest));
        assert_eq!(ours["rules"], theirs["rules"], "{kind} {of_the_chart}");
    }
    for kind in ["MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"] {
        let of_kind = |objects: &[Value]| objects.iter().find(|o| o["kind"] == kind).cloned().unwrap();
        let (mut ours, theirs) = (of_kind(&chart), of_kind(&manifest));
        assert_eq!(ours["metadata"]["name"], theirs["metadata"]["name"]);
        for webhook in ours["webhooks"].as_array_mut().unwrap() {
            assert_eq!(webhook["clientConfig"]["service"]["port"].take(), 443);
            webhook["clientConfig"]["service"].as_object_mut().unwrap().remove("port");
        }
        assert_eq!(ours["webhooks"], theirs["webhooks"], "{kind}");
    }
    for theirs in manifest.iter().filter(|o| o["kind"] == "CustomResourceDefinition") {
        let name = theirs["metadata"]["name"].as_str().unwrap();
        let ours = find(&chart, "CustomResourceDefinition", name);
        assert_eq!(ours["spec"]["versions"], theirs["spec"]["versions"], "{name}");
        let service = "/spec/conversion/webhook/clientConfig/service/name";
        assert_eq!(ours.pointer(service), theirs.pointer(service), "{name}");
    }
    let (ours, theirs) = (
        find(&chart, "Deployment", FULLNAME),
        find(&manifest, "Deployment", "opentelemetry-operator-controller-manager"),
    );
    for field in [
        "/spec/replicas",
        "/spec/strategy",
        "/spec/template/spec/securityContext",
        "/spec/template/spec/nodeSelector",
        "/spec/template/spec/terminationGracePeriodSeconds",
        "/spec/template/spec/containers/0/image",
        "/spec/template/spec/containers/0/resources",
    ] {
        assert_eq!(ours.pointer(field), theirs.pointer(field), "{field}");
    }
    let of_kind =
        |objects: &[Value], kind: &str| objects.iter().find(|o| o["kind"] == kind).cloned().unwrap();
    for (kind, field) in [
        ("PodDisruptionBudget", "/spec/maxUnavailable"),
        ("NetworkPolicy", "/spec/policyTypes"),
        ("NetworkPolicy", "/spec/ingress"),
    ] {
        let (ours, theirs) = (of_kind(&chart, kind), of_kind(&manifest, kind));
        assert_eq!(ours.pointer(field), theirs.pointer(field), "{kind} {field}");
    }
    // What selects the pods selects exactly them.
    let labels = ours["spec"]["template"]["metadata"]["labels"].as_object().unwrap();
    let selectors = chart.iter().filter_map(|object| match object["kind"].as_str()? {
        "Deployment" | "PodDisruptionBudget" => object.pointer("/spec/selector/matchLabels"),
        "Service" => object.pointer("/spec/selector"),
        "NetworkPolicy" => object.pointer("/spec/podSelector/matchLabels"),
        _ => None,
    });
    let selectors: Vec<_> = selectors.filter_map(Value::as_object).collect();
    assert_eq!(selectors.len(), 5);
    assert!(selectors.iter().all(|selector| selector.iter().all(|(k, v)| labels.get(k) == Some(v))));
    Ok(())
}

#[test]
fn every_value_of_the_known_chart_is_accepted_with_the_default_that_it_has_there() -> Result<()> {
    let known = std::fs::read_to_string(data("known-values.tsv"))?;
    let ours =
        testkit::documents(&std::fs::read_to_string(deploy("helm/opentelemetry-operator/values.yaml"))?)?;
    let mut values = json!({});
    for line in known.lines().filter(|line| !line.starts_with('#')) {
        let [path, _, default] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("{line}") };
        let default: Value = serde_json::from_str(default).with_context(|| path.to_owned())?;
        // Keys of maps that hold what they like contain dots.
        let (outer, inner) = match path {
            _ if path.starts_with("manager.featureGatesMap.") => {
                path.split_at("manager.featureGatesMap".len())
            }
            _ if path.starts_with("nodeSelector.") => path.split_at("nodeSelector".len()),
            _ if path.starts_with("admissionWebhooks.secretAnnotations.") => {
                path.split_at("admissionWebhooks.secretAnnotations".len())
            }
            _ => (path, ""),
        };
        let pointer = format!("/{}", outer.replace('.', "/"));
        assert!(ours[0].pointer(&pointer).is_some(), "{path} is not among the values");
        let mut at = &mut values;
        for key in outer.split('.') {
            at = &mut at[key];
        }
        match inner.strip_prefix('.') {
            Some(key) => at[key] = default,
            None => *at = default,
        }
    }
    let file = tempfile::NamedTempFile::new()?;
    std::fs::write(file.path(), values.to_string())?;
    let objects = render(&["--values", &file.path().to_string_lossy()])?;
    // Among these defaults are certificates by cert-manager, and one replica without a budget.
    assert!(objects.iter().any(|o| o["kind"] == "Certificate"));
    assert!(!objects.iter().any(|o| o["kind"] == "PodDisruptionBudget"));
    assert_eq!(find(&objects, "Deployment", FULLNAME)["spec"]["replicas"], 1);
    Ok(())
}

#[test]
fn what_is_switched_off_is_not_there() -> Result<()> {
    let objects = render(&[
        "--set=crds.create=false,role.create=false,clusterRole.create=false,pdb.create=false",
        "--set=networkPolicy.create=false,manager.serviceAccount.create=false,admissionWebhooks.create=false",
    ])?;
    let mut kinds: Vec<&str> = objects.iter().filter_map(|o| o["kind"].as_str()).collect();
    kinds.dedup();
    assert_eq!(kinds, ["Service", "Deployment", "Pod"]);
    let account = &find(&objects, "Deployment", FULLNAME)["spec"]["template"]["spec"]["serviceAccountName"];
    assert_eq!(account, "default");
    let without_webhooks = render(&["--set-string=manager.env.ENABLE_WEBHOOKS=false"])?;
    assert!(!without_webhooks.iter().any(|o| o["kind"] == "MutatingWebhookConfiguration"));
    assert!(
        !without_webhooks.iter().any(|o| o["metadata"]["name"] == format!("{FULLNAME}-webhook").as_str())
    );
    Ok(())
}

#[test]
fn certificates_come_from_where_the_values_say_and_never_from_a_template() -> Result<()> {
    let own = render(&[])?;
    assert!(!own.iter().any(|o| o["kind"] == "Secret" || o["kind"] == "Certificate"));
    assert!(find(&own, "Deployment", FULLNAME).pointer("/spec/template/spec/volumes").is_none());
    assert_eq!(render(&[])?, own, "the same values give the same objects, so nothing is ever out of sync");

    let by_cert_manager =
        render(&["--set=admissionWebhooks.certManager.enabled=true,clusterDomain=example.org"])?;
    let certificate = find(&by_cert_manager, "Certificate", &format!("{FULLNAME}-serving-cert"));
    assert_eq!(certificate["spec"]["dnsNames"][1], format!("{FULLNAME}-webhook.observed.svc.example.org"));
    let deployment = find(&by_cert_manager, "Deployment", FULLNAME);
    let volume = &deployment["spec"]["template"]["spec"]["volumes"][0]["secret"];
    assert_eq!(volume["secretName"], certificate["spec"]["secretName"]);
    let annotated = by_cert_manager.iter().filter(|o| {
        o["metadata"]["annotations"]["cert-manager.io/inject-ca-from"]
            == format!("observed/{FULLNAME}-serving-cert").as_str()
    });
    assert_eq!(annotated.count(), 4, "both configurations and both definitions");

    let own_issuer = render(&[
        "--set=admissionWebhooks.certManager.enabled=true,admissionWebhooks.certManager.issuerRef.name=ca",
        "--set=admissionWebhooks.certManager.duration=100h,admissionWebhooks.certManager.renewBefore=10h",
        "--set=admissionWebhooks.certManager.certificateAnnotations.a=b",
    ])?;
    assert!(!own_issuer.iter().any(|o| o["kind"] == "Issuer"));
    let certificate = find(&own_issuer, "Certificate", &format!("{FULLNAME}-serving-cert"));
    assert_eq!(certificate["spec"]["issuerRef"], json!({"name": "ca"}));
    assert_eq!(certificate["spec"]["duration"], "100h");
    assert_eq!(certificate["spec"]["renewBefore"], "10h");
    assert_eq!(certificate["metadata"]["annotations"]["a"], "b");

    // Files of the chart; any three will do to see where they go.
    let files = render(&[
        "--set=admissionWebhooks.certFile=Chart.yaml",
        "--set-string=admissionWebhooks.secretLabels.l=1,admissionWebhooks.secretAnnotations.a=b",
    ]);
    let error = files.unwrap_err().to_string();
    assert!(
        error.contains("admissionWebhooks.certFile and admissionWebhooks.keyFile only work together"),
        "{error}"
    );
    let files = render(&[
        "--set=admissionWebhooks.certFile=files/role.yaml,admissionWebhooks.keyFile=files/role.yaml",
        "--set=admissionWebhooks.caFile=files/role.yaml",
        "--set-string=admissionWebhooks.secretLabels.l=1,admissionWebhooks.secretAnnotations.a=b",
    ])?;
    let secret = find(&files, "Secret", &format!("{FULLNAME}-controller-manager-service-cert"));
    assert_eq!(
        (&secret["metadata"]["labels"]["l"], &secret["metadata"]["annotations"]["a"]),
        (&json!("1"), &json!("b"))
    );
    let configuration = find(&files, "MutatingWebhookConfiguration", &format!("{FULLNAME}-mutation"));
    assert_eq!(configuration["webhooks"][0]["clientConfig"]["caBundle"], secret["data"]["ca.crt"]);
    Ok(())
}

#[test]
fn a_misspelt_value_or_half_an_image_is_refused_with_its_name() {
    for (arguments, named) in [
        ("--set=replicas=3", "replicas"),
        ("--set=manager.collectorimage.tag=3", "collectorimage"),
        ("--set=admissionWebhooks.failurePolicy=fail", "failurePolicy"),
        (
            "--set-string=manager.autoInstrumentationImage.java.tag=1",
            "manager.autoInstrumentationImage.java needs both",
        ),
        ("--set=pdb.maxUnavailable=", "pdb needs maxUnavailable or minAvailable"),
    ] {
        let error = render(&[arguments]).unwrap_err().to_string();
        assert!(error.contains(named), "{arguments}: {error}");
    }
}

/// A namespace that enforces the level `restricted`.
async fn restricted_namespace(client: &Client, name: &str) -> Result<()> {
    let level = ("pod-security.kubernetes.io/enforce".to_owned(), "restricted".to_owned());
    let metadata =
        ObjectMeta { name: Some(name.to_owned()), labels: Some([level].into()), ..ObjectMeta::default() };
    let namespace = Namespace { metadata, ..Namespace::default() };
    Api::<Namespace>::all(client.clone()).create(&PostParams::default(), &namespace).await?;
    Ok(())
}

/// The operator's pods, once there are this many.
async fn operators(client: &Client, namespace: &str, count: usize) -> Result<Vec<Pod>> {
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let parameters = ListParams::default().labels("app.kubernetes.io/component=controller-manager");
    testkit::wait_for(&format!("{count} pods"), Duration::from_secs(60), async || {
        let found = pods.list(&parameters).await?.items;
        let living =
            found.into_iter().filter(|p| p.metadata.deletion_timestamp.is_none()).collect::<Vec<_>>();
        Ok((living.len() == count).then_some(living))
    })
    .await
}

/// The operator as a process, with the account and the settings of the release's Deployment.
async fn process_of_the_release(cluster: &Cluster, deployment: &Value) -> Result<Operator> {
    let pod = &deployment["spec"]["template"]["spec"];
    let account = pod["serviceAccountName"].as_str().unwrap_or_default();
    let token = cluster.kubectl(&["create", "token", account, "--namespace=observed"], "")?;
    let config = cluster.kubectl(&["config", "view", "--raw", "--flatten", "-o", "json"], "")?;
    let mut config: Value = serde_json::from_str(&config)?;
    config["users"][0]["user"] = json!({"token": token.trim()});
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("kubeconfig");
    std::fs::write(&path, config.to_string())?;
    let arguments = pod["containers"][0]["args"].as_array().into_iter().flatten().filter_map(Value::as_str);
    // Addresses are those of a pod; the Lease is in the way of nobody.
    let of_a_pod = ["--metrics-addr=", "--metrics-secure=", "--health-probe-addr=", "--webhook-port="];
    let args =
        arguments.filter(|a| !of_a_pod.iter().any(|own| a.starts_with(own))).map(str::to_owned).collect();
    let env = vec![("NAMESPACE".to_owned(), "observed".to_owned())];
    let rights = Rights::OfTheKubeconfig;
    let options = OperatorOptions { args, env, rights, no_install: true, ..OperatorOptions::default() };
    Operator::start(&Cluster::from_kubeconfig(&path).await?, options).await
}

#[tokio::test]
async fn t47_t48_helm_installs_upgrades_and_uninstalls_and_leaves_custom_resources_alone() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let client = cluster.client().await?;
    restricted_namespace(&client, "observed").await?;
    let chart = chart();
    cluster.helm(&["install", "otel", &chart, "--namespace=observed"])?;
    // Every object that the chart has is there as the cluster keeps it.
    let manifest = cluster.helm(&["get", "manifest", "otel", "--namespace=observed"])?;
    let objects = testkit::documents(&manifest)?;
    assert!(objects.len() >= 17, "{}", objects.len());
    cluster.kubectl(&["get", "--namespace=observed", "-f", "-"], &manifest)?;
    // The namespace lets its pods in.
    operators(&client, "observed", 2).await?;

    // A process with the chart's account and arguments becomes ready and writes the caBundle; an upgrade leaves it.
    let operator = process_of_the_release(&cluster, find(&objects, "Deployment", FULLNAME)).await?;
    let name = format!("{FULLNAME}-mutation");
    let bundle = async || -> Result<String> {
        let path = "jsonpath={.webhooks[0].clientConfig.caBundle}";
        cluster.kubectl(&["get", "mutatingwebhookconfiguration", &name, "-o", path], "")
    };
    let written = testkit::wait_for("the caBundle", Duration::from_secs(30), async || {
        Ok(Some(bundle().await?).filter(|bundle| !bundle.is_empty()))
    })
    .await?;
    assert!(!operator.log().contains("forbidden"), "{}", operator.log());
    drop(operator);
    cluster.helm(&[
        "upgrade",
        "otel",
        &chart,
        "--namespace=observed",
        "--set=replicaCount=3,admissionWebhooks.timeoutSeconds=4",
    ])?;
    assert_eq!(bundle().await?, written);
    let path = "jsonpath={.webhooks[0].timeoutSeconds}";
    assert_eq!(cluster.kubectl(&["get", "mutatingwebhookconfiguration", &name, "-o", path], "")?, "4");
    operators(&client, "observed", 3).await?;

    // Nobody answers the webhooks here.
    cluster
        .kubectl(&["delete", "mutatingwebhookconfigurations,validatingwebhookconfigurations", "--all"], "")?;
    testkit::apply_yaml(&client, INSTRUMENTATION, "observed").await?;
    let said = cluster.helm(&["uninstall", "otel", "--namespace=observed"])?;
    assert!(said.contains("kept due to the resource policy"), "{said}");
    operators(&client, "observed", 0).await?;
    cluster.kubectl(&["get", "instrumentation", "main", "--namespace=observed"], "")?;
    let left = cluster.kubectl(
        &[
            "get",
            "clusterroles,clusterrolebindings,mutatingwebhookconfigurations,validatingwebhookconfigurations",
            "--selector=app.kubernetes.io/instance=otel",
            "-o",
            "name",
        ],
        "",
    )?;
    assert_eq!(left, "");

    // What stayed is taken over by the next release of the same name.
    cluster.helm(&["install", "otel", &chart, "--namespace=observed"])?;
    operators(&client, "observed", 2).await?;
    Ok(())
}

const INSTRUMENTATION: &str = "
apiVersion: opentelemetry.io/v1alpha1
kind: Instrumentation
metadata: {name: main}
spec: {exporter: {endpoint: http://collector:4318}}
";
