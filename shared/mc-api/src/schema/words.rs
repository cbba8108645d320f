//! The words that may stand in a field.

use serde::Serialize;
use utoipa::openapi::{ObjectBuilder, RefOr, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

/// Declares words that only the document knows as a type.
macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident $words:expr)+) => {$(
        $(#[doc = $doc])+
        #[derive(Debug, Serialize)]
        pub struct $name;

        impl $name {
            /// Every word.
            pub const WORDS: &[&str] = &$words;
        }

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let words = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(Self::WORDS.iter().copied()));
                words.description(Some(concat!($($doc),+).trim())).build().into()
            }
        }

        impl ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )+};
}

words! {
    /// What platform a channel speaks.
    Kind mc_core::model::Kind::WORDS
    /// How a body is written.
    Format ["text", "markdown", "html"]
    /// How grave a message is.
    Level ["info", "success", "warning", "danger"]
    /// How several channels share the recipients: `all`, each takes whom it can reach; `first`, the next one takes
    /// only those for whom the one before failed for good.
    Mode ["all", "first"]
    /// Who may overtake whom.
    Priority ["high", "normal", "bulk"]
    /// Where a message stands; the last five are final.
    MessageStatus [
        "scheduled", "queued", "processing", "completed",
        "partial", "failed", "canceled", "expired",
    ]
    /// Where a delivery or a recipient stands. `sent` means that the platform accepted it and no more.
    State [
        "queued", "sending", "retrying", "sent", "delivered",
        "read", "failed", "in_doubt", "expired", "canceled",
        "suppressed", "recalled",
    ]
    /// How one try ended.
    AttemptOutcome ["sent", "failed", "in_doubt", "expired", "canceled"]
    /// What a delivery waits for: the message's own time, its condition, the end of somebody's quiet hours, a window of a
    /// quota, room below the channel's rate, another try after one that failed, or its turn.
    WaitingReason ["send_at", "condition", "quiet_hours", "quota", "pace", "retry", "turn"]
    /// What to do with a push whose outcome was lost.
    OnDoubt ["resend", "hold"]
    /// What happens with runs that were missed: `skip` leaves them out, `once` sends one late.
    CatchUp ["skip", "once"]
    /// How a condition is asked.
    AskMethod ["GET", "POST"]
    /// What is done when a condition gives no answer in the end.
    OnError ["send", "skip"]
    /// What became of a run.
    RunOutcome ["accepted", "failed", "skipped"]
    /// What an access key may do; each role includes the ones before it.
    Role ["send", "read", "admin"]
    /// What an operator may do in a project; each role includes the ones before it.
    OperatorRole ["viewer", "operator", "admin"]
    /// What a size is counted in.
    SizeUnit ["bytes", "characters"]
    /// In which window a platform counts: any 60 seconds, a day, a month of the calendar.
    QuotaWindow ["minute", "day", "month"]
    /// What a quota counts: calls of the platform, or people written to.
    QuotaUnit ["calls", "recipients"]
    /// Where a limit comes from: the platform said so, the operator set it, or the platform's documentation says so of
    /// a usual account.
    QuotaSource ["platform", "declared", "documented"]
    /// What an alarm watches. Small values are bad for the first two, large ones for the others.
    AlarmMetric [
        "remaining_percent", "forecast", "failure_rate", "gave_up",
        "oldest_queued_age", "dead_letters", "token_refresh_failing", "callback_silence",
    ]
    /// How an alarm stands.
    AlarmState ["ok", "pending", "firing"]
    /// How long the stretch of a point is.
    StatsInterval ["minute", "hour", "day"]
    /// How far the telling of an event is.
    TellingState ["pending", "delivered", "failed"]
    /// What a webhook is told of.
    EventKind [
        "message.completed", "delivery.sent",
        "delivery.delivered", "delivery.read", "delivery.failed",
        "delivery.recalled", "channel.action",
        "channel.failing", "quota.low", "quota.exhausted",
        "alarm.fired", "alarm.recovered",
    ]
}

#[cfg(test)]
mod tests {
    use mc_core::{model, state};

    use super::*;

    #[test]
    fn the_words_are_those_that_are_used() {
        assert_eq!(State::WORDS, state::State::ALL.map(state::State::as_str));
        assert_eq!(
            AlarmMetric::WORDS,
            mc_pipeline::alarms::Metric::ALL.map(mc_pipeline::alarms::Metric::as_str)
        );
        assert_eq!(
            WaitingReason::WORDS,
            mc_pipeline::view::Reason::ALL.map(mc_pipeline::view::Reason::as_str)
        );
        assert_eq!(EventKind::WORDS, model::EventKind::ALL.map(model::EventKind::as_str));
    }

    #[test]
    fn every_word_is_read() {
        fn read<T: serde::de::DeserializeOwned>(words: &[&str]) {
            for word in words {
                serde_json::from_value::<T>((*word).into()).unwrap_or_else(|e| panic!("{word}: {e}"));
            }
        }
        read::<model::Format>(Format::WORDS);
        read::<model::Level>(Level::WORDS);
        read::<model::Mode>(Mode::WORDS);
        read::<model::Priority>(Priority::WORDS);
        read::<state::MessageStatus>(MessageStatus::WORDS);
        read::<model::Outcome>(AttemptOutcome::WORDS);
        read::<model::OnDoubt>(OnDoubt::WORDS);
        read::<model::CatchUp>(CatchUp::WORDS);
        read::<model::AskMethod>(AskMethod::WORDS);
        read::<model::OnError>(OnError::WORDS);
        read::<model::RunOutcome>(RunOutcome::WORDS);
        read::<model::Role>(Role::WORDS);
        read::<model::OperatorRole>(OperatorRole::WORDS);
        read::<mc_pipeline::alarms::Metric>(AlarmMetric::WORDS);
        read::<mc_pipeline::alarms::Condition>(AlarmState::WORDS);
        read::<mc_pipeline::stats::Interval>(StatsInterval::WORDS);
        read::<mc_pipeline::tell::TellingState>(TellingState::WORDS);
    }
}
