//! What went wrong in the engine, in words for the author of a template.

use mc_core::ports::RenderError;
use minijinja::{Error, ErrorKind};

use super::MAX_OUTPUT;

/// An engine's error in words: where, what, and the engine's own detail.
pub(super) fn describe(error: &Error) -> String {
    let mut text = error.line().map_or_else(String::new, |line| format!("line {line}: "));
    text.push_str(&error.kind().to_string());
    if let Some(detail) = error.detail() {
        text.push_str(": ");
        text.push_str(detail);
    }
    text
}

/// What a failed rendering means for the message. The innermost error counts: the others only say what it was part of.
pub(super) fn refusal(error: &Error) -> RenderError {
    let mut innermost = error;
    let mut source: Option<&(dyn std::error::Error + 'static)> = std::error::Error::source(error);
    while let Some(cause) = source {
        if let Some(cause) = cause.downcast_ref::<Error>() {
            innermost = cause;
        }
        source = cause.source();
    }
    let place = innermost.name().or(error.name()).map(place).unwrap_or_default();
    match innermost.kind() {
        ErrorKind::UndefinedError => {
            RenderError::new("missing_variable", format!("{place}{}", describe(innermost)))
        }
        ErrorKind::OutOfFuel => runaway(&place),
        ErrorKind::WriteFailure => too_large(&place),
        _ => RenderError::new("template_error", format!("{place}{}", describe(innermost))),
    }
}

pub(super) fn runaway(place: &str) -> RenderError {
    let detail = format!("{place}takes more work than a template may: is there a loop that is too long?");
    RenderError::new("template_runaway", detail)
}

pub(super) fn too_large(place: &str) -> RenderError {
    let detail = format!("{place}writes more than the {MAX_OUTPUT} bytes that a content may have");
    RenderError::new("too_large", detail)
}

/// Where a text stands in its document, or the included template it is, to begin a sentence with. Snippets have no place
/// of their own.
pub(super) fn place(name: &str) -> String {
    let name = name.rsplit_once('.').map_or(name, |(name, _)| name);
    match name {
        "" => String::new(),
        pointer if pointer.starts_with('/') => format!("{pointer} "),
        included => format!("the included template {included:?} "),
    }
}
