//! Cards (card JSON structure, 2.0 and 1.0). The newer form refuses members that it does not know.

use serde_json::{Map, Value};

use crate::answer::Refusal;

/// Elements and components of one card, texts included.
const ELEMENTS: usize = 200;
const LABEL_CHARACTERS: usize = 100;
const TEMPLATES: [&str; 13] = [
    "blue",
    "wathet",
    "turquoise",
    "green",
    "yellow",
    "orange",
    "red",
    "carmine",
    "violet",
    "purple",
    "indigo",
    "grey",
    "default",
];

/// Checks a card; `code` is what the door calls a card that cannot be made.
pub(super) fn check(card: &Value, code: i64) -> Result<(), Refusal> {
    let Some(members) = card.as_object() else { return fail(code, 200_621, "parse card json err") };
    if members.get("type").is_some_and(|kind| kind == "template") {
        let id = card.pointer("/data/template_id").and_then(Value::as_str);
        return if id.is_some() { Ok(()) } else { fail(code, 200_380, "template does not exist") };
    }
    match members.get("schema").map(|schema| schema.as_str()) {
        // An empty card is allowed, and 1.0 ignores what it does not know.
        None | Some(Some("1.0")) => first(members, code),
        Some(Some("2.0")) => Second { code, count: 0 }.card(members),
        Some(_) => fail(code, 200_621, "schema is \"1.0\" or \"2.0\""),
    }
}

fn first(members: &Map<String, Value>, code: i64) -> Result<(), Refusal> {
    match members.get("elements") {
        None | Some(Value::Array(_)) => Ok(()),
        Some(_) => fail(code, 200_621, "elements is no list"),
    }
}

/// The inner code stands in the words, as the platform has it.
fn fail<T>(code: i64, inner: u32, what: &str) -> Result<T, Refusal> {
    let errmsg = format!("Failed to create card content, ext=ErrCode: {inner}; ErrMsg: {what}; ");
    Err(Refusal::new(code, errmsg))
}

/// A walk through a card of version 2.0.
struct Second {
    code: i64,
    count: usize,
}

impl Second {
    fn card(mut self, card: &Map<String, Value>) -> Result<(), Refusal> {
        self.known(card, &["schema", "config", "card_link", "header", "body"])?;
        if let Some(config) = self.object(card, "config")? {
            const CONFIG: [&str; 10] = [
                "streaming_mode",
                "streaming_config",
                "summary",
                "locales",
                "enable_forward",
                "update_multi",
                "width_mode",
                "use_custom_translation",
                "enable_forward_interaction",
                "style",
            ];
            self.known(config, &CONFIG)?;
            if config.get("update_multi").is_some_and(|multi| multi != true) {
                return self.fail(200_621, "update_multi must be true");
            }
        }
        if let Some(link) = self.object(card, "card_link")? {
            self.known(link, &["url", "android_url", "ios_url", "pc_url"])?;
            self.text(link, "url")?;
        }
        if let Some(header) = self.object(card, "header")? {
            self.header(header)?;
        }
        if let Some(body) = self.object(card, "body")? {
            const BODY: [&str; 7] = [
                "direction",
                "padding",
                "horizontal_spacing",
                "horizontal_align",
                "vertical_spacing",
                "vertical_align",
                "elements",
            ];
            self.known(body, &BODY)?;
            self.elements(body)?;
        }
        if self.count > ELEMENTS {
            return self.fail(11_310, "element exceeds the limit");
        }
        Ok(())
    }

    fn header(&mut self, header: &Map<String, Value>) -> Result<(), Refusal> {
        const HEADER: [&str; 7] =
            ["title", "subtitle", "text_tag_list", "i18n_text_tag_list", "template", "icon", "padding"];
        self.known(header, &HEADER)?;
        let Some(title) = self.object(header, "title")? else {
            return self.fail(200_621, "header needs a title");
        };
        self.count += 1;
        if !title.get("tag").is_some_and(|tag| tag == "plain_text" || tag == "lark_md") {
            return self.fail(200_621, "a title is plain_text or lark_md");
        }
        self.text(title, "content")?;
        let template = header.get("template");
        if template.is_some_and(|template| TEMPLATES.iter().all(|known| template != known)) {
            return self.fail(200_621, "unknown template");
        }
        Ok(())
    }

    fn elements(&mut self, parent: &Map<String, Value>) -> Result<(), Refusal> {
        match parent.get("elements") {
            Some(Value::Array(elements)) => elements.iter().try_for_each(|element| self.element(element)),
            _ => self.fail(200_621, "elements is no list"),
        }
    }

    fn element(&mut self, element: &Value) -> Result<(), Refusal> {
        self.count += 1;
        let Some(element) = element.as_object() else { return self.fail(200_621, "an element is an object") };
        match element.get("tag").and_then(Value::as_str).unwrap_or_default() {
            "markdown" => {
                const MARKDOWN: [&str; 7] =
                    ["tag", "element_id", "margin", "content", "text_size", "text_align", "icon"];
                self.known(element, &MARKDOWN)?;
                self.text(element, "content")
            }
            "button" => self.button(element),
            "column_set" => {
                const SET: [&str; 11] = [
                    "tag",
                    "element_id",
                    "margin",
                    "horizontal_spacing",
                    "horizontal_align",
                    "columns",
                    "flex_mode",
                    "background_style",
                    "action",
                    "direction",
                    "vertical_spacing",
                ];
                self.known(element, &SET)?;
                match element.get("columns") {
                    Some(Value::Array(columns)) => columns.iter().try_for_each(|column| self.column(column)),
                    _ => self.fail(200_621, "columns is no list"),
                }
            }
            "hr" => self.known(element, &["tag", "element_id", "margin"]),
            "div" => {
                self.known(element, &["tag", "element_id", "margin", "width", "text", "icon"])?;
                self.count += 1;
                if element.contains_key("text") { Ok(()) } else { self.fail(200_621, "div needs a text") }
            }
            // A picture of somebody else, or an address in place of a key, is an invalid key.
            "img" => {
                let key = element.get("img_key").and_then(Value::as_str).unwrap_or_default();
                if key.starts_with("img_") {
                    Ok(())
                } else {
                    self.fail(200_570, "card contains invalid image keys")
                }
            }
            "table" => {
                if !element.get("columns").is_some_and(Value::is_array) {
                    return self.fail(200_621, "columns is no list");
                }
                if element.get("rows").is_none_or(Value::is_array) {
                    Ok(())
                } else {
                    self.fail(200_914, "table rows is invalid")
                }
            }
            tag @ ("note" | "action") => self.fail(
                200_861,
                &format!(
                    "cards of schema V2 no longer support this capability; ErrorValue: unsupported tag {tag}"
                ),
            ),
            // Components that nobody here sends are taken as they are.
            "" => self.fail(200_621, "an element needs a tag"),
            _ => Ok(()),
        }
    }

    fn column(&mut self, column: &Value) -> Result<(), Refusal> {
        self.count += 1;
        const COLUMN: [&str; 14] = [
            "tag",
            "element_id",
            "margin",
            "background_style",
            "width",
            "weight",
            "padding",
            "direction",
            "horizontal_spacing",
            "horizontal_align",
            "vertical_spacing",
            "vertical_align",
            "elements",
            "action",
        ];
        match column.as_object().filter(|column| column.get("tag").is_some_and(|tag| tag == "column")) {
            Some(column) => {
                self.known(column, &COLUMN)?;
                self.elements(column)
            }
            None => self.fail(200_621, "a column has the tag column"),
        }
    }

    fn button(&mut self, button: &Map<String, Value>) -> Result<(), Refusal> {
        const BUTTON: [&str; 16] = [
            "tag",
            "element_id",
            "margin",
            "type",
            "size",
            "width",
            "text",
            "icon",
            "hover_tips",
            "disabled",
            "disabled_tips",
            "confirm",
            "behaviors",
            "name",
            "form_action_type",
            "required",
        ];
        self.known(button, &BUTTON)?;
        if let Some(text) = self.object(button, "text")? {
            self.count += 1;
            self.text(text, "content")?;
            let label = text.get("content").and_then(Value::as_str).unwrap_or_default();
            if text.get("tag").is_none_or(|tag| tag != "plain_text")
                || label.chars().count() > LABEL_CHARACTERS
            {
                return self.fail(200_621, "a button's text is plain_text of at most 100 characters");
            }
        }
        let behaviors = button.get("behaviors").and_then(Value::as_array);
        let Some(behaviors) = behaviors else { return self.fail(200_621, "a button needs behaviors") };
        for behavior in behaviors.iter().filter_map(Value::as_object) {
            match behavior.get("type").and_then(Value::as_str) {
                Some("open_url") => {
                    self.known(behavior, &["type", "default_url", "android_url", "ios_url", "pc_url"])?;
                    self.text(behavior, "default_url")?;
                }
                Some("callback") => {
                    self.known(behavior, &["type", "value"])?;
                    if !behavior.get("value").is_some_and(Value::is_object) {
                        return self.fail(200_621, "a callback's value is an object");
                    }
                }
                Some("form_action") => {}
                _ => return self.fail(200_621, "unknown behavior"),
            }
        }
        Ok(())
    }

    fn object<'v>(
        &self,
        parent: &'v Map<String, Value>,
        name: &str,
    ) -> Result<Option<&'v Map<String, Value>>, Refusal> {
        match parent.get(name) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => self.fail(200_621, &format!("{name} is no object")),
        }
    }

    fn text(&self, object: &Map<String, Value>, name: &str) -> Result<(), Refusal> {
        match object.get(name).and_then(Value::as_str) {
            Some(text) if !text.is_empty() => Ok(()),
            _ => self.fail(200_621, &format!("{name} is missing or empty")),
        }
    }

    fn known(&self, object: &Map<String, Value>, names: &[&str]) -> Result<(), Refusal> {
        match object.keys().find(|name| !names.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => self.fail(200_621, &format!("unknown property {name}")),
        }
    }

    fn fail<T>(&self, inner: u32, what: &str) -> Result<T, Refusal> {
        fail(self.code, inner, what)
    }
}
