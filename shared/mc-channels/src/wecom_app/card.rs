//! Contents that become one card: with a link, with a picture, with facts, with buttons to press.

use mc_content::dialect;
use mc_core::model::{Button, Content, Fact};
use mc_core::ports::{RenderError, Size, SizeUnit, Warning};
use serde_json::{Value, json};

use super::render::literal;
use crate::robot;

/// Bytes of a title and of a description, in `textcard` and `news`. One page counts characters; bytes fit both.
pub(super) const TITLE_BYTES: usize = 128;
pub(super) const DESCRIPTION_BYTES: usize = 512;
/// Bytes of an address.
const URL_BYTES: usize = 2048;
/// Characters of the words below a `textcard`.
const LINK_LABEL: usize = 4;
/// Bytes of a button's key.
const KEY_BYTES: usize = 1024;

/// What the pages advise for template cards, in Chinese characters. Nothing longer is refused, but clients cut it.
const CARD_TITLE: usize = 36;
const CARD_TEXT: usize = 160;
const FACTS: usize = 6;
const FACT_LABEL: usize = 5;
const FACT_VALUE: usize = 30;
const JUMPS: usize = 3;
const JUMP_TITLE: usize = 18;
const BUTTONS: usize = 6;
const BUTTON_LABEL: usize = 10;

/// An address that WeCom opens.
fn web_url(url: &str) -> Option<String> {
    dialect::safe_url(url).filter(|url| url.starts_with("http") && url.len() <= URL_BYTES)
}

/// How wide a text is in halves of a Chinese character; a Latin letter is one.
fn width(text: &str) -> usize {
    text.chars().map(|c| if c.is_ascii() { 1 } else { 2 }).sum()
}

/// Whether a text is no wider than so many Chinese characters.
fn is_shown(text: &str, characters: usize) -> bool {
    width(text) <= 2 * characters
}

/// How full a template card is: its title or its text, whichever fills its place more, in Chinese characters.
pub(super) fn size(card: &Value) -> Size {
    let used = |text: &Value| width(text.as_str().unwrap_or_default()).div_ceil(2);
    let (title, text) = (used(&card["main_title"]["title"]), used(&card["sub_title_text"]));
    let (used, allowed) =
        if title * CARD_TEXT > text * CARD_TITLE { (title, CARD_TITLE) } else { (text, CARD_TEXT) };
    Size { used, allowed, unit: SizeUnit::Characters }
}

/// What a card says, each in its place.
struct Said<'c> {
    title: String,
    /// The body's text.
    body: String,
    facts: &'c [Fact],
    /// Where a click on the card leads.
    url: Option<String>,
    /// What is said of that.
    label: Option<&'c str>,
    /// Buttons that open another page.
    links: Vec<(&'c str, String)>,
    image: Option<String>,
}

impl<'c> Said<'c> {
    /// `None` if something of it has no place on a card.
    fn of(content: &'c Content) -> Option<Self> {
        let own = content.url.as_deref();
        let mut links = Vec::new();
        for button in content.links() {
            links.push((button.text.as_str(), web_url(&button.url)?));
        }
        // Without a link of its own a card leads where its first button does.
        let url = match own {
            Some(url) => Some(web_url(url)?),
            None => (!links.is_empty()).then(|| links.remove(0).1),
        };
        links.retain(|(_, link)| Some(link) != url.as_ref());
        let image = match &content.image {
            Some(image) => Some(web_url(image)?),
            None => None,
        };
        let title = content.title.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Some(Self {
            title,
            body: dialect::text(&content.body).trim().to_owned(),
            facts: &content.facts,
            url,
            label: content.link_label(),
            links,
            image,
        })
    }

    /// The title, or the first line in its place.
    fn headed(mut self) -> Self {
        if self.title.is_empty() {
            let (first, rest) = self.body.split_once('\n').unwrap_or((&self.body, ""));
            (self.title, self.body) = (first.trim().to_owned(), rest.trim().to_owned());
        }
        self
    }

    /// Body and facts as lines.
    fn lines(&self) -> String {
        let facts = self.facts.iter().map(Fact::line);
        let all: Vec<String> =
            std::iter::once(self.body.clone()).chain(facts).filter(|line| !line.is_empty()).collect();
        all.join("\n")
    }

    fn facts_are_shown(&self) -> bool {
        let shown = |fact: &Fact| {
            !fact.label.is_empty() && is_shown(&fact.label, FACT_LABEL) && is_shown(&fact.value, FACT_VALUE)
        };
        self.facts.len() <= FACTS && self.facts.iter().all(shown)
    }

    /// What `text_notice` and `button_interaction` have alike.
    fn card(&self, card_type: &str) -> Value {
        let mut card = json!({"card_type": card_type, "main_title": {"title": self.title}});
        if !self.body.is_empty() {
            card["sub_title_text"] = self.body.as_str().into();
        }
        if !self.facts.is_empty() {
            let rows = self.facts.iter().map(|fact| json!({"keyname": fact.label, "value": fact.value}));
            card["horizontal_content_list"] = rows.collect();
        }
        if let Some(url) = &self.url {
            card["card_action"] = json!({"type": 1, "url": url});
        }
        card
    }
}

/// The message of a content in text with more to it than text; `None` if it is one to be sent as text.
///
/// # Behavior
/// - Nothing is cut: what a card would not show whole is a text, with a warning.
pub(super) fn of_text(content: &Content, warnings: &mut Vec<Warning>) -> Option<Value> {
    let plain = content.facts.is_empty() && content.url.is_none() && content.buttons.is_empty();
    if plain {
        return None;
    }
    let card = Said::of(content).and_then(|said| {
        let said = said.headed();
        let url = said.url.clone()?;
        match (&said.image, said.facts.is_empty()) {
            (Some(image), _) => article(&said, &url, image),
            (None, false) => notice(&said),
            (None, true) => textcard(&said, &url),
        }
    });
    if card.is_none() && (content.url.is_some() || content.links().next().is_some()) {
        let detail = "a card would not show it whole; it is sent as text, with its addresses in it";
        warnings.push(Warning::new("card_as_text", detail));
    }
    if let Some(card) = &card {
        let shown = card.to_string();
        let unseen = content.links().filter(|button| !is_said(&shown, &button.text));
        warnings.extend(unseen.map(|button| {
            let detail =
                format!("a click on the card opens what \"{}\" opens; the label is not shown", button.text);
            Warning::new("label_dropped", detail)
        }));
        warnings.extend(unlabelled(content, card));
    }
    card
}

/// The note on a link's label that a card does not show.
fn unlabelled(content: &Content, card: &Value) -> Option<Warning> {
    let is_in_card = |label: &str| is_said(&card.to_string(), label);
    robot::unlabelled(content).filter(|_| !content.link_label().is_some_and(is_in_card))
}

/// Whether a card, as JSON, says a text as a whole. A member that is called so says nothing.
fn is_said(card: &str, text: &str) -> bool {
    card.contains(&format!(":{}", json!(text)))
}

fn textcard(said: &Said<'_>, url: &str) -> Option<Value> {
    let (title, description) = (literal(&said.title), literal(&said.body));
    let fits = !title.is_empty()
        && title.len() <= TITLE_BYTES
        && !description.is_empty()
        && description.len() <= DESCRIPTION_BYTES
        && said.links.is_empty();
    fits.then(|| {
        let mut card = json!({"title": title, "description": description, "url": url});
        if let Some(label) = said.label.filter(|label| label.chars().count() <= LINK_LABEL) {
            card["btntxt"] = label.into();
        }
        json!({"msgtype": "textcard", "textcard": card})
    })
}

fn article(said: &Said<'_>, url: &str, image: &str) -> Option<Value> {
    let description = said.lines();
    let fits = !said.title.is_empty()
        && said.title.len() <= TITLE_BYTES
        && description.len() <= DESCRIPTION_BYTES
        && said.links.is_empty();
    fits.then(|| {
        let article = json!({"title": said.title, "description": description, "url": url, "picurl": image});
        json!({"msgtype": "news", "news": {"articles": [article]}})
    })
}

/// A card of facts. What a click on it opens stands among its links as well, if it has a label.
fn notice(said: &Said<'_>) -> Option<Value> {
    let labelled = said.label.zip(said.url.as_deref());
    let links = labelled.into_iter().chain(said.links.iter().map(|(label, url)| (*label, url.as_str())));
    let links: Vec<(&str, &str)> = links.collect();
    let fits = !said.title.is_empty()
        && is_shown(&said.title, CARD_TITLE)
        && is_shown(&said.body, CARD_TEXT)
        && said.facts_are_shown()
        && links.len() <= JUMPS
        && links.iter().all(|(label, _)| !label.is_empty() && is_shown(label, JUMP_TITLE));
    fits.then(|| {
        let mut card = said.card("text_notice");
        if !links.is_empty() {
            let jumps = links.iter().map(|(label, url)| json!({"type": 1, "title": label, "url": url}));
            card["jump_list"] = jumps.collect();
        }
        json!({"msgtype": "template_card", "template_card": card})
    })
}

/// A card with buttons to press.
pub(super) struct Interaction {
    pub(super) message: Value,
    /// Whether the card says everything; if not, the content goes in front of it.
    pub(super) whole: bool,
}

/// The card of a content with buttons to press, if it has any.
pub(super) fn interaction(
    content: &Content,
    warnings: &mut Vec<Warning>,
) -> Result<Option<Interaction>, RenderError> {
    if content.buttons.iter().all(|button| button.action.is_empty()) {
        return Ok(None);
    }
    let buttons = buttons(content, warnings)?;
    let said = Said::of(content).map(Said::headed).filter(|said| {
        said.image.is_none()
            && is_shown(&said.title, CARD_TITLE)
            && is_shown(&said.body, CARD_TEXT)
            && said.facts_are_shown()
    });
    let whole = said.is_some();
    let mut card = match said {
        Some(said) => said.card("button_interaction"),
        None => {
            let text = dialect::text(&content.body);
            let mut lines = [content.title.as_str(), &text].into_iter().flat_map(str::lines);
            let headline = lines.find(|line| !line.trim().is_empty()).unwrap_or_default();
            json!({"card_type": "button_interaction", "main_title": {"title": shortened(headline.trim())}})
        }
    };
    card["button_list"] = buttons.into();
    // The card's name is the push's, and is put in when it is sent.
    card["task_id"] = "".into();
    if whole {
        warnings.extend(unlabelled(content, &card));
    }
    let message = json!({"msgtype": "template_card", "template_card": card});
    Ok(Some(Interaction { message, whole }))
}

/// The beginning of a line whose whole stands elsewhere.
fn shortened(line: &str) -> String {
    if is_shown(line, CARD_TITLE) {
        return line.to_owned();
    }
    line.chars().take(CARD_TITLE - 1).chain(['…']).collect()
}

fn buttons(content: &Content, warnings: &mut Vec<Warning>) -> Result<Vec<Value>, RenderError> {
    let mut list: Vec<Value> = Vec::new();
    let mut dropped = |text: &str, why: &str| {
        warnings.push(Warning::new("button_dropped", format!("the button \"{text}\" is left away: {why}")));
    };
    for Button { text, url, action } in &content.buttons {
        if action.len() > KEY_BYTES {
            let detail = format!(
                "the action of the button \"{text}\" has {} bytes; WeCom takes {KEY_BYTES}",
                action.len()
            );
            return Err(RenderError::new("too_large", detail));
        }
        let repeated = !action.is_empty() && list.iter().any(|known| known["key"] == action.as_str());
        if list.len() == BUTTONS {
            dropped(text, "a card has six buttons at most");
        } else if repeated {
            dropped(text, "another button has the same action");
        } else if !action.is_empty() {
            list.push(json!({"text": text, "style": style(&list), "key": action}));
        } else if let Some(url) = web_url(url) {
            list.push(json!({"type": 1, "text": text, "style": style(&list), "url": url}));
        } else {
            dropped(text, "it has no address that may be opened");
        }
    }
    if list.iter().any(|button| !button["text"].as_str().is_some_and(|text| is_shown(text, BUTTON_LABEL))) {
        let detail = format!("clients show about {BUTTON_LABEL} Chinese characters of a button's label");
        warnings.push(Warning::new("button_cut", detail));
    }
    Ok(list)
}

/// The first button stands out.
fn style(before: &[Value]) -> u8 {
    if before.is_empty() { 1 } else { 2 }
}

/// Gives a card that answers the name by which its clicks are known: the push's id, the same on every try.
pub(super) fn name(message: &mut Value, push_id: &str) {
    if answers(message) {
        message["template_card"]["task_id"] = push_id.into();
    }
}

/// Whether a message is a card that was named.
pub(super) fn is_named(message: &Value) -> bool {
    answers(message) && message["template_card"]["task_id"].as_str().is_some_and(|name| !name.is_empty())
}

/// Whether a message is a card whose reader can answer; an override may have made it one.
fn answers(message: &Value) -> bool {
    let card = &message["template_card"];
    let kind = card["card_type"].as_str().unwrap_or_default();
    message["msgtype"] == "template_card"
        && (kind.ends_with("_interaction") || card["action_menu"].is_object())
}
