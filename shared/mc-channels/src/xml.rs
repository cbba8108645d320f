//! Reading the small XML documents that platforms post, whoever wrote them.

use quick_xml::Reader;
use quick_xml::events::Event;
use serde_json::{Map, Value};

/// A callback is a few hundred bytes; a text message somebody typed is a few thousand.
const LARGEST: usize = 256 << 10;
/// No callback nests deeper than five elements.
const DEEPEST: usize = 12;
/// Together with [`LARGEST`] this bounds the work that a document can cause.
const MOST_ELEMENTS: usize = 2_000;

/// An element without its attributes, which no platform uses.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Element {
    pub(crate) name: String,
    /// All text directly in it, CDATA included, without the spaces around it.
    pub(crate) text: String,
    pub(crate) children: Vec<Element>,
}

impl Element {
    /// The first child of this name.
    pub(crate) fn child(&self, name: &str) -> Option<&Element> {
        self.children.iter().find(|child| child.name == name)
    }

    /// The text of the first child of this name.
    pub(crate) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.as_str())
    }

    /// The children as JSON: texts, objects, and lists where a name comes more than once.
    pub(crate) fn json(&self) -> Value {
        if self.children.is_empty() {
            return Value::String(self.text.clone());
        }
        let mut members = Map::new();
        for child in &self.children {
            match members.get_mut(&child.name) {
                None => {
                    members.insert(child.name.clone(), child.json());
                }
                Some(Value::Array(items)) => items.push(child.json()),
                Some(first) => *first = Value::Array(vec![first.take(), child.json()]),
            }
        }
        Value::Object(members)
    }
}

/// Reads a document.
///
/// # Behavior
/// - Refuses what no platform sends and attackers do: document types, entities of one's own, great size and depth.
/// - The error says what is wrong with the form and nothing of the content.
pub(crate) fn parse(bytes: &[u8]) -> Result<Element, &'static str> {
    if bytes.len() > LARGEST {
        return Err("the XML is too large");
    }
    let text = std::str::from_utf8(bytes).map_err(|_| "the XML is not UTF-8")?;
    let mut reader = Reader::from_str(text.trim_start_matches('\u{feff}'));
    // The elements that are open, outermost first.
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    let mut elements = 0;
    loop {
        let event = reader.read_event().map_err(|_| "the XML is not well formed")?;
        match event {
            Event::Start(start) => {
                count(&mut elements, open.len())?;
                open.push(named(start.name().as_ref(), root.is_some())?);
            }
            Event::Empty(start) => {
                count(&mut elements, open.len())?;
                let element = named(start.name().as_ref(), root.is_some())?;
                close(element, &mut open, &mut root);
            }
            // That it is the right end is checked by the reader.
            Event::End(_) => {
                let element = open.pop().ok_or("the XML is not well formed")?;
                close(element, &mut open, &mut root);
            }
            Event::Text(part) => add(&part.xml10_content(), &mut open)?,
            Event::CData(part) => add(&part.xml10_content(), &mut open)?,
            Event::GeneralRef(reference) => {
                let character =
                    reference.resolve_char_ref().map_err(|_| "the XML has a bad character reference")?;
                match character {
                    Some(character) => add(character.encode_utf8(&mut [0; 4]), &mut open)?,
                    None => add(predefined(&reference)?, &mut open)?,
                }
            }
            Event::DocType(_) => return Err("the XML has a document type, which is not taken"),
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) => {}
            Event::Eof => break,
        }
    }
    if !open.is_empty() {
        return Err("the XML ends too early");
    }
    root.ok_or("there is no XML")
}

fn count(elements: &mut usize, depth: usize) -> Result<(), &'static str> {
    *elements += 1;
    if depth >= DEEPEST || *elements > MOST_ELEMENTS {
        return Err("the XML has too many elements");
    }
    Ok(())
}

fn named(name: &str, is_second: bool) -> Result<Element, &'static str> {
    if is_second {
        return Err("the XML has more than one outermost element");
    }
    Ok(Element { name: name.to_owned(), ..Element::default() })
}

fn close(mut element: Element, open: &mut [Element], root: &mut Option<Element>) {
    element.text = element.text.trim().to_owned();
    match open.last_mut() {
        Some(parent) => parent.children.push(element),
        None => *root = Some(element),
    }
}

fn add(text: &str, open: &mut [Element]) -> Result<(), &'static str> {
    match open.last_mut() {
        Some(element) => element.text.push_str(text),
        None if text.trim().is_empty() => {}
        None => return Err("there is text outside of the XML"),
    }
    Ok(())
}

/// The five entities that every document has.
fn predefined(name: &str) -> Result<&'static str, &'static str> {
    Ok(match name {
        "lt" => "<",
        "gt" => ">",
        "amp" => "&",
        "apos" => "'",
        "quot" => "\"",
        _ => return Err("the XML has an entity of its own, which is not taken"),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_of_all_kinds_are_read() {
        let xml = "\u{feff}<?xml version=\"1.0\"?><!-- hi --><xml>\n <A><![CDATA[ <b>&amp; ]]></A>\r\n<B>1 &lt; 2 &#x4f60;&#22909;</B>\
                   <C/><D x=\"y\"><E>1</E><E>2</E><E/></D></xml>\n";
        let root = parse(xml.as_bytes()).unwrap();
        assert_eq!(
            (root.name.as_str(), root.text_of("A"), root.text_of("B")),
            ("xml", Some("<b>&amp;"), Some("1 < 2 你好"))
        );
        assert_eq!(
            root.json(),
            json!({"A": "<b>&amp;", "B": "1 < 2 你好", "C": "", "D": {"E": ["1", "2", ""]}})
        );
        assert_eq!(root.child("nobody"), None);
    }

    #[test]
    fn hostile_documents_are_refused() {
        let billion = "<!DOCTYPE x [<!ENTITY a \"aaaa\"><!ENTITY b \"&a;&a;\">]><xml>&b;</xml>";
        let deep = "<a>".repeat(100_000);
        let many = format!("<xml>{}</xml>", "<a/>".repeat(10_000));
        let large = format!("<xml>{}</xml>", "a".repeat(300 << 10));
        for xml in [
            billion,
            "<!DOCTYPE x SYSTEM \"file:///etc/passwd\"><xml/>",
            "<xml>&own;</xml>",
            "<xml>&#0;</xml>",
            "<xml>&#xffffffff;</xml>",
            "<xml>&",
            &deep,
            &many,
            &large,
            "",
            "text",
            "<xml>",
            "</xml>",
            "<a></b>",
            "<a/><b/>",
            "<a/>text",
            "<xml><![CDATA[open</xml>",
            "<!",
            "<",
            "<xml a=\"<\"",
        ] {
            assert!(parse(xml.as_bytes()).is_err(), "{}", &xml[..xml.len().min(60)]);
        }
        assert!(parse(b"<xml>\xff</xml>").is_err());
    }

    #[test]
    fn no_bytes_make_it_panic() {
        let xml = b"<?xml version=\"1.0\"?><xml><A><![CDATA[x]]></A><B>&lt;&#49;</B><!-- c --></xml>";
        for at in 0..xml.len() {
            for byte in [0, b'<', b'>', b'&', b']', b'!', 0xff] {
                let mut changed = xml.to_vec();
                changed[at] = byte;
                let _ = parse(&changed);
                let _ = parse(&changed[..at]);
            }
        }
    }
}
