//! Cards, JSON 2.0. An unknown member is an error there, so nothing is written that the pages do not name.

use mc_content::dialect;
use mc_core::model::{Content, Level};
use mc_core::ports::Warning;
use serde_json::{Value, json};

use super::text::Mention;
use crate::robot;

/// Characters of a button's label.
const LABEL_LIMIT: usize = 100;
/// Tables that one component of Markdown shows.
const TABLE_LIMIT: usize = 4;
/// Characters shown in the list of chats when a card has no title.
const SUMMARY_CHARACTERS: usize = 60;

/// Everything of a card but its text.
pub(super) struct Frame {
    title: String,
    template: &'static str,
    summary: String,
    link: Option<String>,
    buttons: Vec<Value>,
}

impl Frame {
    /// The frame of a content; `plain` is what it says.
    ///
    /// With `clicks`, buttons may be pressed: their app is told.
    pub(super) fn of(content: &Content, plain: &str, clicks: bool, warnings: &mut Vec<Warning>) -> Self {
        let title: String =
            content.title.trim().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let summary = plain.lines().find(|line| !line.trim().is_empty()).unwrap_or_default();
        let template = match content.level {
            None | Some(Level::Info) => "blue",
            Some(Level::Success) => "green",
            Some(Level::Warning) => "orange",
            Some(Level::Danger) => "red",
        };
        Self {
            title,
            template,
            summary: summary.trim().chars().take(SUMMARY_CHARACTERS).collect(),
            link: content.url.as_deref().and_then(dialect::safe_url),
            buttons: buttons(content, clicks, warnings),
        }
    }

    /// A card of one part of the text. Mentions call people to the first part, buttons stand below the last one.
    pub(super) fn card(&self, text: &str, place: robot::Place, mentions: &[Mention]) -> Value {
        let mut elements: Vec<Value> = components(text).into_iter().map(|text| markdown(&text)).collect();
        if place.first && !mentions.is_empty() {
            let people: Vec<String> = mentions.iter().map(Mention::in_card).collect();
            elements.push(markdown(&people.join(" ")));
        }
        if place.last {
            elements.extend(row(&self.buttons));
        }
        let mut config = json!({"update_multi": true});
        if self.title.is_empty() {
            config["summary"] = json!({"content": self.summary});
        }
        let mut card = json!({"schema": "2.0", "config": config, "body": {"elements": elements}});
        if !self.title.is_empty() {
            let title = json!({"tag": "plain_text", "content": self.title});
            card["header"] = json!({"title": title, "template": self.template});
        }
        if let Some(link) = &self.link {
            card["card_link"] = json!({"url": link});
        }
        card
    }
}

/// The Markdown of a card's body. A title that the body begins with is the card's head already; its line stays, so that
/// warnings count the lines of the body.
pub(super) fn source(content: &Content) -> String {
    let without = Content { buttons: Vec::new(), url: None, ..content.clone() };
    let source = dialect::markdown_of(&without);
    let first = source.lines().next().unwrap_or_default();
    let is_title = first.starts_with('#') && first.trim_matches(['#', ' ']) == content.title.trim();
    if is_title { source[first.len()..].to_owned() } else { source }
}

fn markdown(text: &str) -> Value {
    json!({"tag": "markdown", "content": text})
}

/// The texts of the components: one, unless there are more tables than one shows.
fn components(text: &str) -> Vec<String> {
    let mut components = vec![String::new()];
    let (mut tables, mut in_code, mut was_row) = (0, false, false);
    for line in text.split('\n') {
        in_code ^= line.trim_start_matches(['>', ' ']).starts_with("```");
        let is_row = !in_code && line.starts_with('|');
        if is_row && !was_row {
            tables += 1;
            if tables > TABLE_LIMIT {
                tables = 1;
                components.push(String::new());
            }
        }
        was_row = is_row;
        if let Some(component) = components.last_mut() {
            component.push_str(line);
            component.push('\n');
        }
    }
    let trimmed = components.iter().map(|text| text.trim_matches('\n').to_owned());
    let filled: Vec<String> = trimmed.filter(|text| !text.is_empty()).collect();
    if filled.is_empty() { vec![" ".to_owned()] } else { filled }
}

fn buttons(content: &Content, clicks: bool, warnings: &mut Vec<Warning>) -> Vec<Value> {
    let own = content.buttons.iter().map(|button| (&*button.text, &*button.url, &*button.action));
    let link = content.url.as_deref().filter(|url| content.buttons.iter().all(|button| button.url != **url));
    let own_label = content.link_label().unwrap_or(robot::DETAILS);
    let mut buttons = Vec::new();
    for (label, url, action) in own.chain(link.map(|url| (own_label, url, ""))) {
        let mut behaviors = Vec::new();
        match dialect::safe_url(url) {
            Some(url) => behaviors.push(json!({"type": "open_url", "default_url": url})),
            None if url.is_empty() => {}
            None => warnings.push(robot::button_warning(label)),
        }
        if clicks && !action.is_empty() {
            behaviors.push(json!({"type": "callback", "value": {"action": action}}));
        }
        if behaviors.is_empty() {
            continue;
        }
        let mut shown: String = label.chars().take(LABEL_LIMIT).collect();
        if shown.len() < label.len() {
            shown.pop();
            shown.push('…');
            let detail =
                format!("a button's label has at most {LABEL_LIMIT} characters; a longer one is cut");
            warnings.push(Warning::new("button_cut", detail));
        }
        buttons.push(json!({
            "tag": "button",
            "text": {"tag": "plain_text", "content": shown},
            "type": if buttons.is_empty() { "primary" } else { "default" },
            "behaviors": behaviors,
        }));
    }
    buttons
}

/// One button stands alone, several flow beside each other.
fn row(buttons: &[Value]) -> Option<Value> {
    match buttons {
        [] => None,
        [button] => Some(button.clone()),
        several => {
            let columns: Vec<Value> = several
                .iter()
                .map(|button| json!({"tag": "column", "width": "auto", "elements": [button]}))
                .collect();
            Some(json!({"tag": "column_set", "flex_mode": "flow", "columns": columns}))
        }
    }
}

#[cfg(test)]
mod tests {
    use mc_core::model::Format;

    use super::*;

    #[test]
    fn a_fifth_table_begins_another_component() {
        let table = "| a |\n| --- |\n| b |\n\n";
        assert_eq!(components(&table.repeat(4)).len(), 1);
        assert_eq!(components(&table.repeat(9)).len(), 3);
        let code = format!("```\n{}```\n\n", table.repeat(9));
        assert_eq!(components(&code), [code.trim_end()], "a table in code is none");
    }

    #[test]
    fn a_part_has_one_empty_line_below_its_number() {
        assert_eq!(components("(2/3)\n\n| a |"), ["(2/3)\n\n| a |"]);
    }

    #[test]
    fn a_title_that_the_card_has_already_counts_as_a_line_of_the_body() {
        for (body, place) in [("# Deploy\n\n![a](https://x.example/a.png)", "line 3"), ("# Deploy", "")] {
            let mut warnings = Vec::new();
            let text =
                dialect::feishu(&source(&Content::new("Deploy", Format::Markdown, body)), &mut warnings);
            assert!(!text.contains("Deploy"), "{text}");
            let at: Vec<&str> = warnings.iter().filter_map(|w| w.at.as_deref()).collect();
            assert_eq!(at.concat(), place);
        }
    }
}
