//! One process owns the folder.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::Path;

use mc_core::{Error, ErrorKind, Result};

/// The name of the file whose lock means ownership.
const LOCK: &str = "LOCK";

/// Ownership of a data folder; it ends with the process, however that ends.
#[derive(Debug)]
pub(crate) struct Ownership {
    lock: File,
}

impl Drop for Ownership {
    fn drop(&mut self) {
        // Closing the file is not enough while a child process that is just being started still has it open.
        let _ = self.lock.unlock();
    }
}

/// Makes the folder if there is none and takes ownership of it.
pub(crate) fn own(folder: &Path) -> Result<Ownership> {
    let failed = |what: &'static str| {
        move |error: std::io::Error| {
            Error::new(ErrorKind::Unavailable, what).with("folder", folder.display()).because(error)
        }
    };
    private_folder(folder).map_err(failed("the data folder cannot be made"))?;
    let mut file = private_file()
        .truncate(false)
        .read(true)
        .write(true)
        .open(folder.join(LOCK))
        .map_err(failed("the lock file of the data folder cannot be opened"))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Err(taken(folder, &mut file)),
        Err(TryLockError::Error(error)) => return Err(failed("the data folder cannot be locked")(error)),
    }
    // The number only helps people to find the owner, so a disk without room for it is no reason to refuse.
    let _ = file.set_len(0).and_then(|()| write!(file, "{}", std::process::id()));
    Ok(Ownership { lock: file })
}

/// Makes a folder, and those above it, if there is none. What it holds is nobody else's business.
pub(crate) fn private_folder(folder: &Path) -> std::io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// How a file is made that nobody else may read.
pub(crate) fn private_file() -> OpenOptions {
    let mut options = OpenOptions::new();
    options.create(true).mode(0o600);
    options
}

/// The refusal of a second owner.
fn taken(folder: &Path, file: &mut File) -> Error {
    let mut pid = String::new();
    let error = Error::new(ErrorKind::Unavailable, "another process uses the data folder")
        .with("folder", folder.display());
    match file.take(20).read_to_string(&mut pid) {
        Ok(_) if !pid.trim().is_empty() => error.with("pid", pid.trim()),
        _ => error,
    }
}

/// Makes the names inside a folder durable.
pub(crate) fn sync(folder: &Path) -> std::io::Result<()> {
    File::open(folder)?.sync_all()
}
