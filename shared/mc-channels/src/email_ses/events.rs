//! What SES tells of a mail: the same document through SNS and through EventBridge.

use mc_core::Timestamp;
use mc_core::ports::News;
use mc_core::state::State;
use serde_json::Value;

use super::tags;

/// An event of a mail.
#[derive(Clone, Debug, PartialEq)]
pub struct SesEvent {
    /// The project that sent the mail, if the mail said so.
    pub project: Option<String>,
    /// The channel that sent it, if the mail said so.
    pub channel: Option<String>,
    /// What it means to us. Nothing, for events that change nothing.
    pub news: Vec<News>,
}

/// Reads an event (the `detail` of an EventBridge event, the `Message` of an SNS notification); `None` when it is none
/// of SES's.
///
/// # Behavior
/// - Read with tolerance: fields may be added, missing or of several recipients.
/// - Project and channel come from the mail's tags; a mail that carries none was sent by somebody else.
pub fn read_ses_event(detail: &Value) -> Option<SesEvent> {
    // Notifications of an identity use the second name.
    let kind = detail["eventType"].as_str().or_else(|| detail["notificationType"].as_str())?;
    let mail = detail.get("mail")?;
    let push = tag(mail, tags::PUSH).or_else(|| from_message_id(mail));
    let news = match kind {
        "Send" => receipts(push, mail, State::Sent, &all(mail), None, None),
        "Delivery" => {
            let delivery = &detail["delivery"];
            let to = texts(&delivery["recipients"]);
            receipts(push, delivery, State::Delivered, &to, None, delivery["smtpResponse"].as_str())
        }
        "Bounce" => bounce(push, &detail["bounce"]),
        "Complaint" => complaint(&detail["complaint"]),
        "Reject" => {
            let reason = detail["reject"]["reason"].as_str();
            receipts(push, mail, State::Failed, &all(mail), Some("reject"), reason)
        }
        "Rendering Failure" => {
            let reason = detail["failure"]["errorMessage"].as_str();
            receipts(push, mail, State::Failed, &all(mail), Some("rendering_failure"), reason)
        }
        "Open" => receipts(push, &detail["open"], State::Read, &all(mail), None, None),
        "Click" => receipts(push, &detail["click"], State::Read, &all(mail), None, None),
        "Subscription" => subscription(&detail["subscription"], mail),
        // A delay ends in one of the others, and a kind that we do not know changes nothing.
        _ => Vec::new(),
    };
    Some(SesEvent { project: tag(mail, tags::PROJECT), channel: tag(mail, tags::CHANNEL), news })
}

fn tag(mail: &Value, name: &str) -> Option<String> {
    tags::decode(mail["tags"][name].get(0)?.as_str()?)
}

/// Notifications without tags may still repeat the id that we gave the mail: `<push@domain>`.
fn from_message_id(mail: &Value) -> Option<String> {
    let id = mail["commonHeaders"]["messageId"].as_str()?;
    let (push, _) = id.trim_start_matches('<').split_once('@')?;
    Some(push.to_owned())
}

fn texts(list: &Value) -> Vec<String> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

fn all(mail: &Value) -> Vec<String> {
    texts(&mail["destination"])
}

/// One receipt for each address; for a mail that is not one of ours there is none.
fn receipts(
    push: Option<String>,
    of: &Value,
    state: State,
    to: &[String],
    code: Option<&str>,
    text: Option<&str>,
) -> Vec<News> {
    let Some(push) = push else { return Vec::new() };
    let at = of["timestamp"].as_str().and_then(Timestamp::parse);
    let one = |address: &String| News::Receipt {
        platform_id: push.clone(),
        to: Some(address.clone()),
        state,
        code: code.map(ToOwned::to_owned),
        text: text.map(ToOwned::to_owned),
        at,
    };
    to.iter().map(one).collect()
}

fn bounce(push: Option<String>, bounce: &Value) -> Vec<News> {
    let kind = bounce["bounceType"].as_str().unwrap_or("Undetermined");
    let sub_kind = bounce["bounceSubType"].as_str().unwrap_or("Undetermined");
    let code = format!("{kind}/{sub_kind}");
    let text = |recipient: &Value, name: &str| recipient[name].as_str().map(ToOwned::to_owned);
    let mut news = Vec::new();
    for recipient in bounce["bouncedRecipients"].as_array().into_iter().flatten() {
        let Some(address) = text(recipient, "emailAddress") else { continue };
        let state = if is_mere_answer(kind, sub_kind, recipient) { State::Sent } else { State::Failed };
        let code =
            text(recipient, "status").map_or_else(|| code.clone(), |status| format!("{code} {status}"));
        let words = text(recipient, "diagnosticCode");
        let to = [address];
        news.extend(receipts(push.clone(), bounce, state, &to, Some(&code), words.as_deref()));
        // Whatever may pass (a full mailbox, a mail too large) is no reason never to write again.
        if kind == "Permanent" {
            let [address] = to;
            news.push(News::Suppress { address, reason: "bounce", text: words.unwrap_or(code) });
        }
    }
    news
}

/// Whether a bounce may be an automatic answer, as of somebody who is out of office.
///
/// SES calls these bounces of no particular kind, also after it said that the mail was delivered. A mail that truly
/// failed comes with the mail server's report, which says so of each recipient.
fn is_mere_answer(kind: &str, sub_kind: &str, recipient: &Value) -> bool {
    let reported = recipient["action"] == "failed" || recipient["status"].is_string();
    matches!((kind, sub_kind), ("Transient", "General") | ("Undetermined", _)) && !reported
}

fn complaint(complaint: &Value) -> Vec<News> {
    let kind = complaint["complaintFeedbackType"].as_str().unwrap_or("abuse");
    if kind == "not-spam" {
        return Vec::new();
    }
    let recipients = complaint["complainedRecipients"].as_array().into_iter().flatten();
    recipients
        .filter_map(|recipient| recipient["emailAddress"].as_str())
        .map(|address| News::Suppress {
            address: address.to_owned(),
            reason: "complaint",
            text: kind.to_owned(),
        })
        .collect()
}

fn subscription(subscription: &Value, mail: &Value) -> Vec<News> {
    if subscription["newTopicPreferences"]["unsubscribeAll"] != Value::Bool(true) {
        return Vec::new();
    }
    let text = subscription["source"].as_str().unwrap_or("SES").to_owned();
    all(mail)
        .into_iter()
        .map(|address| News::Suppress { address, reason: "unsubscribe", text: text.clone() })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PUSH: &str = "01HF7YAT31000000000000001A-0-0";

    fn read(name: &str) -> SesEvent {
        let all: Value = serde_json::from_str(include_str!("fixtures/events.json")).unwrap();
        read_ses_event(&all[name]).unwrap()
    }

    fn receipt(state: State, code: Option<&str>, text: Option<&str>, at: &str) -> News {
        News::Receipt {
            platform_id: PUSH.to_owned(),
            to: Some("ann@example.net".to_owned()),
            state,
            code: code.map(ToOwned::to_owned),
            text: text.map(ToOwned::to_owned),
            at: Timestamp::parse(at),
        }
    }

    fn suppress(reason: &'static str, text: &str) -> News {
        News::Suppress { address: "ann@example.net".to_owned(), reason, text: text.to_owned() }
    }

    #[test]
    fn every_event_has_its_meaning() {
        let at = "2026-11-24T10:00:01.000Z";
        let smtp = "smtp; 550 5.1.1 user unknown";
        for (name, expected) in [
            ("send", vec![receipt(State::Sent, None, None, "2026-11-24T10:00:00.000Z")]),
            ("delivery", vec![receipt(State::Delivered, None, Some("250 2.6.0 Message received"), at)]),
            (
                "permanent bounce",
                vec![
                    receipt(State::Failed, Some("Permanent/NoEmail 5.1.1"), Some(smtp), at),
                    suppress("bounce", smtp),
                ],
            ),
            // An answer that may be automatic takes nothing back.
            ("out of office", vec![receipt(State::Sent, Some("Transient/General"), None, at)]),
            (
                "general bounce",
                vec![receipt(
                    State::Failed,
                    Some("Transient/General 4.0.0"),
                    Some("smtp; 451 4.0.0 later"),
                    at,
                )],
            ),
            ("transient bounce", vec![receipt(State::Failed, Some("Transient/MailboxFull"), None, at)]),
            ("complaint", vec![suppress("complaint", "abuse")]),
            ("not spam", vec![]),
            (
                "reject",
                vec![receipt(State::Failed, Some("reject"), Some("Bad content"), "2026-11-24T10:00:00.000Z")],
            ),
            ("open", vec![receipt(State::Read, None, None, at)]),
            ("click", vec![receipt(State::Read, None, None, at)]),
            ("delay", vec![]),
            ("unsubscribe", vec![suppress("unsubscribe", "UnsubscribeHeader")]),
        ] {
            let event = read(name);
            assert_eq!(event.news, expected, "{name}");
            assert_eq!(
                (event.project.as_deref(), event.channel.as_deref()),
                (Some("default"), Some("corp.mail"))
            );
        }
    }

    #[test]
    fn an_identity_s_notification_is_known_by_the_mail_s_own_id() {
        let event = read("identity bounce");
        assert_eq!((event.project, event.channel), (None, None));
        assert!(matches!(&event.news[0], News::Receipt { platform_id, .. } if platform_id == PUSH));
    }

    #[test]
    fn others_mails_and_other_documents_mean_nothing() {
        let event = read("somebody else's");
        assert_eq!((event.project, event.news), (None, vec![]));
        assert_eq!(read_ses_event(&Value::from("Successfully validated SNS topic")), None);
        assert_eq!(read_ses_event(&serde_json::json!({"eventType": "Send"})), None);
    }
}
