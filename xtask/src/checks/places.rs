//! Tracked files work on every machine: they name no developer's folders and no package registry.

use crate::finding::Finding;
use crate::tree::Tree;

/// Folders that only one machine has. Written in two parts, so that this file passes its own check.
const FOLDERS: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
    concat!("C:\\Us", "ers\\"),
];

/// Hosts of package registries and their mirrors: tools know them by themselves, and a mirror is one machine's own.
const REGISTRIES: [&str; 14] = [
    concat!("index.cra", "tes.io"),
    concat!("static.cra", "tes.io"),
    concat!("rsp", "roxy.cn"),
    concat!("registry.npm", "js.org"),
    concat!("registry.npm", "mirror.com"),
    concat!("registry.yarn", "pkg.com"),
    concat!("py", "pi.org"),
    concat!("files.python", "hosted.org"),
    concat!("proxy.go", "lang.org"),
    concat!("mirrors.ali", "yun.com"),
    concat!("mirrors.tuna", ".tsinghua.edu.cn"),
    concat!("mirrors.ustc", ".edu.cn"),
    concat!("jfr", "og.io"),
    concat!("arti", "factory"),
];

/// Looks at every text file.
pub fn check(tree: &Tree) -> Vec<Finding> {
    tree.texts.iter().flat_map(|(path, text)| check_text(path, text)).collect()
}

fn check_text(path: &str, text: &str) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (line, text) in (1..).zip(text.lines()) {
        if let Some(folder) = FOLDERS.into_iter().find(|folder| begins_a_path(text, folder)) {
            let text = format!(
                "Only one machine has a folder {folder}; write the path from the top of the repository."
            );
            findings.push(Finding::new(path, line, text));
        }
        if let Some(host) = REGISTRIES.into_iter().find(|host| text.contains(host)) {
            let text = format!(
                "{host} is a package registry; leave the choice of one to each machine's own settings."
            );
            findings.push(Finding::new(path, line, text));
        }
    }
    findings
}

/// Whether the folder is the beginning of a path here, and not the middle of a URL or of a longer path.
fn begins_a_path(line: &str, folder: &str) -> bool {
    let inside = |c: char| c.is_alphanumeric() || "._-~/}{)%+".contains(c);
    line.match_indices(folder).any(|(at, _)| !line[..at].chars().next_back().is_some_and(inside))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_of_one_machine_is_found() {
        for folder in FOLDERS {
            assert_eq!(check_text("a.md", &format!("see `{folder}me/x`\n")).len(), 1, "{folder}");
        }
    }

    #[test]
    fn a_url_or_a_longer_path_is_not_one() {
        for folder in &FOLDERS[..4] {
            let text = format!("https://example.com{folder}x and ./app{folder}x\n");
            assert_eq!(check_text("a.md", &text), [], "{folder}");
        }
    }

    #[test]
    fn registries_are_found() {
        assert_eq!(check_text("a.json", &format!("\n\"https://{}/x\"\n", REGISTRIES[3]))[0].line, 2);
        assert_eq!(
            check_text("Cargo.lock", "source = \"registry+https://github.com/rust-lang/crates.io-index\"\n"),
            []
        );
    }
}
