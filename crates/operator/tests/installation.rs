//! Installing: the manifest, the chart, the bundle and the kustomize base, on the real API server.

#[path = "installation/bundle.rs"]
mod bundle;
#[path = "installation/chart.rs"]
mod chart;
#[path = "installation/chart_values.rs"]
mod chart_values;
#[path = "installation/kustomize.rs"]
mod kustomize;
mod support;

use std::{collections::BTreeSet, path::PathBuf};

use anyhow::Result;
use operator::manifest::{self, Certificates, Options};
use serde_json::{Value, json};
use testkit::ControlPlane;

fn deploy(file: &str) -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../deploy")).join(file)
}

#[test]
fn the_checked_in_manifest_is_what_the_code_says() -> Result<()> {
    let wanted = manifest::yaml(&manifest::all(&Options::default()))?;
    let path = deploy("install.yaml");
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(&path, &wanted)?;
    }
    let written = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        written == wanted,
        "deploy/install.yaml is old: run UPDATE_EXPECT=1 cargo test -p otel-operator-process"
    );
    Ok(())
}

#[test]
fn the_checked_in_files_of_chart_bundle_and_kustomize_base_are_what_the_code_says() -> Result<()> {
    let folders = [
        ("helm/opentelemetry-operator", manifest::chart::files()?),
        ("", manifest::kustomize::files()?),
        ("olm", manifest::olm::files()?),
    ];
    for (folder, files) in folders {
        for (name, wanted) in files {
            let path = deploy(folder).join(name);
            if std::env::var_os("UPDATE_EXPECT").is_some() {
                std::fs::create_dir_all(path.parent().unwrap())?;
                std::fs::write(&path, &wanted)?;
            }
            let written = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(written == wanted, "{} is old: run cargo xtask generate", path.display());
        }
    }
    Ok(())
}

#[tokio::test]
async fn the_manifest_is_accepted_by_the_api_server() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let file = deploy("install.yaml");
    let file = file.to_string_lossy();
    // Client-side, as the documentation says; then again, which must change nothing.
    cluster.kubectl(&["apply", "-f", &file], "")?;
    let again = cluster.kubectl(&["apply", "-f", &file], "")?;
    // kubectl sends the selector of a PodDisruptionBudget each time; the API server changes nothing then.
    let changed =
        again.lines().filter(|line| !line.ends_with("unchanged") && !line.starts_with("poddisruptionbudget"));
    assert_eq!(changed.collect::<Vec<_>>(), [""; 0]);
    cluster.kubectl(&["apply", "--server-side", "--force-conflicts", "-f", &file], "")?;
    Ok(())
}

#[tokio::test]
async fn t48_the_pod_of_the_manifest_is_admitted_where_restricted_pod_security_is_enforced() -> Result<()> {
    let cluster = ControlPlane::start().await?;
    let deployment =
        manifest::all(&Options::default()).into_iter().find(|object| object["kind"] == "Deployment").unwrap();
    let mut pod = deployment["spec"]["template"].clone();
    pod["apiVersion"] = "v1".into();
    pod["kind"] = "Pod".into();
    pod["metadata"]["name"] = "operator".into();
    pod["spec"]["serviceAccountName"] = "default".into();
    let client = cluster.client().await?;
    let namespace = testkit::namespace(&client, "restricted").await?;
    cluster
        .kubectl(&["label", "namespace", &namespace, "pod-security.kubernetes.io/enforce=restricted"], "")?;
    testkit::create(&client, pod, &namespace).await?;
    Ok(())
}

#[test]
fn kubectl_logs_finds_the_process_as_the_documentation_prints_it() {
    let objects = manifest::all(&Options::default());
    let deployment = objects.iter().find(|object| object["kind"] == "Deployment").unwrap();
    assert_eq!(deployment["metadata"]["name"], "opentelemetry-operator-controller-manager");
    let template = &deployment["spec"]["template"];
    assert_eq!(template["metadata"]["labels"]["app.kubernetes.io/name"], "opentelemetry-operator");
    assert_eq!(template["spec"]["containers"][0]["name"], "manager");
}

#[test]
fn secrets_are_never_listed_and_no_verb_is_a_wildcard() {
    let objects = manifest::all(&Options::default());
    let cluster_role = objects
        .iter()
        .find(|o| {
            o["kind"] == "ClusterRole" && o["metadata"]["name"] == "opentelemetry-operator-manager-role"
        })
        .unwrap();
    for rule in cluster_role["rules"].as_array().unwrap() {
        let resources: Vec<&str> =
            rule["resources"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        if resources.contains(&"secrets") {
            assert_eq!(rule["verbs"], serde_json::json!(["get"]), "Secrets are never listed or watched");
        }
        assert!(!rule["verbs"].as_array().unwrap().contains(&"*".into()));
    }
}

/// The object of this kind and name.
fn find<'a>(objects: &'a [Value], kind: &str, name: &str) -> &'a Value {
    let found = objects.iter().find(|o| o["kind"] == kind && o["metadata"]["name"] == name);
    found.unwrap_or_else(|| panic!("no {kind} {name}"))
}

const DEPLOYMENT: &str = "opentelemetry-operator-controller-manager";

#[test]
fn two_replicas_on_two_nodes_of_which_one_at_a_time_may_be_drained() {
    let objects = manifest::all(&Options::default());
    let spec = &find(&objects, "Deployment", DEPLOYMENT)["spec"];
    assert_eq!(spec["replicas"], 2);
    assert_eq!(
        spec["strategy"]["rollingUpdate"]["maxUnavailable"], 0,
        "a new pod is ready before an old one goes"
    );
    let apart = &spec["template"]["spec"]["affinity"]["podAntiAffinity"];
    assert!(apart["requiredDuringSchedulingIgnoredDuringExecution"].is_null(), "one node is enough");
    let term = &apart["preferredDuringSchedulingIgnoredDuringExecution"][0]["podAffinityTerm"];
    assert_eq!(term["topologyKey"], "kubernetes.io/hostname");
    let budget = &find(&objects, "PodDisruptionBudget", DEPLOYMENT)["spec"];
    assert_eq!(budget["maxUnavailable"], 1);
    // All of them mean the same pods.
    let labels = &spec["template"]["metadata"]["labels"];
    assert_eq!(&spec["selector"]["matchLabels"], labels);
    assert_eq!(&budget["selector"]["matchLabels"], labels);
    assert_eq!(&term["labelSelector"]["matchLabels"], labels);
}

#[test]
fn t36_t37_t38_the_network_policy_lets_the_api_server_in_and_the_process_out() {
    let objects = manifest::all(&Options { namespace: "elsewhere".to_owned(), ..Options::default() });
    let policy = find(&objects, "NetworkPolicy", "opentelemetry-operator");
    assert_eq!(policy["metadata"]["namespace"], "elsewhere");
    let ports: Vec<_> =
        policy["spec"]["ingress"][0]["ports"].as_array().unwrap().iter().map(|p| &p["port"]).collect();
    assert_eq!(ports, [9443, 8443, 8081]);
    assert!(
        policy["spec"]["ingress"][0]["from"].is_null(),
        "the API server has no address that could be named"
    );
    assert_eq!(
        policy["spec"]["policyTypes"],
        json!(["Ingress"]),
        "no address of an API server can become wrong"
    );
    let pods = &find(&objects, "Deployment", DEPLOYMENT)["spec"]["template"]["metadata"]["labels"];
    assert_eq!(&policy["spec"]["podSelector"]["matchLabels"], pods);
}

#[test]
fn with_cert_manager_the_pod_waits_for_its_certificate_and_the_bundle_is_left_to_cert_manager() {
    let objects = manifest::all(&Options { certificates: Certificates::CertManager, ..Options::default() });
    let serving = find(&objects, "Certificate", "opentelemetry-operator-serving-cert");
    let volume =
        &find(&objects, "Deployment", DEPLOYMENT)["spec"]["template"]["spec"]["volumes"][0]["secret"];
    assert_eq!(volume["secretName"], serving["spec"]["secretName"]);
    assert_eq!(volume["optional"], false, "with its own certificate the process would not be trusted");
    // A renewed leaf is trusted because of the authority that signed both.
    let authority = find(&objects, "Certificate", "opentelemetry-operator-authority");
    assert_eq!(authority["spec"]["isCA"], true);
    assert_eq!(serving["spec"]["issuerRef"]["name"], "opentelemetry-operator-authority");
    let annotated = objects.iter().filter(|o| {
        o["metadata"]["annotations"]["cert-manager.io/inject-ca-from"]
            == "opentelemetry-operator-system/opentelemetry-operator-serving-cert"
    });
    let kinds: Vec<_> = annotated.map(|o| o["kind"].as_str().unwrap_or_default()).collect();
    assert_eq!(
        kinds,
        ["CustomResourceDefinition", "MutatingWebhookConfiguration", "ValidatingWebhookConfiguration"]
    );
    let own = manifest::all(&Options::default());
    assert!(!own.iter().any(|o| o["apiVersion"] == "cert-manager.io/v1"), "cert-manager is not needed");
}

/// Each verb on each resource.
fn each(groups: &[String], resources: &[String], verbs: &[String]) -> Vec<String> {
    let mut each = Vec::new();
    for group in groups {
        for resource in resources {
            each.extend(verbs.iter().map(|verb| format!("{verb} {group}/{resource}")));
        }
    }
    each
}

#[test]
fn a_process_that_gives_collectors_their_rights_holds_all_of_them() {
    let config = json!({
        "receivers": {
            "kubeletstats": {"extra_metadata_labels": ["container.id"]},
            "k8s_events": {},
            "k8s_cluster": {"distribution": "openshift"},
            "k8s_objects": {"objects": [{"name": "events", "mode": "watch", "group": "events.k8s.io"}]},
        },
        "processors": {
            "k8sattributes": {"extract": {"metadata": ["k8s.deployment.name", "k8s.node.uid"]}},
            "resourcedetection": {"detectors": ["k8snode", "openshift"]},
        },
        "extensions": {
            "k8s_leader_elector": {},
            "k8s_observer": {"observe_services": true, "observe_nodes": true},
        },
        "exporters": {"debug": {}},
        "service": {
            "extensions": ["k8s_leader_elector", "k8s_observer"],
            "pipelines": {"metrics": {
                "receivers": ["kubeletstats", "k8s_events", "k8s_cluster", "k8s_objects"],
                "processors": ["k8sattributes", "resourcedetection"],
                "exporters": ["debug"],
            }},
        },
    });
    let given = collector::rbac::rules(&collector::config::Config::read(&config)).unwrap();
    assert!(given.len() > 10, "{given:?}");
    let objects = manifest::all(&Options { create_rbac_permissions: true, ..Options::default() });
    let role = find(&objects, "ClusterRole", "opentelemetry-operator-grant-role");
    let texts = |list: &Value| -> Vec<String> {
        list.as_array().unwrap().iter().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let given =
        given.iter().flat_map(|r| each(&r.api_groups, &r.resources, &r.verbs)).collect::<BTreeSet<_>>();
    let held = role["rules"].as_array().unwrap().iter().flat_map(|rule| {
        each(&texts(&rule["apiGroups"]), &texts(&rule["resources"]), &texts(&rule["verbs"]))
    });
    // The roles themselves are managed, not given to anybody.
    let held = held.filter(|right| !right.contains("rbac.authorization.k8s.io/")).collect::<BTreeSet<_>>();
    assert_eq!(held, given, "held, and given to collectors");
    let usual = manifest::all(&Options::default());
    assert!(!usual.iter().any(|o| o["metadata"]["name"] == "opentelemetry-operator-grant-role"));
}

#[test]
fn for_a_process_outside_there_are_rights_and_webhooks_and_no_pod() {
    let outside = Options { webhook_url: Some("https://outside:9443".to_owned()), ..Options::default() };
    let kinds = |options: &Options| -> BTreeSet<String> {
        manifest::all(options).iter().map(|object| object["kind"].as_str().unwrap().to_owned()).collect()
    };
    let (outside_kinds, usual) = (kinds(&outside), kinds(&Options::default()));
    let less: Vec<_> = usual.difference(&outside_kinds).collect();
    assert_eq!(less, ["Deployment", "NetworkPolicy", "PodDisruptionBudget", "Service"]);
    let objects = manifest::all(&outside);
    let webhooks = find(&objects, "MutatingWebhookConfiguration", manifest::webhook::MUTATING);
    assert_eq!(webhooks["webhooks"][2]["clientConfig"]["url"], "https://outside:9443/mutate-v1-pod");
}

/// Who has applied the manifest may go on with a process outside the cluster: the webhooks lead to it then.
#[tokio::test]
async fn a_process_outside_takes_over_from_the_applied_manifest() -> Result<()> {
    let control_plane = ControlPlane::start().await?;
    let manifest = std::fs::read_to_string(deploy("install.yaml"))?;
    control_plane.kubectl(&["apply", "--server-side", "-f", "-"], &manifest)?;
    // With the administrator's rights, which `--install` needs.
    let options = testkit::OperatorOptions {
        rights: testkit::Rights::OfTheKubeconfig,
        ..testkit::OperatorOptions::default()
    };
    testkit::Operator::start(&control_plane, options).await?;
    let path =
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/opentelemetrycollectors.opentelemetry.io";
    let definition: Value = serde_json::from_str(&control_plane.get(path).await?)?;
    let config = &definition["spec"]["conversion"]["webhook"]["clientConfig"];
    assert!(config["url"].is_string() && config["service"].is_null(), "{config}");
    Ok(())
}
