//! `POST /cgi-bin/user/getuserid?access_token=`: who is behind a mobile number.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use serde_json::json;

use super::send::json_body;
use crate::answer::Refusal;
use crate::item::Platform;
use crate::request::text;
use crate::sandbox::Sandbox;

pub(crate) async fn by_mobile(
    State(sandbox): State<Sandbox>,
    method: Method,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let now = sandbox.now();
    let judge = || {
        sandbox.wecom_apps().by_token(query.as_deref(), now, |state| {
            let asked = json_body(&method, &body)?;
            let mobile = text(&asked, "mobile", 40_058)?;
            if !(5..=32).contains(&mobile.len()) {
                return Err(Refusal::new(60_103, "mobile is 5 to 32 bytes"));
            }
            // The page names no code for a number that is nobody's; this is the general one.
            let user = state.app.of_mobile(mobile);
            let user = user.ok_or_else(|| Refusal::new(46_004, "user no exist"))?;
            Ok(json!({"errcode": 0, "errmsg": "ok", "userid": user}))
        })
    };
    sandbox.aside(Platform::WecomApp, "by_mobile", judge).await
}
