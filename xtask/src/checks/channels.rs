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
    let names: Vec<String> = kinds.iter().map(|kind| snake_case(kind)).collect();
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
    findings.extend(overview(tree, &names));
    findings
}

/// The columns of the guide's overview: its head begins with this.
const OVERVIEW: &str = "| kind | in a call |";
/// What a kind's table of answers is tested with.
const ANSWERS: [&str; 3] = ["answers.json", "replies.json", "refusals.json"];

/// Every kind has a row in the guide's overview, whose last two cells count right: the answers of its fixture, and the
/// points of its section that are left open.
fn overview(tree: &Tree, names: &[String]) -> Vec<Finding> {
    let guide = tree.text(GUIDE).unwrap_or_default();
    let rows: Vec<(usize, Vec<&str>)> = guide
        .lines()
        .enumerate()
        .skip_while(|(_, line)| !line.starts_with(OVERVIEW))
        .take_while(|(_, line)| line.starts_with('|'))
        .map(|(at, line)| (at + 1, line.split('|').map(str::trim).collect()))
        .collect();
    let mut findings = Vec::new();
    for name in names {
        let quoted = format!("`{name}`");
        let row = rows.iter().find(|(_, cells)| cells.get(1) == Some(&quoted.as_str()));
        let wanted = (answers(tree, name), open_points(guide, name));
        let counted = format!("{} answers tested, {} points left open", wanted.0, wanted.1);
        let Some((line, cells)) = row else {
            let problem = format!("The kind {quoted} has no row in the table \"{OVERVIEW}\": {counted}.");
            findings.push(Finding::new(GUIDE, 1, problem));
            continue;
        };
        let cell = |from_end: usize| cells.iter().rev().nth(from_end).and_then(|cell| cell.parse().ok());
        if (cell(2), cell(1)) != (Some(wanted.0), Some(wanted.1)) {
            findings.push(Finding::new(
                GUIDE,
                *line,
                format!("The row of {quoted} counts wrong: {counted}."),
            ));
        }
    }
    findings
}

fn answers(tree: &Tree, name: &str) -> usize {
    let fixture = |file: &&str| tree.text(&format!("shared/mc-channels/src/{name}/fixtures/{file}"));
    let list = ANSWERS.iter().find_map(fixture).and_then(|text| serde_json::from_str(text).ok());
    list.as_ref().and_then(serde_json::Value::as_array).map_or(0, Vec::len)
}

/// The points of a list in the kind's own section.
fn open_points(guide: &str, name: &str) -> usize {
    let section = guide.split("\n## ").find(|section| section.starts_with(&format!("`{name}`")));
    section.map_or(0, |section| section.lines().filter(|line| line.starts_with("- ")).count())
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
        let guide = "| kind | in a call | answers tested | left open |\n|---|---|---|---|\n| `webhook` | all | 0 | 1 |\n\n## `webhook`\n- a\n";
        files.extend([(KINDS, one), (REGISTRY, "Kind::Webhook => x,"), (GUIDE, guide)]);
        assert_eq!(check(&Tree::of(&files)), []);
        files.retain(|(path, _)| !path.ends_with("docs.md"));
        let found = check(&Tree::of(&files));
        assert_eq!(found.len(), 1);
        assert!(found[0].file.ends_with("webhook/docs.md"));
    }

    #[test]
    fn the_overview_counts_right() {
        let row = |row: &str| {
            format!(
                "{OVERVIEW} answers tested | left open |\n{row}\n\n## `webhook`\n- a\n- b\n\n## `other`\n- c\n"
            )
        };
        let fixture = "shared/mc-channels/src/webhook/fixtures/answers.json";
        for (text, problem) in [
            ("| `webhook` | all | 3 | 2 |", None),
            ("| `webhook` | all | 2 | 2 |", Some("counts wrong: 3 answers tested, 2 points")),
            ("| `other` | all | 3 | 2 |", Some("has no row")),
        ] {
            let guide = row(text);
            let found =
                overview(&Tree::of(&[(fixture, "[1,2,3]"), (GUIDE, &guide)]), &["webhook".to_owned()]);
            let said = found.first().map(|finding| finding.text.as_str());
            assert_eq!(said.is_some(), problem.is_some(), "{said:?}");
            assert!(said.unwrap_or_default().contains(problem.unwrap_or_default()), "{said:?}");
        }
    }
}
