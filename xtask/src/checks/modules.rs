//! How a file of source begins and how long it is.

use crate::finding::Finding;
use crate::tree::Tree;

/// The longest file that needs no reason.
const LONG: usize = 500;

/// The longest `main.rs`.
const LONG_MAIN: usize = 60;

/// The longest `main.rs` of a cloud function.
const LONG_FUNCTION_MAIN: usize = 40;

/// What a long file says somewhere in a line of its own.
const REASON: &str = concat!("tidy: ", "long because ");

/// Looks at every file of source.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let sources = tree
        .texts
        .iter()
        .filter(|(path, _)| [".rs", ".py", ".ts", ".js", ".vue"].iter().any(|ending| path.ends_with(ending)));
    sources.flat_map(|(path, text)| check_source(path, text)).collect()
}

fn check_source(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let lines = text.lines().count();
    if path.ends_with(".rs") && !text.lines().find(|line| !line.is_empty()).is_some_and(is_about) {
        let text = "A module begins with a //! line that says what it is.";
        findings.push(Finding::new(path, 1, text));
    }
    if lines > LONG && !text.contains(REASON) {
        let text = format!("{lines} lines are hard to read; split the file, or say \"// {REASON}…\".");
        findings.push(Finding::new(path, LONG + 1, text));
    }
    let in_function = path.starts_with("functions/");
    let allowed = if in_function { LONG_FUNCTION_MAIN } else { LONG_MAIN };
    if path.ends_with("main.rs") && lines > allowed {
        let text = format!("A main.rs wires and stops: at most {allowed} lines, and this one has {lines}.");
        findings.push(Finding::new(path, allowed + 1, text));
    }
    findings
}

/// Whether a line says what the module is.
fn is_about(line: &str) -> bool {
    line.strip_prefix("//!").is_some_and(|about| !about.trim().is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_says_what_it_is() {
        assert_eq!(check_source("a.rs", "//! What it is.\nfn f() {}\n"), []);
        assert_eq!(check_source("a.rs", "fn f() {}\n").len(), 1);
        assert_eq!(check_source("a.rs", "//!\nfn f() {}\n").len(), 1);
        assert_eq!(check_source("a.rs", "").len(), 1);
        assert_eq!(check_source("a.py", "print()\n"), []);
    }

    #[test]
    fn a_long_file_gives_its_reason() {
        let long = format!("//! Long.\n{}", "f();\n".repeat(500));
        assert_eq!(check_source("a.rs", &long)[0].line, 501);
        assert_eq!(check_source("a.rs", &format!("{long}// {REASON}a table is one thing.\n")), []);
    }

    #[test]
    fn mains_are_short() {
        let main = |lines: usize| format!("//! Main.\n{}", "f();\n".repeat(lines - 1));
        assert_eq!(check_source("runner/src/main.rs", &main(60)), []);
        assert_eq!(check_source("runner/src/main.rs", &main(61)).len(), 1);
        assert_eq!(check_source("functions/ingest/src/main.rs", &main(41)).len(), 1);
    }
}
