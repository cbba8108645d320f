//! Points in time.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time in whole milliseconds since 1970-01-01T00:00:00Z.
///
/// Written in JSON as RFC 3339 in UTC with milliseconds; read from any RFC 3339 text with an offset.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The beginning of 1970, older than everything we store.
    pub const EPOCH: Self = Self(0);

    /// From milliseconds since 1970.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since 1970.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970.
    pub const fn seconds(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// Later by `span`, stopping at the end of time.
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Earlier by `span`.
    #[must_use]
    pub fn before(self, span: Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// How long from `earlier` until this; zero when it is not later.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339 with an offset (`2026-12-01T09:00:00+08:00`).
    pub fn parse(text: &str) -> Option<Self> {
        text.parse::<jiff::Timestamp>().ok().map(|t| Self(t.as_millisecond()))
    }

    /// What is wrong with a text that [`Timestamp::parse`] does not read: that of a field, in the reader's words.
    pub fn fault(text: &str) -> &'static str {
        let pieces = jiff::fmt::temporal::Pieces::parse(text).ok();
        let whole = pieces.filter(|pieces| pieces.time().is_some() && pieces.offset().is_some());
        // All dates of its last year are known, and the last hours of that year are no times any more.
        if whole.is_some_and(|pieces| pieces.date().year() == 9999) {
            return "is too far ahead; the latest time is 9999-12-30T22:00:00Z";
        }
        "expected a time with an offset, like 2026-12-01T09:00:00+08:00"
    }

    /// The day in UTC as `20261201`, the form partition keys use.
    pub fn day(self) -> String {
        let rfc = self.to_string();
        [&rfc[0..4], &rfc[5..7], &rfc[8..10]].concat()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(t) => write!(f, "{t:.3}"),
            Err(_) => f.write_str("9999-12-31T23:59:59.999Z"),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse(&text).ok_or_else(|| serde::de::Error::custom(Self::fault(&text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_an_offset_and_writes_utc() {
        let t = Timestamp::parse("2026-12-01T09:00:00+08:00").unwrap();
        assert_eq!(t.to_string(), "2026-12-01T01:00:00.000Z");
        assert_eq!(t.day(), "20261201");
        assert_eq!(Timestamp::parse("2026-12-01T09:00:00"), None, "a time without an offset says nothing");
    }

    #[test]
    fn a_time_beyond_the_last_one_is_too_far_ahead() {
        assert!(Timestamp::parse("9999-12-30T22:00:00Z").is_some());
        for late in ["9999-12-31T23:59:59Z", "9999-12-31T23:59:59.999+08:00"] {
            assert_eq!(Timestamp::parse(late), None, "{late}");
            assert!(Timestamp::fault(late).starts_with("is too far ahead"), "{late}");
        }
        for other in ["9999-12-31T23:59:59", "9999-12-31", "2026-13-01T00:00:00Z", "soon", ""] {
            assert!(Timestamp::fault(other).starts_with("expected a time with an offset"), "{other}");
        }
    }

    #[test]
    fn arithmetic_stops_at_the_ends() {
        assert_eq!(Timestamp::from_millis(i64::MAX).after(Duration::from_secs(1)).millis(), i64::MAX);
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(9)), Duration::ZERO);
    }
}
