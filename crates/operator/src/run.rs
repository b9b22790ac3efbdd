//! The process: puts the parts together, runs until a signal, stops in order.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use anyhow::{Context, Result};
use futures::FutureExt;
use kube::Client;
use time::OffsetDateTime;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tracing::{error, info, warn};

use crate::{
    admin,
    certificate::{Authority, Current, bundle, keep::Keep, mounted, own::Own},
    cluster::{self, Place},
    controller::{
        self,
        collector::{availability, defaulted::Defaulted},
    },
    event::Events,
    health::Health,
    instrumentation_status,
    leader::{Candidacy, Leader},
    manifest,
    metrics::{Metrics, server::MetricsEndpoint},
    service_monitor,
    settings::{Process, Role, certificate, published},
    store::Store,
    telemetry,
    tls::{self, acceptor::Acceptor, follow::InForce},
    upgrade,
    webhook::{Webhooks, collector::Collectors, pod::Pods, prefilter, server},
};

/// In a cluster, requests still arrive for a moment after the signal: endpoints are updated in the background.
const LAST_REQUESTS: Duration = Duration::from_secs(3);
/// Running requests get this long to finish.
const DRAIN: Duration = Duration::from_secs(20);

/// Traces that have been collected get this long to be sent.
const LAST_SPANS: Duration = Duration::from_secs(1);

/// Runs until SIGTERM or SIGINT.
///
/// # Errors
/// When the process cannot start: no cluster, a port in use, certificates that cannot be kept.
pub async fn run(settings: Process) -> Result<()> {
    settings.log.clone().start();
    log_panics();
    info!(target: "setup", version = env!("CARGO_PKG_VERSION"), arch = std::env::consts::ARCH, role = ?settings.role, feature_gates = %settings.gates, "starting the OpenTelemetry operator");
    for warning in &settings.warnings {
        warn!(target: "config", "{warning}");
    }
    if let Some(telemetry) = settings.telemetry.clone() {
        info!(target: "telemetry", endpoint = %telemetry.endpoint, "sending traces");
        telemetry::start(telemetry)?;
    }
    let stop = CancellationToken::new();
    stop_on_signal(stop.clone())?;
    let place = Place::find(settings.kubeconfig.as_ref());
    let client = cluster::client(settings.kubeconfig.as_ref(), &place).await?;

    let tasks = TaskTracker::new();
    let metrics = Arc::new(Metrics::default());
    let certificate = Arc::new(Current::default());
    if settings.webhook_port.is_some() {
        certificates(&settings, &place, &client, &certificate, &metrics, &tasks).await?;
    } else {
        warn!(target: "setup", "webhooks are off: no pod is instrumented");
    }
    if settings.install {
        install(&settings, &place, &client, &certificate).await?;
    }
    let in_force = tls::follow::start(&settings, &client, &tasks).await;
    let store =
        Store::new(client.clone(), settings.watch_namespaces.clone(), settings.collector.collector.clone());
    store.watch(&tasks, settings.injection.instrumentation_crds);

    let (found, available) = tokio::sync::watch::channel(None);
    tasks.spawn(availability::follow(client.clone(), found));
    let mut candidacy = Candidacy::start(&client, &place.namespace, settings.leader_election)?;
    let defaulted = Arc::new(Defaulted::default());
    if settings.role == Role::Operator {
        let surroundings = controller::collector::Surroundings {
            client: client.clone(),
            scope: settings.watch_namespaces.clone(),
            available: available.clone(),
            metrics: metrics.clone(),
            usage_metrics: settings.usage_metrics,
            defaulted: defaulted.clone(),
            leader: candidacy.leader.clone(),
        };
        controller::collector::start(surroundings, in_force.collectors.clone(), &tasks)?;
        lead(&settings, &place, &client, &store, &available, &candidacy.leader, &metrics, &tasks);
    }

    let servers = CancellationToken::new();
    let serving = TaskTracker::new();
    if let Some(port) = settings.webhook_port {
        let listener = server::bind("", port).await.context("--webhook-port")?;
        let tls =
            Acceptor::new(in_force.servers.clone(), certificate.clone()).context("--tls-cipher-suites")?;
        let webhooks = Arc::new(Webhooks {
            pods: Pods {
                store: store.clone(),
                settings: settings.injection.clone(),
                metrics: metrics.clone(),
                events: Events::start(&client, &store, &metrics, &tasks),
                deadline: settings.webhook_deadline,
            },
            collectors: Collectors {
                client: client.clone(),
                settings: settings.collector.clone(),
                in_force: in_force.collectors.clone(),
                available: available.clone(),
                defaulted,
            },
        });
        serving
            .spawn(server::serve(listener, Some(tls), servers.clone(), move |r| webhooks.clone().handle(r)));
        tasks.spawn(bundle::keep(client.clone(), certificate.clone(), settings.names.clone()));
    }
    let health =
        Arc::new(Health::new(store.clone(), certificate.clone(), settings.webhook_port, stop.clone()));
    if let Some(address) = &settings.health {
        let listener = server::bind(&address.host, address.port).await.context("--health-probe-addr")?;
        let health = health.clone();
        serving.spawn(server::serve(listener, None, servers.clone(), move |r| health.clone().handle(r)));
    }
    if let Some(address) = &settings.admin {
        match server::bind(&address.host, address.port).await {
            Ok(listener) => {
                serving.spawn(server::serve(listener, None, servers.clone(), admin::handle));
            }
            // A convenience that must not keep the process from its work.
            Err(e) => {
                warn!(target: "setup", "--admin-addr: the log level cannot be changed while running: {e:#}")
            }
        }
    }
    serve_metrics(&settings, &in_force, &client, &metrics, &store, &certificate, &servers, &serving, &tasks)
        .await?;

    info!(target: "setup", namespace = place.namespace, in_cluster = place.inside, "started");

    tokio::select! {
        () = stop.cancelled() => {}
        lost = candidacy.lost() => return Err(lost),
    }
    info!(target: "setup", "stopping: no longer ready, finishing running requests");
    if place.inside {
        tokio::time::sleep(LAST_REQUESTS).await;
    }
    servers.cancel();
    serving.close();
    if tokio::time::timeout(DRAIN, serving.wait()).await.is_err() {
        warn!(target: "setup", "some requests did not finish in {} s", DRAIN.as_secs());
    }
    candidacy.end().await;
    telemetry::flush(LAST_SPANS).await;
    info!(target: "setup", "stopped");
    Ok(())
}

/// Starts what only the leader does.
#[expect(clippy::too_many_arguments, reason = "wiring: each part of the process is one argument")]
fn lead(
    settings: &Process,
    place: &Place,
    client: &Client,
    store: &Arc<Store>,
    available: &tokio::sync::watch::Receiver<Option<collector::Available>>,
    leader: &Leader,
    metrics: &Arc<Metrics>,
    tasks: &TaskTracker,
) {
    let injection = &settings.injection;
    if settings.leader_election.is_some() {
        metrics.leading(false);
        let (metrics, leader) = (metrics.clone(), leader.clone());
        tasks.spawn(async move {
            leader.elected().await;
            metrics.leading(true);
        });
    }
    if settings.service_monitor {
        let (client, namespace) = (client.clone(), place.namespace.clone());
        let monitor = service_monitor::keep(client, namespace, settings.metrics_secure, available.clone());
        tasks.spawn(leader.clone().lead(monitor));
    }
    tasks.spawn(leader.clone().lead(publish(client.clone(), place.namespace.clone(), injection.clone())));
    if injection.instrumentation_crds {
        let scope = settings.watch_namespaces.clone();
        let upgrade = upgrade::until_done(client.clone(), injection.clone(), scope);
        tasks.spawn(leader.clone().lead(upgrade));
        let scope = settings.watch_namespaces.clone();
        let status = instrumentation_status::keep(client.clone(), store.clone(), injection.clone(), scope);
        tasks.spawn(leader.clone().lead(status));
    }
    let (client, configuration) = (client.clone(), settings.names.mutating.clone());
    tasks.spawn(if settings.webhook_prefilter {
        leader.clone().lead(prefilter::keep(client, store.clone(), configuration)).boxed()
    } else {
        leader.clone().lead(prefilter::remove(client, configuration)).boxed()
    });
}

/// A panic is a log line like any other. What it means for the process is decided where it is caught.
fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let message = panic.payload_as_str().unwrap_or_default();
        error!(target: "setup", place, "panic: {message}");
    }));
}

/// The first signal stops gracefully, the second at once.
fn stop_on_signal(stop: CancellationToken) -> Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for SIGINT")?;
    tokio::spawn(async move {
        for second in [false, true] {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if second {
                std::process::exit(1);
            }
            stop.cancel();
        }
    });
    Ok(())
}

/// Certificates of the webhook server: mounted ones when they are there, else the process's own.
async fn certificates(
    settings: &Process,
    place: &Place,
    client: &Client,
    current: &Arc<Current>,
    metrics: &Arc<Metrics>,
    tasks: &TaskTracker,
) -> Result<()> {
    if let Some(files) = mounted::Files::find() {
        let seen = match files.serve(current) {
            Ok(content) => Some(content),
            Err(e) => {
                error!(target: "certificate", "the mounted certificate cannot be used, waiting for another: {e}");
                None
            }
        };
        info!(target: "certificate", "using the certificate mounted at {}", mounted::folder().display());
        tasks.spawn(files.follow(current.clone(), metrics.clone(), seen));
        return Ok(());
    }
    let in_secret = match settings.ca_store {
        certificate::Store::Auto => place.inside,
        certificate::Store::Secret => true,
        certificate::Store::Folder => false,
    };
    let keep = if in_secret {
        Keep::Secret { client: client.clone(), namespace: place.namespace.clone() }
    } else {
        Keep::Folder(settings.state_dir.clone())
    };
    let own = Own::new(
        keep,
        names(settings, place),
        settings.lifetimes,
        client.clone(),
        bundle::objects(&settings.names),
        current.clone(),
    );
    own.look().await?;
    current.refresh_with({
        let own = own.clone();
        move || {
            let own = own.clone();
            Box::pin(async move {
                if let Err(e) = own.look().await {
                    warn!(target: "certificate", "the certificate could not be looked at: {e:#}");
                }
            })
        }
    });
    tasks.spawn(own.follow());
    Ok(())
}

/// The names by which the API server, and the process itself, reach the webhooks.
fn names(settings: &Process, place: &Place) -> BTreeSet<String> {
    let service = format!("{}.{}", settings.names.webhook_service, place.namespace);
    let mut names = BTreeSet::from([
        format!("{service}.svc"),
        format!("{service}.svc.cluster.local"),
        service,
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ]);
    let host = settings
        .webhook_url
        .as_ref()
        .and_then(|url| url.parse::<hyper::Uri>().ok()?.host().map(str::to_owned));
    names.extend(host.map(|host| host.trim_matches(['[', ']']).to_owned()));
    names
}

/// `--install`: custom resource definitions and webhook configurations.
async fn install(settings: &Process, place: &Place, client: &Client, certificate: &Current) -> Result<()> {
    let options = manifest::Options {
        namespace: place.namespace.clone(),
        webhook_url: settings.webhook_url.clone(),
        names: settings.names.clone(),
        ca: certificate.served().and_then(|served| served.ca.clone()),
        ..manifest::Options::default()
    };
    if !place.inside && options.webhook_url.is_none() {
        warn!(
            target: "setup",
            "--install without --webhook-url: the API server will look for the webhooks at Service {}/{}",
            place.namespace,
            settings.names.webhook_service
        );
    }
    manifest::apply::apply(client, &manifest::of_the_process(&options, !place.inside))
        .await
        .context("--install")
}

#[expect(clippy::too_many_arguments, reason = "wiring: each part of the process is one argument")]
async fn serve_metrics(
    settings: &Process,
    in_force: &InForce,
    client: &Client,
    metrics: &Arc<Metrics>,
    store: &Arc<Store>,
    certificate: &Arc<Current>,
    servers: &CancellationToken,
    serving: &TaskTracker,
    tasks: &TaskTracker,
) -> Result<()> {
    let Some(address) = &settings.metrics else { return Ok(()) };
    let listener = server::bind(&address.host, address.port).await.context("--metrics-addr")?;
    let registry = metrics.registry(store.clone(), certificate.clone());
    let endpoint = MetricsEndpoint::new(registry, settings.metrics_secure.then(|| client.clone()));
    let mut tls = None;
    if settings.metrics_secure {
        let current = Arc::new(Current::default());
        match &settings.metrics_files {
            Some((certificate, key)) => {
                let files = mounted::Files::pair(certificate.clone(), key.clone());
                let seen =
                    files.serve(&current).map_err(anyhow::Error::msg).context("--metrics-tls-cert-file")?;
                tasks.spawn(files.follow(current.clone(), metrics.clone(), Some(seen)));
            }
            None => {
                let names = ["localhost".to_owned(), "127.0.0.1".to_owned()].into();
                let own = Authority::create(&names, OffsetDateTime::now_utc())?;
                current.serve(&own.certificate, &own.key, Some(own.ca_certificate), false)?;
            }
        }
        tls = Some(Acceptor::new(in_force.servers.clone(), current)?);
    }
    serving.spawn(server::serve(listener, tls, servers.clone(), move |r| endpoint.clone().handle(r)));
    Ok(())
}

/// Publishes the settings for the command line. Nothing depends on it, so failures are only reported.
async fn publish(client: Client, namespace: String, settings: Arc<api::Settings>) {
    let mut pause = Duration::from_secs(1);
    loop {
        match published::publish(&client, &namespace, &settings).await {
            Ok(()) => return,
            Err(e) => {
                warn!(target: "config", "the settings could not be published in ConfigMap {namespace}/{}: {e:#}", published::CONFIG_MAP)
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_secs(300));
    }
}
