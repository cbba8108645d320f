//! The HTML document of an e-mail.

use mc_core::model::{Content, Format, Level};

use super::content::link_of;
use super::html::escape;
use super::link::safe_url;

const FONT: &str = "font-family:-apple-system,BlinkMacSystemFont,'Segoe UI',Roboto,'PingFang SC','Microsoft YaHei',sans-serif";

/// A whole HTML document: one column that fits a phone, styles on the blocks themselves, light and dark. The level is
/// a bar of colour; then come title, picture, body, facts, buttons and the link.
///
/// An HTML body that already is a document keeps its own frame; what else the content has goes before its end.
pub fn email_html(content: &Content) -> String {
    let mut rest = String::new();
    facts(content, &mut rest);
    buttons(content, &mut rest);
    link(content, &mut rest);
    let lower = content.body.text.to_ascii_lowercase();
    if content.body.format == Format::Html && (lower.contains("<html") || lower.contains("<!doctype")) {
        let end = lower.rfind("</body").or_else(|| lower.rfind("</html")).unwrap_or(lower.len());
        return format!("{}{rest}{}", &content.body.text[..end], &content.body.text[end..]);
    }

    let mut title = String::new();
    escape(&content.title, &mut title);
    let mut out = String::with_capacity(4096);
    out.push_str("<!doctype html>\n<html>\n<head>\n<meta charset=\"utf-8\">\n");
    out.push_str("<meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\n");
    out.push_str("<meta name=\"color-scheme\" content=\"light dark\">\n");
    out.push_str("<meta name=\"supported-color-schemes\" content=\"light dark\">\n");
    out.push_str(&format!("<title>{title}</title>\n<style>\n{DARK}</style>\n</head>\n"));
    out.push_str("<body class=\"mc-page\" style=\"margin:0;padding:0;background:#f3f4f6;-webkit-text-size-adjust:100%\">\n");
    out.push_str(&format!("{TABLE}<tr><td align=\"center\" style=\"padding:16px 8px\">\n"));
    out.push_str(
        "<table role=\"presentation\" class=\"mc-card\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" \
         style=\"max-width:600px;background:#ffffff;border-radius:8px;overflow:hidden\">\n",
    );
    if let Some(level) = content.level {
        let color = color(Some(level));
        out.push_str(&format!(
            "<tr><td bgcolor=\"{color}\" style=\"height:6px;line-height:6px;font-size:0;background:{color}\">&nbsp;</td></tr>\n"
        ));
    }
    out.push_str(&format!(
        "<tr><td class=\"mc-text\" style=\"padding:24px;{FONT};font-size:15px;line-height:1.6;color:#1f2937;\
         word-break:break-word;overflow-wrap:anywhere\">\n"
    ));
    if !title.is_empty() {
        out.push_str(&format!("<h1 style=\"{}\">{title}</h1>\n", block_style("h1")));
    }
    if let Some(image) = content.image.as_deref().and_then(safe_url) {
        out.push_str("<p style=\"margin:0 0 16px\"><img src=\"");
        escape(&image, &mut out);
        out.push_str("\" alt=\"\" style=\"display:block;max-width:100%;height:auto;border:0\"></p>\n");
    }
    out.push_str(&super::styled_html(&content.body, block_style));
    out.push_str(&rest);
    out.push_str("</td></tr>\n</table>\n</td></tr></table>\n</body>\n</html>\n");
    out
}

const TABLE: &str =
    "<table role=\"presentation\" width=\"100%\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\">";

/// Colours of the dark scheme. They need `!important` because the light ones stand on the elements.
const DARK: &str = "@media (prefers-color-scheme: dark) {
.mc-page { background: #111827 !important; }
.mc-card { background: #1f2937 !important; }
.mc-text, .mc-text h1, .mc-text td, .mc-text th { color: #e5e7eb !important; }
.mc-text a { color: #93c5fd !important; }
.mc-text a.mc-button { color: #ffffff !important; }
.mc-text pre { background: #111827 !important; }
.mc-text th, .mc-text td, .mc-text blockquote, .mc-text hr { border-color: #4b5563 !important; }
}
";

/// The style of a block in an e-mail.
fn block_style(tag: &str) -> &'static str {
    match tag {
        "p" => "margin:0 0 16px",
        "h1" => "margin:0 0 16px;font-size:22px;line-height:1.3;font-weight:600",
        "h2" => "margin:24px 0 12px;font-size:19px;line-height:1.3;font-weight:600",
        "h3" => "margin:20px 0 8px;font-size:17px;line-height:1.4;font-weight:600",
        "h4" | "h5" | "h6" => "margin:16px 0 8px;font-size:15px;line-height:1.4;font-weight:600",
        "ul" | "ol" => "margin:0 0 16px;padding-left:24px",
        "li" => "margin:0 0 4px",
        "blockquote" => "margin:0 0 16px;padding:4px 0 4px 16px;border-left:4px solid #d1d5db",
        "pre" => {
            "margin:0 0 16px;padding:12px;background:#f3f4f6;border-radius:6px;overflow-x:auto;white-space:pre-wrap;\
             font-family:Consolas,Menlo,monospace;font-size:13px;line-height:1.5"
        }
        "table" => "margin:0 0 16px;border-collapse:collapse;width:100%",
        "th" => "padding:6px 10px;border:1px solid #d1d5db;font-weight:600;text-align:left;",
        "td" => "padding:6px 10px;border:1px solid #d1d5db;vertical-align:top;",
        "hr" => "margin:24px 0;border:0;border-top:1px solid #d1d5db",
        _ => "",
    }
}

fn color(level: Option<Level>) -> &'static str {
    match level {
        None | Some(Level::Info) => "#2563eb",
        Some(Level::Success) => "#15803d",
        Some(Level::Warning) => "#b45309",
        Some(Level::Danger) => "#b91c1c",
    }
}

fn facts(content: &Content, out: &mut String) {
    if content.facts.is_empty() {
        return;
    }
    out.push_str(&format!("<table style=\"{}\">\n", block_style("table")));
    for fact in &content.facts {
        out.push_str(&format!("<tr><th scope=\"row\" style=\"{}width:30%\">", block_style("th")));
        escape(&fact.label, out);
        out.push_str(&format!("</th><td style=\"{}\">", block_style("td")));
        lines(&fact.value, out);
        out.push_str("</td></tr>\n");
    }
    out.push_str("</table>\n");
}

fn lines(text: &str, out: &mut String) {
    for (i, line) in text.lines().enumerate() {
        if i > 0 {
            out.push_str("<br>");
        }
        escape(line, out);
    }
}

/// Buttons are cells of colour, because some readers only colour cells. One that may not be opened is its text.
fn buttons(content: &Content, out: &mut String) {
    let color = color(content.level);
    for button in content.links() {
        let Some(url) = safe_url(&button.url) else {
            out.push_str("<p style=\"margin:0 0 16px\">");
            escape(&button.text, out);
            out.push_str("</p>\n");
            continue;
        };
        out.push_str(&format!(
            "<table role=\"presentation\" cellpadding=\"0\" cellspacing=\"0\" border=\"0\" style=\"margin:0 0 12px\"><tr>\
             <td bgcolor=\"{color}\" style=\"background:{color};border-radius:6px\"><a class=\"mc-button\" href=\""
        ));
        escape(&url, out);
        out.push_str(
            "\" style=\"display:inline-block;padding:10px 20px;color:#ffffff;text-decoration:none;font-weight:600\">",
        );
        escape(&button.text, out);
        out.push_str("</a></td></tr></table>\n");
    }
}

fn link(content: &Content, out: &mut String) {
    let Some(url) = link_of(content).and_then(safe_url) else { return };
    let mut escaped = String::new();
    escape(&url, &mut escaped);
    out.push_str(&format!("<p style=\"margin:0 0 16px\"><a href=\"{escaped}\">{escaped}</a></p>\n"));
}
