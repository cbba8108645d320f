//! Every kind of channel has its folder, its line in the registry and its section in the documents.

use crate::finding::Finding;
use crate::tree::Tree;

const KINDS: &str = "shared/mc-core/src/model/channel.rs";
const REGISTRY: &str = "shared/mc-channels/src/registry.rs";
const GUIDE: &str = "docs/CHANNELS.md";

/// What a channel's folder holds.
const FILES: [&str; 6] = ["mod.rs", "config.rs", "api.rs", "render.rs", "docs.md", "fixtures"];

/// Looks for every kind's parts.
pub fn check(tree: &Tree) -> Vec<Finding> {
    let kinds = tree.text(KINDS).map(kinds).unwrap_or_default();
    if kinds.is_empty() {
        return vec![Finding::new(KINDS, 1, "Kind::ALL was not found, so no channel can be checked.")];
    }
    let mut findings = Vec::new();
    for kind in kinds {
        let folder = snake_case(&kind);
        for file in FILES {
            let path = format!("shared/mc-channels/src/{folder}/{file}");
            if !tree.has(&path) {
                findings.push(Finding::new(
                    &path,
                    1,
                    format!("The kind {folder} lacks this part of its folder."),
                ));
            }
        }
        if !tree.text(REGISTRY).is_some_and(|text| text.contains(&format!("Kind::{kind} =>"))) {
            findings.push(Finding::new(
                REGISTRY,
                1,
                format!("The kind {folder} has no line in the registry."),
            ));
        }
        let heading = |line: &str| line.starts_with('#') && line.contains(&format!("`{folder}`"));
        if !tree.text(GUIDE).is_some_and(|text| text.lines().any(heading)) {
            findings.push(Finding::new(
                GUIDE,
                1,
                format!("The kind `{folder}` has no section of its own here."),
            ));
        }
    }
    findings
}

/// The names in `Kind::ALL`.
fn kinds(source: &str) -> Vec<String> {
    let Some(all) = source.split("const ALL: [Kind;").nth(1) else { return Vec::new() };
    let list = all.split("];").next().unwrap_or_default();
    list.split("Kind::")
        .skip(1)
        .map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect())
        .collect()
}

fn snake_case(name: &str) -> String {
    let mut word = String::new();
    for c in name.chars() {
        if c.is_ascii_uppercase() && !word.is_empty() {
            word.push('_');
        }
        word.push(c.to_ascii_lowercase());
    }
    word
}

#[cfg(test)]
mod tests {
    use super::*;

    const CORE: &str =
        "pub const ALL: [Kind; 2] = [\n    Kind::WecomRobot,\n    Kind::Webhook,\n];\nKind::Other";

    #[test]
    fn the_kinds_are_those_of_the_list() {
        assert_eq!(kinds(CORE), ["WecomRobot", "Webhook"]);
        assert_eq!(snake_case("WecomRobot"), "wecom_robot");
    }

    #[test]
    fn a_whole_channel_passes_and_a_missing_part_is_named() {
        let one = "pub const ALL: [Kind; 1] = [Kind::Webhook];";
        let folder = "shared/mc-channels/src/webhook";
        let paths: Vec<String> =
            ["mod.rs", "config.rs", "api.rs", "render.rs", "docs.md", "fixtures/ok.json"]
                .map(|f| format!("{folder}/{f}"))
                .into();
        let mut files: Vec<(&str, &str)> = paths.iter().map(|p| (p.as_str(), "")).collect();
        files.extend([(KINDS, one), (REGISTRY, "Kind::Webhook => x,"), (GUIDE, "## `webhook`\n")]);
        assert_eq!(check(&Tree::of(&files)), []);
        files.retain(|(path, _)| !path.ends_with("docs.md"));
        let found = check(&Tree::of(&files));
        assert_eq!(found.len(), 1);
        assert!(found[0].file.ends_with("webhook/docs.md"));
    }
}
