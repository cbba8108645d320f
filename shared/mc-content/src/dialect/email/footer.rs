//! What stands below a mail that its recipient may refuse.

use super::super::html::escape;
use super::{end_of_body, style};

/// Adds the way to unsubscribe to both forms of a mail, whoever wrote its frame. `url` is the recipient's own.
pub fn add_unsubscribe(html: &mut String, text: &mut String, url: &str) {
    let mut footer = String::with_capacity(512);
    footer.push_str(style::FOOTER_START);
    footer.push_str("不想再收到此类邮件？ Do not want these mails?<br><a href=\"");
    escape(url, &mut footer);
    footer.push_str("\" style=\"color:#4b5563\">退订 Unsubscribe</a></div>\n");
    html.insert_str(end_of_body(html), &footer);
    text.truncate(text.trim_end().len());
    text.push_str("\n\n-- \n退订 Unsubscribe: ");
    text.push_str(url);
    text.push('\n');
}
