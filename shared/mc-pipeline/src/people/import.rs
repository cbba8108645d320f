//! Contacts from a CSV file: every row is judged by itself, and the report says what became of each.
//!
//! A column of the file sets its field, and an empty cell empties it; fields without a column stay as they are. So the
//! same file can be imported twice, and a file of two columns mends one field of everybody.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use mc_content::FieldError;
use mc_core::Result;
use mc_core::id::is_name;
use mc_core::model::{ContactDoc, QuietHours};
use serde::Serialize;

use super::check;
use crate::accept::Refusal;
use crate::center::Center;
use crate::syslog::{self, Entry};

/// At most this many rows in one file, so that a function has time for all of them.
pub const MAX_ROWS: usize = 10_000;

/// Contacts read, written and noted in the log at a time.
const CHUNK: usize = 100;

/// The columns a file may have, the first of which it must have.
pub const COLUMNS: [&str; 12] = [
    "id",
    "name",
    "email",
    "mobile",
    "wecom",
    "dingtalk",
    "wechat",
    "feishu",
    "locale",
    "timezone",
    "quiet_hours",
    "opt_outs",
];

/// What became of one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RowOutcome {
    /// There is a new contact.
    Created,
    /// The contact is different now.
    Replaced,
    /// The contact was like this already.
    Unchanged,
    /// Something is wrong with the row; the contact is as it was.
    Refused,
}

/// One row of the report.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// The line of the file it begins in, counted from 1.
    pub line: u64,
    /// The contact.
    pub id: String,
    /// What became of it.
    pub outcome: RowOutcome,
    /// What is wrong, by column (`/email`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<RowError>,
}

/// One thing that is wrong with a row.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowError {
    /// The column, as a pointer.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

impl From<FieldError> for RowError {
    fn from(FieldError { pointer, detail }: FieldError) -> Self {
        Self { pointer, detail }
    }
}

/// What became of a file.
#[derive(Debug, Default, Serialize)]
pub struct Report {
    /// New contacts.
    pub created: usize,
    /// Contacts that are different now.
    pub replaced: usize,
    /// Contacts that were like this already.
    pub unchanged: usize,
    /// Rows with something wrong.
    pub refused: usize,
    /// One per row, in the file's order.
    pub rows: Vec<Row>,
}

impl Report {
    fn add(&mut self, row: Row) {
        *match row.outcome {
            RowOutcome::Created => &mut self.created,
            RowOutcome::Replaced => &mut self.replaced,
            RowOutcome::Unchanged => &mut self.unchanged,
            RowOutcome::Refused => &mut self.refused,
        } += 1;
        self.rows.push(row);
    }

    fn take(&mut self, part: Self) {
        self.created += part.created;
        self.replaced += part.replaced;
        self.unchanged += part.unchanged;
        self.refused += part.refused;
        self.rows.extend(part.rows);
    }
}

/// A contact that is new or different now.
#[derive(Debug)]
pub struct Changed {
    /// The contact.
    pub id: String,
    /// As it was, if there was one.
    pub before: Option<ContactDoc>,
    /// As it is.
    pub after: ContactDoc,
}

/// A row as it was read.
struct Given {
    line: u64,
    cells: Vec<String>,
    /// The line on which text follows a closing quote, if it does anywhere in the row.
    spoilt: Option<u64>,
}

/// Makes the log's entry of a part of a file: what became of its rows, and the contacts that are new or different now.
pub type Noted<'a> = &'a (dyn Fn(&Report, &[Changed]) -> Entry + Sync);

/// Imports a file, or without `noted` only says what would become of it.
///
/// A store that fails in between leaves the parts before it imported; importing the file again completes it. Each part
/// is written in one commit with its entry in the log: on the second time what the first one did is no change any more,
/// and an entry that was left out would never come. The first part has an entry in any case, as the file was imported, and
/// a later one in which every contact was like this already has none.
pub async fn import(
    center: &Center,
    project: &str,
    file: &[u8],
    noted: Option<Noted<'_>>,
) -> Result<Report, Refusal> {
    let (columns, rows) = read(file)?;
    let mut report = Report::default();
    let mut seen: HashMap<String, u64> = HashMap::new();
    for chunk in rows.chunks(CHUNK) {
        let mut judged: Vec<(u64, String, Vec<RowError>)> = Vec::with_capacity(chunk.len());
        for given in chunk {
            let id = given.cells.get(columns[0]).cloned().unwrap_or_default();
            let mut errors = Vec::new();
            let mut wrong = |pointer: &str, detail: String| {
                errors.push(RowError { pointer: pointer.to_owned(), detail });
            };
            if let Some(line) = given.spoilt {
                wrong("", format!("on line {line} text follows a closing quote; within a cell, double it"));
            } else if given.cells.len() != columns.iter().filter(|c| **c != MISSING).count() {
                wrong("", format!("this row has {} cells, unlike the header", given.cells.len()));
            } else if is_reserved(&id) {
                wrong("/id", format!("{id:?} is reserved; give another id"));
            } else if !is_name(&id) {
                wrong("/id", "an id is 1 to 64 letters, digits and . _ ~ -".to_owned());
            } else if let Some(line) = seen.insert(id.clone(), given.line) {
                wrong("/id", format!("line {line} is about this contact, too"));
            }
            judged.push((given.line, id, errors));
        }
        let ids: Vec<&str> =
            judged.iter().filter(|(.., e)| e.is_empty()).map(|(_, id, _)| id.as_str()).collect();
        let mut stored = center.contacts.stored(project, &ids).await?.into_iter();
        let now = center.clock.now();
        let (mut part, mut changed) = (Report::default(), Vec::new());
        for (given, (line, id, mut errors)) in chunk.iter().zip(judged) {
            let before = if errors.is_empty() { stored.next().flatten() } else { None };
            let mut doc = before.clone().unwrap_or_default();
            if errors.is_empty() {
                fill(&mut doc, &columns, &given.cells, &mut errors);
                errors.extend(check::contact(&doc).into_iter().map(RowError::from));
            }
            let outcome = match &before {
                _ if !errors.is_empty() => RowOutcome::Refused,
                Some(before) if *before == doc => RowOutcome::Unchanged,
                Some(_) => RowOutcome::Replaced,
                None => RowOutcome::Created,
            };
            if matches!(outcome, RowOutcome::Created | RowOutcome::Replaced) {
                doc.created_at = before.as_ref().map_or(now, |b| b.created_at);
                doc.updated_at = now;
                changed.push(Changed { id: id.clone(), before, after: doc });
            }
            part.add(Row { line, id, outcome, errors });
        }
        let is_first = report.rows.is_empty();
        if let Some(noted) = noted
            && (is_first || part.refused > 0 || !changed.is_empty())
        {
            let note = syslog::op(center, project, noted(&part, &changed))?;
            let docs: Vec<(&str, ContactDoc)> =
                changed.iter().map(|c| (c.id.as_str(), c.after.clone())).collect();
            center.contacts.put_many(project, &docs, note).await?;
        }
        report.take(part);
    }
    Ok(report)
}

/// Whether an id would be a path of its own: no request could be about its contact.
fn is_reserved(id: &str) -> bool {
    matches!(id, "." | ".." | "import")
}

/// The place of a column that the file does not have.
const MISSING: usize = usize::MAX;

type Columns = [usize; COLUMNS.len()];

/// Where each column stands, and the rows.
fn read(file: &[u8]) -> Result<(Columns, Vec<Given>), Refusal> {
    let text = std::str::from_utf8(file).map_err(|_| {
        Refusal::field(
            "invalid_csv",
            "",
            "the file is not UTF-8; save it as \"CSV UTF-8\" and import it again",
        )
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // Where nothing else ends a line, a carriage return does.
    let text = match text.contains('\r') && !text.contains('\n') {
        true => Cow::Owned(text.replace('\r', "\n")),
        false => Cow::Borrowed(text),
    };
    let header = text.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let count = |delimiter: u8| header.bytes().filter(|b| *b == delimiter).count();
    // Spreadsheets write what their country is used to.
    let delimiter = [b',', b';', b'\t'].into_iter().rev().max_by_key(|d| count(*d)).unwrap_or(b',');
    let quotes = Quotes::of(text.as_bytes(), delimiter);
    if let Some(line) = quotes.open {
        let detail = format!("a quote opened on line {line} is not closed");
        return Err(Refusal::field("invalid_csv", "", detail));
    }
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .flexible(true)
        .has_headers(false)
        .trim(csv::Trim::All)
        .from_reader(text.as_bytes());
    let broken = |error: csv::Error| Refusal::field("invalid_csv", "", format!("this is not CSV: {error}"));
    // Nothing stands in some lines, before the header as well as after it.
    let is_empty = |record: &csv::StringRecord| record.iter().all(str::is_empty);
    let mut records = reader.records().filter(|record| !record.as_ref().is_ok_and(is_empty));
    let names = records.next().transpose().map_err(broken)?.unwrap_or_default();
    let columns = columns(&names)?;
    let mut rows = Vec::new();
    let mut lines = Lines { text: text.as_bytes(), place: 0, line: 1 };
    for record in records {
        let record = record.map_err(broken)?;
        if rows.len() == MAX_ROWS {
            return Err(Refusal::field("too_many_rows", "", "a file has at most 10000 rows; divide it"));
        }
        let begin = record.position().map_or(0, |p| usize::try_from(p.byte()).unwrap_or(0));
        let line = lines.at(begin);
        let spoilt = quotes.spoilt.get(&line).copied();
        rows.push(Given { line, cells: record.iter().map(str::to_owned).collect(), spoilt });
    }
    Ok((columns, rows))
}

/// What is wrong with the quotes of a file. The reader takes it all, and rows would be lost in a cell without a word.
#[derive(Default)]
struct Quotes {
    /// The line of the quote that nothing closes.
    open: Option<u64>,
    /// By the lines that rows begin in, the first line on which text follows a closing quote.
    spoilt: HashMap<u64, u64>,
}

impl Quotes {
    /// Goes through a file by the rules of its reader: a quote counts at the beginning of a cell, and doubled it is one.
    fn of(text: &[u8], delimiter: u8) -> Self {
        /// Where in a cell a byte stands.
        #[derive(Clone, Copy)]
        enum At {
            Begin,
            Plain,
            /// In a cell whose quote was opened on this line.
            Quoted(u64),
            /// Behind a quote within such a cell, which closes it unless another one follows.
            Closing(u64),
        }
        let mut quotes = Self::default();
        let (mut line, mut row, mut at) = (1, None, At::Begin);
        for byte in text {
            let ends_row = matches!(byte, b'\r' | b'\n');
            if row.is_none() && !ends_row {
                row = Some(line);
            }
            at = match (at, *byte) {
                (At::Quoted(opened), b'"') => At::Closing(opened),
                (At::Closing(opened), b'"') => At::Quoted(opened),
                (At::Quoted(opened), _) => At::Quoted(opened),
                (At::Begin, b'"') => At::Quoted(line),
                _ if ends_row => {
                    row = None;
                    At::Begin
                }
                (_, byte) if byte == delimiter => At::Begin,
                (At::Closing(_), _) => {
                    quotes.spoilt.entry(row.unwrap_or(line)).or_insert(line);
                    At::Plain
                }
                (At::Begin | At::Plain, _) => At::Plain,
            };
            line += u64::from(*byte == b'\n');
        }
        if let At::Quoted(opened) = at {
            quotes.open = Some(opened);
        }
        quotes
    }
}

/// Counts the lines of a text from front to back.
struct Lines<'a> {
    text: &'a [u8],
    place: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of a row. The reader may say that it begins before the line breaks that end the row before it.
    fn at(&mut self, mut begin: usize) -> u64 {
        while self.text.get(begin).is_some_and(|b| matches!(b, b'\r' | b'\n')) {
            begin += 1;
        }
        let passed = self.text.get(self.place..begin).unwrap_or_default();
        self.line += passed.iter().filter(|b| **b == b'\n').count() as u64;
        self.place = begin;
        self.line
    }
}

fn columns(names: &csv::StringRecord) -> Result<Columns, Refusal> {
    let mut places = [MISSING; COLUMNS.len()];
    let mut errors = Vec::new();
    let mut seen = HashSet::new();
    for (i, name) in names.iter().enumerate() {
        let name = name.to_ascii_lowercase();
        let pointer = format!("/columns/{i}");
        match COLUMNS.iter().position(|c| *c == name) {
            None => {
                let detail = format!("there is no column {name:?}; there are {}", COLUMNS.join(", "));
                errors.push(FieldError::new(pointer, detail));
            }
            Some(_) if !seen.insert(name.clone()) => {
                errors.push(FieldError::new(pointer, format!("the column {name:?} is there twice")));
            }
            Some(known) => places[known] = i,
        }
    }
    if errors.is_empty() && places[0] == MISSING {
        errors.push(FieldError::new("/columns", "the file needs a header, and in it the column id"));
    }
    if errors.is_empty() { Ok(places) } else { Err(Refusal::fields("invalid_columns", errors)) }
}

/// Puts a row's cells into a contact.
fn fill(doc: &mut ContactDoc, columns: &Columns, cells: &[String], errors: &mut Vec<RowError>) {
    for (name, place) in COLUMNS.iter().zip(columns).skip(1) {
        let Some(cell) = cells.get(*place) else { continue };
        let value = (!cell.is_empty()).then(|| cell.clone());
        let addresses = &mut doc.addresses;
        match *name {
            "name" => doc.name = value,
            "email" => addresses.email = value,
            "mobile" => addresses.mobile = value,
            "wecom" => addresses.wecom = value,
            "dingtalk" => addresses.dingtalk = value,
            "wechat" => addresses.wechat = value,
            "feishu" => addresses.feishu = value,
            "locale" => doc.locale = value,
            "timezone" => doc.timezone = value,
            "quiet_hours" => match value.as_deref().map(quiet_hours) {
                Some(None) => errors.push(RowError {
                    pointer: "/quiet_hours".to_owned(),
                    detail: "quiet hours are written 22:00-08:00".to_owned(),
                }),
                read => doc.quiet_hours = read.flatten(),
            },
            _ => {
                let words = cell.split([' ', ';', '|', ',']).filter(|w| !w.is_empty());
                doc.opt_outs = words.map(str::to_owned).collect();
            }
        }
    }
}

fn quiet_hours(text: &str) -> Option<QuietHours> {
    let (from, to) = text.split_once('-')?;
    Some(QuietHours { from: from.trim().to_owned(), to: to.trim().to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(file: &str) -> Vec<(u64, Vec<String>)> {
        read(file.as_bytes()).unwrap().1.into_iter().map(|g| (g.line, g.cells)).collect()
    }

    #[test]
    fn spreadsheets_of_every_country_are_read() {
        for file in [
            "\u{feff}id,name\r\nu1,\"Zhang, San\"\r\n",
            "ID;Name\nu1;\"Zhang, San\"\n",
            "id\tname\nu1\tZhang, San",
        ] {
            assert_eq!(lines(file), [(2, vec!["u1".to_owned(), "Zhang, San".to_owned()])], "{file:?}");
        }
        assert_eq!(lines("id\n\nu1\n,\n"), [(3, vec!["u1".to_owned()])], "empty lines are no rows");
        for before in ["\n", "\r\n \r\n", ",,\n"] {
            for delimiter in [",", ";", "\t"] {
                let file = format!("{before}id,name\nu1,Ann\n").replace(',', delimiter);
                let line = file.lines().count() as u64;
                assert_eq!(lines(&file), [(line, vec!["u1".to_owned(), "Ann".to_owned()])], "{file:?}");
            }
        }
    }

    #[test]
    fn quotes_that_swallow_rows_are_seen() {
        let quotes = |file: &str| {
            let quotes = Quotes::of(file.as_bytes(), b',');
            let mut spoilt: Vec<(u64, u64)> = quotes.spoilt.into_iter().collect();
            spoilt.sort_unstable();
            (quotes.open, spoilt)
        };
        let fine = "id,name\r\nu1,\"a \"\"b\"\"\"\nu2,\"two\nlines\"\nu3,5\" disk\nu4,\"\"\nu5,\"end\"";
        assert_eq!(quotes(fine), (None, vec![]));
        assert_eq!(quotes("id,name\nu1,\"Ann\nu2,Bob\nu3,Cy\n"), (Some(2), vec![]));
        assert_eq!(quotes("id,name\nu1,x\n\nu2,\"b\"c\nu3,y\n"), (None, vec![(4, 4)]));
        // The quote that opens on line 2 closes where another one was to open.
        assert_eq!(quotes("id,name\nu1,\"Ann\nu2,\"Bob\nu3,Cy\n"), (None, vec![(2, 3)]));
    }

    #[test]
    fn a_file_that_cannot_be_meant_is_refused_as_a_whole() {
        let pointer = |file: &[u8]| match read(file) {
            Err(Refusal::Invalid { code, errors, .. }) => (code, errors[0].pointer.clone()),
            other => panic!("{:?}", other.map(|(c, _)| c)),
        };
        assert_eq!(pointer(b"id,phone\n"), ("invalid_columns", "/columns/1".into()));
        assert_eq!(pointer(b"id,id\n"), ("invalid_columns", "/columns/1".into()));
        assert_eq!(pointer(b"name\nx\n"), ("invalid_columns", "/columns".into()));
        assert_eq!(pointer(b"id,name\nu1,\xd5\xc5\xc8\xfd\n"), ("invalid_csv", String::new()));
        assert_eq!(pointer(b""), ("invalid_columns", "/columns".into()));
        assert_eq!(pointer(b"id,name\nu1,\"Ann\nu2,Bob\n"), ("invalid_csv", String::new()));
    }
}
