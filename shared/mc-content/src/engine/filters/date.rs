//! Points in time in words.

use jiff::civil::DateTime;
use jiff::fmt::strtime::{BrokenDownTime, Config, PosixCustom};
use jiff::tz::{Offset, TimeZone, TimeZoneDatabase};
use jiff::{Timestamp, Zoned};
use minijinja::value::{StringInput, Value, ValueKind};
use minijinja::{Error, State};

use super::super::arguments::{Arguments, Given, invalid};

/// `date(format="%Y-%m-%d %H:%M", tz=none)`.
///
/// The value is RFC 3339, a date or a date and time without an offset, or seconds since 1970. Without a time zone a
/// value is shown with its own offset, and seconds in UTC. A value without an offset is in the time zone already.
///
/// What depends on a locale (`%c`, `%x`, `%X`, `%r`) is written as in POSIX's own, as C and Python do unless told otherwise.
pub(super) fn date(state: &State<'_, '_>, value: &Value, given: Given) -> Result<String, Error> {
    let text = StringInput::new(state, value)?;
    let arguments = Arguments::bind(state, &["format", "tz"], given)?;
    let zone = arguments.get(1).map(|_| arguments.text(1, "")).transpose()?.map(zone).transpose()?;
    let time = if value.kind() == ValueKind::Number {
        of_seconds(value)?.to_zoned(zone.unwrap_or(TimeZone::UTC))
    } else {
        of_text(text.as_str().trim(), zone)?
    };
    let format = arguments.text(0, "%Y-%m-%d %H:%M")?;
    // Some directives can be given a width.
    if format.bytes().filter(u8::is_ascii_digit).count() > 8 {
        return Err(invalid("the format of a date has no large numbers in it"));
    }
    let config = Config::new().custom(PosixCustom::new());
    BrokenDownTime::from(&time)
        .to_string_with_config(&config, format)
        .map_err(|error| invalid(format!("the format of a date: {error}")))
}

fn of_seconds(value: &Value) -> Result<Timestamp, Error> {
    let seconds = f64::try_from(value.clone()).unwrap_or(f64::NAN);
    let far = || invalid("a date in seconds lies between the years -9999 and 9999");
    if !seconds.is_finite() || seconds.abs() > 4e11 {
        return Err(far());
    }
    Timestamp::from_millisecond((seconds * 1000.0).round() as i64).map_err(|_| far())
}

fn of_text(text: &str, zone: Option<TimeZone>) -> Result<Zoned, Error> {
    if let Ok(at) = text.parse::<Timestamp>() {
        let zone = zone.or_else(|| offset(text).map(TimeZone::fixed)).unwrap_or(TimeZone::UTC);
        return Ok(at.to_zoned(zone));
    }
    let unreadable = || {
        invalid("a date is RFC 3339 (2026-12-01T09:00:00+08:00), a date (2026-12-01), or seconds since 1970")
    };
    let civil: DateTime = text.parse().map_err(|_| unreadable())?;
    civil.to_zoned(zone.unwrap_or(TimeZone::UTC)).map_err(|_| unreadable())
}

/// The offset at the end of RFC 3339.
fn offset(text: &str) -> Option<Offset> {
    let start = text.rfind(['+', '-']).filter(|at| *at > "2026-12-01T".len())?;
    let (hours, minutes) = text[start + 1..].split_once(':').unwrap_or((&text[start + 1..], "0"));
    let seconds = hours.parse::<i32>().ok()? * 3600 + minutes.parse::<i32>().ok()? * 60;
    Offset::from_seconds(if text[start..].starts_with('-') { -seconds } else { seconds }).ok()
}

/// A zone by its IANA name or as `+08:00`. The names are compiled in, so that they are the same on every machine.
fn zone(name: &str) -> Result<TimeZone, Error> {
    use std::sync::OnceLock;
    static NAMES: OnceLock<TimeZoneDatabase> = OnceLock::new();
    if name.starts_with(['+', '-']) {
        let zone = offset(&format!("2026-12-01T00{name}")).map(TimeZone::fixed);
        return zone.ok_or_else(|| invalid("tz must be a name like Asia/Shanghai or an offset like +08:00"));
    }
    let found = NAMES.get_or_init(TimeZoneDatabase::bundled).get(name);
    found.map_err(|_| invalid(format!("there is no time zone {name:?}; names are like Asia/Shanghai")))
}
