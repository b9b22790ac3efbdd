//! A compressed archive, written as it grows.

use std::{fs::File, os::unix::fs::OpenOptionsExt as _, path::Path};

use anyhow::{Context as _, Result};
use flate2::{Compression, write::GzEncoder};
use tar::{Builder, Header};

/// An archive with one folder at its top.
pub(super) struct Archive {
    builder: Builder<GzEncoder<File>>,
    folder: String,
    time: u64,
    /// How many files are in it.
    pub files: usize,
}

impl Archive {
    /// Begins a file, readable by its owner only.
    ///
    /// # Errors
    ///
    /// When it cannot be made, or exists already.
    pub(super) fn create(path: &Path, folder: &str) -> Result<Archive> {
        let file = File::options().write(true).create_new(true).mode(0o600).open(path);
        let file = file.with_context(|| format!("cannot make {}", path.display()))?;
        let time = u64::try_from(time::OffsetDateTime::now_utc().unix_timestamp()).unwrap_or_default();
        let builder = Builder::new(GzEncoder::new(file, Compression::default()));
        Ok(Archive { builder, folder: folder.to_owned(), time, files: 0 })
    }

    /// Adds a file.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(super) fn add(&mut self, path: &str, content: &[u8]) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(self.time);
        header.set_cksum();
        self.builder
            .append_data(&mut header, format!("{}/{path}", self.folder), content)
            .with_context(|| format!("cannot add {path}"))?;
        self.files += 1;
        Ok(())
    }

    /// Ends the file.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub(super) fn finish(self) -> Result<usize> {
        self.builder.into_inner()?.finish()?.sync_all()?;
        Ok(self.files)
    }
}
