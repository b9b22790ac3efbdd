use std::collections::BTreeMap;

use clap::Command;

use super::*;

fn resolve(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> Result<Process> {
    let environment: BTreeMap<&str, &str> = environment.iter().copied().collect();
    let command = Command::new("run").no_binary_name(true).args(arguments::arguments());
    let matches = command.try_get_matches_from(flags)?;
    let file = Some(file).filter(|f| !f.is_empty());
    let variable = |name: &str| environment.get(name).map(|v| (*v).to_owned());
    Process::resolve(file, variable, |values| arguments::take(&matches, values), Values::default())
}

fn error(file: &str, environment: &[(&str, &str)], flags: &[&str]) -> String {
    format!("{:#}", resolve(file, environment, flags).unwrap_err())
}

#[test]
fn a_flag_wins_over_the_environment_which_wins_over_the_file() {
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
fn a_bad_value_is_named_with_its_origin_and_the_fix() {
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
fn unknown_keys_and_settings_without_effect_are_reported() {
    let process = resolve(
        "webhok-port: 1\ntls:\n  minversion: VersionTLS13\n  wrong: 1",
        &[],
        &["--enable-cr-metrics"],
    )
    .unwrap();
    assert!(
        process.warnings[0].contains("unknown key \"tls.wrong\"")
            || process.warnings[1].contains("unknown key \"tls.wrong\"")
    );
    assert!(process.warnings.iter().any(|w| w.contains("unknown key \"webhok-port\"")));
    assert_eq!(process.warnings.last().unwrap(), "accepted, but without effect yet: --enable-cr-metrics");
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
