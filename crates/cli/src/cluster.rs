//! What the command line asks a cluster. Each question is asked once.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    rc::Rc,
    time::Duration,
};

use anyhow::{Context, Result, bail};
use api::Settings;
use http_body_util::BodyExt as _;
use kube::{
    Client, Config,
    config::{KubeConfigOptions, Kubeconfig},
};
use operator::cluster::{self, proxy::Proxy};
use serde_json::Value;

/// A person waits: a server that says nothing for so long is not there.
const PATIENCE: Duration = Duration::from_secs(10);
/// What is asked of Secrets and ConfigMaps whose content is nobody's business.
const ONLY_METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// The same of lists.
const ONLY_METADATA_OF_LISTS: &str = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
/// Objects in one part of a long list.
const PAGE: usize = 500;

/// What the API server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    /// Status code.
    pub code: u16,
    /// The object, or a `Status`.
    pub body: Value,
    /// `Warning` headers.
    pub warnings: Vec<String>,
}

impl Answer {
    /// The message of a refusal.
    pub(crate) fn message(&self) -> &str {
        self.body.get("message").and_then(Value::as_str).unwrap_or("no message")
    }

    /// Whether it was accepted.
    pub(crate) fn is_ok(&self) -> bool {
        (200..300).contains(&self.code)
    }
}

/// `KUBECONFIG` or `~/.kube/config`.
async fn usual(options: &KubeConfigOptions) -> Result<(Config, Option<Proxy>)> {
    cluster::outside(Kubeconfig::read()?, options).await
}

/// A cluster.
pub(crate) struct Cluster {
    runtime: tokio::runtime::Runtime,
    client: Client,
    /// The namespace of the kubeconfig's context.
    pub namespace: String,
    answers: RefCell<BTreeMap<String, Option<Rc<Value>>>>,
}

impl Cluster {
    /// The cluster of a kubeconfig, or the one that this pod runs in.
    ///
    /// # Errors
    ///
    /// When no kubeconfig can be used.
    pub(crate) fn connect(kubeconfig: Option<&PathBuf>, context: Option<&str>) -> Result<Cluster> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let options =
            KubeConfigOptions { context: context.map(str::to_owned), ..KubeConfigOptions::default() };
        let (config, client) = runtime.block_on(async {
            let (mut config, proxy) = match kubeconfig {
                Some(path) => {
                    let text = std::fs::read_to_string(path)
                        .with_context(|| format!("cannot read the kubeconfig {}", path.display()))?;
                    let file = Kubeconfig::from_yaml(&text)
                        .with_context(|| format!("{} is no kubeconfig", path.display()))?;
                    cluster::outside(file, &options)
                        .await
                        .with_context(|| format!("the kubeconfig {} cannot be used", path.display()))?
                }
                None => match usual(&options).await {
                    Ok(found) => found,
                    Err(_) if context.is_none() && std::env::var_os("KUBERNETES_SERVICE_HOST").is_some() => {
                        (Config::incluster().context("the pod's service account cannot be used")?, None)
                    }
                    Err(error) => {
                        return Err(error).context(
                            "no usable kubeconfig; give --kubeconfig, KUBECONFIG or ~/.kube/config",
                        );
                    }
                },
            };
            config.default_retry = false;
            config.connect_timeout = Some(PATIENCE);
            config.read_timeout = Some(PATIENCE);
            let client = match &proxy {
                // One question after the other: a connection that is given up when nothing comes is all that is needed.
                None => Client::try_from(config.clone()).context("cannot make a client for the cluster")?,
                Some(_) => cluster::connect(config.clone(), proxy.as_ref())?,
            };
            Ok::<_, anyhow::Error>((config, client))
        })?;
        Ok(Cluster { runtime, client, namespace: config.default_namespace, answers: RefCell::default() })
    }

    /// The object or list at a path; none when it does not exist.
    ///
    /// # Errors
    ///
    /// When the cluster cannot be reached or refuses.
    pub(crate) fn get(&self, path: &str) -> Result<Option<Rc<Value>>> {
        self.ask(path, "application/json")
    }

    fn ask(&self, path: &str, accept: &str) -> Result<Option<Rc<Value>>> {
        if let Some(answer) = self.answers.borrow().get(path) {
            return Ok(answer.clone());
        }
        let request = http::Request::get(path).header(http::header::ACCEPT, accept).body(Vec::new())?;
        let answer = match self.runtime.block_on(self.client.request::<Value>(request)) {
            Ok(value) => Some(Rc::new(value)),
            Err(kube::Error::Api(status)) if status.code == 404 => None,
            Err(kube::Error::Api(status)) => bail!("the cluster refuses GET {path}: {}", status.message),
            Err(error) => {
                return Err(error).with_context(|| format!("the cluster does not answer GET {path}"));
            }
        };
        self.answers.borrow_mut().insert(path.to_owned(), answer.clone());
        Ok(answer)
    }

    /// The objects of a list.
    ///
    /// # Errors
    ///
    /// As [`Cluster::get`].
    pub(crate) fn list(&self, path: &str) -> Result<Vec<Value>> {
        let list = self.get(path)?;
        let items = list.as_deref().and_then(|l| l.get("items")).and_then(Value::as_array).cloned();
        Ok(items.unwrap_or_default())
    }

    /// The objects of a list that may be long, fetched in parts.
    ///
    /// # Errors
    ///
    /// As [`Cluster::get`].
    pub(crate) fn pages(&self, path: &str) -> Result<Vec<Value>> {
        self.parts(path, "application/json")
    }

    /// As [`Cluster::pages`], with nothing but the metadata of the objects.
    ///
    /// # Errors
    ///
    /// As [`Cluster::get`].
    pub(crate) fn metadata(&self, path: &str) -> Result<Vec<Value>> {
        self.parts(path, ONLY_METADATA_OF_LISTS)
    }

    /// What is no object, such as a log.
    ///
    /// # Errors
    ///
    /// As [`Cluster::get`].
    pub(crate) fn text(&self, path: &str) -> Result<String> {
        let request = http::Request::get(path).body(Vec::new())?;
        match self.runtime.block_on(self.client.request_text(request)) {
            Ok(text) => Ok(text),
            Err(kube::Error::Api(status)) => bail!("the cluster refuses GET {path}: {}", status.message),
            Err(error) => Err(error).with_context(|| format!("the cluster does not answer GET {path}")),
        }
    }

    fn parts(&self, path: &str, accept: &str) -> Result<Vec<Value>> {
        let sign = if path.contains('?') { '&' } else { '?' };
        let (mut all, mut token) = (Vec::new(), String::new());
        loop {
            // The token is base64 for URLs, so it needs no encoding.
            let query = if token.is_empty() { String::new() } else { format!("&continue={token}") };
            let request = http::Request::get(format!("{path}{sign}limit={PAGE}{query}"))
                .header(http::header::ACCEPT, accept)
                .body(Vec::new())?;
            let mut list = match self.runtime.block_on(self.client.request::<Value>(request)) {
                Ok(list) => list,
                Err(kube::Error::Api(status)) if status.code == 404 => return Ok(all),
                Err(kube::Error::Api(status)) => bail!("the cluster refuses GET {path}: {}", status.message),
                Err(error) => {
                    return Err(error).with_context(|| format!("the cluster does not answer GET {path}"));
                }
            };
            if let Some(Value::Array(items)) = list.get_mut("items").map(Value::take) {
                all.extend(items);
            }
            token = list.pointer("/metadata/continue").and_then(Value::as_str).unwrap_or_default().to_owned();
            if token.is_empty() {
                return Ok(all);
            }
        }
    }

    /// Sends an object, and returns whatever the API server answers.
    ///
    /// # Errors
    ///
    /// When the cluster cannot be reached, or answers no JSON.
    pub(crate) fn post(&self, path: &str, object: &Value) -> Result<Answer> {
        self.send(http::Request::post(path), path, object)
    }

    /// As [`Cluster::post`], in the name of somebody else.
    ///
    /// # Errors
    ///
    /// As [`Cluster::post`].
    pub(crate) fn post_as(&self, user: &str, path: &str, object: &Value) -> Result<Answer> {
        self.send(http::Request::post(path).header("Impersonate-User", user), path, object)
    }

    fn send(&self, request: http::request::Builder, path: &str, object: &Value) -> Result<Answer> {
        let request = request
            .header(http::header::ACCEPT, "application/json")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(kube::client::Body::from(serde_json::to_vec(object)?))?;
        self.runtime.block_on(async {
            let answer = self.client.send(request);
            let answer = answer.await.with_context(|| format!("the cluster does not answer POST {path}"))?;
            let code = answer.status().as_u16();
            let warnings = answer.headers().get_all(http::header::WARNING).iter();
            let warnings = warnings.filter_map(|value| value.to_str().ok().map(str::to_owned)).collect();
            let body = answer.into_body().collect().await?.to_bytes();
            let body = serde_json::from_slice(&body).unwrap_or_default();
            Ok(Answer { code, body, warnings })
        })
    }

    /// Runs something that speaks to somebody else than the API server.
    pub(crate) fn wait_for<T>(&self, future: impl Future<Output = T>) -> Option<T> {
        self.runtime.block_on(async { tokio::time::timeout(PATIENCE, future).await.ok() })
    }

    /// Whether an object exists, without reading it.
    ///
    /// # Errors
    ///
    /// As [`Cluster::get`].
    pub(crate) fn exists(&self, path: &str) -> Result<bool> {
        Ok(self.ask(path, ONLY_METADATA)?.is_some())
    }

    /// The keys of a ConfigMap.
    ///
    /// # Errors
    ///
    /// As [`Cluster::get`].
    pub(crate) fn config_map_keys(&self, namespace: &str, name: &str) -> Result<Option<BTreeSet<String>>> {
        let map = self.get(&core(namespace, "configmaps", name)?)?;
        let keys = |map: &Value| {
            let data = map.get("data").and_then(Value::as_object);
            data.into_iter().flat_map(|d| d.keys().cloned()).collect()
        };
        Ok(map.as_deref().map(keys))
    }

    /// The settings that the operator has published.
    ///
    /// # Errors
    ///
    /// When the cluster refuses, or they cannot be read.
    pub(crate) fn settings(&self, namespace: &str) -> Result<Option<Settings>> {
        self.runtime.block_on(operator::settings::published::read(&self.client, namespace))
    }
}

/// The path of an object of the core group.
///
/// # Errors
///
/// When the name cannot be one.
pub(crate) fn core(namespace: &str, resource: &str, name: &str) -> Result<String> {
    Ok(format!("/api/v1/namespaces/{}/{resource}/{}", segment(namespace)?, segment(name)?))
}

/// The path of an object of another group.
///
/// # Errors
///
/// When the name cannot be one.
pub(crate) fn grouped(group: &str, namespace: &str, resource: &str, name: &str) -> Result<String> {
    Ok(format!("/apis/{group}/namespaces/{}/{resource}/{}", segment(namespace)?, segment(name)?))
}

/// A name as a segment of a path.
///
/// # Errors
///
/// When no object can have it.
pub(crate) fn segment(name: &str) -> Result<&str> {
    let ok = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-.:".contains(&b);
    if name.is_empty() || name.starts_with('.') || !name.bytes().all(ok) {
        bail!("{name:?} is no name of an object: it may hold lower case letters, digits, - and .");
    }
    Ok(name)
}
