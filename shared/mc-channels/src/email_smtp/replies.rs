//! What an SMTP server's replies mean.

use std::time::Duration;

use lettre::transport::smtp::Error;
use mc_core::Secret;
use mc_core::ports::{SendError, SendFailure};

use crate::outcome::{failure, words};

/// How far a push had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Stage {
    /// Waiting for a connection, connecting, greeting, TLS.
    Connect,
    /// Signing in.
    Auth,
    /// Naming the sender.
    Sender,
    /// Naming the recipient.
    Recipient,
    /// Writing the mail.
    Body,
    /// The final dot may have been written: from here on the server may have taken the mail.
    Handed,
}

impl Stage {
    pub(super) fn from_u8(value: u8) -> Self {
        match value {
            0 => Stage::Connect,
            1 => Stage::Auth,
            2 => Stage::Sender,
            3 => Stage::Recipient,
            4 => Stage::Body,
            _ => Stage::Handed,
        }
    }
}

/// Words by which providers say "too fast", whatever code stands before them. Wording changes; a miss costs only
/// patience or a failed mail.
const THROTTLE_WORDS: [(&str, u64); 20] = [
    ("Maximum sending rate exceeded", 2),
    ("Daily message quota exceeded", 3600),
    ("Throttling failure", 60),
    ("frequency limited", 300),
    ("Connection denied", 300),
    ("Mailbox unavailable or access denied", 300),
    ("too frequently sending", 300),
    ("too many connections", 60),
    ("rate limit", 60),
    ("HL:ICC", 300),
    ("HL:IFC", 300),
    ("HL:REP", 300),
    ("HL:MEP", 300),
    ("MI:DMC", 300),
    ("RP:DRC", 300),
    ("MI:SFQ", 900),
    ("RP:QRC", 300),
    ("RP:TRC", 300),
    ("RP:CEL", 300),
    ("4.7.28", 300),
];

/// Sorts an error by the server's reply, or by how far the push had come when there is none.
pub(super) fn classify(error: &Error, stage: Stage, password: &Secret) -> SendError {
    let source = std::error::Error::source(error).map(ToString::to_string).unwrap_or_default();
    let text = words(&source, [password]);
    let Some(code) = error.status() else { return without_reply(error, stage, text) };
    let digits = code.to_string();
    let kind = by_reply(digits.parse().unwrap_or(500), &text, stage);
    let enhanced = text.split_whitespace().next().filter(|word| is_enhanced(word));
    let code = enhanced.map_or_else(|| digits.clone(), |enhanced| format!("{digits} {enhanced}"));
    failure(kind, code, text)
}

/// The push was stopped by our own clock.
pub(super) fn timed_out(stage: Stage, limit: Duration) -> SendError {
    let kind =
        if stage >= Stage::Handed { SendFailure::Doubt } else { SendFailure::Transient { after: None } };
    failure(kind, "timeout", format!("the server did not finish within {} s", limit.as_secs()))
}

fn without_reply(error: &Error, stage: Stage, text: String) -> SendError {
    if stage >= Stage::Handed {
        return failure(
            SendFailure::Doubt,
            "no_answer",
            "the connection broke before the server confirmed the mail",
        );
    }
    if error.is_client() {
        // Nothing was wrong on the wire: the server lacks what the settings ask for (STARTTLS, a way to sign in).
        return failure(SendFailure::Channel, "unsupported", text);
    }
    failure(SendFailure::Transient { after: None }, "connect", format!("the connection failed: {text}"))
}

fn by_reply(code: u16, text: &str, stage: Stage) -> SendFailure {
    let throttle = THROTTLE_WORDS.iter().find(|(words, _)| contains(text, words));
    if let Some((_, seconds)) = throttle
        && stage != Stage::Auth
    {
        return SendFailure::Throttled { after: Some(Duration::from_secs(*seconds)) };
    }
    match code {
        451 if contains(text, "DT:SPM") => SendFailure::Throttled { after: Some(Duration::from_secs(120)) },
        400..=499 => SendFailure::Transient { after: None },
        // Accounts that sign in wrongly again and again get locked.
        530 | 534 | 535 | 538 => SendFailure::Channel,
        // Refused before anything of this mail was said, or because of the sender that the settings name.
        _ if stage <= Stage::Auth => SendFailure::Channel,
        501 | 550 | 553 if stage == Stage::Sender => SendFailure::Channel,
        _ => SendFailure::Permanent,
    }
}

fn contains(text: &str, words: &str) -> bool {
    text.to_ascii_lowercase().contains(&words.to_ascii_lowercase())
}

/// `5.1.1` and the like (RFC 3463).
fn is_enhanced(word: &str) -> bool {
    let mut parts = word.split('.');
    let class = parts.next().is_some_and(|part| matches!(part, "2" | "4" | "5"));
    let number = |part: Option<&str>| {
        part.is_some_and(|part| (1..=3).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit()))
    };
    class && number(parts.next()) && number(parts.next()) && parts.next().is_none()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Case {
        stage: u8,
        code: u16,
        text: String,
        expected: String,
    }

    #[test]
    fn every_reply_has_its_meaning() {
        let cases: Vec<Case> = serde_json::from_str(include_str!("fixtures/replies.json")).unwrap();
        for case in cases {
            let kind = by_reply(case.code, &case.text, Stage::from_u8(case.stage));
            assert!(
                format!("{kind:?}").starts_with(&case.expected),
                "{} {}: {kind:?}, not {}",
                case.code,
                case.text,
                case.expected
            );
        }
    }

    #[test]
    fn a_timeout_is_doubt_only_after_the_final_dot() {
        let limit = Duration::from_secs(50);
        assert_eq!(timed_out(Stage::Body, limit).failure, SendFailure::Transient { after: None });
        assert_eq!(timed_out(Stage::Handed, limit).failure, SendFailure::Doubt);
    }

    #[test]
    fn enhanced_codes_are_recognised() {
        assert!(is_enhanced("5.1.1") && is_enhanced("4.7.28"));
        for not in ["5.1", "1.2.3.4", "6.1.1", "5.x.1", "192.0.2"] {
            assert!(!is_enhanced(not), "{not}");
        }
    }
}
