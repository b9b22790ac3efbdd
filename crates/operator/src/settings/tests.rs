use std::collections::BTreeMap;

use clap::Command;

use super::*;

fn resolve(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> Result<Process> {
    let environment: BTreeMap<&str, &str> = environment.iter().copied().collect();
    let command = Command::new("run").no_binary_name(true).args(arguments::arguments());
    let matches = command.try_get_matches_from(flags)?;
    let file = Some(file).filter(|f| !f.is_empty());
    let variable = |name: &str| environment.get(name).map(|v| (*v).to_owned());
    Process::resolve(
        Role::Operator,
        file,
        variable,
        |values| arguments::take(&matches, values),
        Values::default(),
    )
}

fn error(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> String {
    format!("{:#}", resolve(file, environment, flags).unwrap_err())
}

#[test]
fn t1_a_flag_wins_over_the_environment_which_wins_over_the_file() {
    let (file, environment, flag) = ("webhook-port: 1", [("WEBHOOK_PORT", "2")], ["--webhook-port=3"]);
    assert_eq!(resolve(file, &environment, &flag).unwrap().webhook_port, Some(3));
    assert_eq!(resolve(file, &environment, &[]).unwrap().webhook_port, Some(2));
    assert_eq!(resolve(file, &[], &[]).unwrap().webhook_port, Some(1));
    assert_eq!(resolve("", &[], &[]).unwrap().webhook_port, Some(9443));
}

#[test]
fn defaults_are_those_of_the_reference() {
    let process = resolve("", &[], &[]).unwrap();
    assert_eq!(*process.injection, api::Settings::default());
    assert_eq!(process.health, Some(Address { host: String::new(), port: 8081 }));
    assert_eq!(process.metrics, Some(Address { host: String::new(), port: 8443 }));
    assert!(process.metrics_secure && !process.install && process.warnings.is_empty());
    assert_eq!(process.webhook_deadline, Duration::from_millis(500));
}

#[test]
fn t2_t4_a_bad_value_is_named_with_its_origin_and_the_fix() {
    assert_eq!(
        error("", &[("ENABLE_WEBHOOKS", "yes")], &[]),
        "environment variable ENABLE_WEBHOOKS: \"yes\" is no boolean; give true or false"
    );
    assert_eq!(
        error("webhook-port: 1foo", &[], &[]),
        "configuration file, key webhook-port: \"1foo\" is no port number; give a number from 1 to 65535"
    );
    assert!(error("", &[], &["--metrics-addr=8443"]).starts_with("--metrics-addr: \"8443\" is no address;"));
    assert!(error("", &[], &["--webhook-url=http://127.0.0.1"]).contains("by HTTPS only"));
    assert!(error("", &[], &["--webhook-deadline=1h"]).contains("up to 30s"));
    assert!(error("webhook-port: [1]", &[], &[]).contains("give a single value"));
    assert!(error("- a", &[], &[]).contains("it is no object"));
}

#[test]
fn t3_unknown_keys_and_settings_without_effect_are_reported() {
    let process = resolve(
        "webhok-port: 1\ntls:\n  minversion: VersionTLS13\n  wrong: 1",
        &[],
        &["--operator-opamp-bridge-image=x"],
    )
    .unwrap();
    assert!(
        process.warnings[0].contains("unknown key \"tls.wrong\"")
            || process.warnings[1].contains("unknown key \"tls.wrong\"")
    );
    assert!(process.warnings.iter().any(|w| w.contains("unknown key \"webhok-port\"")));
    assert_eq!(
        process.warnings.last().unwrap(),
        "accepted, but without effect yet: --operator-opamp-bridge-image"
    );
}

#[test]
fn t35_a_filter_that_is_no_pattern_is_refused() {
    assert_eq!(
        error("", &[], &["--labels-filter=("]),
        "--labels-filter: \"(\" is no regular expression; correct the pattern"
    );
    assert!(error("", &[("ANNOTATIONS_FILTER", "[")], &[]).contains("ANNOTATIONS_FILTER"));
}

#[test]
fn images_and_namespaces_that_cannot_be_are_refused_with_the_flag() {
    for flag in ["--auto-instrumentation-java-image", "--collector-image", "--target-allocator-image"] {
        let message = error("", &[], &[&format!("{flag}=Not An Image:")]);
        assert!(message.starts_with(flag) && message.contains("no image reference"), "{message}");
    }
    for names in ["A_B", ", ,", "a,-b"] {
        let message = error("", &[], &[&format!("--watch-namespace={names}")]);
        assert!(
            message.starts_with("--watch-namespace") && message.contains("no list of namespaces"),
            "{message}"
        );
    }
    assert!(resolve("", &[("WATCH_NAMESPACE", "")], &[]).unwrap().watch_namespaces.is_empty());
    assert_eq!(resolve("", &[], &["--watch-namespace=b, a"]).unwrap().watch_namespaces.len(), 2);
}

#[test]
fn a_url_of_webhooks_is_one_that_the_api_server_takes() {
    for url in ["https://a.b", "https://a.b:9443", "https://[::1]:9443", "https://10.0.0.1:1/path"] {
        assert!(is_webhook_url(url), "{url}");
    }
    for url in [
        "foo",
        "http://a.b",
        "https://",
        "https://a b",
        "https://u:p@a.b:1",
        "https://a.b:99999",
        "https://a.b?x=1",
    ] {
        assert!(!is_webhook_url(url), "{url}");
    }
}

#[test]
fn w13_a_filter_of_the_user_adds_to_the_built_in_one() {
    let process = resolve("", &[], &["--annotations-filter=.*filter.out"]).unwrap();
    let filters = &process.collector.collector.annotations_filter;
    let dropped = |key: &str| filters.iter().any(|filter| filter.is_match(key));
    assert!(dropped("annotation.filter.out") && dropped("kubectl.kubernetes.io/last-applied-configuration"));
    assert!(!dropped("kept"));
}

#[test]
fn t5_t6_the_minimum_version_of_tls_is_taken_from_every_source() {
    for process in [
        resolve("tls: {minversion: VersionTLS13}", &[], &[]),
        resolve("", &[("TLS_MIN_VERSION", "VersionTLS13")], &[]),
        resolve("", &[], &["--tls-min-version=VersionTLS13"]),
    ] {
        assert!(process.unwrap().tls.only_13());
    }
    assert!(!resolve("", &[], &[]).unwrap().tls.only_13());
}

#[test]
fn the_profile_of_the_cluster_is_asked_for_by_every_source() {
    for process in [
        resolve("tls: {useclusterprofile: true}", &[], &[]),
        resolve("", &[("TLS_CLUSTER_PROFILE", "true")], &[]),
        resolve("", &[], &["--tls-cluster-profile"]),
    ] {
        let process = process.unwrap();
        assert!(process.tls_cluster_profile && process.warnings.is_empty(), "{:?}", process.warnings);
    }
    assert!(!resolve("", &[], &[]).unwrap().tls_cluster_profile);
}

#[test]
fn t7_the_gate_of_the_network_policies_of_collectors_reaches_them() {
    assert!(resolve("", &[], &[]).unwrap().collector.network_policy);
    let process = resolve(
        "",
        &[("FEATURE_GATES", "operand.networkpolicy")],
        &["--feature-gates=-operand.networkpolicy"],
    );
    assert!(!process.unwrap().collector.network_policy);
}

#[test]
fn a_webhook_server_always_serves_webhooks_and_never_leads() {
    let mut values = Values::default();
    values.from_environment(|name| match name {
        "ENABLE_WEBHOOKS" => Some("false".to_owned()),
        "ENABLE_LEADER_ELECTION" => Some("true".to_owned()),
        _ => None,
    });
    let process = Process::typed(Role::WebhookServer, values).unwrap();
    assert_eq!((process.webhook_port, process.leader_election), (Some(9443), None));
}

#[test]
fn times_of_the_election_keep_two_from_leading() {
    let on = "--enable-leader-election";
    let timing = resolve("", &[], &[on]).unwrap().leader_election.unwrap();
    assert_eq!(timing, leader::Timing::default());
    assert!(resolve("", &[], &["--leader-election-renew-deadline=2m"]).unwrap().leader_election.is_none());
    assert!(error("", &[], &["--leader-election-lease-duration=soon"]).contains("no usable duration"));
    assert_eq!(
        error("", &[], &[on, "--leader-election-renew-deadline=2m"]),
        "--leader-election-renew-deadline: \"2m\" is too long; give less than --leader-election-lease-duration, which is 60s"
    );
    assert!(error("", &[], &[on, "--leader-election-retry-period=30s"]).contains("at most half"));
    // Who gave only the other one is not told about a default.
    assert_eq!(
        error("", &[], &[on, "--leader-election-lease-duration=30s"]),
        "--leader-election-lease-duration: \"30s\" is too short; give more than --leader-election-renew-deadline, which is 40s"
    );
    assert_eq!(
        error("", &[], &[on, "--leader-election-renew-deadline=3s"]),
        "--leader-election-renew-deadline: \"3s\" is too short; give at least twice --leader-election-retry-period, which is 5s"
    );
    assert!(error("", &[], &[on, "--leader-election-lease-duration=soon"]).contains("no usable duration"));
}

#[test]
fn names_and_lists_are_usable_or_refused() {
    assert_eq!(
        error("", &[], &["--webhook-service=A B"]),
        "--webhook-service: \"A B\" is no name of an object; give lower-case letters, digits and '-'"
    );
    assert!(error("", &[], &["--mutating-webhook-configuration="]).contains("no name of an object"));
    let long = format!("--validating-webhook-configuration={}.validation", "r".repeat(70));
    assert!(resolve("", &[], &[&long]).is_ok(), "as long as the chart makes it");
    assert_eq!(
        error("watch-namespace: [a, {b: c}]", &[], &[]),
        "configuration file, key watch-namespace: \"{\\\"b\\\":\\\"c\\\"}\" is a list or an object in a list; give a list of single values"
    );
    assert!(resolve("watch-namespace: [a, null, b]", &[], &[]).is_ok());
}

#[test]
fn the_administrators_port_is_on_loopback_only() {
    assert_eq!(
        resolve("", &[], &[]).unwrap().admin,
        Some(Address { host: "127.0.0.1".to_owned(), port: 8082 })
    );
    assert_eq!(resolve("", &[], &["--admin-addr=0"]).unwrap().admin, None);
    assert!(resolve("", &[], &["--admin-addr=[::1]:1"]).is_ok());
    assert!(
        error("", &[], &["--admin-addr=:8082"])
            .starts_with("--admin-addr: \":8082\" is no loopback address;")
    );
}

#[test]
fn the_tls_settings_reach_collectors_when_they_are_meant_to() {
    let off = resolve("", &[("TLS_MIN_VERSION", "VersionTLS13")], &[]).unwrap();
    assert_eq!(off.collector.collector.tls_profile, None);
    let on = resolve("tls: {minversion: VersionTLS13, configureoperands: true}", &[], &[]).unwrap();
    assert_eq!(on.collector.collector.tls_profile.unwrap().min_version, "1.3");
}

#[test]
fn settings_without_effect_are_named_with_their_reason() {
    let flags = ["--openshift-create-dashboard", "--openshift-webhook-replicas=3"];
    let warnings = resolve("collector-configmap-entry: other.yaml", &[], &flags).unwrap().warnings;
    for reason in ["no dashboard is made", "replicas are set on the Deployment", "is always collector.yaml"] {
        assert!(warnings.iter().any(|w| w.contains(reason)), "{reason} in {warnings:?}");
    }
}

#[test]
fn a_profiler_is_not_served_and_that_is_said() {
    let process = resolve("", &[("PPROF_ADDR", ":6060")], &[]).unwrap();
    assert!(process.warnings[0].contains("PPROF_ADDR (no profiler is served"), "{:?}", process.warnings);
}

#[test]
fn booleans_in_the_file_are_yaml_booleans() {
    let process =
        resolve("enable-go-auto-instrumentation: true\nenable-java-auto-instrumentation: false", &[], &[])
            .unwrap();
    assert!(process.injection.enabled[Language::Go] && !process.injection.enabled[Language::Java]);
}

#[test]
fn namespaces_are_trimmed() {
    let process = resolve("", &[("WATCH_NAMESPACE", "a, b,,")], &[]).unwrap();
    assert_eq!(process.watch_namespaces.into_iter().collect::<Vec<_>>(), ["a", "b"]);
}

#[test]
fn the_static_instrumentation_is_read_by_its_field_names() {
    let file = "enable-instrumentation-crds: false\ninstrumentations:\n  spec:\n    exporter:\n      endpoint: http://collector:4318\n    \
                resource:\n      resourceAttributes:\n        team: shop\n";
    let process = resolve(file, &[], &[]).unwrap();
    let instrumentation = process.injection.static_instrumentation.as_ref().unwrap();
    assert_eq!(instrumentation.spec.resource.resource_attributes["team"], "shop");
    assert_eq!(instrumentation.spec.java.image, Language::Java.info().default_image);
    assert!(
        error("instrumentations:\n  spec:\n    propagators: [nonsense]\n", &[], &[]).contains("propagators")
    );
}

#[test]
fn an_empty_webhook_variable_is_false_with_a_warning() {
    let process = resolve("", &[("ENABLE_WEBHOOKS", "")], &[]).unwrap();
    assert_eq!(process.webhook_port, None);
    assert!(process.warnings[0].contains("ENABLE_WEBHOOKS is empty"));
}

#[test]
fn the_document_of_flags_is_up_to_date() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/reference-flags.md");
    let wanted = table::markdown();
    if std::env::var_os("UPDATE_EXPECT").is_some() {
        std::fs::write(path, &wanted).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(written, wanted, "run UPDATE_EXPECT=1 cargo test -p otel-operator-process");
}
