//! The key ring of this machine: a file that only its owner may read.

use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use mc_core::ports::Random;
use mc_pipeline::seal::KeyRing;

use super::{Failure, context};

/// Reads the key ring, or makes one at the first start.
///
/// Without this file no stored secret can be opened: it belongs into every backup, and nowhere else.
pub fn load_or_make(path: &Path, random: &dyn Random) -> Result<KeyRing, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => {
            let open_to_others = fs::metadata(path)?.permissions().mode() & 0o077 != 0;
            if open_to_others {
                return Err(format!(
                    "the key file {0} can be read by others; run: chmod 600 {0}",
                    path.display()
                )
                .into());
            }
            KeyRing::parse(&text).map_err(context(format!("the key file {}", path.display())))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => make(path, random),
        Err(error) => Err(format!("the key file {} cannot be read: {error}", path.display()).into()),
    }
}

/// Writes a new ring beside its place first, so that a crash leaves a whole file or none.
fn make(path: &Path, random: &dyn Random) -> Result<KeyRing, Failure> {
    let ring = KeyRing::generate("k1", random).map_err(context("a new key"))?;
    let json = ring.to_json().map_err(context("a new key"))?;
    let beside = path.with_extension("new");
    let mut file =
        fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(json.expose().as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    if let Some(folder) = path.parent() {
        fs::File::open(folder)?.sync_all()?;
    }
    Ok(ring)
}
