//! When a schedule runs.
//!
//! A `cron` is read by the clock on the wall of its time zone. On the days on which clocks change:
//! - A run whose time does not exist, because clocks are put forward over it, is made once, at the first moment after the
//!   gap; so are several such runs.
//! - A run whose time comes twice, because clocks are put back, is made once, the first time.
//! - A `cron` that runs in every hour (`*` in the field of the hours) goes by the time that passes instead: nothing is
//!   made for an hour that does not exist, and an hour that comes twice has its runs twice.

use std::time::Duration;

use croner::Cron;
use croner::errors::CronError;
use croner::parser::{CronParser, Seconds, Year};
use jiff::Zoned;
use jiff::civil::DateTime;
use jiff::tz::{AmbiguousOffset, TimeZone};
use mc_core::Timestamp;
use mc_core::model::ScheduleDoc;

use crate::accept::Refusal;

/// The runs of one schedule.
pub struct Timetable {
    when: When,
    zone: TimeZone,
}

enum When {
    Once(Timestamp),
    /// By the clock on the wall.
    Wall(Box<Cron>),
    /// By the time that passes.
    Hourly(Box<Cron>),
}

impl Timetable {
    /// Reads what a schedule says of its times.
    pub fn read(cron: Option<&str>, at: Option<Timestamp>, timezone: &str) -> Result<Self, Refusal> {
        let zone = TimeZone::get(timezone).map_err(|_| {
            let detail = format!("{timezone:?} is not an IANA time zone like Asia/Shanghai or Europe/Berlin");
            Refusal::field("invalid_request", "/timezone", detail)
        })?;
        let when = match (cron, at) {
            (Some(cron), None) => recurring(cron)?,
            (None, Some(at)) => When::Once(at),
            (Some(_), Some(_)) => {
                return Err(Refusal::field("invalid_request", "/at", "give either cron or at, not both"));
            }
            (None, None) => {
                let detail = "give cron (like 0 9 * * MON-FRI) for many runs, or at for one";
                return Err(Refusal::field("invalid_request", "/cron", detail));
            }
        };
        Ok(Self { when, zone })
    }

    /// The times of a stored schedule.
    pub fn of(doc: &ScheduleDoc) -> Result<Self, Refusal> {
        Self::read(doc.cron.as_deref(), doc.at, &doc.timezone)
    }

    /// The first run after `after`, if there is one.
    pub fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match &self.when {
            When::Once(at) => (*at > after).then_some(*at),
            When::Hourly(cron) => {
                let next = cron.find_next_occurrence(&self.local(after)?, false).ok()?;
                Some(Timestamp::from_millis(next.timestamp().as_millisecond()))
            }
            When::Wall(cron) => {
                let mut wall = self.local(after)?.datetime();
                loop {
                    wall = cron.find_next_occurrence(&wall, false).ok()?;
                    let at = self.instant(wall)?;
                    // In a repeated hour the first of two times may be behind us.
                    if at > after {
                        return Some(at);
                    }
                }
            }
        }
    }

    /// Up to `count` runs, the first of which is `first`.
    pub fn from(&self, first: Option<Timestamp>, count: usize) -> Vec<Timestamp> {
        std::iter::successors(first, |run| self.next(*run)).take(count).collect()
    }

    /// The last run up to `now` that comes after `first`, if there is one.
    ///
    /// It is looked for from the end, and further back each time: after a long rest there may be very many.
    pub fn last_after(&self, first: Timestamp, now: Timestamp) -> Option<Timestamp> {
        let mut back = Duration::from_secs(60);
        loop {
            let from = now.before(back).max(first);
            let last = self.runs_after(from).take_while(|run| *run <= now).last();
            if last.is_some() || from <= first {
                return last;
            }
            back = back.saturating_mul(2);
        }
    }

    /// How many runs there are from `first`, which is one, to `last`; counted up to `most`.
    pub fn count(&self, first: Timestamp, last: Timestamp, most: usize) -> usize {
        let runs = std::iter::once(first).chain(self.runs_after(first));
        runs.take_while(|run| *run <= last).take(most).count()
    }

    fn runs_after(&self, after: Timestamp) -> impl Iterator<Item = Timestamp> {
        std::iter::successors(self.next(after), |run| self.next(*run))
    }

    /// A time as it is written in the schedule's zone: RFC 3339 with the offset that holds then, and with milliseconds if
    /// it is no whole second.
    pub fn written(&self, at: Timestamp) -> String {
        let form = match at.millis() % 1000 {
            0 => "%Y-%m-%dT%H:%M:%S%:z",
            _ => "%Y-%m-%dT%H:%M:%S%.3f%:z",
        };
        self.local(at).map_or_else(|| at.to_string(), |at| at.strftime(form).to_string())
    }

    fn local(&self, at: Timestamp) -> Option<Zoned> {
        Some(jiff::Timestamp::from_millisecond(at.millis()).ok()?.to_zoned(self.zone.clone()))
    }

    /// When a clock on the wall shows this for the first time, or passes over it.
    fn instant(&self, wall: DateTime) -> Option<Timestamp> {
        let ambiguous = self.zone.to_ambiguous_zoned(wall);
        let gap = matches!(ambiguous.offset(), AmbiguousOffset::Gap { .. });
        let earlier = ambiguous.earlier().ok()?.timestamp();
        let at = if gap { self.zone.following(earlier).next()?.timestamp() } else { earlier };
        Some(Timestamp::from_millis(at.as_millisecond()))
    }
}

fn recurring(text: &str) -> Result<When, Refusal> {
    let wrong = |detail: String| Refusal::field("invalid_request", "/cron", detail);
    if text.len() > 200 {
        return Err(wrong("a cron is at most 200 characters".to_owned()));
    }
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    let cron = parser.parse(text).map_err(|error| wrong(explain(&parser, text, &error)))?;
    let pattern = cron.pattern.to_string();
    let fields: Vec<&str> = pattern.split_whitespace().collect();
    // Counted from the end: seconds may stand before all others.
    let from_end = |place: usize| fields.iter().rev().nth(place).copied().unwrap_or_default();
    let (hours, day, weekday) = (from_end(3), from_end(2), from_end(0));
    if is_last_of_nothing(day, weekday) {
        let detail = format!(
            "the field of the weekday, {weekday:?}, cannot be read: L follows a weekday here (FRI#L or 5L, the \
             month's last Friday); for the last day of the month put L into the field of the day"
        );
        return Err(wrong(detail));
    }
    let every_hour = matches!(hours, "*" | "*/1" | "0-23");
    Ok(if every_hour { When::Hourly(Box::new(cron)) } else { When::Wall(Box::new(cron)) })
}

/// Whether the weekday is `L` alone, which fits no day, and the field of the day does not make up for it: such a cron would
/// never run.
fn is_last_of_nothing(day: &str, weekday: &str) -> bool {
    let (both, weekday) = match weekday.strip_prefix('+') {
        Some(weekday) => (true, weekday),
        None => (false, weekday),
    };
    weekday.split(',').all(|part| part.eq_ignore_ascii_case("L")) && (both || matches!(day, "*" | "?"))
}

/// The fields of a cron, the first of which may be left out.
const FIELDS: &[&str] = &["second", "minute", "hour", "day", "month", "weekday"];

/// What is wrong with a cron, and in which of its fields.
fn explain(parser: &CronParser, text: &str, error: &CronError) -> String {
    let given: Vec<&str> = text.split_whitespace().collect();
    let names = match given.len() {
        5 => &FIELDS[1..],
        6 => FIELDS,
        _ => {
            return "a cron has 5 fields (minute hour day month weekday), or 6 with seconds first; or it is \
                    @yearly, @monthly, @weekly, @daily or @hourly"
                .to_owned();
        }
    };
    for (place, name) in names.iter().enumerate() {
        // With every other field open, only a wrong one is refused.
        let mut alone = vec!["*"; given.len()];
        alone[place] = given[place];
        if let Err(error) = parser.parse(&alone.join(" ")) {
            return format!("the field of the {name}, {:?}, cannot be read: {}", given[place], words(&error));
        }
    }
    format!("this cron cannot be read: {}", words(error))
}

/// The parser's words without what it calls its errors.
fn words(error: &CronError) -> String {
    let text = match error {
        CronError::ComponentError(detail)
        | CronError::IllegalCharacters(detail)
        | CronError::InvalidPattern(detail) => detail.clone(),
        other => other.to_string(),
    };
    text.trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(cron: &str, zone: &str, after: &str, count: usize) -> Vec<String> {
        let table = Timetable::read(Some(cron), None, zone).unwrap_or_else(|e| panic!("{cron}: {e:?}"));
        let first = table.next(Timestamp::parse(after).unwrap());
        table.from(first, count).into_iter().map(|at| table.written(at)).collect()
    }

    #[test]
    fn a_cron_is_read_by_the_wall_of_its_zone() {
        let days = runs("0 9 * * MON-FRI", "Asia/Shanghai", "2026-12-03T00:00:00Z", 3);
        assert_eq!(
            days,
            ["2026-12-03T09:00:00+08:00", "2026-12-04T09:00:00+08:00", "2026-12-07T09:00:00+08:00"]
        );
        assert_eq!(
            runs("*/20 * * * * *", "UTC", "2026-12-03T00:00:00Z", 2),
            ["2026-12-03T00:00:20+00:00", "2026-12-03T00:00:40+00:00"]
        );
        assert_eq!(runs("@daily", "UTC", "2026-12-03T00:00:00Z", 1), ["2026-12-04T00:00:00+00:00"]);
    }

    #[test]
    fn the_last_day_the_nth_weekday_and_the_nearest_weekday_are_known() {
        let after = "2026-01-01T00:00:00Z";
        assert_eq!(
            runs("0 8 L * *", "UTC", after, 2),
            ["2026-01-31T08:00:00+00:00", "2026-02-28T08:00:00+00:00"]
        );
        assert_eq!(
            runs("0 8 * * FRI#2", "UTC", after, 2),
            ["2026-01-09T08:00:00+00:00", "2026-02-13T08:00:00+00:00"]
        );
        for last in ["FRI#L", "5L", "5#L", "FRIL"] {
            let runs = runs(&format!("0 8 * * {last}"), "UTC", after, 1);
            assert_eq!(runs, ["2026-01-30T08:00:00+00:00"], "{last}");
        }
        // 15 February 2026 is a Sunday.
        assert_eq!(runs("0 8 15W 2 *", "UTC", after, 1), ["2026-02-16T08:00:00+00:00"]);
    }

    #[test]
    fn shanghai_has_no_days_on_which_clocks_change() {
        let night = runs("30 2 * * *", "Asia/Shanghai", "2026-03-27T18:30:00Z", 4);
        let wanted = ["29", "30", "31"].map(|day| format!("2026-03-{day}T02:30:00+08:00"));
        assert_eq!(night[..3], wanted);
    }

    #[test]
    fn a_run_in_a_gap_is_made_once_at_its_end() {
        // Berlin, 29 March 2026: 02:00 becomes 03:00.
        let before = "2026-03-29T00:00:00+01:00";
        assert_eq!(
            runs("30 2 * * *", "Europe/Berlin", before, 2),
            ["2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]
        );
        assert_eq!(
            runs("0,15,30 2,14 * * *", "Europe/Berlin", before, 2),
            ["2026-03-29T03:00:00+02:00", "2026-03-29T14:00:00+02:00"]
        );
        assert_eq!(
            runs("0 2,3 * * *", "Europe/Berlin", before, 2),
            ["2026-03-29T03:00:00+02:00", "2026-03-30T02:00:00+02:00"]
        );
        // New York, 8 March 2026.
        assert_eq!(
            runs("5 2 * * *", "America/New_York", "2026-03-08T00:00:00-05:00", 1),
            ["2026-03-08T03:00:00-04:00"]
        );
    }

    #[test]
    fn a_run_in_a_repeated_hour_is_made_once_the_first_time() {
        // Berlin, 25 October 2026: 03:00 becomes 02:00.
        assert_eq!(
            runs("30 2 * * *", "Europe/Berlin", "2026-10-25T00:00:00+02:00", 2),
            ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]
        );
        assert_eq!(
            runs("*/30 2 * * *", "Europe/Berlin", "2026-10-25T02:10:00+01:00", 1),
            ["2026-10-26T02:00:00+01:00"]
        );
        // New York, 1 November 2026: 02:00 becomes 01:00.
        assert_eq!(
            runs("15,45 1 * * *", "America/New_York", "2026-11-01T00:00:00-04:00", 3),
            ["2026-11-01T01:15:00-04:00", "2026-11-01T01:45:00-04:00", "2026-11-02T01:15:00-05:00"]
        );
    }

    #[test]
    fn what_runs_every_hour_goes_by_the_time_that_passes() {
        assert_eq!(
            runs("*/30 * * * *", "America/New_York", "2026-11-01T00:45:00-04:00", 5),
            [
                "2026-11-01T01:00:00-04:00",
                "2026-11-01T01:30:00-04:00",
                "2026-11-01T01:00:00-05:00",
                "2026-11-01T01:30:00-05:00",
                "2026-11-01T02:00:00-05:00"
            ]
        );
        assert_eq!(
            runs("@hourly", "Europe/Berlin", "2026-03-29T01:00:00+01:00", 2),
            ["2026-03-29T03:00:00+02:00", "2026-03-29T04:00:00+02:00"]
        );
    }

    #[test]
    fn a_mistake_is_named_by_its_place() {
        let pointer =
            |cron: Option<&str>, at: Option<Timestamp>, zone: &str| match Timetable::read(cron, at, zone) {
                Err(Refusal::Invalid { errors, .. }) => errors[0].pointer.clone(),
                _ => panic!("{cron:?} {zone} is taken"),
            };
        for cron in ["", "* * * *", "61 * * * *", "0 0 0 1 1 * 2027", "often", "5/5 * * * *"] {
            assert_eq!(pointer(Some(cron), None, "UTC"), "/cron", "{cron}");
        }
        assert_eq!(pointer(Some("* * * * *"), None, "Mars/Olympus"), "/timezone");
        assert_eq!(pointer(Some("* * * * *"), Some(Timestamp::EPOCH), "UTC"), "/at");
        assert_eq!(pointer(None, None, "UTC"), "/cron");
    }

    #[test]
    fn a_mistake_is_told_in_plain_words_with_its_field() {
        let detail = |cron: &str| match Timetable::read(Some(cron), None, "UTC") {
            Err(Refusal::Invalid { errors, .. }) => errors[0].detail.clone(),
            _ => panic!("{cron} is taken"),
        };
        for (cron, field) in [
            ("0/20 * * * *", "the minute, \"0/20\""),
            ("0 22-2 * * *", "the hour, \"22-2\""),
            ("0 9 L-3 * *", "the day, \"L-3\""),
            ("0 9 * 13 *", "the month, \"13\""),
            ("0 9 * * FRI-MON", "the weekday, \"FRI-MON\""),
            ("0 9 * * L", "the weekday, \"L\""),
            ("0 9 ? * L,L", "the weekday, \"L,L\""),
            ("0 0 9 * * L", "the weekday, \"L\""),
            ("99 0 9 * * *", "the second, \"99\""),
        ] {
            let detail = detail(cron);
            assert!(detail.starts_with(&format!("the field of {field}, cannot be read: ")), "{detail}");
            assert!(!detail.contains("Component error") && !detail.ends_with('.'), "{detail}");
        }
        for cron in ["", "often", "* * * *", "0 0 0 1 1 * 2027"] {
            assert!(detail(cron).starts_with("a cron has 5 fields"), "{}", detail(cron));
        }
    }

    #[test]
    fn a_day_of_the_month_or_a_weekday_is_enough_unless_both_are_asked_for() {
        let after = "2026-11-01T00:00:00Z";
        // 13 November 2026 is a Friday.
        assert_eq!(
            runs("0 9 13 * FRI", "UTC", after, 3),
            ["2026-11-06T09:00:00+00:00", "2026-11-13T09:00:00+00:00", "2026-11-20T09:00:00+00:00"]
        );
        assert_eq!(runs("0 9 13 * +FRI", "UTC", after, 1), ["2026-11-13T09:00:00+00:00"]);
        assert_eq!(
            runs("*/61 * * * *", "UTC", after, 2),
            ["2026-11-01T01:00:00+00:00", "2026-11-01T02:00:00+00:00"]
        );
    }

    #[test]
    fn a_time_between_two_seconds_is_written_as_it_is() {
        let at = Timestamp::parse("2026-12-01T09:00:42.900Z").unwrap();
        let table = Timetable::read(None, Some(at), "Asia/Shanghai").unwrap_or_else(|e| panic!("{e:?}"));
        assert_eq!(table.written(at), "2026-12-01T17:00:42.900+08:00");
        assert_eq!(Timestamp::parse(&table.written(at)), Some(at));
    }

    #[test]
    fn the_last_of_many_runs_is_found_from_the_end() {
        let at = |text: &str| Timestamp::parse(text).unwrap();
        for (cron, first, now, last) in [
            ("0 9 * * MON-FRI", "2026-12-01T09:00:00Z", "2026-12-06T12:00:00Z", Some("2026-12-04T09:00:00Z")),
            ("* * * * * *", "2020-01-01T00:00:00Z", "2026-12-01T00:00:00.500Z", Some("2026-12-01T00:00:00Z")),
            ("0 9 * * *", "2026-12-01T09:00:00Z", "2026-12-02T09:00:00Z", Some("2026-12-02T09:00:00Z")),
            ("0 9 * * *", "2026-12-01T09:00:00Z", "2026-12-02T08:59:59Z", None),
            ("0 9 1 1 *", "2026-01-01T09:00:00Z", "2028-06-01T00:00:00Z", Some("2028-01-01T09:00:00Z")),
        ] {
            let table = Timetable::read(Some(cron), None, "UTC").unwrap_or_else(|e| panic!("{cron}: {e:?}"));
            assert_eq!(table.last_after(at(first), at(now)), last.map(at), "{cron} {now}");
        }
        let table = Timetable::read(Some("0 9 * * *"), None, "UTC").unwrap_or_else(|e| panic!("{e:?}"));
        let (first, last) = (at("2026-12-01T09:00:00Z"), at("2026-12-04T09:00:00Z"));
        assert_eq!([10, 3].map(|most| table.count(first, last, most)), [4, 3]);
    }

    #[test]
    fn what_never_comes_has_no_runs() {
        assert!(runs("0 0 30 2 *", "UTC", "2026-01-01T00:00:00Z", 1).is_empty());
        let once = Timetable::read(None, Timestamp::parse("2026-12-01T09:00:00+08:00"), "Asia/Shanghai");
        let once = once.unwrap_or_else(|e| panic!("{e:?}"));
        let first = once.next(Timestamp::EPOCH);
        assert_eq!(first, Timestamp::parse("2026-12-01T01:00:00Z"));
        assert_eq!(once.from(first, 5).len(), 1);
        assert_eq!(once.next(first.unwrap()), None);
    }
}
