//! `SendEmail` with a raw mail, and what it must be like.

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::{Value, json};

use super::{dated, error, fate};
use crate::answer::{Refusal, Verdict};
use crate::item::{Item, Platform};
use crate::sandbox::Sandbox;
use crate::sigv4::Arrived;
use crate::{mask, mime};

/// To, Cc and Bcc together.
const RECIPIENTS: usize = 50;
/// After base64. "40 MB" may be more; millions are the stricter reading.
const LARGEST: usize = 40_000_000;
/// With its line end.
const LINE: usize = 1_000;
const TAG: usize = 256;

/// `POST /v2/email/outbound-emails`
pub(super) async fn send(
    State(sandbox): State<Sandbox>,
    OriginalUri(uri): OriginalUri,
    method: Method,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let now = sandbox.now();
    let arrived = Arrived { method: &method, uri: &uri, headers: &headers, body: &body };
    let account = arrived.access_key_id().unwrap_or_default().to_owned();
    let request: Value = serde_json::from_slice(&body).unwrap_or_default();
    let raw = request["Content"]["Raw"]["Data"].as_str().and_then(|data| STANDARD.decode(data).ok());
    // The inbox shows the mail and not its base64.
    let mut item = Item::draft(Platform::Ses, mask::key(&account), raw.as_deref().unwrap_or(&body));
    if let Some(raw) = &raw {
        mime::describe(&mut item, request["FromEmailAddress"].as_str().map_or("", bare), raw);
    }
    let judge = |item: &mut Item| {
        let judged = sandbox.ses().by_signature(&arrived, now, |state| {
            let to = state.check(&request, raw.as_deref(), item)?;
            state.take(&to, now)?;
            let id = format!("0100{now:012x}-{:08x}-5a1d-4000-8000-000000000000-000000", state.next());
            Ok((fate::events(&state.account, &id, &request, item, &to, now), id))
        });
        match judged {
            Ok((events, id)) => {
                sandbox.ses_publish(&account, events);
                Verdict::Answered(json!({"MessageId": id}))
            }
            Err(refusal) => Verdict::Refused(refusal),
        }
    };
    dated(sandbox.receive(item, judge).await, now)
}

impl super::State {
    /// Looks at everything but rate and quota; answers who the mail goes to.
    fn check(&self, request: &Value, raw: Option<&[u8]>, item: &mut Item) -> Result<Vec<String>, Refusal> {
        self.account.may_send()?;
        check_tags(request)?;
        if let Some(set) = request["ConfigurationSetName"].as_str()
            && !self.account.configuration_sets.iter().any(|known| known == set)
        {
            let words = format!("Configuration set <{set}> does not exist.");
            return Err(error(404, "NotFoundException", words));
        }
        let raw = raw_mail(&request["Content"], raw)?;
        let mail = item.mail.clone().unwrap_or_default();
        let to = recipients(request, &mail.to)?;
        item.to.clone_from(&to);
        if mail.from.is_empty() {
            return Err(error(400, "MessageRejected", "Missing required header 'From'."));
        }
        if raw.split(|byte| *byte == b'\n').any(|line| line.len() >= LINE) {
            return Err(error(400, "MessageRejected", "a line of the mail is longer than 1000 characters"));
        }
        let senders = [mail.sender.as_str(), &mail.from].into_iter().filter(|sender| !sender.is_empty());
        let strangers =
            to.iter().map(String::as_str).filter(|to| !self.account.production && !fate::is_simulator(to));
        let unverified: Vec<&str> =
            senders.chain(strangers).filter(|address| !self.account.is_verified(address)).collect();
        if !unverified.is_empty() {
            let words = format!(
                "Email address is not verified. The following identities failed the check in region {}: {}",
                self.account.region.to_uppercase(),
                unverified.join(", ")
            );
            return Err(error(400, "MessageRejected", words));
        }
        Ok(to)
    }

    /// Mails to the simulator go at the account's pace and do not use up its quota.
    fn take(&mut self, to: &[String], now: u64) -> Result<(), Refusal> {
        let counted = to.iter().filter(|to| !fate::is_simulator(to)).count();
        self.quota.take(to.len(), counted, self.account.limits(), now)
    }
}

fn bad(words: &str) -> Refusal {
    error(400, "BadRequestException", words)
}

fn check_tags(request: &Value) -> Result<(), Refusal> {
    let plain = |text: &Value| {
        text.as_str().is_some_and(|text| {
            (1..=TAG).contains(&text.len())
                && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
        })
    };
    let tags = request["EmailTags"].as_array().map(Vec::as_slice).unwrap_or_default();
    if tags.iter().all(|tag| plain(&tag["Name"]) && plain(&tag["Value"])) {
        return Ok(());
    }
    Err(bad("a tag's name and value are 1 to 256 of A-Z, a-z, 0-9, _ and -"))
}

fn raw_mail<'a>(content: &Value, raw: Option<&'a [u8]>) -> Result<&'a [u8], Refusal> {
    let forms = ["Simple", "Raw", "Template"].into_iter().filter(|form| !content[form].is_null());
    match forms.collect::<Vec<_>>()[..] {
        ["Raw"] => {}
        [_] => return Err(bad("this sandbox takes raw content alone")),
        _ => return Err(bad("exactly one of Simple, Raw and Template is expected")),
    }
    let length = content["Raw"]["Data"].as_str().map_or(0, str::len);
    if length > LARGEST {
        let words = format!("Message length is more than {LARGEST} bytes long: '{length}'.");
        return Err(error(400, "MessageRejected", words));
    }
    raw.filter(|raw| !raw.is_empty()).ok_or_else(|| bad("Raw.Data is not a mail in base64"))
}

/// Whom the request names, or else the mail's own header.
fn recipients(request: &Value, header: &[String]) -> Result<Vec<String>, Refusal> {
    let destination = &request["Destination"];
    let named = ["ToAddresses", "CcAddresses", "BccAddresses"].into_iter();
    let named = named.flat_map(|list| destination[list].as_array().into_iter().flatten());
    let named: Vec<String> = named.filter_map(Value::as_str).map(|to| bare(to).to_owned()).collect();
    let to = if named.is_empty() { header.to_vec() } else { named };
    if to.is_empty() || to.len() > RECIPIENTS {
        return Err(bad("1 to 50 recipients are expected"));
    }
    for address in &to {
        let Some((local, domain)) = address.rsplit_once('@') else {
            return Err(bad("Missing final '@domain'"));
        };
        let plain =
            |text: &str| !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control());
        if !local.is_ascii() || !plain(local) {
            return Err(bad("Local address contains control or whitespace, or is not ASCII"));
        }
        if !plain(domain) || domain.contains('@') {
            return Err(bad("Domain contains illegal character"));
        }
    }
    Ok(to)
}

/// The address in `Name <address>`.
fn bare(address: &str) -> &str {
    let inner = address.rsplit_once('<').and_then(|(_, rest)| rest.strip_suffix('>'));
    inner.unwrap_or(address).trim()
}
