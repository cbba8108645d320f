//! The queue's rows.

use mc_core::ports::{Family, Group, Outgoing, Task};
use mc_core::{Error, ErrorKind, Result};
use rusqlite::{Connection, Row};

use super::group::Trouble;
use super::{Settle, Then};
use crate::fault::of_sqlite;
use crate::queue::lines::{Arrived, Lines, REFILL_ROWS, Refilled};
use crate::row::{Place, RowKey, Waiting, decode_tasks, encode_tasks, family_number};

/// At most this many tasks travel in one envelope.
const ENVELOPE: usize = 100;

/// How far back an open envelope of the same group is looked for.
const OPEN_ENVELOPES: usize = 32;

/// How many crash loops one request sends again.
pub(crate) const REDRIVE_ROWS: usize = 200;

const INSERT: &str = "INSERT INTO queue (family, grp, due, seq, sent, receives, n, tasks) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)";
const DELETE: &str = "DELETE FROM queue WHERE family = ?1 AND grp = ?2 AND due = ?3 AND seq = ?4";
const MARK: &str = "UPDATE queue SET receives = ?5 WHERE family = ?1 AND grp = ?2 AND due = ?3 AND seq = ?4";
const BEHIND: &str = "SELECT due, seq, sent, receives, tasks FROM queue \
    WHERE family = ?1 AND grp = ?2 AND (due, seq) > (?3, ?4) ORDER BY due, seq LIMIT ?5";
const BURY: &str = "INSERT OR REPLACE INTO crash_loop (family, seq, grp, sent, receives, n, tasks) \
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
const COUNT: &str = "SELECT n FROM queue WHERE family = ?1 AND grp = ?2 AND due = ?3 AND seq = ?4";
const SET_ASIDE: &str = "INSERT OR REPLACE INTO crash_loop (family, seq, grp, sent, receives, n, tasks) \
    SELECT family, seq, grp, sent, receives, n, tasks FROM queue \
    WHERE family = ?1 AND grp = ?2 AND due = ?3 AND seq = ?4";
const BURIED: &str = "SELECT seq, grp, tasks FROM crash_loop WHERE family = ?1 ORDER BY seq LIMIT ?2";
const UNBURY: &str = "DELETE FROM crash_loop WHERE family = ?1 AND seq = ?2";

/// The envelopes that a transaction adds. Tasks of all its requests share them.
pub(super) struct Outbox<'w> {
    lines: &'w Lines,
    now: i64,
    rows: Vec<Arrived>,
}

impl<'w> Outbox<'w> {
    pub(super) fn new(lines: &'w Lines) -> Self {
        Self { lines, now: lines.now(), rows: Vec::new() }
    }

    /// Adds a task to the open envelope of its group and time, or opens one.
    pub(super) fn add(&mut self, outgoing: &Outgoing) {
        let wait = i64::try_from(outgoing.delay.as_millis()).unwrap_or(i64::MAX);
        let due = self.now.saturating_add(wait);
        self.pack(outgoing.family, &outgoing.group, due, &outgoing.task);
    }

    fn pack(&mut self, family: Family, group: &Group, due: i64, task: &Task) {
        // A time that passed while the request waited would lie before rows that were handed out already.
        let due = due.max(self.now);
        let open = self.rows.iter_mut().rev().take(OPEN_ENVELOPES).find(|row| {
            row.waiting.place.due == due
                && row.family == family
                && row.waiting.receives == 0
                && row.group == *group
        });
        match open {
            Some(row) if row.waiting.tasks.len() < ENVELOPE => row.waiting.tasks.push(task.clone()),
            _ => self.open(family, group, due, self.now, 0, vec![task.clone()]),
        }
    }

    fn open(&mut self, family: Family, group: &Group, due: i64, sent: i64, receives: i64, tasks: Vec<Task>) {
        let place = Place { due, seq: self.lines.next_seq() };
        let waiting = Waiting { place, sent, receives, tasks };
        self.rows.push(Arrived { family, group: group.clone(), delayed: due > self.now, waiting });
    }

    pub(super) fn write(&self, connection: &Connection) -> Result<(), Trouble> {
        let mut insert = connection.prepare_cached(INSERT)?;
        for Arrived { family, group, waiting, .. } in &self.rows {
            insert.execute((
                family_number(*family),
                group.as_str(),
                waiting.place.due,
                waiting.place.seq,
                waiting.sent,
                waiting.receives,
                waiting.tasks.len(),
                encode_tasks(&waiting.tasks)?,
            ))?;
        }
        Ok(())
    }

    pub(super) fn into_arrived(self) -> Vec<Arrived> {
        self.rows
    }
}

/// Takes an envelope's row away and puts something in its place.
pub(super) fn settle(
    connection: &Connection,
    outbox: &mut Outbox<'_>,
    settle: &Settle,
) -> Result<(), Trouble> {
    let RowKey { family, group, place } = &settle.key;
    let number = family_number(*family);
    connection.prepare_cached(DELETE)?.execute((number, group.as_str(), place.due, place.seq))?;
    match &settle.then {
        Then::Again(tasks) => {
            for (task, due) in tasks {
                outbox.pack(*family, group, *due, task);
            }
        }
        Then::Singles { tasks, sent, receives } => {
            for task in tasks {
                outbox.open(*family, group, outbox.now, *sent, *receives, vec![task.clone()]);
            }
        }
        Then::CrashLoop { tasks, sent, receives } => {
            let blob = encode_tasks(tasks)?;
            let row = (number, place.seq, group.as_str(), sent, receives, tasks.len(), blob);
            connection.prepare_cached(BURY)?.execute(row)?;
        }
    }
    Ok(())
}

/// Remembers how often an envelope was taken.
pub(super) fn mark(connection: &Connection, key: &RowKey, receives: i64) -> Result<(), Trouble> {
    let RowKey { family, group, place } = key;
    let row = (family_number(*family), group.as_str(), place.due, place.seq, receives);
    connection.prepare_cached(MARK)?.execute(row)?;
    Ok(())
}

/// Reads on behind what the group's window has seen.
pub(super) fn refill(connection: &Connection, lines: &Lines, family: Family, group: &Group) -> Result<()> {
    let now = lines.now();
    let (cursor, room) = lines.refill_from(family, group);
    let mut refilled = Refilled { rows: Vec::new(), next_due: i64::MAX };
    let mut damaged = Vec::new();
    let mut tasks = 0;
    let mut statement = connection.prepare_cached(BEHIND).map_err(of_sqlite)?;
    let bounds = (family_number(family), group.as_str(), cursor.due, cursor.seq, REFILL_ROWS + 1);
    let mut rows = statement.query(bounds).map_err(of_sqlite)?;
    while let Some(row) = rows.next().map_err(of_sqlite)? {
        let place = Place { due: row.get(0).map_err(of_sqlite)?, seq: row.get(1).map_err(of_sqlite)? };
        if place.due > now || refilled.rows.len() >= REFILL_ROWS || (tasks >= room && tasks > 0) {
            refilled.next_due = place.due;
            break;
        }
        match waiting(row, place) {
            Ok(waiting) => {
                tasks += waiting.tasks.len();
                refilled.rows.push(waiting);
            }
            Err(error) => {
                tracing::error!(error = %error, group = %group, "an envelope cannot be read and is set aside");
                damaged.push(place);
            }
        }
    }
    drop(rows);
    if !damaged.is_empty() {
        set_aside(connection, lines, family, group, &damaged).map_err(of_sqlite)?;
    }
    lines.refilled(family, group, refilled);
    Ok(())
}

fn waiting(row: &Row<'_>, place: Place) -> Result<Waiting> {
    let blob = row.get_ref(4).map_err(of_sqlite)?.as_blob().map_err(|error| {
        Error::new(ErrorKind::Corrupt, "a row of the queue cannot be read").because(error)
    })?;
    Ok(Waiting {
        place,
        sent: row.get(2).map_err(of_sqlite)?,
        receives: row.get(3).map_err(of_sqlite)?,
        tasks: decode_tasks(blob)?,
    })
}

/// Moves rows as they are to the crash loops, so that what nobody can read stops nobody.
fn set_aside(
    connection: &Connection,
    lines: &Lines,
    family: Family,
    group: &Group,
    places: &[Place],
) -> rusqlite::Result<()> {
    let transaction = connection.unchecked_transaction()?;
    let mut tasks = 0;
    for place in places {
        let key = (family_number(family), group.as_str(), place.due, place.seq);
        tasks += transaction.query_row(COUNT, key, |row| row.get::<_, u64>(0))?;
        transaction.execute(SET_ASIDE, key)?;
        transaction.execute(DELETE, key)?;
    }
    transaction.commit()?;
    lines.buried(family, places.len() as u64, tasks);
    Ok(())
}

/// Sends some of the family's crash loops again, one by one as if new; answers how many rows and tasks.
pub(super) fn redrive(
    connection: &Connection,
    outbox: &mut Outbox<'_>,
    family: Family,
) -> Result<(usize, usize), Trouble> {
    let number = family_number(family);
    let buried = connection
        .prepare_cached(BURIED)?
        .query_map((number, REDRIVE_ROWS), |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<Vec<(i64, String, Vec<u8>)>>>()?;
    let (mut rows, mut sent) = (0, 0);
    for (seq, group, blob) in buried {
        let group = Group::from_text(group);
        // What cannot be read stays until a program comes that can.
        let Ok(tasks) = decode_tasks(&blob) else { continue };
        rows += 1;
        for task in tasks {
            outbox.open(family, &group, outbox.now, outbox.now, 0, vec![task]);
            sent += 1;
        }
        connection.prepare_cached(UNBURY)?.execute((number, seq))?;
    }
    Ok((rows, sent))
}
