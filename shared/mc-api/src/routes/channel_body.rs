//! The body of a channel's `PUT`: which secrets stay, which go, and what is sealed.

use mc_content::escape_member;
use std::collections::BTreeMap;

use mc_channels::secret_settings;
use mc_core::model::{ChannelDoc, Kind, Limits, OnDoubt};
use mc_core::{Secret, Timestamp};
use mc_pipeline::repo::{setting_field, setting_of, with_settings};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::call::Call;
use crate::problem::ApiError;
use crate::schema;

/// The name a proxy is sealed under, next to the secrets.
const PROXY: &str = "proxy";

/// A channel to make or replace.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ChannelBody {
    /// What platform it speaks.
    #[schema(value_type = schema::Kind)]
    pub(crate) kind: Kind,
    /// The kind's settings. A header of a webhook that is called like a credential (`authorization`, `cookie`,
    /// `x-api-key` …) is sealed unless it is a template, and answered as `{"set": true}`; given like this, it stays.
    #[serde(default)]
    settings: Map<String, Value>,
    /// The kind's secrets. One that is not named keeps its value when the channel is replaced, and so does one given
    /// as it was answered (`{"set": true}`); null takes it away. A list or an object is kept as its JSON.
    #[serde(default)]
    secrets: Map<String, Value>,
    /// Scheme and host in place of the platform's own.
    base_url: Option<String>,
    /// The way out: `http`, `https`, `socks5` or `socks5h`, maybe with credentials. Given as it was answered, it stays.
    proxy: Option<String>,
    /// PEM of certificates to trust besides Mozilla's.
    tls_ca: Option<String>,
    /// Limits below the platform's own.
    #[serde(default)]
    #[schema(value_type = schema::Limits)]
    limits: Limits,
    /// Alarm thresholds.
    #[schema(value_type = Option<Object>)]
    alarm: Option<Map<String, Value>>,
    /// What to do with a push whose outcome was lost; `resend` by default.
    #[serde(default)]
    #[schema(value_type = schema::OnDoubt)]
    on_doubt: OnDoubt,
    /// Whether it may be sent through; true by default.
    #[serde(default = "yes")]
    enabled: bool,
}

fn yes() -> bool {
    true
}

/// A channel with everything opened, before it is checked.
pub(crate) struct Opened {
    pub(crate) doc: ChannelDoc,
    pub(crate) secrets: BTreeMap<String, Secret>,
    pub(crate) proxy: Option<Secret>,
}

/// The threshold of `quota.low` in a channel's `alarm`.
const BELOW: &str = "remaining_below_percent";

impl ChannelBody {
    /// What is wrong with the percentages.
    fn check_percentages(&self) -> Result<(), ApiError> {
        let refuse = |pointer: &str| {
            let detail = "a percentage is a number from 0 to 100";
            Err(ApiError::field("invalid_channel", pointer, detail))
        };
        let below = self.alarm.as_ref().and_then(|alarm| alarm.get(BELOW));
        if below.is_some_and(|below| !below.as_f64().is_some_and(|p| (0.0..=100.0).contains(&p))) {
            return refuse("/alarm/remaining_below_percent");
        }
        if self.limits.reserve_for_high_percent.is_some_and(|percent| percent > 100) {
            return refuse("/limits/reserve_for_high_percent");
        }
        Ok(())
    }

    /// What is wrong with the rates: one of none would have no slot that anybody could wait for.
    fn check_rates(&self) -> Result<(), ApiError> {
        let Limits { per_minute, per_second, .. } = self.limits;
        let rates = [("/limits/per_minute", per_minute), ("/limits/per_second", per_second)];
        match rates.into_iter().find(|(_, rate)| *rate == Some(0)) {
            Some((pointer, _)) => {
                let detail = "is at least 1; to stop a channel set enabled to false";
                Err(ApiError::field("invalid_channel", pointer, detail))
            }
            None => Ok(()),
        }
    }

    /// Puts the stored secrets to those that were given.
    pub(crate) fn open(
        mut self,
        call: &Call,
        name: &str,
        stored: Option<&ChannelDoc>,
    ) -> Result<Opened, ApiError> {
        self.check_percentages()?;
        self.check_rates()?;
        // Another kind's secrets mean nothing to this one.
        let stored = stored.filter(|doc| doc.kind == self.kind);
        let mut secrets = BTreeMap::new();
        for (field, sealed) in stored.iter().flat_map(|doc| &doc.secrets) {
            // What stands in the settings stays only where those that are given say so.
            if setting_of(field).is_none() && self.secrets.get(field).is_none_or(is_mask) {
                secrets.insert(field.clone(), unseal(call, name, field, sealed)?);
            }
        }
        for (field, value) in &self.secrets {
            if setting_of(field).is_some() {
                let pointer = format!("/secrets/{}", escape_member(field));
                return Err(ApiError::field(
                    "invalid_channel",
                    pointer,
                    "give it where it stands in settings",
                ));
            }
            let text = match value {
                Value::Null => continue,
                mask if is_mask(mask) && secrets.contains_key(field) => continue,
                Value::String(text) => text.clone(),
                Value::Array(_) | Value::Object(_) if !is_mask(value) => value.to_string(),
                _ => {
                    let pointer = format!("/secrets/{}", escape_member(field));
                    let detail = match is_mask(value) {
                        true => NOT_SET,
                        false => "a secret is a text, a list or an object; null takes it away",
                    };
                    return Err(ApiError::field("invalid_channel", pointer, detail));
                }
            };
            secrets.insert(field.clone(), Secret::new(text));
        }
        self.take_out(call, name, stored, &mut secrets)?;
        let proxy = match (self.proxy, stored.and_then(|doc| doc.proxy.as_deref())) {
            (Some(given), Some(sealed)) if given.contains(MASK) => {
                let kept = unseal(call, name, PROXY, sealed)?;
                Some(if mask_url(kept.expose()) == given { kept } else { Secret::new(given) })
            }
            (given, _) => given.map(Secret::new),
        };
        let doc = ChannelDoc {
            kind: self.kind,
            settings: self.settings,
            secrets: BTreeMap::new(),
            base_url: self.base_url,
            proxy: None,
            tls_ca: self.tls_ca,
            limits: self.limits,
            alarm: self.alarm.map(Value::Object),
            on_doubt: self.on_doubt,
            enabled: self.enabled,
            created_at: Timestamp::EPOCH,
            updated_at: Timestamp::EPOCH,
        };
        Ok(Opened { doc, secrets, proxy })
    }

    /// Moves the secrets among the settings to the others, and leaves their mark.
    fn take_out(
        &mut self,
        call: &Call,
        name: &str,
        stored: Option<&ChannelDoc>,
        secrets: &mut BTreeMap<String, Secret>,
    ) -> Result<(), ApiError> {
        let mut marks = Vec::new();
        for (place, given) in secret_settings(self.kind, &self.settings) {
            let field = setting_field(&place);
            let value = match given {
                Value::String(text) => Secret::new(text),
                given if is_mask(given) => {
                    let kept = stored.and_then(|doc| kept_setting(call, name, doc, &place));
                    let not_set = || ApiError::field("invalid_channel", format!("/settings{place}"), NOT_SET);
                    kept.ok_or_else(not_set)??
                }
                // The kind says what is wrong with it.
                _ => continue,
            };
            secrets.insert(field, value);
            marks.push((place, mask()));
        }
        self.settings = with_settings(std::mem::take(&mut self.settings), marks);
        Ok(())
    }
}

/// What a place in the settings has as its secret now; a document from before these were sealed has it there.
fn kept_setting(call: &Call, name: &str, doc: &ChannelDoc, place: &str) -> Option<Result<Secret, ApiError>> {
    let field = setting_field(place);
    if let Some(sealed) = doc.secrets.get(&field) {
        return Some(unseal(call, name, &field, sealed));
    }
    let here = secret_settings(doc.kind, &doc.settings).into_iter().find(|(at, _)| at == place);
    here.and_then(|(_, value)| value.as_str()).map(|plain| Ok(Secret::new(plain)))
}

/// The settings as they may be shown.
pub(crate) fn shown_settings(doc: &ChannelDoc) -> Map<String, Value> {
    let places = secret_settings(doc.kind, &doc.settings);
    let marks = places.into_iter().map(|(place, _)| (place, mask())).collect();
    with_settings(doc.settings.clone(), marks)
}

/// What is wrong with a mark where there is nothing to keep.
const NOT_SET: &str = "there is no secret set here yet; give its value";

/// What we answer in place of a secret.
fn mask() -> Value {
    json!({"set": true})
}

/// Whether a value is what we answer in place of a secret.
fn is_mask(value: &Value) -> bool {
    *value == mask()
}

fn unseal(call: &Call, name: &str, field: &str, sealed: &str) -> Result<Secret, ApiError> {
    call.center().channels.unseal(call.project(), name, field, sealed).map_err(|error| {
        tracing::warn!(error = %error, channel = name, "a stored secret cannot be kept");
        let detail = format!("the stored {field} cannot be opened any more; give it again");
        ApiError::conflict("secret_lost", detail)
    })
}

impl Opened {
    /// The document with everything sealed, as it is stored.
    pub(crate) fn seal(self, call: &Call, name: &str) -> Result<ChannelDoc, ApiError> {
        let Opened { mut doc, secrets, proxy } = self;
        let seal = |field: &str, value: &Secret| {
            call.center().channels.seal(call.project(), name, field, value.expose())
        };
        for (field, value) in &secrets {
            doc.secrets.insert(field.clone(), seal(field, value)?);
        }
        doc.proxy = proxy.as_ref().map(|proxy| seal(PROXY, proxy)).transpose()?;
        Ok(doc)
    }
}

/// What stands for a password in a URL that is shown.
const MASK: &str = "***";

/// A proxy as it may be shown: without its credentials.
pub(crate) fn shown_proxy(call: &Call, name: &str, sealed: &str) -> Option<String> {
    // One that cannot be opened is still shown to be there.
    let proxy = call.center().channels.unseal(call.project(), name, PROXY, sealed);
    Some(proxy.map_or_else(|_| MASK.to_owned(), |proxy| mask_url(proxy.expose())))
}

fn mask_url(url: &str) -> String {
    let Ok(mut parsed) = url::Url::parse(url) else { return MASK.to_owned() };
    if parsed.username().is_empty() && parsed.password().is_none() {
        return url.to_owned();
    }
    // A user's name may be half of the secret, so it goes too.
    if parsed.set_username(MASK).is_err() || parsed.set_password(None).is_err() {
        return MASK.to_owned();
    }
    parsed.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_proxy_has_no_credentials() {
        assert_eq!(mask_url("http://proxy.example.com:3128"), "http://proxy.example.com:3128");
        assert_eq!(mask_url("http://u:hunter2@proxy.example.com:3128"), "http://***@proxy.example.com:3128/");
        assert_eq!(mask_url("socks5://u:hunter2@10.0.0.1:1080"), "socks5://***@10.0.0.1:1080");
        assert_eq!(mask_url("hunter2"), MASK);
    }
}
