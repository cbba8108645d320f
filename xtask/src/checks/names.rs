//! What documents name exists: files of the repository, and the tests that hold an invariant.

use crate::finding::Finding;
use crate::tree::Tree;

/// Folders whose files documents name by their path.
const FOLDERS: [&str; 7] = ["shared/", "runner/", "sandbox/", "bench/", "tests/", "xtask/", "docs/"];

/// Looks at every document of people.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let documents = tree.texts.iter().filter(|(path, _)| path.ends_with(".md"));
    documents.flat_map(|(path, text)| check_document(tree, path, text)).collect()
}

fn check_document(tree: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut invariant = None;
    for (line, text) in (1..).zip(text.lines()) {
        if text.starts_with("**Invariant:") {
            invariant = Some(line);
        }
        // What is between backticks: every second piece.
        for name in text.split('`').skip(1).step_by(2) {
            match name.split_once("::") {
                Some((file, test)) if file.ends_with(".rs") => {
                    if tree.text(file).is_some_and(|text| text.contains(&format!("fn {test}("))) {
                        invariant = None;
                    } else {
                        findings.push(Finding::new(
                            path,
                            line,
                            format!("There is no test {test} in {file}."),
                        ));
                    }
                }
                _ if is_path(name) && !tree.has(name) => {
                    findings.push(Finding::new(path, line, format!("There is no {name}.")));
                }
                _ => {}
            }
        }
        if text.is_empty()
            && let Some(line) = invariant.take()
        {
            findings.push(Finding::new(path, line, "An invariant names the test that holds it."));
        }
    }
    findings
}

/// Whether a name is a path of the repository, written out.
fn is_path(name: &str) -> bool {
    let written_out = name.chars().all(|c| c.is_ascii_alphanumeric() || "./_-".contains(c));
    written_out && FOLDERS.iter().any(|folder| name.starts_with(folder) && name != *folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<usize> {
        let tree = Tree::of(&[("docs/A.md", text), ("shared/x/src/a.rs", "fn it_holds() {}")]);
        let mut lines: Vec<usize> = check(&tree).into_iter().map(|f| f.line).collect();
        lines.sort_unstable();
        lines
    }

    #[test]
    fn files_that_are_named_exist() {
        assert_eq!(
            found("`shared/x/src/a.rs` `shared/x` `tests/` `shared/<kind>/mod.rs` `a.rs`\n"),
            Vec::<usize>::new()
        );
        assert_eq!(found("\n`shared/x/src/b.rs`\n"), [2]);
    }

    #[test]
    fn an_invariant_names_its_test() {
        assert_eq!(
            found("**Invariant: it is so.**\nHeld by `shared/x/src/a.rs::it_holds`.\n\n"),
            Vec::<usize>::new()
        );
        assert_eq!(found("**Invariant: it is so.**\nHeld by `shared/x/src/a.rs::it_falls`.\n\n"), [1, 2]);
        assert_eq!(found("x\n**Invariant: it is so.**\n\n"), [2]);
    }
}
