//! Query parameters: known ones only, each at most once, and a mistake names its parameter. What others than the caller
//! may have added is passed over where the route says so.

use mc_content::{escape_member, words};
use mc_core::Timestamp;
use mc_core::id::MessageId;
pub(crate) use mc_pipeline::repo::is_place;
use serde::Deserialize;
use serde::de::value::{Error as WordError, StrDeserializer};

use crate::problem::ApiError;
use crate::routes::OTHERS;

/// The largest page.
const MAX_LIMIT: usize = 200;

/// The page of somebody who names no limit.
const USUAL_LIMIT: usize = 50;

/// The parameters of one request.
#[derive(Debug, Default)]
pub(crate) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Reads the part behind the `?`, of which only `known` parameters may be there. Where [`OTHERS`] are known too,
    /// every parameter that is wrong is passed over.
    pub(crate) fn parse(raw: Option<&str>, known: &'static [&'static str]) -> Result<Self, ApiError> {
        let mut read = Self::default();
        for (name, value) in url::form_urlencoded::parse(raw.unwrap_or_default().as_bytes()) {
            match read.check(&name, &value, known) {
                Ok(name) => read.0.push((name, value.into_owned())),
                Err(_) if known.contains(&OTHERS) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(read)
    }

    /// The name of one more parameter, if it may be there.
    fn check(
        &self,
        name: &str,
        value: &str,
        known: &'static [&'static str],
    ) -> Result<&'static str, ApiError> {
        let Some(&name) = known.iter().find(|k| **k == name) else { return Err(bad(name, unknown(known))) };
        if self.0.iter().any(|(n, _)| *n == name) {
            return Err(bad(name, format!("{name} is given twice")));
        }
        // This is what stands in a decoded value for bytes that are no text.
        if value.contains(char::REPLACEMENT_CHARACTER) {
            return Err(bad(name, format!("the value of {name} is not UTF-8")));
        }
        Ok(name)
    }

    /// The value of a parameter. One that is empty counts as not given.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(n, value)| *n == name && !value.is_empty()).map(|(_, value)| value.as_str())
    }

    /// The value of a parameter as a `String`, for filters.
    pub(crate) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(str::to_owned)
    }

    /// `limit`, from 1 to 200.
    pub(crate) fn limit(&self) -> Result<usize, ApiError> {
        let Some(text) = self.get("limit") else { return Ok(USUAL_LIMIT) };
        match text.parse() {
            Ok(limit) if (1..=MAX_LIMIT).contains(&limit) => Ok(limit),
            _ => Err(bad("limit", "limit is a number from 1 to 200")),
        }
    }

    /// `cursor`, which must be one that such a listing gives.
    pub(crate) fn cursor(&self, is_one: fn(&str) -> bool) -> Result<Option<&str>, ApiError> {
        match self.get("cursor") {
            Some(cursor) if !is_one(cursor) => {
                Err(bad("cursor", "this is not a next_cursor that this listing gave"))
            }
            cursor => Ok(cursor),
        }
    }

    /// A parameter that is a time.
    pub(crate) fn time(&self, name: &'static str) -> Result<Option<Timestamp>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        // A plus sign that was not encoded arrives as a space.
        let time = Timestamp::parse(text).or_else(|| Timestamp::parse(&text.replace(' ', "+")));
        let fault = || words::plain(Timestamp::fault(text)).1;
        time.map(Some).ok_or_else(|| bad(name, format!("{name} {}", fault())))
    }

    /// The parameters `from` and `to`, in this order.
    pub(crate) fn range(&self) -> Result<(Option<Timestamp>, Option<Timestamp>), ApiError> {
        let (from, to) = (self.time("from")?, self.time("to")?);
        match (from, to) {
            (Some(from), Some(to)) if from > to => Err(bad("from", "from must be before to")),
            range => Ok(range),
        }
    }

    /// A parameter that is one of some words.
    pub(crate) fn word<'a, T: Deserialize<'a>>(&'a self, name: &'static str) -> Result<Option<T>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let word = T::deserialize(StrDeserializer::<WordError>::new(text));
        word.map(Some).map_err(|error| bad(name, words::plain(&error.to_string()).1))
    }
}

fn bad(name: &str, detail: impl Into<String>) -> ApiError {
    ApiError::field("invalid_parameter", format!("/{}", escape_member(name)), detail.into())
}

fn unknown(known: &[&str]) -> String {
    match known {
        [] => "this call takes no query parameters".to_owned(),
        _ => format!("there is no such parameter; there are {}", known.join(", ")),
    }
}

/// Whether a cursor is a bare ULID.
pub(crate) fn is_ulid(cursor: &str) -> bool {
    format!("{}{cursor}", MessageId::PREFIX).parse::<MessageId>().is_ok()
}

#[cfg(test)]
mod tests {
    use mc_core::state::MessageStatus;

    use super::*;

    const KNOWN: &[&str] = &["limit", "cursor", "status", "from", "to"];

    fn parse(raw: &str) -> Query {
        Query::parse(Some(raw), KNOWN).unwrap()
    }

    fn pointer(result: Result<impl Sized, ApiError>) -> String {
        result.err().unwrap().errors()[0].pointer.clone()
    }

    #[test]
    fn good_ones_are_read() {
        let query = parse("limit=200&cursor=&status=partial&from=2026-12-01T09:00:00+08:00");
        assert_eq!(query.limit().unwrap(), 200);
        assert_eq!(query.cursor(is_ulid).unwrap(), None);
        assert_eq!(query.word::<MessageStatus>("status").unwrap(), Some(MessageStatus::Partial));
        assert_eq!(query.time("from").unwrap(), Timestamp::parse("2026-12-01T01:00:00Z"));
        assert_eq!(Query::parse(None, KNOWN).unwrap().limit().unwrap(), USUAL_LIMIT);
    }

    #[test]
    fn bad_ones_are_named() {
        assert_eq!(pointer(Query::parse(Some("limt=1"), KNOWN)), "/limt");
        assert_eq!(pointer(Query::parse(Some("limit=1&limit=2"), KNOWN)), "/limit");
        for bad in ["limit=0", "limit=201", "limit=-1", "limit=ten"] {
            assert_eq!(pointer(parse(bad).limit()), "/limit", "{bad}");
        }
        assert_eq!(pointer(parse("cursor=../x").cursor(is_ulid)), "/cursor");
        assert_eq!(pointer(parse("status=lost").word::<MessageStatus>("status")), "/status");
        assert_eq!(pointer(parse("from=yesterday").time("from")), "/from");
        assert_eq!(pointer(parse("from=9999-12-31T00:00:00Z").time("from")), "/from");
        let turned = "from=2026-12-02T00:00:00Z&to=2026-12-01T00:00:00Z";
        assert_eq!(pointer(parse(turned).range()), "/from");
        assert_eq!(pointer(Query::parse(Some("limit=1&status=%FF"), KNOWN)), "/status");
    }

    #[test]
    fn what_others_added_is_passed_over_where_they_may() {
        let query = Query::parse(Some("utm=1&t=mine&t=again&x=%FF&t"), &["t", OTHERS]).unwrap();
        assert_eq!(query.get("t"), Some("mine"));
        assert_eq!(query.0.len(), 1);
    }
}
