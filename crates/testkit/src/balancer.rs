//! One address in front of several replicas, as a Service is: new connections go to those that are ready, by turns, and
//! existing ones stay where they are.

use std::{
    io::ErrorKind,
    net::Ipv4Addr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::Context;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::oneshot,
};

/// How often readiness is asked for: a kubelet asks every 5 s and notices the end of a process at once, which here shows
/// when connecting fails.
const EVERY: Duration = Duration::from_millis(200);

/// A TCP proxy on loopback. It runs on a thread of its own, so that a test that blocks does not block it, and ends on drop.
#[derive(Debug)]
pub struct Balancer {
    port: u16,
    replicas: Arc<Replicas>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Replicas {
    all: Mutex<Vec<Arc<Replica>>>,
    turn: AtomicUsize,
}

#[derive(Debug)]
struct Replica {
    port: u16,
    health_port: u16,
    ready: AtomicBool,
    connections: AtomicUsize,
}

impl Balancer {
    /// Listens on a free port of 127.0.0.1; there are no replicas yet.
    ///
    /// # Errors
    /// When no port can be listened on.
    pub fn start() -> anyhow::Result<Balancer> {
        let listener = loop {
            let port = crate::free_port()?;
            match std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
                Ok(listener) => break listener,
                Err(e) if e.kind() == ErrorKind::AddrInUse => {}
                Err(e) => return Err(e).context("cannot listen"),
            }
        };
        listener.set_nonblocking(true)?;
        let port = listener.local_addr()?.port();
        let replicas = Arc::new(Replicas::default());
        let (stop, stopped) = oneshot::channel();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let known = replicas.clone();
        let thread = std::thread::spawn(move || {
            runtime.block_on(async {
                let Ok(listener) = TcpListener::from_std(listener) else { return };
                tokio::select! {
                    () = accept(&listener, &known) => {}
                    () = watch(&known) => {}
                    _ = stopped => {}
                }
            });
        });
        Ok(Balancer { port, replicas, stop: Some(stop), thread: Some(thread) })
    }

    /// The port that clients are given.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Adds a replica by its port and the port of its `/readyz`.
    pub fn add(&self, port: u16, health_port: u16) {
        let (ready, connections) = (AtomicBool::new(false), AtomicUsize::new(0));
        self.replicas.lock().push(Arc::new(Replica { port, health_port, ready, connections }));
    }

    /// How many replicas are ready.
    pub fn ready(&self) -> usize {
        self.replicas.lock().iter().filter(|replica| replica.is_ready()).count()
    }

    /// How many connections each replica was given so far, in the order of [`Balancer::add`].
    pub fn connections(&self) -> Vec<usize> {
        self.replicas.lock().iter().map(|replica| replica.connections.load(Ordering::Relaxed)).collect()
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            let _ = stop.send(());
        }
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Replicas {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Replica>>> {
        self.all.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those that are ready, beginning with the one whose turn it is.
    fn in_turn(&self) -> Vec<Arc<Replica>> {
        let mut ready: Vec<_> = self.lock().iter().filter(|replica| replica.is_ready()).cloned().collect();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        let count = ready.len().max(1);
        ready.rotate_left(turn % count);
        ready
    }
}

impl Replica {
    fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Relaxed)
    }
}

async fn accept(listener: &TcpListener, replicas: &Arc<Replicas>) {
    loop {
        match listener.accept().await {
            Ok((client, _)) => drop(tokio::spawn(forward(client, replicas.clone()))),
            Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
        }
    }
}

/// Passes a connection on to the first replica that takes it. Without one it is closed.
async fn forward(mut client: TcpStream, replicas: Arc<Replicas>) {
    let _ = client.set_nodelay(true);
    for replica in replicas.in_turn() {
        match TcpStream::connect((Ipv4Addr::LOCALHOST, replica.port)).await {
            Ok(mut server) => {
                let _ = server.set_nodelay(true);
                replica.connections.fetch_add(1, Ordering::Relaxed);
                // An error means that one side is gone; the other one is told by the end of this function.
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                return;
            }
            Err(_) => replica.ready.store(false, Ordering::Relaxed),
        }
    }
}

async fn watch(replicas: &Replicas) {
    loop {
        let all: Vec<_> = replicas.lock().clone();
        for replica in all {
            let answer = crate::http::get(replica.health_port, "/readyz").await;
            replica.ready.store(answer.is_ok_and(|(status, _)| status == 200), Ordering::Relaxed);
        }
        tokio::time::sleep(EVERY).await;
    }
}
