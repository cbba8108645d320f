//! `POST /cgi-bin/message/subscribe/send`.

use mc_core::ports::{Push, Receipt, SendError};

use crate::wechat::account::Account;
use crate::wechat::api::addressed;

/// WeChat knows no repeats here: a try whose answer was lost may have used up the one message that was allowed.
pub(super) async fn send(account: &Account, push: &Push<'_>) -> Result<Receipt, SendError> {
    account.push("/cgi-bin/message/subscribe/send", &addressed(push)?).await
}

#[cfg(test)]
mod tests {
    #[test]
    fn every_answer_has_its_meaning() {
        crate::wechat::api::tests::judge_all(include_str!("fixtures/answers.json"));
    }
}
