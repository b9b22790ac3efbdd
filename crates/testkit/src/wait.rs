//! Waiting for something to become true, with a sentence to show when it does not.

use std::time::{Duration, Instant};

use anyhow::bail;

/// Calls `probe` until it yields a value, every 50 ms at first and every 500 ms later.
///
/// An error of the probe is not final: objects appear late and servers restart. The last one is part of the error
/// that this returns after `timeout`.
pub async fn wait_for<T>(
    what: &str,
    timeout: Duration,
    mut probe: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let start = Instant::now();
    let mut pause = Duration::from_millis(50);
    loop {
        // A probe that hangs, for example on a paused API server, must not outlive the deadline.
        let remaining = timeout.saturating_sub(start.elapsed());
        let attempt = tokio::time::timeout(remaining.max(Duration::from_millis(100)), probe()).await;
        let last_error = match attempt {
            Ok(Ok(Some(value))) => return Ok(value),
            Ok(Ok(None)) => None,
            Ok(Err(error)) => Some(format!("{error:#}")),
            Err(_) => Some("the last attempt got no answer".to_owned()),
        };
        if start.elapsed() + pause > timeout {
            match last_error {
                Some(error) => bail!("waited {timeout:?} for {what}: {error}"),
                None => bail!("waited {timeout:?} for {what}"),
            }
        }
        tokio::time::sleep(pause).await;
        pause = (pause * 3 / 2).min(Duration::from_millis(500));
    }
}
