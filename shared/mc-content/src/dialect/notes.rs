//! What was degraded, told once per kind.

use mc_core::ports::Warning;

use crate::shield::{BESIDE, unshield};

/// Collects degradations of one body.
#[derive(Debug, Default)]
pub(super) struct Notes(Vec<Note>);

#[derive(Debug)]
struct Note {
    code: &'static str,
    detail: &'static str,
    count: usize,
    first: usize,
}

impl Notes {
    /// One degradation at an offset of the source. Details never quote the source: an address may hold a secret.
    pub(super) fn add(&mut self, code: &'static str, detail: &'static str, at: usize) {
        match self.0.iter_mut().find(|note| note.code == code) {
            Some(note) => note.count += 1,
            None => self.0.push(Note { code, detail, count: 1, first: at }),
        }
    }

    /// Appends one warning per kind, in the order of their first places.
    pub(super) fn finish(self, source: &str, warnings: &mut Vec<Warning>) {
        for note in self.0 {
            let places =
                if note.count == 1 { "1 place".to_owned() } else { format!("{} places", note.count) };
            warnings.push(Warning {
                code: note.code.into(),
                detail: format!("{} ({places})", note.detail),
                at: line_of_body(source, note.first).map(|line| format!("line {line}")),
            });
        }
    }
}

/// The line of the rendered body at an offset of the source, lines inside of values counted; none for what was put above or
/// below the body.
fn line_of_body(source: &str, at: usize) -> Option<usize> {
    let is_titled = source.strip_prefix("## ").is_some_and(|title| title.starts_with(BESIDE));
    let start = if is_titled { source.find("\n\n").map_or(source.len(), |end| end + 2) } else { 0 };
    let body = &source[start..];
    let body = &body[..body.find(BESIDE).unwrap_or(body.len())];
    // In a text with entities a place is known to a few bytes only.
    let before = &body[..body.floor_char_boundary(at.checked_sub(start)?)];
    (before.len() < body.len()).then(|| 1 + unshield(before).matches('\n').count())
}
