//! `POST /open-apis/contact/v3/users/batch_get_id?user_id_type=`

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::HeaderMap;
use serde_json::{Value, json};

use crate::answer::Refusal;
use crate::item::Platform;
use crate::request::{self, texts};
use crate::sandbox::Sandbox;

/// Numbers, and addresses, that one call takes.
const MANY: usize = 50;
const BAD: i64 = 40_001;

pub(super) async fn batch_get_id(
    State(sandbox): State<Sandbox>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let now = sandbox.now();
    let judge = || {
        sandbox.feishu().apps.by_token(&headers, now, |state| {
            state.check_scope(&["contact:user.id:readonly"])?;
            let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
            let (mobiles, emails) = (texts(&asked, "mobiles", BAD)?, texts(&asked, "emails", BAD)?);
            if mobiles.len() > MANY || emails.len() > MANY || mobiles.is_empty() && emails.is_empty() {
                return Err(Refusal::new(BAD, "1 to 50 mobiles or emails are expected"));
            }
            let kind = request::query(query.as_deref(), "user_id_type");
            if kind.as_deref().is_some_and(|kind| kind != "open_id") {
                return Err(Refusal::new(BAD, "this sandbox knows open ids only"));
            }
            let of = |mobile: &&str| {
                let mut one = json!({"mobile": mobile});
                // Nobody's number comes back without an id.
                if let Some(id) = state.app.of_mobile(mobile) {
                    one["user_id"] = id.into();
                }
                one
            };
            let list: Vec<Value> = mobiles.iter().map(of).collect();
            Ok(json!({"code": 0, "msg": "success", "data": {"user_list": list}}))
        })
    };
    sandbox.aside(Platform::FeishuApp, "by_mobile", judge).await
}
