//! Where the authority is kept between starts: a Secret in a cluster, a folder outside.

use std::{
    collections::{BTreeMap, BTreeSet},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::PathBuf,
};

use anyhow::{Context, Result, bail};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Client, api::PostParams};
use time::OffsetDateTime;
use tracing::{info, warn};

use super::Authority;

/// Name of the Secret.
pub const SECRET: &str = "opentelemetry-operator-ca";

const CA_CERTIFICATE: &str = "ca.crt";
const CA_KEY: &str = "ca.key";
const CERTIFICATE: &str = "tls.crt";
const KEY: &str = "tls.key";

/// Where the authority is kept.
pub enum Keep {
    /// The Secret [`SECRET`] in this namespace.
    Secret {
        /// Client.
        client: Client,
        /// The operator's namespace.
        namespace: String,
    },
    /// Four files in this folder.
    Folder(PathBuf),
}

impl Keep {
    /// The authority as kept, made or renewed where necessary for these names. Every replica ends up with the same.
    pub async fn authority(&self, names: &BTreeSet<String>) -> Result<Authority> {
        match self {
            Keep::Secret { client, namespace } => in_secret(client, namespace, names).await,
            Keep::Folder(folder) => in_folder(folder, names)
                .with_context(|| format!("cannot keep certificates in folder {}", folder.display())),
        }
    }
}

async fn in_secret(client: &Client, namespace: &str, names: &BTreeSet<String>) -> Result<Authority> {
    let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
    // Another replica may write between our read and our write; its authority is then read in the next round.
    for _ in 0..5 {
        let kept = secrets
            .get_opt(SECRET)
            .await
            .with_context(|| format!("cannot read Secret {namespace}/{SECRET}"))?;
        let now = OffsetDateTime::now_utc();
        let old = kept.as_ref().and_then(|secret| authority(secret.data.as_ref()?));
        let new = match &old {
            Some(old) => old.renewed(names, now)?,
            None => Authority::create(names, now)?,
        };
        if old.as_ref() == Some(&new) {
            return Ok(new);
        }
        let written = match kept {
            None => {
                let secret = Secret {
                    metadata: ObjectMeta {
                        name: Some(SECRET.to_owned()),
                        labels: Some(crate::manifest::labels()),
                        ..ObjectMeta::default()
                    },
                    type_: Some("Opaque".to_owned()),
                    data: Some(data(&new)),
                    ..Secret::default()
                };
                secrets.create(&PostParams::default(), &secret).await
            }
            Some(mut secret) => {
                if old.is_none() {
                    warn!(target: "certificate", "Secret {namespace}/{SECRET} holds no usable authority: a new one is made");
                }
                // The resource version in it makes a concurrent change a conflict.
                secret.data = Some(data(&new));
                secrets.replace(SECRET, &PostParams::default(), &secret).await
            }
        };
        match written {
            Ok(_) => {
                info!(target: "certificate", "wrote certificates to Secret {namespace}/{SECRET}");
                return Ok(new);
            }
            Err(kube::Error::Api(status)) if status.code == 409 => {}
            Err(error) => {
                return Err(error).with_context(|| format!("cannot write Secret {namespace}/{SECRET}"));
            }
        }
    }
    bail!("Secret {namespace}/{SECRET} keeps changing while it is written")
}

fn data(authority: &Authority) -> BTreeMap<String, ByteString> {
    files(authority)
        .into_iter()
        .map(|(name, text)| (name.to_owned(), ByteString(text.clone().into_bytes())))
        .collect()
}

fn files(authority: &Authority) -> [(&'static str, &String); 4] {
    [
        (CA_CERTIFICATE, &authority.ca_certificate),
        (CA_KEY, &authority.ca_key),
        (CERTIFICATE, &authority.certificate),
        (KEY, &authority.key),
    ]
}

fn authority(data: &BTreeMap<String, ByteString>) -> Option<Authority> {
    let text = |key: &str| String::from_utf8(data.get(key)?.0.clone()).ok();
    Some(Authority {
        ca_certificate: text(CA_CERTIFICATE)?,
        ca_key: text(CA_KEY)?,
        certificate: text(CERTIFICATE)?,
        key: text(KEY)?,
    })
}

fn in_folder(folder: &PathBuf, names: &BTreeSet<String>) -> Result<Authority> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let text = |name: &str| std::fs::read_to_string(folder.join(name)).ok();
    let read = || {
        Some(Authority {
            ca_certificate: text(CA_CERTIFICATE)?,
            ca_key: text(CA_KEY)?,
            certificate: text(CERTIFICATE)?,
            key: text(KEY)?,
        })
    };
    let old = read();
    let now = OffsetDateTime::now_utc();
    let new = match &old {
        Some(old) => old.renewed(names, now)?,
        None => Authority::create(names, now)?,
    };
    if old.as_ref() != Some(&new) {
        for (name, content) in files(&new) {
            // Written beside and renamed, so that a crash leaves the old file or the new one.
            let temporary = folder.join(format!(".{name}.{}", std::process::id()));
            let mut options = std::fs::OpenOptions::new();
            let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(&temporary)?;
            std::io::Write::write_all(&mut file, content.as_bytes())?;
            std::fs::rename(&temporary, folder.join(name))?;
        }
        info!(target: "certificate", "wrote certificates to folder {}", folder.display());
    }
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_gives_the_same_authority_again_and_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let names = ["localhost".to_owned()].into();
        let first = in_folder(&path, &names).unwrap();
        assert_eq!(in_folder(&path, &names).unwrap(), first);
        let mode = |p: &std::path::Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join(CA_KEY))), (0o700, 0o600));
    }
}
