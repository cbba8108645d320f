//! What was degraded, told once per kind.

use mc_core::ports::Warning;

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
            let before = &source.as_bytes()[..note.first.min(source.len())];
            let line = before.iter().filter(|b| **b == b'\n').count() + 1;
            let places =
                if note.count == 1 { "1 place".to_owned() } else { format!("{} places", note.count) };
            warnings.push(Warning {
                code: note.code.into(),
                detail: format!("{} ({places})", note.detail),
                at: Some(format!("line {line}")),
            });
        }
    }
}
