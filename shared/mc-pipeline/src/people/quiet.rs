//! Quiet hours: a part of every day, by the clock on somebody's wall, in which nothing is pushed to them.
//!
//! They are compared as wall-clock times. On the day on which clocks are put forward, an end that does not exist is
//! taken as the first moment after the gap; on the day on which they are put back, an end that comes twice is the
//! first of the two, and the repeated part of the night is quiet only as far as the wall clock says.

use std::time::Duration;

use jiff::civil::Time;
use jiff::tz::TimeZone;
use mc_core::Timestamp;
use mc_core::model::{Priority, QuietHours, Recipient};

/// The form in which a recipient carries them: `22:00-08:00@Asia/Shanghai`.
pub fn encode(hours: &QuietHours, timezone: &str) -> String {
    format!("{}-{}@{timezone}", hours.from, hours.to)
}

/// When a recipient may be disturbed again, if it is not to be disturbed now. `high` may always disturb.
pub fn wakes(recipient: &Recipient, priority: Priority, now: Timestamp) -> Option<Timestamp> {
    if priority == Priority::High {
        return None;
    }
    release(recipient.quiet.as_deref()?, now)
}

/// The end of the quiet hours that `now` lies in. What cannot be read disturbs nobody's message.
fn release(encoded: &str, now: Timestamp) -> Option<Timestamp> {
    let (hours, zone) = encoded.split_once('@')?;
    let (from, to) = hours.split_once('-')?;
    let (from, to) = (clock(from)?, clock(to)?);
    let zone = TimeZone::get(zone).ok()?;
    let local = jiff::Timestamp::from_millisecond(now.millis()).ok()?.to_zoned(zone.clone());
    let time = local.time();
    let (inside, ends_tomorrow) = match from < to {
        true => (from <= time && time < to, false),
        false => (from <= time || time < to, from <= time),
    };
    if !inside {
        return None;
    }
    let day = if ends_tomorrow { local.date().tomorrow().ok()? } else { local.date() };
    let end = zone.to_ambiguous_zoned(day.to_datetime(to)).compatible().ok()?;
    let end = Timestamp::from_millis(end.timestamp().as_millisecond());
    // The first of two ends may be behind us while the clock repeats itself: then it is over within the hour.
    Some(if end > now { end } else { now.after(Duration::from_secs(60)) })
}

/// Reads `22:00`.
pub fn clock(text: &str) -> Option<Time> {
    let (hour, minute) = text.split_once(':')?;
    let two_digits = |part: &str| {
        (part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse().ok()).flatten()
    };
    Time::new(two_digits(hour)?, two_digits(minute)?, 0, 0).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse(text).unwrap()
    }

    #[test]
    fn a_night_ends_in_the_morning() {
        let night = "22:00-08:00@Asia/Shanghai";
        assert_eq!(release(night, at("2026-03-10T21:59:59+08:00")), None);
        assert_eq!(release(night, at("2026-03-10T22:00:00+08:00")), Some(at("2026-03-11T08:00:00+08:00")));
        assert_eq!(release(night, at("2026-03-11T03:00:00+08:00")), Some(at("2026-03-11T08:00:00+08:00")));
        assert_eq!(release(night, at("2026-03-11T08:00:00+08:00")), None);
    }

    #[test]
    fn a_siesta_begins_and_ends_on_one_day() {
        let siesta = "12:30-14:00@Europe/Berlin";
        assert_eq!(release(siesta, at("2026-07-01T12:29:00+02:00")), None);
        assert_eq!(release(siesta, at("2026-07-01T13:00:00+02:00")), Some(at("2026-07-01T14:00:00+02:00")));
    }

    #[test]
    fn nights_on_which_clocks_change_end_by_the_wall_clock() {
        // Berlin goes from 02:00 to 03:00 on 29 March 2026, and from 03:00 back to 02:00 on 25 October.
        let short = "23:00-02:30@Europe/Berlin";
        assert_eq!(release(short, at("2026-03-29T01:30:00+01:00")), Some(at("2026-03-29T03:30:00+02:00")));
        let long = "23:00-07:00@Europe/Berlin";
        assert_eq!(release(long, at("2026-10-24T23:30:00+02:00")), Some(at("2026-10-25T07:00:00+01:00")));
        let twice = "23:00-02:30@Europe/Berlin";
        assert_eq!(release(twice, at("2026-10-25T02:10:00+02:00")), Some(at("2026-10-25T02:30:00+02:00")));
        let again = release(twice, at("2026-10-25T02:10:00+01:00")).unwrap();
        assert_eq!(
            again,
            at("2026-10-25T02:11:00+01:00"),
            "the repeated half hour is looked at minute by minute"
        );
    }

    #[test]
    fn high_disturbs_everybody() {
        let sleeper = Recipient { quiet: Some("22:00-08:00@UTC".into()), ..Recipient::default() };
        let night = at("2026-03-10T23:00:00Z");
        assert_eq!(wakes(&sleeper, Priority::High, night), None);
        assert_eq!(wakes(&sleeper, Priority::Normal, night), Some(at("2026-03-11T08:00:00Z")));
        assert_eq!(wakes(&Recipient::default(), Priority::Normal, night), None);
    }

    #[test]
    fn a_clock_has_two_digits_each() {
        assert!(clock("00:00").is_some() && clock("23:59").is_some());
        for bad in ["24:00", "7:00", "07:60", "0700", "+7:00", ""] {
            assert_eq!(clock(bad), None, "{bad}");
        }
    }
}
