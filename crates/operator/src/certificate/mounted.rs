//! Certificates that somebody else mounts: cert-manager, Helm or OLM.
//!
//! Secret volumes change by swapping a symbolic link, which file notifications miss; so the content is compared.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tracing::{error, info};

use super::{Current, Error};
use crate::metrics::Metrics;

/// Where the reference operator expects them.
pub fn folder() -> PathBuf {
    std::env::temp_dir().join("k8s-webhook-server/serving-certs")
}

/// How often the files are compared with what is served.
const EVERY: Duration = Duration::from_secs(10);

/// A pair of files.
#[derive(Clone, Debug)]
pub struct Files {
    certificate: PathBuf,
    key: PathBuf,
    ca: Option<PathBuf>,
}

/// What the files held when they were last looked at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    certificate: String,
    key: String,
    ca: Option<String>,
}

impl Files {
    /// The pair in the folder that the reference operator uses, when it is there.
    pub fn find() -> Option<Files> {
        Self::find_in(&folder())
    }

    fn find_in(folder: &Path) -> Option<Files> {
        let files = Files {
            certificate: folder.join("tls.crt"),
            key: folder.join("tls.key"),
            ca: Some(folder.join("ca.crt")),
        };
        (files.certificate.is_file() && files.key.is_file()).then_some(files)
    }

    /// This pair.
    pub fn pair(certificate: PathBuf, key: PathBuf) -> Files {
        Files { certificate, key, ca: None }
    }

    /// Reads the files.
    pub fn read(&self) -> std::io::Result<Content> {
        Ok(Content {
            certificate: std::fs::read_to_string(&self.certificate)?,
            key: std::fs::read_to_string(&self.key)?,
            ca: self.ca.as_ref().and_then(|ca| std::fs::read_to_string(ca).ok()),
        })
    }

    /// Serves what the files hold.
    pub fn serve(&self, current: &Current) -> Result<Content, String> {
        let content = self.read().map_err(|e| format!("cannot read {}: {e}", self.certificate.display()))?;
        content.serve(current).map_err(|e| format!("{}: {e}", self.certificate.display()))?;
        Ok(content)
    }

    /// Looks at the files again and again and serves what is new. A bad pair is reported and counted; the old one stays.
    pub async fn follow(self, current: Arc<Current>, metrics: Arc<Metrics>, mut seen: Option<Content>) {
        loop {
            tokio::time::sleep(EVERY).await;
            let Ok(content) = self.read() else { continue };
            if seen.as_ref() == Some(&content) {
                continue;
            }
            metrics.certificate_reads.inc();
            match content.serve(&current) {
                Ok(()) => {
                    info!(target: "certificate", "serving the new certificate of {}", self.certificate.display())
                }
                Err(e) => {
                    metrics.certificate_read_errors.inc();
                    error!(target: "certificate", "{} stays in use, its new content cannot be: {e}", self.certificate.display());
                }
            }
            seen = Some(content);
        }
    }
}

impl Content {
    fn serve(&self, current: &Current) -> Result<(), Error> {
        current.serve(&self.certificate, &self.key, self.ca.clone(), true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificate::Authority;

    #[test]
    fn files_are_found_and_served() {
        let folder = tempfile::tempdir().unwrap();
        assert!(Files::find_in(folder.path()).is_none());
        let authority =
            Authority::create(&["localhost".to_owned()].into(), time::OffsetDateTime::now_utc()).unwrap();
        std::fs::write(folder.path().join("tls.crt"), &authority.certificate).unwrap();
        std::fs::write(folder.path().join("tls.key"), &authority.key).unwrap();
        let current = Current::default();
        let content = Files::find_in(folder.path()).unwrap().serve(&current).unwrap();
        assert_eq!(content.ca, None);
        assert!(current.served().is_some());
    }
}
