//! What robots and apps of DingTalk share.

use std::time::Duration;

use mc_content::dialect;
use mc_core::model::Content;
use mc_core::ports::{HttpResponse, SendError, SendFailure, Warning};

use crate::outcome::{by_status, not_json};
use crate::robot;

pub(crate) const BASE_URL: &str = "https://oapi.dingtalk.com";

/// How long DingTalk's gateway shuts out an address that calls too often.
pub(crate) const BLOCKED: Duration = Duration::from_secs(300);

/// What a conversation list shows of a title.
const TITLE_CHARACTERS: usize = 64;

/// The title that the conversation list and the notification show; DingTalk shows nothing without one.
pub(crate) fn title(content: &Content, plain: &str) -> String {
    let line = if content.title.trim().is_empty() {
        plain.lines().find(|line| !line.trim().is_empty()).unwrap_or_default()
    } else {
        &content.title
    };
    line.trim().chars().filter(|c| !c.is_control()).take(TITLE_CHARACTERS).collect()
}

/// Titles and addresses of the buttons, the content's own link among them.
pub(crate) fn buttons(content: &Content, warnings: &mut Vec<Warning>) -> Vec<(String, String)> {
    let own = content.links().map(|button| (button.text.as_str(), button.url.as_str()));
    let link = content.url.as_deref().filter(|url| content.buttons.iter().all(|button| button.url != **url));
    let label = content.link_label().unwrap_or(robot::DETAILS);
    let mut buttons = Vec::new();
    for (text, url) in own.chain(link.map(|url| (label, url))) {
        match dialect::safe_url(url) {
            Some(url) => buttons.push((text.to_owned(), url)),
            None => warnings.push(robot::button_warning(text)),
        }
    }
    buttons
}

/// The gateway shuts out with a page; a page with a server error is trouble, not a ban.
pub(crate) fn not_dingtalk(response: &HttpResponse) -> SendError {
    let error = not_json(response);
    match by_status(response) {
        SendFailure::Transient { .. } | SendFailure::Throttled { .. } => error,
        _ => SendError { failure: SendFailure::Throttled { after: Some(BLOCKED) }, ..error },
    }
}
