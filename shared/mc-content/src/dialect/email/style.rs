//! How a mail looks: the styles of its blocks and the frame around them, all known when this is compiled.
//!
//! No library puts rules onto elements here, because every element is written by us and its rules are known beforehand.
//! What an author writes as HTML gets the same where it says nothing itself.

use mc_core::model::Level;

/// What systems have, those for Chinese last: the Latin ones know no Chinese.
macro_rules! fonts {
    () => {
        "-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,'Helvetica Neue','PingFang SC','Hiragino Sans GB',\
         'Microsoft YaHei','Noto Sans CJK SC',sans-serif"
    };
}

/// The start of the footer, up to its words.
pub(super) const FOOTER_START: &str = concat!(
    "<div class=\"mc-foot\" dir=\"ltr\" style=\"padding:8px 16px 28px;background:#f3f4f6;color:#4b5563;text-align:center;font-family:",
    fonts!(),
    ";font-size:12px;line-height:1.6\">"
);

/// The style of the mail's title.
pub(super) const TITLE: &str = "margin:0 0 16px;font-size:22px;line-height:1.35;font-weight:600";

/// A code block's style.
macro_rules! code {
    () => {
        "margin:0 0 16px;padding:12px 14px;background:#f3f4f6;border-radius:6px;white-space:pre-wrap;\
         font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,monospace;font-size:13px;line-height:1.55"
    };
}

/// The style of a cell in a table's head, whose text begins on this side.
macro_rules! head_cell {
    ($side:literal) => {
        concat!(
            "min-width:4em;padding:8px 12px;border:1px solid #d1d5db;background:#f9fafb;text-align:",
            $side,
            ";vertical-align:top;font-weight:600;word-break:normal;overflow-wrap:break-word;"
        )
    };
}

/// The style of a block, by its tag, in a body whose first heading is the mail's title.
pub(super) fn with_title(tag: &str) -> &'static str {
    if tag == "h1" { TITLE } else { of(tag) }
}

/// The same in a mail that is read from the right.
pub(super) fn with_title_right_to_left(tag: &str) -> &'static str {
    if tag == "h1" { TITLE } else { of_right_to_left(tag) }
}

/// The style of a block in a mail that is read from the right. Code is written from the left everywhere.
pub(super) fn of_right_to_left(tag: &str) -> &'static str {
    match tag {
        "ul" | "ol" => "margin:0 0 16px;padding:0 24px 0 0",
        "blockquote" => "margin:0 0 16px;padding:0 16px 0 0;border-right:4px solid #d1d5db;color:#4b5563",
        "pre" => concat!(code!(), ";direction:ltr;text-align:left"),
        "th" => head_cell!("right"),
        _ => of(tag),
    }
}

/// The style of a block, by its tag. Marks inside of lines have none.
pub(super) fn of(tag: &str) -> &'static str {
    match tag {
        "p" => "margin:0 0 16px",
        "h1" => "margin:28px 0 12px;font-size:20px;line-height:1.35;font-weight:600",
        "h2" => "margin:28px 0 12px;font-size:19px;line-height:1.35;font-weight:600",
        "h3" => "margin:24px 0 8px;font-size:17px;line-height:1.4;font-weight:600",
        "h4" | "h5" | "h6" => "margin:20px 0 8px;font-size:15px;line-height:1.4;font-weight:600",
        "ul" | "ol" => "margin:0 0 16px;padding-left:24px",
        "li" => "margin:0 0 6px;",
        "blockquote" => "margin:0 0 16px;padding:0 0 0 16px;border-left:4px solid #d1d5db;color:#4b5563",
        "pre" => code!(),
        // The box in which a wide table scrolls.
        "div" => "margin:0 0 16px;overflow-x:auto",
        "table" => "border-collapse:collapse;width:100%",
        // A column keeps room for a few characters, or Chinese would stand in it letter below letter. Words stay whole
        // but for long ones, which are written with places to break.
        "th" => head_cell!("left"),
        "td" => {
            "min-width:4em;padding:8px 12px;border:1px solid #d1d5db;vertical-align:top;\
             word-break:normal;overflow-wrap:break-word;"
        }
        "img" => "max-width:100%;height:auto;border:0",
        "hr" => "margin:24px 0;border:0;border-top:1px solid #d1d5db",
        _ => "",
    }
}

/// A colour on which white can be read.
pub(super) fn color(level: Option<Level>) -> &'static str {
    match level {
        None | Some(Level::Info) => "#2563eb",
        Some(Level::Success) => "#15803d",
        Some(Level::Warning) => "#b45309",
        Some(Level::Danger) => "#b91c1c",
    }
}

/// From the root's language to the title.
pub(super) const HEAD_START: &str = ">\n<head>\n<meta charset=\"utf-8\">\n\
    <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n\
    <meta name=\"format-detection\" content=\"telephone=no,date=no,address=no,email=no\">\n";

macro_rules! narrow {
    () => {
        "@media (max-width:480px) { .mc-text { padding: 20px 16px !important; } }\n\
         .mc-text a { color: #2563eb; }\n\
         .mc-text code { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; font-size: 0.92em; }\n\
         .mc-text pre code { font-size: 1em; }\n\
         .mc-text > :first-child, .mc-text > div:first-child > :first-child { margin-top: 0 !important; }\n\
         .mc-text li ul, .mc-text li ol { margin: 6px 0 0 !important; }\n\
         .mc-text img { max-width: 100%; height: auto; }\n"
    };
}

/// The end of the head of a mail that is light everywhere.
pub(super) const LIGHT: &str = concat!(
    "<meta name=\"color-scheme\" content=\"light only\">\n",
    "<meta name=\"supported-color-schemes\" content=\"light\">\n",
    "<style>\n:root { color-scheme: light only; }\n",
    narrow!(),
    "</style>\n"
);

/// The end of the head of a mail with both schemes. Dark colours need `!important`, because the light ones stand on the
/// elements.
pub(super) const LIGHT_AND_DARK: &str = concat!(
    "<meta name=\"color-scheme\" content=\"light dark\">\n",
    "<meta name=\"supported-color-schemes\" content=\"light dark\">\n",
    "<style>\n:root { color-scheme: light dark; supported-color-schemes: light dark; }\n",
    narrow!(),
    "@media (prefers-color-scheme: dark) {\n\
     .mc-page { background: #0f141b !important; }\n\
     .mc-card { background: #1b222c !important; }\n\
     .mc-text { color: #e5e7eb !important; }\n\
     .mc-text a { color: #93c5fd; }\n\
     .mc-text pre { background: #0f141b !important; }\n\
     .mc-text th { background: #232b37 !important; }\n\
     .mc-text blockquote { color: #b6bec9 !important; }\n\
     .mc-text th, .mc-text td, .mc-text blockquote, .mc-text hr { border-color: #3d4754 !important; }\n\
     .mc-text .mc-label { background: transparent !important; color: #a5afbc !important; }\n\
     .mc-text .mc-more, .mc-text .mc-more a { background: #1b222c !important; color: #e5e7eb !important; }\n\
     .mc-text .mc-more { border-color: #566170 !important; }\n\
     .mc-text .mc-first { border-color: transparent !important; }\n\
     .mc-foot, .mc-foot a { background: #0f141b !important; color: #a5afbc !important; }\n\
     }\n</style>\n"
);

/// The page's table and the card in it, up to its first row. Outlook knows no greatest width, so it gets a table of that
/// width around the card. The fixed layout keeps what is wide from widening the card.
pub(super) const CARD_START: &str = "<table role=\"presentation\" class=\"mc-page\" width=\"100%\" cellpadding=\"0\" \
    cellspacing=\"0\" border=\"0\" style=\"table-layout:fixed;background:#f3f4f6\"><tr>\
    <td align=\"center\" style=\"padding:24px 12px 16px\">\n\
    <!--[if mso]><table role=\"presentation\" width=\"600\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\"><tr><td><![endif]-->\n\
    <table role=\"presentation\" class=\"mc-card\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" \
    style=\"table-layout:fixed;max-width:600px;background:#ffffff;border-radius:8px;overflow:hidden\">\n";

macro_rules! text_start {
    ($direction:literal, $side:literal) => {
        concat!(
            "<tr><td class=\"mc-text\"",
            $direction,
            " align=\"",
            $side,
            "\" style=\"padding:28px 32px;font-family:",
            fonts!(),
            ";font-size:15px;line-height:1.65;color:#1f2937;text-align:",
            $side,
            ";word-break:break-word;overflow-wrap:anywhere;-webkit-text-size-adjust:100%\">\n"
        )
    };
}

/// The cell that holds everything to read.
pub(super) const TEXT_START: &str = text_start!("", "left");

/// The same where it is read from the right. It says so itself, because web mail drops the page's root.
pub(super) const TEXT_START_RIGHT_TO_LEFT: &str = text_start!(" dir=\"rtl\"", "right");

/// The ends of what [`TEXT_START`] and [`CARD_START`] began.
pub(super) const CARD_END: &str =
    "</td></tr>\n</table>\n<!--[if mso]></td></tr></table><![endif]-->\n</td></tr></table>\n";
