//! `POST /cgi-bin/message/template/send`.

use mc_core::ports::{Push, Receipt, SendError};
use ring::digest;

use crate::wechat::account::Account;
use crate::wechat::api::addressed;

pub(super) async fn send(account: &Account, push: &Push<'_>) -> Result<Receipt, SendError> {
    let mut payload = addressed(push)?;
    payload["client_msg_id"] = client_msg_id(push.push_id).into();
    account.push("/cgi-bin/message/template/send", &payload).await
}

/// An id of the push for WeChat to know a repeat by. How long it may be is not said, so it is short.
fn client_msg_id(push_id: &str) -> String {
    let hash = digest::digest(&digest::SHA256, push_id.as_bytes());
    hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_answer_has_its_meaning() {
        crate::wechat::api::tests::judge_all(include_str!("fixtures/answers.json"));
    }

    #[test]
    fn an_id_is_short_and_the_same_on_every_try() {
        let id = client_msg_id("01HF7YAT31000000000000001A-0-3");
        assert_eq!((id.len(), &id), (32, &client_msg_id("01HF7YAT31000000000000001A-0-3")));
        assert_ne!(id, client_msg_id("01HF7YAT31000000000000001A-0-4"));
    }
}
