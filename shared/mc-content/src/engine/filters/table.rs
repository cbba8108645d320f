//! A list as a table.

use minijinja::value::{StringInput, Value, ValueKind};
use minijinja::{Error, ErrorKind, State};

use super::super::MAX_OUTPUT;
use super::super::arguments::{Arguments, Given, invalid};
use super::super::print::Print;
use super::number::is_amount;
use crate::shield::HANGING;

/// `table(columns=none)`: a list of objects or of lists as a table: Markdown's in a Markdown text, HTML's in HTML, lines
/// elsewhere.
///
/// A column is a key, or a list of a key and the head above it. Without columns the keys of the first object are the
/// columns; of lists the columns are the heads, and without them the first list is. A column of numbers is aligned to
/// the right, also of those that `number` and `currency` wrote. What is not there, or none, is an empty cell, also above
/// a column: no cell of a longer list is left away. In Markdown it stays in the quotation or the item in whose line it stands.
pub(super) fn table(state: &mut State<'_, '_>, rows: &Value, given: Given) -> Result<Value, Error> {
    StringInput::new(state, rows)?;
    let arguments = Arguments::bind(state, &["columns"], given)?;
    let is_list = |value: &Value| matches!(value.kind(), ValueKind::Seq | ValueKind::Iterable);
    if !is_list(rows) {
        return Err(invalid("table takes a list of objects or of lists"));
    }
    let mut rows = rows.try_iter()?.peekable();
    let of_lists = rows.peek().is_some_and(is_list);
    let mut columns: Vec<Column> = match (arguments.get(0), of_lists) {
        (Some(columns), _) => columns.try_iter()?.map(|c| Column::read(&c)).collect::<Result<_, _>>()?,
        (None, true) => rows.next().map(|heads| all(&heads)).transpose()?.unwrap_or_default(),
        (None, false) => rows.peek().map(all).transpose()?.unwrap_or_default(),
    };
    let rows: Vec<Value> = rows.collect();
    if of_lists {
        let widest = rows.iter().filter(|row| is_list(row)).filter_map(Value::len).max().unwrap_or_default();
        while columns.len() < widest {
            columns.push(Column { key: Value::UNDEFINED, head: Value::UNDEFINED });
        }
    }
    if columns.is_empty() {
        return Ok(Value::from(""));
    }
    let mut writer =
        Writer { out: String::new(), place: Print::of(state), numbers: vec![true; columns.len()] };
    // How a column is aligned stands above it in Markdown, so the cells are looked at first.
    let mut cells = Vec::new();
    for row in rows {
        state.consume_fuel(columns.len() as u64)?;
        for (i, column) in columns.iter().enumerate() {
            let cell = column.of(&row, i, of_lists)?;
            let is_number = cell.is_number() || cell.as_str().is_some_and(is_amount);
            writer.numbers[i] &= is_number || cell.is_undefined();
            cells.push(cell);
        }
    }
    let is_empty = cells.is_empty();
    writer.numbers.iter_mut().for_each(|numbers| *numbers &= !is_empty);
    writer.begin();
    writer.row(state, columns.iter().map(|column| &column.head), true)?;
    writer.rule();
    for row in cells.chunks(columns.len()) {
        writer.row(state, row.iter(), false)?;
    }
    Ok(writer.finish())
}

/// The keys of an object, or the heads that stand in a list.
fn all(row: &Value) -> Result<Vec<Column>, Error> {
    let keys = row.try_iter().map_err(|_| invalid("a row of a table is an object or a list"))?;
    Ok(keys.map(|key| Column { head: key.clone(), key }).collect())
}

struct Column {
    key: Value,
    head: Value,
}

impl Column {
    fn read(column: &Value) -> Result<Self, Error> {
        if column.kind() != ValueKind::Seq {
            return Ok(Self { key: column.clone(), head: column.clone() });
        }
        match (column.get_item_by_index(0)?, column.get_item_by_index(1)?) {
            (key, head) if !key.is_undefined() && !head.is_undefined() => Ok(Self { key, head }),
            _ => Err(invalid("a column is a key, or a list of a key and its head")),
        }
    }

    /// The cell of a row; undefined for an empty one.
    fn of(&self, row: &Value, at: usize, of_lists: bool) -> Result<Value, Error> {
        let cell = if of_lists { row.get_item_by_index(at) } else { row.get_item(&self.key) };
        let cell =
            cell.map_err(|_| invalid("a row of a table is an object or a list, as the first row is"))?;
        Ok(if cell.is_none() { Value::UNDEFINED } else { cell })
    }
}

struct Writer {
    out: String,
    place: Print,
    /// Which columns hold nothing but numbers.
    numbers: Vec<bool>,
}

impl Writer {
    fn begin(&mut self) {
        self.out.push_str(match self.place {
            Print::Html => "<table>\n<thead>\n",
            // A table begins a block of its own.
            Print::Markdown => "\n\n",
            Print::Text | Print::Url | Print::Json => "",
        });
    }

    fn row<'v>(
        &mut self,
        state: &mut State<'_, '_>,
        cells: impl Iterator<Item = &'v Value>,
        is_head: bool,
    ) -> Result<(), Error> {
        let tag = if is_head { "th" } else { "td" };
        let (start, between, end) = match self.place {
            Print::Html => ("<tr>", "", "</tr>\n"),
            Print::Markdown => ("| ", " | ", " |\n"),
            Print::Text | Print::Url | Print::Json => ("", " | ", "\n"),
        };
        self.out.push_str(start);
        for (i, cell) in cells.enumerate() {
            if i > 0 {
                self.out.push_str(between);
            }
            let text = if cell.is_undefined() { String::new() } else { state.format(cell.clone())? };
            match self.place {
                Print::Html => {
                    let align = if self.numbers[i] { " style=\"text-align:right\"" } else { "" };
                    self.out.push_str(&format!("<{tag}{align}>{text}</{tag}>"));
                }
                // Only what the author calls Markdown has these unshielded.
                Print::Markdown => self.out.push_str(&text.replace('\n', " ").replace('|', "\\|")),
                // A row is one line.
                Print::Text | Print::Url | Print::Json => {
                    self.out.push_str(&text.lines().collect::<Vec<_>>().join(" "));
                }
            }
        }
        self.out.push_str(end);
        if self.out.len() > MAX_OUTPUT { Err(Error::from(ErrorKind::WriteFailure)) } else { Ok(()) }
    }

    /// What stands between the heads and the rows.
    fn rule(&mut self) {
        match self.place {
            Print::Html => self.out.push_str("</thead>\n<tbody>\n"),
            Print::Markdown => {
                self.out.push('|');
                for numbers in &self.numbers {
                    self.out.push_str(if *numbers { " --: |" } else { " --- |" });
                }
                self.out.push('\n');
            }
            Print::Text | Print::Url | Print::Json => {}
        }
    }

    fn finish(mut self) -> Value {
        match self.place {
            Print::Html => self.out.push_str("</tbody>\n</table>\n"),
            Print::Markdown => {
                self.out.push('\n');
                self.out = self.out.replace('\n', &format!("{HANGING}\n"));
            }
            Print::Text | Print::Url | Print::Json => {
                self.out.truncate(self.out.trim_end_matches('\n').len());
                return Value::from(self.out);
            }
        }
        Value::from_safe_string(self.out)
    }
}
