//! `otel-operator manifests` and `otel-operator crds`: the objects of an installation as YAML.

use std::{
    io::{ErrorKind, Write},
    process::ExitCode,
};

use clap::{Arg, ArgAction, ArgMatches, Command, builder::PossibleValuesParser, value_parser};
use operator::manifest::{self, Certificates, Options};
use serde_json::{Value, json};

/// The arguments of `manifests`.
pub(crate) fn command() -> Command {
    Command::new("manifests")
        .about("Print every object of an installation, for kubectl apply")
        .arg(
            Arg::new("image")
                .long("image")
                .value_name("IMAGE")
                .default_value(manifest::IMAGE)
                .value_parser(image)
                .help("image of the operator"),
        )
        .arg(
            Arg::new("namespace")
                .long("namespace")
                .short('n')
                .value_name("NAME")
                .default_value(manifest::NAMESPACE)
                .value_parser(namespace)
                .help("namespace of the operator"),
        )
        .arg(
            Arg::new("replicas")
                .long("replicas")
                .value_name("NUMBER")
                .default_value("2")
                .value_parser(value_parser!(u32).range(1..))
                .help("pods of the operator; all serve the webhooks, one leads"),
        )
        .arg(
            Arg::new("certificates")
                .long("certificates")
                .value_name("FROM")
                .default_value("own")
                .value_parser(PossibleValuesParser::new(["own", "cert-manager"]))
                .help("who makes the certificate of the webhooks: the operator itself, or cert-manager"),
        )
        .arg(
            Arg::new("create-rbac-permissions")
                .long("create-rbac-permissions")
                .action(ArgAction::SetTrue)
                .help("let the operator give collectors the rights that their components need; it holds them all, then"),
        )
        .arg(
            Arg::new("webhook-url")
                .long("webhook-url")
                .value_name("URL")
                .value_parser(webhook_url)
                .conflicts_with_all(["image", "replicas", "certificates"])
                .help("base URL of the webhooks of an operator outside the cluster; it has no Deployment and no Services"),
        )
        .arg(output())
}

fn image(text: &str) -> Result<String, String> {
    if inject::is_image_reference(text) {
        return Ok(text.to_owned());
    }
    Err("it is no image reference; give for example registry.example/name:1.0".to_owned())
}

fn namespace(text: &str) -> Result<String, String> {
    if operator::settings::is_namespace(text) {
        return Ok(text.to_owned());
    }
    Err("it is no name of a namespace; give lower-case letters, digits and -, 63 at most".to_owned())
}

fn webhook_url(text: &str) -> Result<String, String> {
    if operator::settings::is_webhook_url(text.trim_end_matches('/')) {
        return Ok(text.to_owned());
    }
    Err(operator::settings::WEBHOOK_URL.to_owned())
}

fn output() -> Arg {
    Arg::new("output")
        .short('o')
        .long("output")
        .value_parser(PossibleValuesParser::new(["yaml", "json"]))
        .default_value("yaml")
        .help("Format; json is one List")
}

/// Prints objects in the format that is asked for.
fn print_all(matches: &ArgMatches, objects: &[Value]) -> anyhow::Result<ExitCode> {
    if matches.get_one::<String>("output").is_some_and(|format| format == "json") {
        let list = json!({"apiVersion": "v1", "kind": "List", "items": objects});
        return print(&(serde_json::to_string_pretty(&list)? + "\n"));
    }
    print(&manifest::yaml(objects)?)
}

/// Prints them.
pub(crate) fn execute(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let text = |id: &str| matches.get_one::<String>(id).cloned().unwrap_or_default();
    let certificates = match text("certificates").as_str() {
        "cert-manager" => Certificates::CertManager,
        _ => Certificates::Own,
    };
    let defaults = Options::default();
    let options = Options {
        image: text("image"),
        namespace: text("namespace"),
        replicas: matches.get_one("replicas").copied().unwrap_or(defaults.replicas),
        certificates,
        create_rbac_permissions: matches.get_flag("create-rbac-permissions"),
        webhook_url: matches.get_one::<String>("webhook-url").map(|url| url.trim_end_matches('/').to_owned()),
        ..defaults
    };
    print_all(matches, &manifest::all(&options))
}

/// The arguments of `crds`.
pub(crate) fn crds_command() -> Command {
    Command::new("crds").about("Print the custom resource definitions, for kubectl apply").arg(output())
}

/// Prints them.
pub(crate) fn crds_execute(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    print_all(matches, &manifest::crds())
}

/// Prints; a reader that has seen enough (`| head`) is no error.
pub(crate) fn print(text: &str) -> anyhow::Result<ExitCode> {
    match std::io::stdout().lock().write_all(text.as_bytes()) {
        Err(e) if e.kind() != ErrorKind::BrokenPipe => Err(e.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}
