//! Whom a message goes to, and who is behind a mobile number.

use axum::extract::{RawQuery, State};
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::{Call, DingtalkApp, object};
use crate::answer::Refusal;
use crate::item::Platform;
use crate::request::text;
use crate::sandbox::Sandbox;

const USERS: usize = 100;
const DEPARTMENTS: usize = 20;

/// What a message's lists come to.
#[derive(Default)]
pub(super) struct People {
    pub(super) all: bool,
    pub(super) users: Vec<String>,
    pub(super) invalid_users: Vec<String>,
    pub(super) departments: Vec<u64>,
    pub(super) invalid_departments: Vec<String>,
    /// How many people it is in all.
    pub(super) count: usize,
}

impl People {
    pub(super) fn of(body: &Value, app: &DingtalkApp) -> Result<People, Refusal> {
        let all = match body.get("to_all_user") {
            None | Some(Value::Null) => false,
            Some(all) => all.as_bool().ok_or_else(|| Refusal::wrong_type(40_035, "to_all_user"))?,
        };
        if all {
            // Far more than the results of one message can be asked for.
            return Ok(People { all, count: 1_000, ..People::default() });
        }
        let (users, departments) = (listed(body, "userid_list")?, listed(body, "dept_id_list")?);
        if users.is_empty() && departments.is_empty() {
            return Err(Refusal::new(40_035, "缺少参数 userid_list or dept_id_list"));
        }
        if users.len() > USERS || departments.len() > DEPARTMENTS {
            return Err(Refusal::new(41_029, "接收者过多: 100 users, 20 departments"));
        }
        let mut people = People::default();
        for user in users {
            let known = match &app.users {
                Some(users) => users.iter().any(|known| known == user),
                None => !user.contains("unknown"),
            };
            let list = if known { &mut people.users } else { &mut people.invalid_users };
            list.push(user.to_owned());
        }
        for id in departments {
            let size = id.parse().ok().and_then(|id| Some((id, *app.departments.get(&id)?)));
            match size {
                Some((id, size)) => {
                    people.departments.push(id);
                    people.count += size;
                }
                None => people.invalid_departments.push(id.to_owned()),
            }
        }
        people.count += people.users.len();
        if people.users.is_empty() && people.departments.is_empty() {
            return Err(Refusal::new(33_012, "无效的USERID"));
        }
        Ok(people)
    }

    pub(super) fn has_others(&self) -> bool {
        self.all || !self.departments.is_empty()
    }

    /// As the inbox has it.
    pub(super) fn shown(&self) -> Vec<String> {
        let mut shown = self.users.clone();
        shown.extend(self.departments.iter().map(|id| format!("dept:{id}")));
        shown.extend(self.all.then(|| "@all".to_owned()));
        shown
    }
}

fn listed<'b>(body: &'b Value, name: &str) -> Result<Vec<&'b str>, Refusal> {
    match body.get(name) {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::String(list)) => Ok(list.split(',').filter(|one| !one.is_empty()).collect()),
        Some(_) => Err(Refusal::wrong_type(40_035, name)),
    }
}

/// `POST /topapi/v2/user/getbymobile?access_token=`
pub(super) async fn by_mobile(
    State(sandbox): State<Sandbox>,
    method: Method,
    RawQuery(query): RawQuery,
    body: Bytes,
) -> Response {
    let call = Call { method: &method, query: query.as_deref(), api: "getbymobile", now: sandbox.now() };
    let judge = || {
        sandbox.dingtalk_apps().by_token(&call, |state| {
            if !state.app.contacts {
                return Err(Refusal::new(60_011, "没有调用该接口的权限"));
            }
            let body = object(&body)?;
            let mobile = text(&body, "mobile", 40_035)?;
            let user = state.app.of_mobile(mobile);
            let user = user.ok_or_else(|| Refusal::new(60_121, "找不到该用户"))?;
            let result = json!({"userid": user, "exclusive_account_userid_list": []});
            Ok(json!({"errcode": 0, "errmsg": "ok", "result": result, "request_id": "sandbox"}))
        })
    };
    sandbox.aside(Platform::DingtalkApp, "by_mobile", judge).await
}
