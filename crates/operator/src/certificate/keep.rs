//! Where the document with the authorities is kept between starts and shared by replicas: a Secret, or a file.
//!
//! Several replicas read and write it. A write says which version it was made from, and is refused when somebody else
//! was faster.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{ErrorKind, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};
use k8s_openapi::{ByteString, api::core::v1::Secret, apimachinery::pkg::apis::meta::v1::ObjectMeta};
use kube::{Api, Client, api::PostParams};

use super::rotation::BUNDLE;

/// Name of the Secret.
pub const SECRET: &str = "opentelemetry-operator-ca";
/// An annotation of the Secret, with any value, that asks for a new CA. It is taken off when that is being made.
pub const ROTATE: &str = "opentelemetry.io/rotate-ca";

/// The file with everything, readable by its owner only.
const DOCUMENT: &str = "authorities.json";
const LOCK: &str = "lock";

/// By key, as in a Secret.
pub type Document = BTreeMap<String, String>;

/// Where the document is kept.
pub enum Keep {
    /// The Secret [`SECRET`] in this namespace.
    Secret {
        /// Client.
        client: Client,
        /// The operator's namespace.
        namespace: String,
    },
    /// A file in this folder.
    Folder(PathBuf),
}

/// What was read.
#[derive(Debug)]
pub struct Kept {
    /// The document; none when there is none, or what is there is none.
    pub document: Option<Document>,
    /// Whether somebody asks for a new CA ([`ROTATE`]).
    pub rotate: bool,
    version: Version,
}

#[derive(Debug)]
enum Version {
    Secret(Option<Box<Secret>>),
    Text(Option<String>),
}

impl std::fmt::Display for Keep {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Keep::Secret { namespace, .. } => write!(f, "Secret {namespace}/{SECRET}"),
            Keep::Folder(folder) => write!(f, "folder {}", folder.display()),
        }
    }
}

impl Keep {
    /// Reads the document.
    ///
    /// # Errors
    /// When the Secret or the file cannot be read. That there is none is no error.
    pub async fn read(&self) -> Result<Kept> {
        match self {
            Keep::Secret { client, namespace } => {
                let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
                let secret = secrets.get_opt(SECRET).await.with_context(|| format!("cannot read {self}"))?;
                let rotate = secret
                    .as_ref()
                    .is_some_and(|s| s.metadata.annotations.as_ref().is_some_and(|a| a.contains_key(ROTATE)));
                let document = secret.as_ref().and_then(|secret| texts(secret.data.as_ref()?));
                Ok(Kept { document, rotate, version: Version::Secret(secret.map(Box::new)) })
            }
            Keep::Folder(folder) => {
                let text = text(folder).with_context(|| format!("cannot read {self}"))?;
                let document = text.as_ref().and_then(|text| serde_json::from_str(text).ok());
                Ok(Kept { document, rotate: false, version: Version::Text(text) })
            }
        }
    }

    /// Writes a document in the place of what was read. False when that has changed since, and nothing was written.
    ///
    /// # Errors
    /// When the Secret or the file cannot be written.
    pub async fn write(&self, instead_of: Kept, document: &Document) -> Result<bool> {
        let written = match (self, instead_of.version) {
            (Keep::Secret { client, namespace }, Version::Secret(old)) => {
                let secrets = Api::<Secret>::namespaced(client.clone(), namespace);
                let written = match old {
                    None => secrets.create(&PostParams::default(), &new_secret(document)).await,
                    Some(mut secret) => {
                        if let Some(annotations) = &mut secret.metadata.annotations {
                            annotations.remove(ROTATE);
                        }
                        // The resource version in it makes a concurrent change a conflict.
                        secret.data = Some(bytes(document));
                        secrets.replace(SECRET, &PostParams::default(), &secret).await
                    }
                };
                match written {
                    Ok(_) => Ok(true),
                    Err(kube::Error::Api(status)) if status.code == 409 => Ok(false),
                    Err(error) => Err(anyhow::Error::new(error)),
                }
            }
            (Keep::Folder(folder), Version::Text(old)) => replace(folder, old.as_deref(), document),
            _ => Err(anyhow::anyhow!("it was read from elsewhere")),
        };
        written.with_context(|| format!("cannot write {self}"))
    }
}

fn new_secret(document: &Document) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(SECRET.to_owned()),
            labels: Some(crate::manifest::labels()),
            ..ObjectMeta::default()
        },
        type_: Some("Opaque".to_owned()),
        data: Some(bytes(document)),
        ..Secret::default()
    }
}

fn bytes(document: &Document) -> BTreeMap<String, ByteString> {
    document.iter().map(|(key, text)| (key.clone(), ByteString(text.clone().into_bytes()))).collect()
}

fn texts(data: &BTreeMap<String, ByteString>) -> Option<Document> {
    data.iter().map(|(key, bytes)| Some((key.clone(), String::from_utf8(bytes.0.clone()).ok()?))).collect()
}

fn text(folder: &Path) -> std::io::Result<Option<String>> {
    match std::fs::read_to_string(folder.join(DOCUMENT)) {
        Ok(text) => Ok(Some(text)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

fn replace(folder: &Path, old: Option<&str>, document: &Document) -> Result<bool> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    let lock = private(&folder.join(LOCK))?;
    // Held until the file is closed, at the end of this function or of the process.
    lock.lock()?;
    if text(folder)?.as_deref() != old {
        return Ok(false);
    }
    let put = |name: &str, content: &str| -> Result<()> {
        // Written beside and renamed, so that a crash leaves the old file or the new one.
        let temporary = folder.join(format!(".{name}.{}", std::process::id()));
        let mut file = private(&temporary)?;
        file.set_len(0)?;
        file.write_all(content.as_bytes())?;
        Ok(std::fs::rename(&temporary, folder.join(name))?)
    };
    put(DOCUMENT, &serde_json::to_string_pretty(document)?)?;
    // For curl and other tools; never read again.
    put(BUNDLE, document.get(BUNDLE).map(String::as_str).unwrap_or_default())?;
    Ok(true)
}

fn private(path: &Path) -> std::io::Result<File> {
    File::options().write(true).create(true).truncate(false).mode(0o600).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        BTreeMap::from([(BUNDLE.to_owned(), text.to_owned())])
    }

    #[tokio::test]
    async fn a_folder_gives_back_what_was_written_and_is_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        let keep = Keep::Folder(path.clone());
        let nothing = keep.read().await.unwrap();
        assert_eq!(nothing.document, None);
        assert!(keep.write(nothing, &document("a")).await.unwrap());
        assert_eq!(keep.read().await.unwrap().document, Some(document("a")));
        let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&path.join(DOCUMENT))), (0o700, 0o600));
    }

    #[tokio::test]
    async fn of_two_writers_the_slower_one_is_told_and_changes_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let keep = Keep::Folder(folder.path().to_owned());
        let (first, second) = (keep.read().await.unwrap(), keep.read().await.unwrap());
        assert!(keep.write(first, &document("a")).await.unwrap());
        assert!(!keep.write(second, &document("b")).await.unwrap());
        assert_eq!(keep.read().await.unwrap().document, Some(document("a")));
    }

    #[tokio::test]
    async fn what_is_no_document_counts_as_none_and_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(DOCUMENT), "{half").unwrap();
        let keep = Keep::Folder(folder.path().to_owned());
        let kept = keep.read().await.unwrap();
        assert_eq!(kept.document, None);
        assert!(keep.write(kept, &document("a")).await.unwrap());
    }
}
