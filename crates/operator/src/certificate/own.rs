//! The process's own certificates: reads the shared document, makes the next step of a rotation when it is time, and serves
//! a certificate of its own, issued in memory by the CA that signs.

use std::{collections::BTreeSet, sync::Arc};

use anyhow::{Context, Result, bail};
use kube::{Client, api::ApiResource};
use time::OffsetDateTime;
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::{
    Current,
    authority::{Certificate, Lifetimes},
    keep::Keep,
    rotation::Authorities,
    trust,
};

/// Replicas look this many times while old and new CA are trusted together.
const LOOKS: i32 = 12;
/// A step that other replicas keep being faster with is given up until the next look.
const ATTEMPTS: usize = 10;

/// Certificates that the process makes itself.
pub struct Own {
    keep: Keep,
    /// The DNS names and IP addresses by which the API server reaches this process.
    names: BTreeSet<String>,
    lifetimes: Lifetimes,
    client: Client,
    /// The objects that carry a bundle.
    bundled: Vec<(ApiResource, String)>,
    current: Arc<Current>,
    /// The authorities by which the certificate in use was issued.
    last: Mutex<Option<Authorities>>,
}

impl Own {
    /// Nothing is read before the first look.
    pub fn new(
        keep: Keep,
        names: BTreeSet<String>,
        lifetimes: Lifetimes,
        client: Client,
        bundled: Vec<(ApiResource, String)>,
        current: Arc<Current>,
    ) -> Arc<Own> {
        Arc::new(Own { keep, names, lifetimes, client, bundled, current, last: Mutex::new(None) })
    }

    /// Makes what is missing, makes every step of a rotation that can be made now, and serves the result.
    ///
    /// # Errors
    /// When the document cannot be read or written, or a certificate cannot be made.
    pub async fn look(&self) -> Result<()> {
        // One look at a time. It is also what keeps a slow answer from undoing a newer one.
        let mut last = self.last.lock().await;
        let advanced = self.advanced().await;
        // Without the document a certificate can still be renewed by what is remembered of it.
        let Some(authorities) = advanced.as_ref().ok().cloned().or_else(|| last.clone()) else {
            return advanced.map(drop);
        };
        self.serve(&authorities, last.as_ref())?;
        *last = Some(authorities);
        advanced.map(drop)
    }

    /// Serves a certificate of the CA that signs, the one in use if it is one, and has the whole bundle trusted.
    fn serve(&self, authorities: &Authorities, last: Option<&Authorities>) -> Result<()> {
        let now = OffsetDateTime::now_utc();
        let bundle = authorities.bundle();
        let served = self.current.served();
        let good = served.as_ref().is_some_and(|served| {
            last.is_some_and(|last| last.signing == authorities.signing)
                && !self.is_due(&served.certificate, authorities, now)
        });
        match served {
            Some(served) if good && served.ca.as_ref() == Some(&bundle) => {}
            Some(served) if good => self.current.trust(&served, bundle),
            _ => {
                let leaf = authorities.signing.issue(&self.names, self.lifetimes.certificate, now)?;
                self.current
                    .serve(&leaf.certificate, &leaf.key, Some(bundle), false)
                    .context("a certificate of our own cannot be used")?;
                let expires = Certificate::read(&leaf.certificate)?.expires;
                info!(target: "certificate", %expires, "serving a new certificate of our own");
            }
        }
        Ok(())
    }

    /// Whether the certificate is in the last part of its life, and another one would live longer.
    fn is_due(&self, served: &Certificate, authorities: &Authorities, now: OffsetDateTime) -> bool {
        Lifetimes::is_due(self.lifetimes.certificate, served.expires, now)
            && authorities.signing.expires().is_none_or(|ca| ca > served.expires)
    }

    /// The document after all steps that can be made now.
    async fn advanced(&self) -> Result<Authorities> {
        for _ in 0..ATTEMPTS {
            let kept = self.keep.read().await?;
            let known = kept.document.as_ref().and_then(Authorities::read);
            let now = OffsetDateTime::now_utc();
            let (new, sentence) = match known {
                None => (Authorities::create(&self.lifetimes, now)?, "made a CA"),
                Some(known) => {
                    let trusted = known.asks_for_trust() && self.is_trusted(&known).await;
                    match known.step(trusted, kept.rotate, &self.lifetimes, OffsetDateTime::now_utc())? {
                        None => return Ok(known),
                        Some((new, step)) => (new, step.sentence()),
                    }
                }
            };
            if self.keep.write(kept, &new.document()).await? {
                info!(target: "certificate", "{sentence} ({})", self.keep);
            }
            // Written by us or by somebody else: it is read again, and there may be more to do.
        }
        bail!("{} keeps changing while it is written", self.keep)
    }

    /// Whether every bundle in the cluster holds what the document names. Not knowing counts as no: it only costs time.
    async fn is_trusted(&self, authorities: &Authorities) -> bool {
        let bundled = self.bundled.iter().cloned();
        match trust::everywhere(&self.client, bundled, &authorities.bundle()).await {
            Ok(trusted) => trusted,
            Err(e) => {
                warn!(target: "certificate", "cannot see whether every caBundle has the new CA, trying again: {e}");
                false
            }
        }
    }

    /// Looks again and again. Never returns.
    pub async fn follow(self: Arc<Self>) {
        let pause = (self.lifetimes.overlap / LOOKS).unsigned_abs();
        let mut complained = false;
        loop {
            tokio::time::sleep(pause).await;
            match self.look().await {
                Ok(()) => complained = false,
                Err(e) if !std::mem::replace(&mut complained, true) => {
                    warn!(target: "certificate", "the certificate could not be looked at, trying again: {e:#}");
                }
                Err(_) => {}
            }
        }
    }
}
