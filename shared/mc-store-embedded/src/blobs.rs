//! Attachments in a folder of files.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use async_trait::async_trait;
use bytes::Bytes;
use mc_core::ports::Blobs;
use mc_core::{Error, ErrorKind, Result};

use crate::folder;

/// What unfinished files end with; no name may.
const UNFINISHED: &str = ".part";

/// Tells the unfinished files of this process apart.
static WRITES: AtomicU64 = AtomicU64::new(0);

/// Attachments as files, `<folder>/<day>/<name>`.
#[derive(Clone, Debug)]
pub struct FolderBlobs {
    folder: PathBuf,
}

impl FolderBlobs {
    /// Attachments in this folder, which is made when the first one comes.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into() }
    }

    /// The file of a name, if the name is a relative path of plain parts.
    fn path(&self, name: &str) -> Result<PathBuf> {
        let plain = |part: &str| {
            !part.is_empty()
                && !part.starts_with('.')
                && !part.ends_with(UNFINISHED)
                && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'~' | b'-'))
        };
        if name.len() > 250 || !name.split('/').all(plain) {
            return Err(Error::new(ErrorKind::Internal, "an attachment's name is not a plain path"));
        }
        Ok(self.folder.join(name))
    }
}

#[async_trait]
impl Blobs for FolderBlobs {
    async fn put(&self, name: &str, bytes: Bytes) -> Result<()> {
        let (path, top) = (self.path(name)?, self.folder.clone());
        blocking(move || write(&top, &path, &bytes)).await
    }

    async fn get(&self, name: &str) -> Result<Option<Bytes>> {
        let path = self.path(name)?;
        blocking(move || match fs::read(path) {
            Ok(bytes) => Ok(Some(bytes.into())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        })
        .await
    }

    async fn forget_before(&self, day: &str) -> Result<()> {
        let (top, day) = (self.folder.clone(), day.to_owned());
        blocking(move || forget_before(&top, &day)).await
    }
}

/// Writes beside the final name first, so that a crash never leaves half a file under it.
fn write(top: &Path, path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().unwrap_or(top);
    folder::private_folder(folder)?;
    // Two writers of one name must not share an unfinished file.
    let mut unfinished = path.as_os_str().to_owned();
    unfinished.push(format!(".{}{UNFINISHED}", WRITES.fetch_add(1, Relaxed)));
    let written = folder::private_file()
        .write(true)
        .truncate(true)
        .open(&unfinished)
        .and_then(|mut file| {
            file.write_all(bytes)?;
            file.sync_all()
        })
        .and_then(|()| fs::rename(&unfinished, path));
    if let Err(error) = written {
        // A full disk needs the room of what will never be finished.
        let _ = fs::remove_file(&unfinished);
        return Err(error);
    }
    // The file's name, and those of folders that may be new, up to the one that holds `top`.
    for parent in path.ancestors().skip(1) {
        folder::sync(parent)?;
        if parent == top {
            break;
        }
    }
    top.parent().filter(|p| !p.as_os_str().is_empty()).map_or(Ok(()), folder::sync)
}

fn forget_before(top: &Path, day: &str) -> std::io::Result<()> {
    let entries = match fs::read_dir(top) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_name().to_str().is_none_or(|name| name >= day) {
            continue;
        }
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else {
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| Error::new(ErrorKind::Internal, "work on an attachment died").because(error))?
        .map_err(|error| Error::new(ErrorKind::Unavailable, "the attachments' folder failed").because(error))
}
