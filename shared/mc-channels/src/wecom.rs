//! What robots and apps of WeCom share: Markdown with the level as the colour of its title.

use mc_content::dialect;
use mc_core::model::{Content, Level};
use mc_core::ports::Warning;

use crate::robot;

/// Bytes of a title that gets a colour. A line of so many bytes is never cut, so the marks around it stay together.
const COLOURED_BYTES: usize = 1024;

/// Everything that a content says, as WeCom's Markdown of version 1.
///
/// The title has the level's colour: WeCom knows green (`info`), orange (`warning`) and grey. There is no red, so
/// `danger` is orange as well; `info` is written as a title without a level is.
pub(crate) fn markdown(content: &Content, warnings: &mut Vec<Warning>) -> String {
    let source = dialect::wecom(&robot::titled_markdown(content), warnings);
    let colour = match content.level {
        None | Some(Level::Info) => return source,
        Some(Level::Success) => "info",
        Some(Level::Warning | Level::Danger) => "warning",
    };
    let (head, rest) = source.split_at(source.find('\n').unwrap_or(source.len()));
    let is_titled = !content.title.trim().is_empty() && head.len() <= COLOURED_BYTES;
    let heading = head
        .split_once(' ')
        .filter(|(marks, _)| is_titled && !marks.is_empty() && marks.bytes().all(|byte| byte == b'#'));
    if let Some((marks, title)) = heading {
        return format!("{marks} <font color=\"{colour}\">{title}</font>{rest}");
    }
    warnings.extend(robot::level_dropped(content, "it is the colour of a short title, and there is none"));
    source
}

#[cfg(test)]
mod tests {
    use mc_core::model::Format;

    use super::*;

    fn written(title: &str, body: &str, level: Level) -> (String, Vec<String>) {
        let content = Content { level: Some(level), ..Content::new(title, Format::Markdown, body) };
        let mut warnings = Vec::new();
        let text = markdown(&content, &mut warnings);
        (text, warnings.iter().map(|warning| warning.code.to_string()).collect())
    }

    #[test]
    fn a_title_has_the_colour_of_its_level() {
        for (level, expected) in [
            (Level::Info, "## Disk\n**full**"),
            (Level::Success, "## <font color=\"info\">Disk</font>\n**full**"),
            (Level::Warning, "## <font color=\"warning\">Disk</font>\n**full**"),
            (Level::Danger, "## <font color=\"warning\">Disk</font>\n**full**"),
        ] {
            assert_eq!(written("Disk", "**full**", level), (expected.to_owned(), Vec::new()), "{level:?}");
        }
        let (own, _) = written("Disk", "# Disk\n\nfull", Level::Danger);
        assert_eq!(own, "# <font color=\"warning\">Disk</font>\nfull", "a title that the body has already");
        let (quoted, _) = written("</font> a", "b", Level::Danger);
        assert_eq!(
            quoted, "## <font color=\"warning\"><\u{200B}/font> a</font>\nb",
            "a title ends no colour"
        );
    }

    #[test]
    fn without_a_title_the_level_is_not_seen_and_that_is_said() {
        for (title, body) in [("", "# Disk\n\nfull"), ("", "full"), (&*"t".repeat(1100), "full")] {
            let (text, codes) = written(title, body, Level::Danger);
            assert!(!text.contains("<font"), "{text}");
            assert_eq!(codes, ["level_dropped"], "{title}");
        }
    }
}
