//! One layer of an image: files as a reproducible tar archive.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
};

use anyhow::{Context, bail};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

/// Files by their path in the image, without a leading slash.
#[derive(Clone, Debug, Default)]
pub(crate) struct Layer {
    entries: BTreeMap<PathBuf, Entry>,
}

#[derive(Clone, Debug)]
enum Entry {
    Folder { mode: u32 },
    File { source: PathBuf, mode: u32 },
    Text { content: String, mode: u32 },
    Link { target: PathBuf },
}

impl Layer {
    /// One file, copied from `source`; executable by everybody if its owner may execute it.
    pub(crate) fn file(mut self, path: &str, source: &Path) -> anyhow::Result<Layer> {
        let metadata = fs::metadata(source).with_context(|| format!("cannot read {}", source.display()))?;
        self.insert(path.into(), Entry::File { source: source.to_owned(), mode: mode(&metadata) });
        Ok(self)
    }

    /// One file with this text, readable by everybody.
    pub(crate) fn text(mut self, path: &str, content: &str) -> Layer {
        self.insert(path.into(), Entry::Text { content: content.to_owned(), mode: 0o644 });
        self
    }

    /// A symbolic link.
    pub(crate) fn link(mut self, path: &str, target: &str) -> Layer {
        self.insert(path.into(), Entry::Link { target: target.into() });
        self
    }

    /// An empty folder with these permissions, for example `0o1777`.
    pub(crate) fn folder(mut self, path: &str, mode: u32) -> Layer {
        self.insert(path.into(), Entry::Folder { mode });
        self
    }

    /// Everything below the folder `source`, at `path` in the image; what `leave_out` says yes to is left out.
    pub(crate) fn tree(
        mut self,
        path: &str,
        source: &Path,
        leave_out: impl Fn(&Path) -> bool + Copy,
    ) -> anyhow::Result<Layer> {
        self.add_tree(Path::new(path), source, leave_out)
            .with_context(|| format!("cannot read {}", source.display()))?;
        Ok(self)
    }

    fn add_tree(
        &mut self,
        path: &Path,
        source: &Path,
        leave_out: impl Fn(&Path) -> bool + Copy,
    ) -> io::Result<()> {
        for item in fs::read_dir(source)? {
            let item = item?;
            let (from, to) = (item.path(), path.join(item.file_name()));
            let metadata = item.metadata()?;
            if leave_out(&from) {
                continue;
            }
            if metadata.is_dir() {
                self.insert(to.clone(), Entry::Folder { mode: 0o755 });
                self.add_tree(&to, &from, leave_out)?;
            } else if metadata.is_symlink() {
                self.insert(to, Entry::Link { target: fs::read_link(&from)? });
            } else {
                self.insert(to, Entry::File { source: from, mode: mode(&metadata) });
            }
        }
        Ok(())
    }

    /// Adds an entry and the folders above it.
    fn insert(&mut self, path: PathBuf, entry: Entry) {
        for folder in path.ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty()) {
            self.entries.entry(folder.to_owned()).or_insert(Entry::Folder { mode: 0o755 });
        }
        self.entries.insert(path, entry);
    }

    /// Writes the layer as an uncompressed tar to `path`: sorted, owned by root, from the beginning of time, so that
    /// the same files are the same bytes. Returns its digest (SHA-256, hexadecimal) and size in bytes.
    pub(crate) fn write(&self, path: &Path) -> anyhow::Result<(String, u64)> {
        let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
        let mut tar = Builder::new(Hashing { to: io::BufWriter::new(file), hash: Sha256::new(), size: 0 });
        for (path, entry) in &self.entries {
            append(&mut tar, path, entry).with_context(|| format!("image file {}", path.display()))?;
        }
        let mut hashing = tar.into_inner()?;
        hashing.flush()?;
        Ok((hex(&hashing.hash.finalize()), hashing.size))
    }
}

fn append(tar: &mut Builder<impl Write>, path: &Path, entry: &Entry) -> anyhow::Result<()> {
    match entry {
        Entry::Folder { mode } => {
            let mut header = header(EntryType::Directory, *mode, 0);
            Ok(tar.append_data(&mut header, path, io::empty())?)
        }
        Entry::Text { content, mode } => {
            let mut header = header(EntryType::Regular, *mode, content.len() as u64);
            Ok(tar.append_data(&mut header, path, content.as_bytes())?)
        }
        Entry::File { source, mode } => {
            let file = File::open(source)?;
            let size = file.metadata()?.len();
            let mut header = header(EntryType::Regular, *mode, size);
            tar.append_data(&mut header, path, file.take(size))?;
            Ok(())
        }
        Entry::Link { target } => {
            if target.as_os_str().is_empty() {
                bail!("a link to nothing");
            }
            let mut header = header(EntryType::Symlink, 0o777, 0);
            Ok(tar.append_link(&mut header, path, target)?)
        }
    }
}

fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

/// Permissions that do not depend on the umask of whoever built the file.
fn mode(metadata: &fs::Metadata) -> u32 {
    if metadata.permissions().mode() & 0o100 == 0 { 0o644 } else { 0o755 }
}

/// Counts and hashes what it passes on.
struct Hashing<W> {
    to: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
