//! The system log: listed, filtered, and exported as CSV or JSON lines.

use axum::response::Response;
use http::{HeaderName, HeaderValue, StatusCode, header};
use mc_pipeline::syslog::{self, Entry, Filter};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::answer::{Answer, Page, bytes_of, ok};
use crate::call::Call;
use crate::problem::ApiError;
use crate::query::is_ulid;

/// An export ends after so many bytes; its cursor leads on. A Lambda's answer holds six million.
const MAX_EXPORT: usize = 3 << 20;

/// Where the next part of an export begins.
const NEXT_CURSOR: HeaderName = HeaderName::from_static("x-next-cursor");

/// One entry of the system log.
#[derive(Serialize, ToSchema)]
pub(crate) struct LogEntry {
    /// Its id.
    id: String,
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    at: mc_core::Timestamp,
    /// What happened: `channel.put`, `webhook.disabled` …
    #[serde(rename = "type")]
    kind: String,
    /// Who did it, if somebody did: `key:…` or `operator:…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    actor: Option<String>,
    /// What it happened to: `channels/ops-robot`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    resource: Option<String>,
    /// The address it was done from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    address: Option<String>,
    /// The program it was done with, as that calls itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    user_agent: Option<String>,
    /// The request that did it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    request_id: Option<String>,
    /// The fields that were changed, as they were before; secrets are masked, long texts shortened.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, nullable = false)]
    before: Option<Value>,
    /// The fields that were changed, as they are since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object, nullable = false)]
    after: Option<Value>,
    /// The details, without secrets.
    data: Value,
}

fn view((id, entry): (String, Entry)) -> LogEntry {
    let Entry { at, kind, actor, resource, address, user_agent, request_id, before, after, data } = entry;
    LogEntry { id, at, kind, actor, resource, address, user_agent, request_id, before, after, data }
}

/// How entries are written down.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Form {
    Json,
    Csv,
    Jsonl,
}

/// List what happened in the project: changes people made, and what the system noticed
///
/// Without `from` the last 31 days; entries are kept for 90. As CSV or JSON lines (`format`, or `Accept: text/csv` and
/// `application/jsonl`) it is an export: up to 5,000 entries and 3 MiB, and the header `x-next-cursor` says where the next
/// part begins.
#[utoipa::path(
    get, path = "/v1/events", tag = "monitoring", operation_id = "list_events",
    params(
        ("type" = Option<String>, Query, description = "This type, or all under it: `contact` finds `contact.put` and `contacts.import`"),
        ("actor" = Option<String>, Query, description = "Done by them: `operator:zhang`, `key:MC…`"),
        ("resource" = Option<String>, Query, description = "About this: `channels/ops-robot`, or all `channels`"),
        ("from" = Option<String>, Query, description = "At or after this time"),
        ("to" = Option<String>, Query, description = "Before this time"),
        ("format" = Option<String>, Query, description = "`json`, `csv` or `jsonl`"),
    ),
    responses((status = 200, description = "A page of entries, newest first", content(
        (Page<LogEntry> = "application/json"), (String = "text/csv"), (String = "application/jsonl")
    )))
)]
pub async fn list(call: Call) -> Answer {
    let query = &call.query;
    let (from, to) = query.range()?;
    let filter = Filter {
        kind: query.text("type"),
        actor: query.text("actor"),
        resource: query.text("resource"),
        from,
        to,
    };
    let form = query.word("format")?.unwrap_or_else(|| accepted(&call));
    let limit = match form {
        Form::Csv | Form::Jsonl if query.get("limit").is_none() => syslog::MAX_SCANNED,
        _ => query.limit()?,
    };
    let cursor = query.cursor(is_ulid)?;
    let (entries, next_cursor) = syslog::list(call.center(), call.project(), &filter, limit, cursor).await?;
    let entries = entries.into_iter().map(view);
    match form {
        Form::Json => ok(&Page { items: entries.collect(), next_cursor }),
        Form::Csv => exported("text/csv; charset=utf-8", Csv::default(), entries, next_cursor),
        Form::Jsonl => exported("application/jsonl", Jsonl::default(), entries, next_cursor),
    }
}

/// What the caller would rather read.
fn accepted(call: &Call) -> Form {
    let accept = call.parts.headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    match accept.unwrap_or_default().split([',', ';']).next().unwrap_or_default().trim() {
        "text/csv" => Form::Csv,
        "application/jsonl" | "application/x-ndjson" => Form::Jsonl,
        _ => Form::Json,
    }
}

/// Something that entries are written into.
trait Sheet {
    fn add(&mut self, entry: &LogEntry) -> Result<(), ApiError>;
    fn len(&self) -> usize;
    fn finish(self) -> Result<Vec<u8>, ApiError>;
}

fn exported(
    media: &'static str,
    mut sheet: impl Sheet,
    entries: impl Iterator<Item = LogEntry>,
    next_cursor: Option<String>,
) -> Answer {
    let mut next = next_cursor;
    for entry in entries {
        sheet.add(&entry)?;
        if sheet.len() >= MAX_EXPORT {
            next = Some(entry.id);
            break;
        }
    }
    let mut response: Response = bytes_of(StatusCode::OK, media, sheet.finish()?);
    if let Some(Ok(cursor)) = next.map(HeaderValue::try_from) {
        response.headers_mut().insert(NEXT_CURSOR, cursor);
    }
    Ok(response)
}

#[derive(Default)]
struct Jsonl(Vec<u8>);

impl Sheet for Jsonl {
    fn add(&mut self, entry: &LogEntry) -> Result<(), ApiError> {
        serde_json::to_writer(&mut self.0, entry).map_err(mc_core::Error::from)?;
        self.0.push(b'\n');
        Ok(())
    }

    fn len(&self) -> usize {
        self.0.len()
    }

    fn finish(self) -> Result<Vec<u8>, ApiError> {
        Ok(self.0)
    }
}

struct Csv {
    writer: csv::Writer<Vec<u8>>,
    bytes: usize,
    begun: bool,
}

impl Default for Csv {
    fn default() -> Self {
        Self { writer: csv::Writer::from_writer(Vec::new()), bytes: 0, begun: false }
    }
}

impl Csv {
    const COLUMNS: [&str; 11] = [
        "id",
        "at",
        "type",
        "actor",
        "resource",
        "address",
        "user_agent",
        "request_id",
        "before",
        "after",
        "data",
    ];

    fn row(&mut self, cells: &[String]) -> Result<(), ApiError> {
        self.bytes += cells.iter().map(|cell| cell.len() + 3).sum::<usize>();
        self.writer.write_record(cells).map_err(|error| ApiError::internal(error.to_string()))
    }

    fn head(&mut self) -> Result<(), ApiError> {
        if std::mem::replace(&mut self.begun, true) {
            return Ok(());
        }
        self.row(&Self::COLUMNS.map(str::to_owned))
    }
}

impl Sheet for Csv {
    fn add(&mut self, entry: &LogEntry) -> Result<(), ApiError> {
        self.head()?;
        let shown = serde_json::to_value(entry).map_err(mc_core::Error::from)?;
        let cells: Vec<String> = Self::COLUMNS
            .iter()
            .map(|column| match &shown[*column] {
                Value::Null => String::new(),
                Value::String(text) => harmless(text),
                other => other.to_string(),
            })
            .collect();
        self.row(&cells)
    }

    fn len(&self) -> usize {
        self.bytes
    }

    fn finish(mut self) -> Result<Vec<u8>, ApiError> {
        self.head()?;
        self.writer.into_inner().map_err(|error| ApiError::internal(error.to_string()))
    }
}

/// A text that no spreadsheet takes for a formula: strangers choose their program's name.
fn harmless(text: &str) -> String {
    if text.starts_with(['=', '+', '-', '@', '\t', '\r']) { format!("'{text}") } else { text.to_owned() }
}
