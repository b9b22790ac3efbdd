//! `--tls-cluster-profile`: follows the TLS profile of an OpenShift cluster while the process runs.

use std::{sync::Arc, time::Duration};

use collector::{Settings, component::TlsProfile};
use futures::{StreamExt, pin_mut};
use kube::{
    Api, Client,
    api::{ApiResource, DynamicObject},
    core::GroupVersionKind,
    runtime::{
        WatchStreamExt,
        watcher::{self, Event},
    },
};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::{TlsSettings, profile};
use crate::{settings::Process, store::reflect::status_code};

/// Name of OpenShift's only `APIServer`.
pub const NAME: &str = "cluster";
/// The start waits this long for the profile. Who starts without it follows it as soon as it is known.
const PATIENCE: Duration = Duration::from_secs(5);

/// What holds at the moment. Nothing ever changes without `--tls-cluster-profile`.
pub struct InForce {
    /// For the servers of the process.
    pub servers: watch::Receiver<TlsSettings>,
    /// Settings about collectors, with what they are told about TLS.
    pub collectors: watch::Receiver<Arc<Settings>>,
}

/// Takes the settings of the process and, where it is told to, the profile of the cluster instead, which is followed from then on.
pub async fn start(settings: &Process, client: &Client, tasks: &TaskTracker) -> InForce {
    let servers = watch::Sender::new(settings.tls.clone());
    let collectors = watch::Sender::new(Arc::new(settings.collector.collector.clone()));
    let in_force = InForce { servers: servers.subscribe(), collectors: collectors.subscribe() };
    if settings.tls_cluster_profile {
        let given = (settings.tls.clone(), settings.collector.collector.tls_profile.clone());
        let mut follower = Follower { servers, collectors, given, said: String::new() };
        let api = api(client);
        follower.look(&api).await;
        tasks.spawn(follower.follow(api));
    }
    in_force
}

fn api(client: &Client) -> Api<DynamicObject> {
    let resource = ApiResource::from_gvk_with_plural(
        &GroupVersionKind::gvk("config.openshift.io", "v1", "APIServer"),
        "apiservers",
    );
    Api::all_with(client.clone(), &resource)
}

struct Follower {
    servers: watch::Sender<TlsSettings>,
    collectors: watch::Sender<Arc<Settings>>,
    /// What holds where there is no profile.
    given: (TlsSettings, Option<TlsProfile>),
    /// What was logged last. The same is not said again.
    said: String,
}

impl Follower {
    /// Looks once, so that no connection is accepted by settings that the cluster overrides.
    async fn look(&mut self, api: &Api<DynamicObject>) {
        match tokio::time::timeout(PATIENCE, api.get(NAME)).await {
            Ok(Ok(object)) => self.take(&object),
            Ok(Err(kube::Error::Api(status))) if status.code == 404 => self.go_without(),
            Ok(Err(error)) => self.complain(&error.to_string()),
            Err(_) => self.complain(&format!("no answer within {} s", PATIENCE.as_secs())),
        }
    }

    /// Keeps what is in force true. Never returns.
    async fn follow(mut self, api: Api<DynamicObject>) {
        let by_name = watcher::Config::default().fields(&format!("metadata.name={NAME}"));
        let events = watcher::watcher(api, by_name).default_backoff();
        pin_mut!(events);
        let mut listed = false;
        while let Some(event) = events.next().await {
            match event {
                Ok(Event::Init) => listed = false,
                Ok(Event::InitApply(object) | Event::Apply(object)) => {
                    listed = true;
                    self.take(&object);
                }
                Ok(Event::InitDone) if listed => {}
                Ok(Event::InitDone | Event::Delete(_)) => self.go_without(),
                Err(error) if status_code(&error) == Some(404) => self.go_without(),
                // A lost watch is no reason to think otherwise of what was seen.
                Err(error) if crate::store::reflect::is_routine(&error) => {}
                Err(error) => self.complain(&error.to_string()),
            }
        }
    }

    fn take(&mut self, object: &DynamicObject) {
        let prescribed = profile::read(&object.data);
        let news = format!("{prescribed:?}");
        if news != self.said {
            self.said = news;
            info!(target: "tls", profile = prescribed.name, min_version = prescribed.collectors.min_version, "following the TLS profile of the cluster");
            for warning in &prescribed.warnings {
                warn!(target: "tls", "{warning}");
            }
        }
        self.put(prescribed.servers, Some(prescribed.collectors));
    }

    /// No OpenShift, or not any more.
    fn go_without(&mut self) {
        self.say("--tls-cluster-profile: the cluster has no APIServer of config.openshift.io named cluster; --tls-min-version and --tls-cipher-suites are used".to_owned());
        let (servers, collectors) = self.given.clone();
        self.put(servers, collectors);
    }

    fn complain(&mut self, error: &str) {
        self.say(format!(
            "--tls-cluster-profile: the TLS profile of the cluster cannot be read; what is in force stays: {error}"
        ));
    }

    fn say(&mut self, text: String) {
        if text != self.said {
            warn!(target: "tls", "{text}");
            self.said = text;
        }
    }

    /// Whoever is concerned is told, once.
    fn put(&self, servers: TlsSettings, collectors: Option<TlsProfile>) {
        self.servers.send_if_modified(|now| {
            let changed = *now != servers;
            *now = servers;
            changed
        });
        // Without --tls-configure-operands collectors are told nothing.
        if self.given.1.is_none() {
            return;
        }
        self.collectors.send_if_modified(|now| {
            let changed = now.tls_profile != collectors;
            if changed {
                Arc::make_mut(now).tls_profile = collectors;
            }
            changed
        });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(profile: &str) -> DynamicObject {
        let data = json!({"spec": {"tlsSecurityProfile": {"type": profile}}});
        DynamicObject { types: None, metadata: kube::api::ObjectMeta::default(), data }
    }

    fn follower(operands: bool) -> (Follower, InForce) {
        let flags = TlsProfile { min_version: "1.2".to_owned(), cipher_suites: Vec::new() };
        let settings = Settings { tls_profile: operands.then_some(flags), ..Settings::default() };
        let given = (TlsSettings::default(), settings.tls_profile.clone());
        let servers = watch::Sender::new(TlsSettings::default());
        let collectors = watch::Sender::new(Arc::new(settings));
        let in_force = InForce { servers: servers.subscribe(), collectors: collectors.subscribe() };
        (Follower { servers, collectors, given, said: String::new() }, in_force)
    }

    #[test]
    fn a_profile_is_taken_once_and_given_back_when_it_goes() {
        let (mut follower, mut seen) = follower(true);
        follower.take(&object("Modern"));
        assert!(seen.servers.borrow_and_update().only_13());
        let told = |seen: &mut InForce| seen.collectors.borrow_and_update().tls_profile.clone().unwrap();
        assert_eq!(told(&mut seen).min_version, "1.3");
        follower.take(&object("Modern"));
        assert!(!seen.servers.has_changed().unwrap() && !seen.collectors.has_changed().unwrap());
        follower.complain("broken");
        assert!(!seen.servers.has_changed().unwrap(), "what was seen stays");
        follower.go_without();
        assert_eq!(*seen.servers.borrow_and_update(), TlsSettings::default());
        assert_eq!(told(&mut seen).min_version, "1.2");
    }

    #[test]
    fn collectors_are_told_nothing_unless_they_are_meant_to() {
        let (mut follower, seen) = follower(false);
        follower.take(&object("Modern"));
        assert!(seen.servers.has_changed().unwrap() && !seen.collectors.has_changed().unwrap());
        assert_eq!(seen.collectors.borrow().tls_profile, None);
    }
}
