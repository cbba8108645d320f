//! The templates of a project that another one may include.

use std::collections::{BTreeMap, BTreeSet};

use mc_core::model::{Format, TemplateBody};
use minijinja::Environment;

use super::RECIPIENT;
use super::includes::{Named, names, uses};
use crate::engine::{self, Print};
use crate::value::names_in;

/// Templates by name, to compile another one with.
///
/// Only an included template's body is included. It is read in the format of the text that includes it, so its values are
/// escaped for the place where they land; a text may include templates of its own format and of format `text`.
#[derive(Clone, Debug, Default)]
pub struct Library(BTreeMap<String, Entry>);

#[derive(Clone, Debug)]
struct Entry {
    format: Format,
    body: String,
}

impl Library {
    /// Without any.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a template.
    pub fn add(&mut self, name: &str, template: &TemplateBody) {
        let entry = Entry { format: template.format, body: template.body.clone() };
        self.0.insert(name.to_owned(), entry);
    }

    /// Puts what a text includes, and what that includes, into its environment.
    pub(super) fn link(&self, linked: &mut Linked<'_>, source: &str, print: Print) -> Result<(), String> {
        let mut path = Vec::new();
        self.link_each(linked, source, print, &mut path)
    }

    fn link_each<'l>(
        &'l self,
        linked: &mut Linked<'_>,
        source: &str,
        print: Print,
        path: &mut Vec<&'l str>,
    ) -> Result<(), String> {
        let named = names(source).map_err(|at| {
            format!(
                "line {}: name the template in quotes; it must be known before anything is rendered",
                at.line
            )
        })?;
        for Named { name, optional } in named {
            let Some((name, entry)) = self.0.get_key_value(&name) else {
                if optional {
                    continue;
                }
                return Err(format!("there is no template {name:?} in this project"));
            };
            if let Some(start) = path.iter().position(|open| *open == name) {
                let circle = path[start..].iter().copied().chain([name.as_str()]).collect::<Vec<_>>();
                return Err(format!("a template includes itself: {}", circle.join(" → ")));
            }
            check_format(name, entry.format, print)?;
            if !linked.done.insert((name.clone(), print)) {
                continue;
            }
            path.push(name);
            self.link_each(linked, &entry.body, print, path)?;
            path.pop();
            engine::add_included(linked.env, name, print, &entry.body)
                .map_err(|detail| format!("the included template {name:?} {detail}"))?;
            names_in(&entry.body, linked.names);
            *linked.recipient |= uses(&entry.body, RECIPIENT);
        }
        Ok(())
    }
}

/// An environment while it is filled with included templates.
pub(super) struct Linked<'c> {
    pub(super) env: &'c mut Environment<'static>,
    pub(super) names: &'c mut BTreeSet<Box<str>>,
    pub(super) done: &'c mut BTreeSet<(String, Print)>,
    pub(super) recipient: &'c mut bool,
}

fn check_format(name: &str, format: Format, print: Print) -> Result<(), String> {
    let fits = match format {
        Format::Text => true,
        Format::Markdown => print == Print::Markdown,
        Format::Html => print == Print::Html,
    };
    let place = match print {
        Print::Markdown => "a markdown body",
        Print::Html => "an html body",
        Print::Text | Print::Url | Print::Json => "a plain text",
    };
    if fits {
        return Ok(());
    }
    Err(format!(
        "{name:?} is written in {}, which {place} cannot include; it can include templates of its own format and of \
         format text",
        format.as_str()
    ))
}
