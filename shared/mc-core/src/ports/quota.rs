//! How much a platform lets an account send, in the platform's own windows.

use std::time::Duration;

use async_trait::async_trait;
use jiff::civil::Date;
use jiff::tz::{Offset, TimeZone};
use serde::{Deserialize, Serialize};

use super::channel::SendError;
use super::queue::Family;
use crate::model::Kind;
use crate::time::Timestamp;

/// A span of time in which pushes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Window {
    /// A second: a rate, which the pace keeps to and no count is kept of.
    Second,
    /// Any 60 seconds.
    Minute,
    /// A day.
    Day,
    /// A month of the calendar.
    Month,
}

impl Window {
    /// Every window, the shortest first.
    pub const ALL: [Window; 4] = [Window::Second, Window::Minute, Window::Day, Window::Month];

    /// The word the API uses.
    pub const fn as_str(self) -> &'static str {
        match self {
            Window::Second => "second",
            Window::Minute => "minute",
            Window::Day => "day",
            Window::Month => "month",
        }
    }
}

/// When a window begins anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// At midnight in China (UTC+8).
    Beijing,
    /// At midnight UTC.
    Utc,
    /// All the time: what lies further back than the window does not count any more.
    Rolling,
}

impl Turn {
    /// When a kind's windows begin anew: with the calendar of China for the platforms there; elsewhere a day is any
    /// 24 hours, and a month is the calendar's.
    pub const fn of(kind: Kind, window: Window) -> Self {
        match (window, kind.family()) {
            (Window::Second | Window::Minute, _) | (Window::Day, Family::Email | Family::Webhook) => {
                Turn::Rolling
            }
            (Window::Month, Family::Email | Family::Webhook) => Turn::Utc,
            (
                Window::Day | Window::Month,
                Family::Wecom | Family::Wechat | Family::Dingtalk | Family::Feishu,
            ) => Turn::Beijing,
        }
    }

    /// The day or month of the calendar in which `now` lies; `None` where there is no calendar.
    pub fn period(self, window: Window, now: Timestamp) -> Option<Period> {
        let offset = match self {
            Turn::Beijing => 8,
            Turn::Utc => 0,
            Turn::Rolling => return None,
        };
        let zone = TimeZone::fixed(Offset::constant(offset));
        let today = jiff::Timestamp::from_millisecond(now.millis()).ok()?.to_zoned(zone.clone()).date();
        let (first, next) = match window {
            Window::Second | Window::Minute => return None,
            Window::Day => (today, today.tomorrow().ok()?),
            Window::Month => (today.first_of_month(), today.last_of_month().tomorrow().ok()?),
        };
        let at = |date: Date| Some(date.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond());
        let name = match window {
            Window::Second | Window::Minute | Window::Day => first.strftime("%Y%m%d").to_string(),
            Window::Month => first.strftime("%Y%m").to_string(),
        };
        let (begins, ends) = (Timestamp::from_millis(at(first)?), Timestamp::from_millis(at(next)?));
        Some(Period { name, begins, ends })
    }
}

/// One day or month of a calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Period {
    /// Its name, like `20261201` or `202612`.
    pub name: String,
    /// Its first instant.
    pub begins: Timestamp,
    /// The first instant after it.
    pub ends: Timestamp,
}

/// What a quota counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum QuotaUnit {
    /// Calls of the platform.
    Calls,
    /// People written to: one call to ten of them counts ten.
    Recipients,
}

/// A quota of a kind, as plain data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// In which window the platform counts.
    pub window: Window,
    /// What it counts.
    pub unit: QuotaUnit,
    /// The number that its documentation names for an account of the usual sort, if it names one.
    pub documented: Option<u64>,
}

/// What a platform says of one of its windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figure {
    /// Which window.
    pub window: Window,
    /// How much there is, if it says so.
    pub limit: Option<u64>,
    /// How much of it is used, if it says so.
    pub used: Option<u64>,
}

/// A channel whose platform tells how much is left.
#[async_trait]
pub trait QuotaSource: Send + Sync {
    /// Asks the platform.
    ///
    /// # Behavior
    /// - Windows that the kind's capability does not name are passed over, but for the second: its limit is a rate that the
    ///   pace keeps to from then on, beside the channel's own limits.
    /// - An answer that makes no sense (no number, one below zero) is an error and no figure.
    /// - Sends nothing, and returns within the channel's timeout.
    async fn figures(&self) -> Result<Vec<Figure>, SendError>;
}

/// The length of a day.
pub const DAY: Duration = Duration::from_secs(86_400);

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_day_in_china_turns_at_midnight_there() {
        let day = |text| Turn::Beijing.period(Window::Day, at(text)).unwrap();
        let last = day("2026-11-30T23:59:59.999+08:00");
        assert_eq!((last.name.as_str(), last.ends), ("20261130", at("2026-12-01T00:00:00+08:00")));
        let first = day("2026-12-01T00:00:00+08:00");
        assert_eq!((first.name.as_str(), first.begins), ("20261201", last.ends));
    }

    #[test]
    fn a_month_ends_with_its_last_day() {
        let month = |text| Turn::Beijing.period(Window::Month, at(text)).unwrap();
        assert_eq!(month("2026-12-31T23:59:59+08:00").ends, at("2027-01-01T00:00:00+08:00"));
        assert_eq!(month("2028-02-29T12:00:00+08:00").ends, at("2028-03-01T00:00:00+08:00"));
        // In UTC it is still the month before.
        assert_eq!(month("2026-11-30T16:00:00Z").name, "202612");
        assert_eq!(Turn::Utc.period(Window::Month, at("2026-11-30T16:00:00Z")).unwrap().name, "202611");
    }

    #[test]
    fn only_the_platforms_of_china_have_their_calendar() {
        assert_eq!(Turn::of(Kind::WecomRobot, Window::Day), Turn::Beijing);
        assert_eq!(Turn::of(Kind::EmailSes, Window::Day), Turn::Rolling);
        assert_eq!(Turn::of(Kind::Webhook, Window::Month), Turn::Utc);
        assert_eq!(Turn::Rolling.period(Window::Day, Timestamp::EPOCH), None);
    }
}
