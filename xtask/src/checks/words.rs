//! What is not left in source: unfinished things, tests that do not run, lints switched off in silence, waiting by the
//! clock.

use crate::finding::Finding;
use crate::rust::Source;
use crate::tree::Tree;

/// Macros that mean "not done yet".
const MACROS: [&str; 3] = ["todo!", "unimplemented!", "dbg!"];

/// Words of comments that mean the same.
const NOTES: [&str; 2] = [concat!("TO", "DO"), concat!("FIX", "ME")];

/// Calls that wait by the clock.
const SLEEPS: [&str; 2] = ["thread::sleep", "time::sleep"];

/// What stands before or behind a pause between two looks at a condition.
const PAUSE: &str = concat!("tidy: ", "sleeps because ");

/// Looks at every Rust file, and for notes at every file of source.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let mut findings: Vec<Finding> = tree.rust().flat_map(|(path, text)| check_rust(path, text)).collect();
    let others = tree.texts.iter().filter(|(path, _)| {
        [".py", ".ts", ".js", ".vue", ".sh", ".toml", ".yaml", ".yml", "Makefile"]
            .iter()
            .any(|e| path.ends_with(e))
    });
    findings.extend(others.flat_map(|(path, text)| notes(path, text)));
    findings
}

fn check_rust(path: &str, text: &str) -> Vec<Finding> {
    let source = Source::read(text);
    let mut findings = notes(path, &source.comments);
    let comments: Vec<&str> = source.comments.lines().collect();
    let explained =
        |line: usize| comments[line.saturating_sub(2)..line].iter().any(|text| text.contains(PAUSE));
    for (line, code) in (1..).zip(source.code.lines()) {
        for word in MACROS.into_iter().filter(|word| has_word(code, word)) {
            findings.push(Finding::new(
                path,
                line,
                format!("{word} is not left in the code; finish it or take it out."),
            ));
        }
        if in_tests(path) && SLEEPS.into_iter().any(|call| code.contains(call)) && !explained(line) {
            let text = format!(
                "A test waits for the condition itself; for a pause between two looks say \"// {PAUSE}…\"."
            );
            findings.push(Finding::new(path, line, text));
        }
    }
    for (line, attribute) in source.attributes() {
        let switches_off = ["allow(", "expect("].into_iter().any(|lint| has_word(attribute, lint));
        if switches_off && !has_word(attribute, "reason") {
            let text = "Say why the lint does not hold here: #[expect(lint, reason = \"…\")].";
            findings.push(Finding::new(path, line, text));
        }
        let ignored =
            attribute == "ignore" || attribute.starts_with("ignore ") || attribute.starts_with("ignore=");
        if ignored {
            findings.push(Finding::new(
                path,
                line,
                "A test that does not run shows nothing; mend it or delete it.",
            ));
        }
    }
    findings
}

fn notes(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        for note in NOTES.into_iter().filter(|note| has_word(text, note)) {
            let text = format!("A {note} is forgotten where it stands; do it, or open an issue.");
            findings.push(Finding::new(path, line, text));
        }
    }
    findings
}

fn in_tests(path: &str) -> bool {
    path.starts_with("tests/") || path.contains("/tests/")
}

/// Whether the word is there, and not only as the end of a longer one.
fn has_word(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, _)| {
        let before = text[..at].chars().next_back();
        !before.is_some_and(|c| c.is_alphanumeric() || c == '_')
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<usize> {
        check_rust(path, text).into_iter().map(|f| f.line).collect()
    }

    #[test]
    fn unfinished_things_are_found() {
        assert_eq!(found("a.rs", "fn f() {\n    todo!()\n}\n"), [2]);
        assert_eq!(found("a.rs", &format!("// {}: later\n", NOTES[0])), [1]);
        assert_eq!(found("a.rs", "let s = \"todo!\"; my_todo!();\n"), Vec::<usize>::new());
    }

    #[test]
    fn a_lint_is_switched_off_with_a_reason() {
        assert_eq!(found("a.rs", "#[allow(dead_code)]\nfn f() {}\n"), [1]);
        assert_eq!(found("a.rs", "#[cfg_attr(test, allow(dead_code))]\nfn f() {}\n"), [1]);
        assert_eq!(found("a.rs", "#[expect(dead_code, reason = \"x\")]\nfn f() {}\n"), Vec::<usize>::new());
        assert_eq!(found("a.rs", "#![deny(missing_docs)]\nlet x = y.expect(1);\n"), Vec::<usize>::new());
    }

    #[test]
    fn a_test_that_does_not_run_is_found() {
        assert_eq!(found("a.rs", "#[test]\n#[ignore = \"slow\"]\nfn f() {}\n"), [2]);
        assert_eq!(found("a.rs", "#[test]\n#[ignore]\nfn f() {}\n"), [2]);
    }

    #[test]
    fn tests_do_not_sleep() {
        let sleep = "tokio::time::sleep(x).await;\n";
        assert_eq!(found("x/tests/a.rs", sleep), [1]);
        assert_eq!(found("tests/a.rs", &format!("// {PAUSE}it looks again.\n{sleep}")), Vec::<usize>::new());
        assert_eq!(found("tests/a.rs", &format!("// {PAUSE}it looks again.\n\n{sleep}")), [3]);
        assert_eq!(found("x/src/a.rs", "tokio::time::sleep(x).await;\n"), Vec::<usize>::new());
    }
}
