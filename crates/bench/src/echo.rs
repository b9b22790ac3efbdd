//! The floor of a request over TLS and HTTP/2: the operator's own server code in a process of its own, with a handler
//! that reads 4 KB and answers 2 KB.

use std::{
    collections::BTreeSet,
    io::{Read, Write},
    process::Stdio,
    sync::Arc,
};

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::{
    Request, Response,
    body::{Bytes, Incoming},
};
use operator::{
    certificate::{Authority, Current},
    tls::{TlsSettings, acceptor::Acceptor},
    webhook::server,
};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::{Child, Command},
};
use tokio_util::sync::CancellationToken;

/// Bytes in a request.
pub(crate) const REQUEST: usize = 4096;
/// Bytes in an answer.
const ANSWER: usize = 2048;

/// What the server says of itself, as one line on standard output.
#[derive(Deserialize, Serialize)]
struct Announcement {
    port: u16,
    ca: String,
}

/// The server as a child process; it ends with this value, or with its parent.
pub(crate) struct Echo {
    pub(crate) port: u16,
    pub(crate) ca: String,
    _child: Child,
}

impl Echo {
    /// Starts it.
    pub(crate) async fn start() -> anyhow::Result<Echo> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg("echo")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the echo server")?;
        let mut line = String::new();
        let output = child.stdout.take().context("the echo server has no output")?;
        BufReader::new(output).read_line(&mut line).await?;
        let Announcement { port, ca } =
            serde_json::from_str(&line).context("the echo server did not start")?;
        Ok(Echo { port, ca, _child: child })
    }
}

/// The child: serves until its standard input is closed. Threads as in `otel-operator run`.
pub(crate) fn serve() -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let names = BTreeSet::from(["localhost".to_owned()]);
        let authority = Authority::create(&names, time::OffsetDateTime::now_utc())?;
        let current = Arc::new(Current::default());
        current.serve(&authority.certificate, &authority.key, None, false)?;
        let tls = Acceptor::new(tokio::sync::watch::channel(TlsSettings::default()).1, current)?;
        let listener = server::bind("127.0.0.1", 0).await?;
        let announcement = Announcement { port: listener.local_addr()?.port(), ca: authority.ca_certificate };
        println!("{}", serde_json::to_string(&announcement)?);
        std::io::stdout().flush()?;
        tokio::spawn(server::serve(listener, Some(tls), CancellationToken::new(), echo));
        // Standard input is a pipe to which the parent writes nothing: this ends when the parent does.
        tokio::task::spawn_blocking(|| std::io::stdin().read(&mut [0])).await?.ok();
        anyhow::Ok(())
    })?;
    runtime.shutdown_background();
    Ok(())
}

async fn echo(request: Request<Incoming>) -> Response<Full<Bytes>> {
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    Response::new(Full::new(body.slice(..body.len().min(ANSWER))))
}
