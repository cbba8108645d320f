//! Every relative link of a document leads to a file.

use crate::finding::Finding;
use crate::tree::Tree;

/// Looks at every Markdown file.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let documents = tree.texts.iter().filter(|(path, _)| path.ends_with(".md"));
    documents.flat_map(|(path, text)| check_document(tree, path, text)).collect()
}

fn check_document(tree: &Tree, path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut in_code = false;
    for (line, text) in (1..).zip(text.lines()) {
        if text.trim_start().starts_with("```") {
            in_code = !in_code;
            continue;
        }
        if in_code {
            continue;
        }
        for target in targets(&without_code(text)) {
            let file = target.split(['#', '?']).next().unwrap_or_default();
            if file.is_empty() || file.starts_with('/') || has_scheme(file) {
                continue;
            }
            let missing = resolved(path, file).is_none_or(|file| !file.is_empty() && !tree.has(&file));
            if missing {
                findings.push(Finding::new(path, line, format!("The link to {file} leads nowhere.")));
            }
        }
    }
    findings
}

/// The line without what stands between backticks.
fn without_code(line: &str) -> String {
    line.split('`').step_by(2).collect::<Vec<_>>().join(" ")
}

/// What the links of a line lead to: `[text](target)` and `[name]: target`.
fn targets(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("](") {
        let target = line[at + 2..].split([')', ' ']).next().unwrap_or_default();
        found.push(target.trim_matches(['<', '>']).to_owned());
    }
    if let Some((_, target)) = line.strip_prefix('[').and_then(|rest| rest.split_once("]: ")) {
        found.push(target.split(' ').next().unwrap_or_default().to_owned());
    }
    found
}

fn has_scheme(target: &str) -> bool {
    ["http:", "https:", "mailto:"].iter().any(|scheme| target.starts_with(scheme))
}

/// The path from the top folder of a target in a document; `None` when it leads out of the repository.
fn resolved(document: &str, target: &str) -> Option<String> {
    let mut parts: Vec<&str> = document.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => {
                parts.pop()?;
            }
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<usize> {
        let tree = Tree::of(&[("docs/A.md", text), ("docs/B.md", ""), ("README.md", "")]);
        check(&tree).into_iter().map(|f| f.line).collect()
    }

    #[test]
    fn links_to_files_pass() {
        assert_eq!(
            found("[b](B.md#part) [r](../README.md) [d](../docs) [w](https://x.org) [t](#top)\n"),
            Vec::<usize>::new()
        );
    }

    #[test]
    fn a_link_that_leads_nowhere_is_found() {
        assert_eq!(found("ok\n[c](C.md)\n"), [2]);
        assert_eq!(found("[out](../../x.md)\n"), [1]);
        assert_eq!(found("[ref]: nothing.md\n"), [1]);
    }

    #[test]
    fn code_is_no_link() {
        assert_eq!(found("`[c](C.md)`\n```\n[c](C.md)\n```\n"), Vec::<usize>::new());
    }
}
