//! What a contact may look like.

use jiff::tz::TimeZone;
use mc_content::FieldError;
use mc_core::id::is_name;
use mc_core::model::{AddressKind, ContactDoc, EVERY_CATEGORY};

use super::quiet;
use crate::accept::address;

/// More categories than any company has.
const MAX_OPT_OUTS: usize = 100;

/// Everything that is wrong with a contact, each with its place.
pub fn contact(doc: &ContactDoc) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let mut wrong = |pointer: String, detail: &str| errors.push(FieldError::new(pointer, detail));
    if doc.name.as_ref().is_some_and(|n| n.is_empty() || n.len() > 256 || n.chars().any(char::is_control)) {
        wrong("/name".into(), "a name is 1 to 256 bytes without control characters");
    }
    for kind in AddressKind::ALL {
        if let Some(detail) = doc.addresses.get(kind).and_then(|a| address::problem(kind, a)) {
            wrong(format!("/{}", kind.as_str()), detail);
        }
    }
    if doc.locale.as_deref().is_some_and(|l| !is_locale(l)) {
        wrong("/locale".into(), "a locale is a language tag like zh-CN or en");
    }
    if let Some(zone) = &doc.timezone
        && !is_zone(zone)
    {
        wrong("/timezone".into(), "there is no such time zone; give an IANA name like Asia/Shanghai");
    }
    if let Some(hours) = &doc.quiet_hours {
        for (field, text) in [("from", &hours.from), ("to", &hours.to)] {
            if quiet::clock(text).is_none() {
                wrong(format!("/quiet_hours/{field}"), "a time of day is HH:MM, from 00:00 to 23:59");
            }
        }
        if hours.from == hours.to {
            wrong("/quiet_hours".into(), "quiet hours that end when they begin say nothing; leave them out");
        }
        if doc.timezone.is_none() {
            wrong("/timezone".into(), "quiet hours need a timezone to be read in");
        }
    }
    if doc.opt_outs.len() > MAX_OPT_OUTS {
        wrong("/opt_outs".into(), "at most 100 categories; * stands for all of them");
    }
    for (i, category) in doc.opt_outs.iter().enumerate() {
        if category != EVERY_CATEGORY && !is_name(category) {
            wrong(
                format!("/opt_outs/{i}"),
                "a category is 1 to 64 letters, digits and . _ ~ -, or * for all",
            );
        }
    }
    errors
}

/// Whether there is a time zone of this name.
pub fn is_zone(name: &str) -> bool {
    TimeZone::get(name).is_ok_and(|zone| zone.iana_name().is_some())
}

/// Whether a text has the form of a language tag: a language, and shorter or longer parts behind it.
fn is_locale(text: &str) -> bool {
    let mut parts = text.split('-');
    let language = parts
        .next()
        .is_some_and(|l| (2..=8).contains(&l.len()) && l.bytes().all(|b| b.is_ascii_alphabetic()));
    text.len() <= 35
        && language
        && parts.all(|p| (1..=8).contains(&p.len()) && p.bytes().all(|b| b.is_ascii_alphanumeric()))
}

#[cfg(test)]
mod tests {
    use mc_core::model::{Addresses, QuietHours};

    use super::*;

    fn pointers(doc: &ContactDoc) -> Vec<String> {
        contact(doc).into_iter().map(|e| e.pointer).collect()
    }

    #[test]
    fn a_good_contact_passes() {
        let doc = ContactDoc {
            name: Some("Zhang San".into()),
            addresses: Addresses { email: Some("z@example.com".into()), ..Addresses::default() },
            locale: Some("zh-Hans-CN".into()),
            timezone: Some("Asia/Shanghai".into()),
            quiet_hours: Some(QuietHours { from: "22:00".into(), to: "08:00".into() }),
            opt_outs: vec!["news".into(), "*".into()],
            ..ContactDoc::default()
        };
        assert_eq!(pointers(&doc), Vec::<String>::new());
        assert_eq!(pointers(&ContactDoc::default()), Vec::<String>::new());
    }

    #[test]
    fn every_mistake_is_named() {
        let doc = ContactDoc {
            name: Some("a\nb".into()),
            addresses: Addresses { email: Some("nobody".into()), ..Addresses::default() },
            locale: Some("c".into()),
            timezone: Some("Mars/Olympus".into()),
            quiet_hours: Some(QuietHours { from: "25:00".into(), to: "8".into() }),
            opt_outs: vec!["a b".into()],
            ..ContactDoc::default()
        };
        let wanted = [
            "/name",
            "/email",
            "/locale",
            "/timezone",
            "/quiet_hours/from",
            "/quiet_hours/to",
            "/opt_outs/0",
        ];
        assert_eq!(pointers(&doc), wanted);
        let homeless = ContactDoc {
            quiet_hours: Some(QuietHours { from: "22:00".into(), to: "08:00".into() }),
            ..ContactDoc::default()
        };
        assert_eq!(pointers(&homeless), ["/timezone"]);
    }
}
