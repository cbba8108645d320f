//! The words that may stand in a field.

use serde::Serialize;
use utoipa::ToSchema;

/// Declares an enumeration that only the document knows, and its words for the tests.
macro_rules! words {
    ($($(#[doc = $doc:literal])+ $name:ident { $($variant:ident = $word:literal),+ $(,)? })+) => {$(
        $(#[doc = $doc])+
        #[derive(Serialize, ToSchema)]
        pub enum $name {
            $(
                #[doc = concat!("`", $word, "`")]
                #[serde(rename = $word)]
                $variant,
            )+
        }

        impl $name {
            /// Every word.
            pub const WORDS: &[&str] = &[$($word),+];
        }
    )+};
}

words! {
    /// What platform a channel speaks.
    Kind {
        WecomRobot = "wecom_robot", DingtalkRobot = "dingtalk_robot", EmailSmtp = "email_smtp", Webhook = "webhook",
    }
    /// How a body is written.
    Format { Text = "text", Markdown = "markdown", Html = "html" }
    /// How grave a message is.
    Level { Info = "info", Success = "success", Warning = "warning", Danger = "danger" }
    /// How several channels share the recipients: `all`, each takes whom it can reach; `first`, the next one takes
    /// only those for whom the one before failed for good.
    Mode { All = "all", First = "first" }
    /// Who may overtake whom.
    Priority { High = "high", Normal = "normal", Bulk = "bulk" }
    /// Where a message stands; the last five are final.
    MessageStatus {
        Scheduled = "scheduled", Queued = "queued", Processing = "processing", Completed = "completed",
        Partial = "partial", Failed = "failed", Canceled = "canceled", Expired = "expired",
    }
    /// Where a delivery or a recipient stands. `sent` means that the platform accepted it and no more.
    State {
        Queued = "queued", Sending = "sending", Retrying = "retrying", Sent = "sent", Delivered = "delivered",
        Read = "read", Failed = "failed", InDoubt = "in_doubt", Expired = "expired", Canceled = "canceled",
        Suppressed = "suppressed", Recalled = "recalled",
    }
    /// How one try ended.
    AttemptOutcome { Sent = "sent", Failed = "failed", InDoubt = "in_doubt", Expired = "expired" }
    /// What to do with a push whose outcome was lost.
    OnDoubt { Resend = "resend", Hold = "hold" }
    /// What an access key may do; each role includes the ones before it.
    Role { Send = "send", Read = "read", Admin = "admin" }
    /// What an operator may do in a project; each role includes the ones before it.
    OperatorRole { Viewer = "viewer", Operator = "operator", Admin = "admin" }
    /// What a size is counted in.
    SizeUnit { Bytes = "bytes", Characters = "characters" }
    /// How far the telling of an event is.
    TellingState { Pending = "pending", Delivered = "delivered", Failed = "failed" }
    /// What a webhook is told of.
    EventKind {
        MessageCompleted = "message.completed", DeliverySent = "delivery.sent",
        DeliveryDelivered = "delivery.delivered", DeliveryRead = "delivery.read", DeliveryFailed = "delivery.failed",
        DeliveryRecalled = "delivery.recalled", ChannelAction = "channel.action",
        ChannelFailing = "channel.failing", QuotaLow = "quota.low", QuotaExhausted = "quota.exhausted",
        AlarmFired = "alarm.fired", AlarmRecovered = "alarm.recovered",
    }
}

#[cfg(test)]
mod tests {
    use mc_core::{model, state};

    use super::*;

    #[test]
    fn the_words_are_those_that_are_used() {
        assert_eq!(Kind::WORDS, model::Kind::ALL.map(model::Kind::as_str));
        assert_eq!(State::WORDS, state::State::ALL.map(state::State::as_str));
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
        read::<model::Role>(Role::WORDS);
        read::<model::OperatorRole>(OperatorRole::WORDS);
        read::<mc_pipeline::tell::TellingState>(TellingState::WORDS);
    }
}
