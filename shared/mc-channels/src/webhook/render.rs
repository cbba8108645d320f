//! From a content to a request.

use mc_content::{Escape, dialect};
use mc_core::model::{Addresses, Button, Content, Fact, Level};
use mc_core::ports::{Part, RenderContext, RenderError, Rendered, Size, SizeUnit, Warning};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::config::{BodyTemplate, Config, JsonTemplate};
use super::credentials::HIDDEN;
use super::headers::{HeaderTemplate, has_control};
use crate::overrides::{self, bad_override};
use crate::robot;
use mc_content::escape_member;

/// A request larger than this is not made.
const LARGEST_BODY: usize = 4 << 20;

/// What the templates see.
#[derive(Serialize)]
struct View<'a> {
    title: &'a str,
    body: &'a str,
    format: &'static str,
    text: &'a str,
    html: String,
    data: &'a Map<String, Value>,
    params: &'a Map<String, Value>,
    to: Vec<&'a Addresses>,
    url: Option<&'a str>,
    url_label: Option<&'a str>,
    facts: &'a [Fact],
    buttons: &'a [Button],
    image: Option<&'a str>,
    level: Option<Level>,
    message: Id<'a>,
    delivery: Id<'a>,
    project: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    login: Option<LoginView>,
}

/// What stands for the token until it is sent.
#[derive(Serialize)]
struct LoginView {
    token: String,
}

#[derive(Serialize)]
struct Id<'a> {
    id: &'a str,
}

pub(super) fn render(
    config: &Config,
    content: &Content,
    context: &RenderContext<'_>,
) -> Result<Rendered, RenderError> {
    let (source, text) = dialect::source_and_text(&content.body);
    let message = context.message.to_string();
    let view = View {
        title: &content.title,
        body: &source,
        format: content.body.format.as_str(),
        text: &text,
        html: if config.wants_html { dialect::html(&content.body) } else { String::new() },
        data: context.data,
        params: context.params,
        to: context.to.iter().map(|recipient| &recipient.addresses).collect(),
        url: content.url.as_deref(),
        url_label: content.link_label(),
        facts: &content.facts,
        buttons: &content.buttons,
        image: content.image.as_deref(),
        level: content.level,
        message: Id { id: &message },
        delivery: Id { id: context.delivery },
        project: context.project,
        login: config.login.as_ref().map(|login| LoginView { token: login.mark(&message) }),
    };
    let url = render_url(config, &view)?;
    let mut headers = render_headers(config, &view)?;
    let mut body = render_body(&config.body, &view)?;
    if let Some(overrides) = context.overrides {
        let strangers: Vec<Addresses> = strangers(context);
        let login = view.login.as_ref().map(|_| LoginView { token: STRANGER.to_owned() });
        let other = View { to: strangers.iter().collect(), login, ..view };
        body = patch(body, &render_body(&config.body, &other)?, overrides)?;
    }
    let used = match &body {
        Value::Null => 0,
        Value::String(text) => text.len(),
        document => robot::json_size(document),
    };
    if used > LARGEST_BODY {
        return Err(RenderError::new(
            "too_large",
            format!("the request would carry {used} bytes; at most {LARGEST_BODY}"),
        ));
    }
    if !body.is_null() && !headers.contains_key("content-type") {
        headers.insert("content-type".to_owned(), content_type(&config.body, &body).into());
    }
    let mut warnings = Vec::from_iter(buttons(config, content));
    warnings.extend(robot::files_left_out(context));
    warnings.extend(robot::dead_links(&content.body));
    let method = Value::from(config.method);
    let members = [("method", method), ("url", url.into()), ("headers", headers.into()), ("body", body)];
    let payload = Value::Object(members.into_iter().map(|(name, value)| (name.to_owned(), value)).collect());
    Ok(Rendered {
        parts: vec![Part::new(payload)],
        text,
        warnings,
        size: Size { used, allowed: LARGEST_BODY, unit: SizeUnit::Bytes },
    })
}

/// The note on buttons that could only be pressed: they are in no request without them, and where the receiver cannot tell
/// us of clicks nobody hears of one.
fn buttons(config: &Config, content: &Content) -> Option<Warning> {
    let count = robot::pressed(content);
    if !config.names_buttons && !matches!(config.body, BodyTemplate::Default) {
        return robot::unpressable_because(content, "the channel's templates name no buttons");
    }
    let detail = format!("{count} button(s) handed over; no click comes back without receipts");
    (count > 0 && config.callback.is_none()).then(|| Warning::new("button_unheard", detail))
}

/// Our own JSON at a fixed address fails only by its size, and that is far off when there is little to say.
pub(super) fn surely(config: &Config, content: &Content, context: &RenderContext<'_>) -> bool {
    const LITTLE: usize = 64 << 10;
    let fixed = !config.has_templates && matches!(config.body, BodyTemplate::Default);
    fixed
        && context.overrides.is_none()
        && context.to.len() <= 200
        && robot::says_little(content)
        && context.data.values().map(weight).sum::<usize>() < LITTLE
}

/// About how long a value's JSON is.
fn weight(value: &Value) -> usize {
    match value {
        Value::Null | Value::Bool(_) | Value::Number(_) => 8,
        Value::String(text) => text.len() + 8,
        Value::Array(items) => items.iter().map(weight).sum::<usize>() + 8,
        Value::Object(members) => members.iter().map(|(k, v)| k.len() + weight(v)).sum::<usize>() + 8,
    }
}

fn render_url(config: &Config, view: &View<'_>) -> Result<String, RenderError> {
    let at = "/settings/url";
    let rest = config.url.rest.render(view).map_err(|error| error.in_settings(at))?;
    let path = rest.split(['?', '#']).next().unwrap_or_default();
    if config.url.varies && path.split('/').any(|segment| matches!(segment, "." | "..")) {
        let error = RenderError::new("bad_url", "a value put into the URL's path is \".\" or \"..\"");
        return Err(error.in_settings(at));
    }
    Ok(format!("{}{rest}", config.url.origin))
}

fn render_headers(config: &Config, view: &View<'_>) -> Result<Map<String, Value>, RenderError> {
    let mut headers = Map::new();
    for HeaderTemplate { at, name, value } in &config.headers {
        let in_settings = |error: RenderError| error.in_settings(&format!("/settings/{at}"));
        let value = value.render(view).map_err(in_settings)?;
        if has_control(&value) {
            let detail = "the value would hold a line break or another control character";
            return Err(in_settings(RenderError::new("bad_header", detail)));
        }
        headers.insert(name.clone(), value.into());
    }
    for (name, _) in &config.credentials {
        headers.insert(name.clone(), HIDDEN.into());
    }
    Ok(headers)
}

/// Where the body's template stands.
const BODY: &str = "/settings/body";

/// A text is sent as it is, anything else as its JSON.
fn render_body(template: &BodyTemplate, view: &View<'_>) -> Result<Value, RenderError> {
    match template {
        BodyTemplate::Default => Ok(default_body(view)),
        BodyTemplate::Text { template, escape } => {
            let text = template.render(view).map_err(|error| error.in_settings(BODY))?;
            if *escape == Escape::Json
                && let Err(error) = serde_json::from_str::<serde::de::IgnoredAny>(&text)
            {
                let detail =
                    format!("it gives no JSON: {error}; `{{{{ value | tojson }}}}` writes a whole value");
                return Err(RenderError::new("bad_body", detail).in_settings(BODY));
            }
            Ok(Value::String(text))
        }
        BodyTemplate::Json(template) => render_json(template, view)
            .map_err(|failed| failed.error.in_settings(&format!("{BODY}{}", failed.at))),
    }
}

fn default_body(view: &View<'_>) -> Value {
    let mut body = json!({
        "title": view.title,
        "body": view.body,
        "format": view.format,
        "text": view.text,
        "data": null,
        "to": view.to,
        "url": view.url,
        "facts": view.facts,
        "buttons": view.buttons,
        "image": view.image,
        "level": view.level,
        "message": view.message,
        "delivery": view.delivery,
        "project": view.project,
    });
    if let Some(label) = view.url_label {
        body["url_label"] = label.into();
    }
    // The macro would serialise it; a clone takes a third of the time.
    body["data"] = Value::Object(view.data.clone());
    body
}

/// A text of a document that could not be rendered.
pub(super) struct Failed {
    /// Where in the document it stands, as a JSON pointer.
    at: String,
    error: RenderError,
}

impl Failed {
    fn below(self, member: &str) -> Self {
        Self { at: format!("/{}{}", escape_member(member), self.at), error: self.error }
    }
}

pub(super) fn render_json<V: Serialize>(template: &JsonTemplate, view: &V) -> Result<Value, Failed> {
    Ok(match template {
        JsonTemplate::Fixed(value) => value.clone(),
        JsonTemplate::Text(text) => {
            let rendered = text.render(view);
            Value::String(rendered.map_err(|error| Failed { at: String::new(), error })?)
        }
        JsonTemplate::List(items) => {
            let items = items.iter().enumerate().map(|(place, item)| {
                render_json(item, view).map_err(|failed| failed.below(&place.to_string()))
            });
            Value::Array(items.collect::<Result<_, _>>()?)
        }
        JsonTemplate::Object(members) => {
            let members = members.iter().map(|(name, item)| {
                let item = render_json(item, view).map_err(|failed| failed.below(name))?;
                Ok((name.clone(), item))
            });
            Value::Object(members.collect::<Result<_, Failed>>()?)
        }
    })
}

/// What stands in place of addresses and tokens where it is looked at what depends on them. Templates may take an address
/// apart at its `@`.
const STRANGER: &str = "somebody-else@example.invalid";

/// Other recipients of the same form.
fn strangers(context: &RenderContext<'_>) -> Vec<Addresses> {
    let other = |address: &Option<String>| address.as_ref().map(|_| STRANGER.to_owned());
    let everywhere = Some(STRANGER.to_owned());
    match context.to {
        [] => vec![Addresses { email: everywhere.clone(), mobile: everywhere, ..Addresses::default() }],
        to => {
            let addresses = to.iter().map(|one| &one.addresses);
            let others = addresses.map(|one| Addresses {
                email: other(&one.email),
                mobile: other(&one.mobile),
                wecom: other(&one.wecom),
                dingtalk: other(&one.dingtalk),
                wechat: other(&one.wechat),
                feishu: other(&one.feishu),
            });
            others.collect()
        }
    }
}

/// The native payload of a webhook is its body; address and headers are the channel's own. So is what would be another for
/// other recipients or with another token, which the same body for those shows.
fn patch(body: Value, of_others: &Value, patch: &Value) -> Result<Value, RenderError> {
    let mut document = document(body)?;
    if let Some(place) = own_place(patch, &document, &self::document(of_others.clone())?) {
        let detail = "recipients and credentials are the channel's own";
        let detail = format!("an override cannot change {}: {detail}", place.replace('/', "."));
        return Err(bad_override(detail).at(place));
    }
    overrides::apply(&mut document, Some(patch), &[])?;
    Ok(document)
}

fn document(body: Value) -> Result<Value, RenderError> {
    match body {
        Value::String(text) => serde_json::from_str(&text)
            .map_err(|_| bad_override("this channel's body is not JSON, so nothing in it can be overridden")),
        document => Ok(document),
    }
}

/// The first member of a patch that writes to what is not the same in both documents.
fn own_place(patch: &Value, one: &Value, other: &Value) -> Option<String> {
    patch.as_object()?.iter().find_map(|(name, patch)| {
        let (one, other) = (one.get(name), other.get(name));
        match (patch, one, other) {
            (Value::Object(_), Some(one @ Value::Object(_)), Some(other @ Value::Object(_))) => {
                own_place(patch, one, other).map(|place| format!("{}/{place}", escape_member(name)))
            }
            _ => (one != other).then(|| escape_member(name)),
        }
    })
}

fn content_type(template: &BodyTemplate, body: &Value) -> &'static str {
    match (template, body) {
        (BodyTemplate::Text { escape: Escape::None | Escape::Url, .. }, Value::String(_)) => {
            "text/plain; charset=utf-8"
        }
        _ => "application/json; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use mc_core::model::Format;

    use super::*;
    use crate::testing;
    use crate::webhook::config::read;

    #[test]
    fn what_becomes_of_a_button_to_press_is_true() {
        let press = Button { text: "A".into(), action: "act".into(), ..Button::default() };
        let content = Content { buttons: vec![press], ..Content::new("t", Format::Text, "hi") };
        let secret = format!("whsec_{}", "A".repeat(32));
        for (body, receipts, expected) in [
            (None, false, Some("button_unheard")),
            (None, true, None),
            (Some("{{ buttons | tojson }}"), false, Some("button_unheard")),
            (Some("{{ text | tojson }}"), true, Some("button_dropped")),
        ] {
            let mut settings = json!({"url": "https://x.example/send", "receipts": receipts});
            if let Some(body) = body {
                settings["body"] = body.into();
            }
            let secrets = &[("secret", secret.as_str())][..usize::from(receipts)];
            let config = testing::try_read(read, &settings, secrets, None).ok().unwrap();
            let rendered = render(&config, &content, &testing::context(&[], &[], None)).ok().unwrap();
            let codes: Vec<&str> = rendered.warnings.iter().map(|warning| &*warning.code).collect();
            assert_eq!(codes, Vec::from_iter(expected), "{body:?} {receipts}");
        }
    }
}
