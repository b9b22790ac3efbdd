//! A plain HTTP GET on loopback: probes of etcd and of the operator need no more than this.

use std::time::Duration;

use anyhow::{Context, bail};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const TIMEOUT: Duration = Duration::from_secs(5);

/// Status and body of `GET http://127.0.0.1:<port><path>`.
///
/// # Errors
/// When there is no answer within five seconds or it is not HTTP.
pub async fn get(port: u16, path: &str) -> anyhow::Result<(u16, String)> {
    get_from("127.0.0.1", port, path).await
}

/// Status and body of `GET http://<address>:<port><path>`.
///
/// # Errors
/// When there is no answer within five seconds or it is not HTTP.
pub async fn get_from(address: &str, port: u16, path: &str) -> anyhow::Result<(u16, String)> {
    match tokio::time::timeout(TIMEOUT, exchange(address, port, path)).await {
        Ok(answer) => answer.with_context(|| format!("GET http://{address}:{port}{path}")),
        Err(_) => bail!("GET http://{address}:{port}{path}: no answer within {TIMEOUT:?}"),
    }
}

async fn exchange(address: &str, port: u16, path: &str) -> anyhow::Result<(u16, String)> {
    let mut stream = TcpStream::connect((address, port)).await?;
    // HTTP/1.0: the answer is not chunked and ends with the connection.
    let request = format!("GET {path} HTTP/1.0\r\nHost: {address}:{port}\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    let (head, body) = answer.split_once("\r\n\r\n").context("no end of the HTTP headers")?;
    let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).context("no HTTP status line")?;
    Ok((status, body.to_owned()))
}
