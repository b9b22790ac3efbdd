//! A process outside the cluster whose way to the API server leads through a proxy.

use std::{path::PathBuf, process::Command};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use testkit::{Cluster, ControlPlane, Operator, OperatorOptions};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader, copy_bidirectional},
    net::{TcpListener, TcpStream},
    sync::mpsc,
};

/// A name that only the proxy knows.
const ELSEWHERE: &str = "kubernetes.behind-the-proxy.invalid:6443";
/// Where nobody listens.
const NOWHERE: &str = "http://127.0.0.1:1";

/// A proxy that opens tunnels to this API server, whatever name it is asked for, and tells the heads of these requests.
async fn proxy(api_server: &str) -> Result<(u16, mpsc::UnboundedReceiver<String>)> {
    let target = api_server.trim_start_matches("https://").to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    let (send, asked) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let (send, target) = (send.clone(), target.clone());
            tokio::spawn(async move {
                let mut stream = BufReader::new(stream);
                let mut head = String::new();
                while !head.ends_with("\r\n\r\n") {
                    if stream.read_line(&mut head).await? == 0 {
                        return Ok(());
                    }
                }
                let _ = send.send(head);
                let mut server = TcpStream::connect(target).await?;
                stream.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
                copy_bidirectional(&mut stream, &mut server).await?;
                std::io::Result::Ok(())
            });
        }
    });
    Ok((port, asked))
}

/// The kubeconfig of a cluster, with another server under its name in the certificate, and perhaps a proxy.
fn kubeconfig(cluster: &Cluster, file: PathBuf, server: &str, proxy: Option<&str>) -> Result<String> {
    let text = std::fs::read_to_string(cluster.kubeconfig())?;
    let mut config: Value = serde_saphyr::from_str(&text)?;
    let named = config["clusters"][0]["cluster"].as_object_mut().context("no cluster")?;
    named.insert("server".to_owned(), json!(server));
    named.insert("tls-server-name".to_owned(), json!("localhost"));
    if let Some(proxy) = proxy {
        named.insert("proxy-url".to_owned(), json!(proxy));
    }
    std::fs::write(&file, config.to_string())?;
    Ok(format!("--kubeconfig={}", file.display()))
}

/// Starts a process with this kubeconfig and environment: it gets ready when it has listed what it watches.
async fn gets_ready(cluster: &Cluster, kubeconfig: &str, env: &[(&str, &str)]) -> Result<String> {
    let args = vec!["--enable-webhooks=false".to_owned(), kubeconfig.to_owned()];
    let env = env.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let options = OperatorOptions { args, env, no_install: true, ..OperatorOptions::default() };
    Ok(Operator::start(cluster, options).await?.log())
}

// The proxy works while the operator is waited for.
#[tokio::test(flavor = "multi_thread")]
async fn outside_a_cluster_the_api_server_is_reached_through_the_proxy_of_environment_or_kubeconfig()
-> Result<()> {
    let cluster = ControlPlane::start().await?;
    let folder = tempfile::tempdir()?;
    let (port, mut asked) = proxy(cluster.url()).await?;
    let mut heads = || std::iter::from_fn(|| asked.try_recv().ok()).collect::<Vec<_>>();
    let elsewhere = format!("https://{ELSEWHERE}");
    let file = |name: &str| folder.path().join(name);

    let hidden = kubeconfig(&cluster, file("hidden"), &elsewhere, None)?;
    let of_the_environment = format!("http://somebody:p%40ss@127.0.0.1:{port}");
    let log = gets_ready(&cluster, &hidden, &[("HTTPS_PROXY", &of_the_environment)]).await?;
    assert!(log.contains("reached through a proxy") && !log.contains("p%40ss"), "{log}");
    let seen = heads();
    assert!(!seen.is_empty());
    for head in seen {
        assert!(head.starts_with(&format!("CONNECT {ELSEWHERE} HTTP/1.1\r\n")), "{head}");
        assert!(head.to_lowercase().contains("proxy-authorization: basic "), "{head}");
    }

    // So does the command line.
    let status = Command::new(testkit::operator_binary()?)
        .args(["status", "-A", &hidden])
        .env("HTTPS_PROXY", &of_the_environment)
        .output()?;
    assert!(status.status.success(), "{status:?}");
    assert!(!heads().is_empty());

    // The kubeconfig's own holds whatever the environment says.
    let own = format!("http://127.0.0.1:{port}");
    let stated = kubeconfig(&cluster, file("stated"), &elsewhere, Some(&own))?;
    gets_ready(&cluster, &stated, &[("HTTPS_PROXY", NOWHERE), ("NO_PROXY", "*")]).await?;
    assert!(!heads().is_empty());

    // Neither what NO_PROXY names nor this machine needs one.
    let direct = format!("--kubeconfig={}", cluster.kubeconfig().display());
    gets_ready(&cluster, &direct, &[("HTTPS_PROXY", NOWHERE)]).await?;
    let here = cluster.url().replace("127.0.0.1", "0.0.0.0");
    let excepted = kubeconfig(&cluster, file("excepted"), &here, None)?;
    gets_ready(&cluster, &excepted, &[("HTTPS_PROXY", NOWHERE), ("NO_PROXY", "10.0.0.0/8,0.0.0.0")]).await?;
    assert_eq!(heads(), [""; 0]);
    Ok(())
}
