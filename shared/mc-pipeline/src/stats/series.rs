//! Series of points, as people draw them.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use mc_content::FieldError;
use mc_core::{Result, Timestamp};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};

use super::{Cell, Class, Count, Numbers, Sheet, hours, minutes};
use crate::accept::Refusal;
use crate::center::Center;

/// At most so many points in one answer: as many series are told by themselves as fit, and at least some.
const MOST_POINTS: usize = 10_000;
const FEWEST_SERIES: usize = 5;
const MOST_SERIES: usize = 50;

/// The series of all that have none of their own. No channel and no template can be called so.
pub const OTHERS: &str = "(others)";

/// The template of messages that have none.
pub const INLINE: &str = "(inline)";

/// The only series when nothing is told apart.
pub const ALL: &str = "all";

/// How long the stretch of a point is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Interval {
    /// A minute.
    Minute,
    /// An hour.
    Hour,
    /// A day in UTC.
    Day,
}

impl Interval {
    const fn minutes(self) -> i64 {
        match self {
            Interval::Minute => 1,
            Interval::Hour => 60,
            Interval::Day => 1440,
        }
    }

    /// At most so many points in a row.
    const fn most(self) -> i64 {
        match self {
            Interval::Minute => 1440,
            Interval::Hour => 744,
            Interval::Day => 100,
        }
    }

    /// What suits a range.
    fn fitting(span: Duration) -> Self {
        match span.as_secs() / 3600 {
            0..=3 => Interval::Minute,
            4..=96 => Interval::Hour,
            _ => Interval::Day,
        }
    }
}

/// By what series are told apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum By {
    /// By nothing.
    #[default]
    None,
    /// By channel.
    Channel,
    /// By the channels' kinds.
    Kind,
    /// By template.
    Template,
    /// By what is counted.
    Status,
}

/// What is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Question {
    /// From here; a day before the end by default.
    pub from: Option<Timestamp>,
    /// Until here; now by default.
    pub to: Option<Timestamp>,
    /// How long a stretch is; what suits the range by default.
    pub interval: Option<Interval>,
    /// By what series are told apart.
    pub by: By,
}

/// One series.
#[derive(Clone, Debug, Serialize)]
pub struct Series {
    /// What it is about.
    pub key: String,
    /// Its points, one for every stretch of time, the earliest first.
    pub points: Vec<Point>,
}

/// One point.
#[derive(Clone, Debug)]
pub struct Point {
    /// When its stretch begins.
    pub at: Timestamp,
    /// What was counted.
    pub numbers: Numbers,
    /// Which of them the point tells.
    told: &'static [Count],
}

/// What points tell.
const TOLD: &[Count] = &[
    Count::Accepted,
    Count::Sent,
    Count::Delivered,
    Count::Read,
    Count::Failed,
    Count::Expired,
    Count::Suppressed,
    Count::Canceled,
    Count::InDoubt,
    Count::Recalled,
    Count::GaveUp,
    Count::Retries,
    Count::Pushes,
    Count::PushMs,
];

/// What has a series of its own when series are told apart by status.
const STATUSES: [&[Count]; 10] = [
    &[Count::Accepted],
    &[Count::Sent],
    &[Count::Delivered],
    &[Count::Read],
    &[Count::Failed],
    &[Count::Expired],
    &[Count::Suppressed],
    &[Count::Canceled],
    &[Count::InDoubt],
    &[Count::Recalled],
];

impl Serialize for Point {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1 + self.told.len()))?;
        map.serialize_entry("at", &self.at)?;
        for count in self.told {
            map.serialize_entry(count.as_str(), &self.numbers.get(*count))?;
        }
        map.end()
    }
}

/// Numbers of one series by the beginning of their stretch.
type Row = BTreeMap<i64, Numbers>;

/// Answers a question, with what this process has not written yet.
pub async fn series(
    center: &Center,
    project: &str,
    question: &Question,
) -> std::result::Result<(Interval, Vec<Series>), Refusal> {
    let (interval, first, last) = range(question, center.clock.now())?;
    center.stats.flush(&*center.store).await;
    let sheets = sheets(center, project, interval, first, last).await?;
    let step = interval.minutes();
    let stretches = usize::try_from((last - first) / step).unwrap_or(usize::MAX);
    let points = |row: &Row, told: &'static [Count]| -> Vec<Point> {
        (first..last)
            .step_by(usize::try_from(step).unwrap_or(1))
            .map(|minute| Point {
                at: Timestamp::from_millis(minute * 60_000),
                numbers: row.get(&minute).cloned().unwrap_or_default(),
                told,
            })
            .collect()
    };
    if question.by == By::Status {
        let all = rows(sheets, By::None).remove(ALL).unwrap_or_default();
        let of =
            |told: &&'static [Count]| Series { key: told[0].as_str().to_owned(), points: points(&all, told) };
        return Ok((interval, STATUSES.iter().map(of).collect()));
    }
    let mut rows: Vec<(String, Row)> = rows(sheets, question.by).into_iter().collect();
    if question.by == By::None && rows.is_empty() {
        rows.push((ALL.to_owned(), Row::new()));
    }
    rows.sort_by_cached_key(|(key, row)| {
        let busy: u64 = row.values().map(|n| n.get(Count::Accepted).max(n.get(Count::Pushes))).sum();
        (std::cmp::Reverse(busy), key.clone())
    });
    let most = (MOST_POINTS / stretches.max(1)).clamp(FEWEST_SERIES, MOST_SERIES);
    let mut others = Row::new();
    for (_, row) in rows.split_off(rows.len().min(most)) {
        for (at, numbers) in row {
            others.entry(at).or_default().merge(&numbers);
        }
    }
    if !others.is_empty() {
        rows.push((OTHERS.to_owned(), others));
    }
    let of = |(key, row): (String, Row)| Series { points: points(&row, TOLD), key };
    Ok((interval, rows.into_iter().map(of).collect()))
}

/// The minutes a question is about, from the beginning of a stretch to the end of one.
fn range(question: &Question, now: Timestamp) -> std::result::Result<(Interval, i64, i64), Refusal> {
    let wrong = |field: &str, detail: String| {
        Err(Refusal::fields("invalid_parameter", vec![FieldError::new(format!("/{field}"), detail)]))
    };
    let to = question.to.unwrap_or(now);
    let from = question.from.unwrap_or_else(|| to.before(Duration::from_secs(86_400)));
    if from >= to {
        return wrong("from", "from must be before to".to_owned());
    }
    let interval = question.interval.unwrap_or_else(|| Interval::fitting(to.since(from)));
    let step = interval.minutes();
    let first = from.seconds().div_euclid(60).div_euclid(step) * step;
    let last = (to.millis() - 1).div_euclid(60_000).div_euclid(step) * step + step;
    // A range that begins and ends within a stretch touches one more.
    if (last - first) / step > interval.most() + 1 {
        let detail = format!(
            "this interval takes a range of at most {}; ask for less, or for a longer interval",
            match interval {
                Interval::Minute => "a day",
                Interval::Hour => "31 days",
                Interval::Day => "100 days",
            }
        );
        return wrong("from", detail);
    }
    let kept = match interval {
        Interval::Minute => super::MINUTES_LIFE,
        Interval::Hour | Interval::Day => super::HOURS_LIFE,
    };
    if from < now.before(kept) {
        let detail = match interval {
            Interval::Minute => "minutes are kept for three days; ask for hours",
            Interval::Hour | Interval::Day => "counters are kept for 400 days",
        };
        return wrong("from", detail.to_owned());
    }
    Ok((interval, first, last))
}

/// The counters by the beginning of their stretch, in minutes.
async fn sheets(
    center: &Center,
    project: &str,
    interval: Interval,
    first: i64,
    last: i64,
) -> Result<BTreeMap<i64, Sheet>> {
    if interval == Interval::Minute {
        return minutes(center, project, first, last).await;
    }
    let step = interval.minutes();
    let mut sheets = BTreeMap::<i64, Sheet>::new();
    for (hour, sheet) in hours(center, project, first / 60, last / 60).await? {
        sheets.entry((hour * 60).div_euclid(step) * step).or_default().merge(&sheet);
    }
    Ok(sheets)
}

fn rows(sheets: BTreeMap<i64, Sheet>, by: By) -> HashMap<String, Row> {
    let mut rows: HashMap<String, Row> = HashMap::new();
    for (at, sheet) in sheets {
        for (cell, numbers) in sheet.0 {
            if let Some(key) = key(&cell, by) {
                rows.entry(key).or_default().entry(at).or_default().merge(&numbers);
            }
        }
    }
    rows
}

/// The series a cell belongs to.
fn key(cell: &Cell, by: By) -> Option<String> {
    match by {
        By::None | By::Status => cell.is_channel().then(|| ALL.to_owned()),
        By::Channel => cell.is_channel().then(|| cell.name.clone()),
        By::Kind => cell.is_channel().then(|| cell.kind.to_owned()),
        By::Template if cell.class != Class::Template => None,
        By::Template if cell.name.is_empty() => Some(INLINE.to_owned()),
        By::Template => Some(cell.name.clone()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    fn ask(from: &str, to: &str, interval: Option<Interval>) -> Question {
        Question { from: Some(at(from)), to: Some(at(to)), interval, by: By::None }
    }

    #[test]
    fn a_range_covers_whole_stretches() {
        let now = at("2026-12-01T12:00:00Z");
        let question = ask("2026-12-01T10:20:30Z", "2026-12-01T11:00:01Z", Some(Interval::Hour));
        let (_, first, last) = range(&question, now).unwrap();
        assert_eq!((last - first, first.rem_euclid(60)), (120, 0));
        let question = ask("2026-12-01T10:00:00Z", "2026-12-01T11:00:00Z", Some(Interval::Hour));
        let (_, first, last) = range(&question, now).unwrap();
        assert_eq!(last - first, 60, "the end itself is not in it");
        let (interval, first, last) = range(&Question::default(), now).unwrap();
        assert_eq!((interval, last - first), (Interval::Hour, 1440));
    }

    #[test]
    fn a_range_that_cannot_be_answered_is_refused_with_its_place() {
        let now = at("2026-12-01T12:00:00Z");
        for question in [
            ask("2026-12-01T10:00:00Z", "2026-12-01T10:00:00Z", None),
            ask("2026-11-29T13:00:00Z", "2026-12-01T10:00:00Z", Some(Interval::Minute)),
            ask("2026-11-27T10:00:00Z", "2026-11-27T11:00:00Z", Some(Interval::Minute)),
            ask("2026-10-01T10:00:00Z", "2026-12-01T11:00:00Z", Some(Interval::Hour)),
            ask("2026-08-01T10:00:00Z", "2026-12-01T11:00:00Z", Some(Interval::Day)),
            ask("2025-10-01T10:00:00Z", "2025-10-02T10:00:00Z", Some(Interval::Hour)),
        ] {
            match range(&question, now) {
                Err(Refusal::Invalid { errors, .. }) => assert_eq!(errors[0].pointer, "/from"),
                other => panic!("{question:?}: {other:?}"),
            }
        }
    }
}
