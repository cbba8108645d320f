//! Connections to the database file and their settings.

use std::ffi::CStr;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::path::Path;

use mc_core::Result;
use rusqlite::{Connection, OpenFlags};

use crate::fault::of_sqlite;
use crate::folder;
use crate::schema;

/// The database's file name.
const FILE: &str = "message-center.db";

/// One process owns the folder anyway, so SQLite need not ask the system for locks, nor share its index of the log with
/// anybody: a read is half as expensive without.
const VFS: &CStr = c"unix-excl";

/// Measured with `examples/store_bench.rs`: rows of about 1 KB fit without overflow pages, and a commit of a few rows
/// still writes few bytes.
const PAGE_SIZE: u32 = 8192;

/// The log is written to this length beforehand, because a commit that overwrites is several times faster than one
/// that makes the file longer.
pub(crate) const LOG_BYTES: u64 = 32 << 20;

/// The log is copied into the database when it has this many pages (12 MiB), long before it outgrows its file.
pub(crate) const CHECKPOINT_PAGES: i32 = 1536;

/// The writer's page cache. It stays valid from commit to commit, because nobody else writes.
const WRITER_CACHE_KIB: i64 = 4 << 10;

/// A reader's page cache. Every commit empties it, so it only serves reads between two commits.
const READER_CACHE_KIB: i64 = 1 << 10;

/// The connection that writes, with its tables in place.
pub(crate) fn writer(folder: &Path, max_pages: Option<u32>, log_bytes: u64) -> Result<Connection> {
    let file = folder.join(FILE);
    // SQLite gives its other files the rights of this one.
    folder::private_file().write(true).truncate(false).open(&file).map_err(|error| {
        mc_core::Error::new(mc_core::ErrorKind::Unavailable, "the database file cannot be opened")
            .because(error)
    })?;
    let mut connection = Connection::open_with_flags_and_vfs(&file, flags(true), VFS).map_err(of_sqlite)?;
    let set = |name: &str, value: &dyn rusqlite::ToSql| connection.pragma_update(None, name, value);
    set("page_size", &PAGE_SIZE)
        .and_then(|()| set("journal_mode", &"WAL"))
        .and_then(|()| set("synchronous", &"FULL"))
        .and_then(|()| set("wal_autocheckpoint", &0))
        .and_then(|()| set("cache_size", &-WRITER_CACHE_KIB))
        .and_then(|()| set("temp_store", &"MEMORY"))
        .map_err(of_sqlite)?;
    if let Some(pages) = max_pages {
        set("max_page_count", &pages).map_err(of_sqlite)?;
    }
    connection.set_prepared_statement_cache_capacity(64);
    schema::migrate(&mut connection, schema::STEPS)?;
    lengthen_log(&connection, folder, log_bytes);
    // The names of new files have to survive a crash of the machine too.
    folder::sync(folder).map_err(|error| {
        mc_core::Error::new(mc_core::ErrorKind::Unavailable, "the data folder cannot be synced")
            .because(error)
    })?;
    Ok(connection)
}

/// A connection that only reads.
pub(crate) fn reader(folder: &Path) -> Result<Connection> {
    let connection =
        Connection::open_with_flags_and_vfs(folder.join(FILE), flags(false), VFS).map_err(of_sqlite)?;
    connection.pragma_update(None, "cache_size", -READER_CACHE_KIB).map_err(of_sqlite)?;
    connection.set_prepared_statement_cache_capacity(16);
    Ok(connection)
}

/// The connection that copies the log into the database.
pub(crate) fn checkpointer(folder: &Path) -> Result<Connection> {
    let connection =
        Connection::open_with_flags_and_vfs(folder.join(FILE), flags(true), VFS).map_err(of_sqlite)?;
    connection
        .pragma_update(None, "synchronous", "FULL")
        .and_then(|()| connection.pragma_update(None, "cache_size", -64))
        .map_err(of_sqlite)?;
    Ok(connection)
}

fn flags(write: bool) -> OpenFlags {
    // Each connection is used by one thread at a time, which Rust already proves.
    let base = OpenFlags::SQLITE_OPEN_NO_MUTEX;
    if write {
        base | OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE
    } else {
        base | OpenFlags::SQLITE_OPEN_READ_ONLY
    }
}

/// Gives the log its full length, after whatever it holds was copied into the database.
///
/// SQLite trusts no frame of a log that does not continue the checksums before it, so zeros behind the end mean
/// nothing to it. Without room on the disk the log simply grows as it is used.
fn lengthen_log(connection: &Connection, folder: &Path, bytes: u64) {
    let emptied = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0));
    if !matches!(emptied, Ok(0)) {
        return;
    }
    let lengthened =
        OpenOptions::new().append(true).open(folder.join(format!("{FILE}-wal"))).and_then(|file| {
            write_zeros(&file, bytes).or_else(|error| {
                tracing::warn!(error = %error, "the database's log could not be given its full length");
                file.set_len(0)
            })
        });
    if let Err(error) = lengthened {
        tracing::warn!(error = %error, "the database's log could not be lengthened");
    }
}

fn write_zeros(mut file: &File, bytes: u64) -> std::io::Result<()> {
    std::io::copy(
        &mut std::io::repeat(0).take(bytes),
        &mut std::io::BufWriter::with_capacity(1 << 18, file),
    )?;
    file.flush()?;
    file.sync_all()
}
