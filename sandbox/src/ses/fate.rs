//! What becomes of a mail, in the documents that SES publishes about it.
//!
//! Everybody gets their mail but who is on the account's suppression list, and the addresses of the mailbox simulator do
//! what their names say.

use serde_json::{Map, Value, json};

use super::account::SesAccount;
use crate::item::Item;

const SIMULATOR: &str = "@simulator.amazonses.com";

/// Whether an address is one of the mailbox simulator's.
pub(super) fn is_simulator(address: &str) -> bool {
    address.to_ascii_lowercase().ends_with(SIMULATOR)
}

/// The events of a mail, in an order that is not promised. A mail without a configuration set has none.
pub(super) fn events(
    account: &SesAccount,
    id: &str,
    request: &Value,
    item: &Item,
    to: &[String],
    now: u64,
) -> Vec<Value> {
    let Some(set) = request["ConfigurationSetName"].as_str() else { return Vec::new() };
    let at = timestamp(now);
    let mail = mail(account, id, set, request, item, to, &at);
    let event = |kind: &str, key: &str, what: Value| json!({"eventType": kind, "mail": mail, key: what});
    let mut events = vec![event("Send", "send", json!({}))];
    for address in to {
        let delivery = json!({
            "timestamp": at, "processingTimeMillis": 546, "recipients": [address],
            "smtpResponse": "250 2.6.0 Message received", "reportingMTA": "a8-70.smtp-out.amazonses.com",
        });
        let bounce = |kind: &str, sub_kind: &str, recipient: Value| {
            event(
                "Bounce",
                "bounce",
                json!({
                    "bounceType": kind, "bounceSubType": sub_kind, "bouncedRecipients": [recipient],
                    "timestamp": at, "feedbackId": format!("{id}-feedback"),
                }),
            )
        };
        let refused = |status: &str, words: &str| json!({"emailAddress": address, "action": "failed", "status": status, "diagnosticCode": words});
        let lower = address.to_ascii_lowercase();
        // A label behind `+` tells several mails apart.
        let simulated =
            lower.strip_suffix(SIMULATOR).map(|local| local.split('+').next().unwrap_or_default());
        match simulated {
            Some("bounce") => {
                events.push(bounce("Permanent", "General", refused("5.1.1", "smtp; 550 5.1.1 user unknown")));
            }
            Some("suppressionlist") => {
                let words = "Amazon SES has suppressed sending to this address because it has a recent history of \
                             bouncing as an invalid address.";
                events.push(bounce("Permanent", "Suppressed", refused("5.1.1", words)));
            }
            _ if account.is_suppressed(address) => {
                let words = "Amazon SES did not send the message to this address because it is on the suppression \
                             list for your account.";
                events.push(bounce("Permanent", "OnAccountSuppressionList", refused("5.1.1", words)));
            }
            // Automatic answers are called bounces too, but nobody reports a failure in them.
            Some("ooto") => {
                events.push(bounce("Transient", "General", json!({"emailAddress": address})));
                events.push(event("Delivery", "delivery", delivery));
            }
            Some("complaint") => {
                events.push(event("Delivery", "delivery", delivery));
                let complaint = json!({
                    "complainedRecipients": [{"emailAddress": address}], "complaintFeedbackType": "abuse",
                    "timestamp": at, "feedbackId": format!("{id}-feedback"),
                });
                events.push(event("Complaint", "complaint", complaint));
            }
            _ => events.push(event("Delivery", "delivery", delivery)),
        }
    }
    events
}

/// The part about the mail, which every event of it carries.
fn mail(
    account: &SesAccount,
    id: &str,
    set: &str,
    request: &Value,
    item: &Item,
    to: &[String],
    at: &str,
) -> Value {
    let parts = item.mail.clone().unwrap_or_default();
    let mut tags = Map::from_iter([("ses:configuration-set".to_owned(), json!([set]))]);
    for tag in request["EmailTags"].as_array().into_iter().flatten() {
        if let Some(name) = tag["Name"].as_str() {
            tags.insert(name.to_owned(), json!([tag["Value"]]));
        }
    }
    // The mail's own Message-ID is gone: SES puts one of its own in its place.
    let common = json!({"from": [parts.from], "to": parts.to, "messageId": id, "subject": item.title});
    json!({
        "timestamp": at,
        "messageId": id,
        "source": parts.sender,
        "sourceArn": format!("arn:aws:ses:{}:123456789012:identity/{}", account.region, parts.sender),
        "sendingAccountId": "123456789012",
        "destination": to,
        "headersTruncated": false,
        "headers": [{"name": "From", "value": parts.from}],
        "commonHeaders": common,
        "tags": tags,
    })
}

/// As AWS writes times: with milliseconds.
pub(super) fn timestamp(unix_ms: u64) -> String {
    format!("{:.3}", instant(unix_ms))
}

pub(super) fn instant(unix_ms: u64) -> jiff::Timestamp {
    let ms = i64::try_from(unix_ms).unwrap_or(i64::MAX);
    jiff::Timestamp::from_millisecond(ms).unwrap_or(jiff::Timestamp::MAX)
}
