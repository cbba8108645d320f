//! Backups of the data folder while the process works.
//!
//! The running process holds the database for itself, so nobody else can copy it: it copies itself, as it stood at one
//! moment. A backup is a folder named by its time. It is written under another name and renamed once all of it is on the
//! disk, so what bears a backup's name is whole. The key ring is left out: a thief needs both.

use std::fs::{self, DirBuilder, File};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use mc_core::Timestamp;
use mc_core::ports::Clock;
use mc_store_embedded::Embedded;
use tokio::sync::watch;

use super::stopped;
use super::work::Turns;
use crate::config;

/// What an unfinished backup's name ends with.
const UNFINISHED: &str = ".part";

/// After one that failed, the next is tried so much later.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// Makes backups until the process is asked to stop; one that is under way then is given up.
pub async fn keep(
    data: Arc<Embedded>,
    clock: Arc<dyn Clock>,
    server: config::Server,
    backup: config::Backup,
    stopping: watch::Receiver<bool>,
) {
    let every = Duration::from_secs(backup.every_seconds.max(1));
    let newest = newest(&backup.folder);
    newest.inspect(|made| tell(*made));
    let mut due = newest.map_or(clock.now(), |made| made.after(every));
    let mut turns = Turns::every(1, stopping.clone());
    while turns.next().await {
        let now = clock.now();
        if now < due {
            continue;
        }
        let made = tokio::select! {
            () = stopped(stopping.clone()) => return,
            made = make(&data, &server.data_dir, &backup, now, stopping.clone()) => made,
        };
        due = match made {
            Ok(folder) => {
                let ms = clock.now().since(now).as_millis();
                tracing::info!(folder = %folder.display(), ms, "a backup is complete");
                tell(now);
                now.after(every)
            }
            Err(error) => {
                tracing::error!(error = %error, folder = %backup.folder.display(), "a backup failed and will be tried again");
                metrics::counter!("message_center_backup_failures_total").increment(1);
                clock.now().after(every.min(TRY_AGAIN))
            }
        };
    }
}

fn tell(made: Timestamp) {
    metrics::gauge!("message_center_backup_timestamp_seconds").set(made.seconds() as f64);
}

/// Makes one, then removes the oldest; answers where it is.
async fn make(
    data: &Embedded,
    data_dir: &Path,
    backup: &config::Backup,
    now: Timestamp,
    stopping: watch::Receiver<bool>,
) -> Result<PathBuf> {
    let (folder, name) = (backup.folder.clone(), name_of(now));
    let unfinished = folder.join(format!("{name}{UNFINISHED}"));
    let prepare = {
        let (folder, unfinished) = (folder.clone(), unfinished.clone());
        move || prepare(&folder, &unfinished)
    };
    tokio::task::spawn_blocking(prepare).await.map_err(Error::other)??;
    data.copy_to(unfinished.join("message-center.db")).await.map_err(Error::other)?;
    // After the database: what it names was there before it was named.
    let (blobs, keep) = (data_dir.join("blobs"), backup.keep);
    let finish = move || {
        copy_tree(&blobs, &unfinished.join("blobs"), &stopping)?;
        File::open(unfinished.join("message-center.db"))?.sync_all()?;
        File::open(&unfinished)?.sync_all()?;
        let finished = folder.join(name);
        fs::rename(&unfinished, &finished)?;
        File::open(&folder)?.sync_all()?;
        forget(&folder, keep.max(1))?;
        Ok(finished)
    };
    tokio::task::spawn_blocking(finish).await.map_err(Error::other)?
}

/// Makes the folder of a new backup, and removes what earlier ones left unfinished.
fn prepare(folder: &Path, unfinished: &Path) -> Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_name().to_str().and_then(|name| time_of(name.strip_suffix(UNFINISHED)?)).is_some() {
            fs::remove_dir_all(entry.path())?;
        }
    }
    DirBuilder::new().mode(0o700).create(unfinished)
}

/// Copies a folder of attachments. They never change, so on the same disk a second name of each is a copy of it.
fn copy_tree(from: &Path, to: &Path, stopping: &watch::Receiver<bool>) -> Result<()> {
    let entries = match fs::read_dir(from) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    fs::create_dir(to)?;
    for entry in entries {
        if *stopping.borrow() {
            return Err(Error::new(ErrorKind::Interrupted, "the process is asked to stop"));
        }
        let entry = entry?;
        let (old, new) = (entry.path(), to.join(entry.file_name()));
        let copied = match entry.file_type()?.is_dir() {
            true => copy_tree(&old, &new, stopping),
            false => fs::hard_link(&old, &new).or_else(|_| {
                fs::copy(&old, &new)?;
                File::open(&new)?.sync_all()
            }),
        };
        match copied {
            // What was just being written, or is old enough to be forgotten, may be gone by now.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            copied => copied?,
        }
    }
    File::open(to)?.sync_all()
}

/// Removes all whole backups but the newest.
fn forget(folder: &Path, keep: usize) -> Result<()> {
    let names = names(folder);
    for name in names.iter().rev().skip(keep) {
        fs::remove_dir_all(folder.join(name))?;
    }
    Ok(())
}

/// When the newest whole backup was made.
fn newest(folder: &Path) -> Option<Timestamp> {
    names(folder).last().and_then(|name| time_of(name))
}

/// The names of the whole backups, the oldest first. Whatever else lies there is not ours.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| time_of(name).is_some()).collect();
    names.sort();
    names
}

/// `20261201T090000Z`
fn name_of(at: Timestamp) -> String {
    let digits: String = at.to_string().chars().take(19).filter(|c| !matches!(c, '-' | ':')).collect();
    digits + "Z"
}

fn time_of(name: &str) -> Option<Timestamp> {
    let part = |from: usize, to: usize| name.get(from..to);
    let (date, time) = (
        format!("{}-{}-{}", part(0, 4)?, part(4, 6)?, part(6, 8)?),
        format!("{}:{}:{}", part(9, 11)?, part(11, 13)?, part(13, 15)?),
    );
    let at = Timestamp::parse(&format!("{date}T{time}Z"))?;
    (name_of(at) == name).then_some(at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backup_is_known_by_its_time() {
        let at = Timestamp::parse("2026-12-01T09:00:07Z").unwrap();
        assert_eq!(name_of(at), "20261201T090007Z");
        assert_eq!(time_of("20261201T090007Z"), Some(at));
        for other in ["20261201T090007Z.part", "20261201", "20261301T090007Z", "notes", "20261201t090007z"] {
            assert_eq!(time_of(other), None, "{other}");
        }
    }

    #[test]
    fn the_newest_are_kept_and_what_is_not_ours_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        let names =
            ["20261201T090000Z", "20261202T090000Z", "20261203T090000Z", "notes", "20261204T090000Z.part"];
        for name in names {
            fs::create_dir(folder.path().join(name)).unwrap();
        }
        assert_eq!(newest(folder.path()), Timestamp::parse("2026-12-03T09:00:00Z"), "only whole ones count");
        forget(folder.path(), 2).unwrap();
        prepare(folder.path(), &folder.path().join("20261205T090000Z.part")).unwrap();
        let mut left: Vec<_> = fs::read_dir(folder.path())
            .unwrap()
            .map(|e| e.unwrap().file_name().into_string().unwrap())
            .collect();
        left.sort();
        assert_eq!(left, ["20261202T090000Z", "20261203T090000Z", "20261205T090000Z.part", "notes"]);
        assert_eq!(newest(&folder.path().join("none")), None);
    }

    #[test]
    fn attachments_are_copied_with_their_folders() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("blobs"), folder.path().join("copy"));
        let (tell, stopping) = watch::channel(false);
        copy_tree(&from, &to, &stopping).unwrap();
        assert!(!to.exists(), "nothing is attached to anything");
        fs::create_dir_all(from.join("20261201")).unwrap();
        fs::write(from.join("20261201/a.0"), "bytes").unwrap();
        copy_tree(&from, &to, &stopping).unwrap();
        assert_eq!(fs::read_to_string(to.join("20261201/a.0")).unwrap(), "bytes");
        tell.send_replace(true);
        let stopped = copy_tree(&from, &folder.path().join("late"), &stopping).unwrap_err();
        assert_eq!(stopped.kind(), ErrorKind::Interrupted);
    }
}
