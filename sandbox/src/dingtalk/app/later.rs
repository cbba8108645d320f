//! What became of a message, and taking it back.

use axum::extract::{RawQuery, State as FromState};
use axum::response::Response;
use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::send::Task;
use super::{Call, DAY_MS, DingtalkApp, State, object};
use crate::answer::Refusal;
use crate::item::Platform;
use crate::sandbox::Sandbox;

/// The page says seven days in one place and a day in another; a day is the stricter reading.
const WINDOW_MS: u64 = DAY_MS;
/// A message goes out after a while.
const UNDER_WAY_MS: u64 = 1_000;
/// Of more people's message nothing is told.
const RESULT_PEOPLE: usize = 100;

/// A call about a task, as it came.
type Asked = (FromState<Sandbox>, Method, RawQuery, Bytes);

/// `POST /topapi/message/corpconversation/getsendprogress?access_token=`
pub(super) async fn progress(asked: Asked) -> Response {
    about(asked, "getsendprogress", "task_id", "progress", |_, task, now| {
        let (percent, status) = if task.is_out(now) { (100, 2) } else { (0, 1) };
        Ok(json!({"progress": {"progress_in_percent": percent, "status": status}}))
    })
    .await
}

/// `POST /topapi/message/corpconversation/getsendresult?access_token=`
pub(super) async fn result(asked: Asked) -> Response {
    about(asked, "getsendresult", "task_id", "result", |app, task, now| {
        if task.people.count > RESULT_PEOPLE {
            // It runs into a time limit there.
            return Err(Refusal::new(-1, "系统繁忙: time limit exceeded"));
        }
        Ok(json!({"send_result": task.result(app.reads_after, now)}))
    })
    .await
}

/// `POST /topapi/message/corpconversation/recall?access_token=`, the only call of the family that names the task so.
pub(super) async fn recall(asked: Asked) -> Response {
    about(asked, "recall", "msg_task_id", "recall", |_, task, _| {
        task.recalled = true;
        Ok(json!({}))
    })
    .await
}

/// Answers a call about the task that its body names in `field`; `call` is its name for faults.
async fn about(
    (FromState(sandbox), method, RawQuery(query), body): Asked,
    api: &'static str,
    field: &str,
    call: &str,
    act: impl FnOnce(&DingtalkApp, &mut Task, u64) -> Result<Value, Refusal>,
) -> Response {
    let now = sandbox.now();
    let asked = Call { method: &method, query: query.as_deref(), api, now };
    let judge = || {
        sandbox.dingtalk_apps().by_token(&asked, |state| {
            let (app, task) = state.task(&object(&body)?, field, now)?;
            let mut answer = act(app, task, now)?;
            answer["errcode"] = 0.into();
            answer["errmsg"] = "ok".into();
            answer["request_id"] = "sandbox".into();
            Ok(answer)
        })
    };
    sandbox.aside(Platform::DingtalkApp, call, judge).await
}

impl State {
    fn task(&mut self, body: &Value, name: &str, now: u64) -> Result<(&DingtalkApp, &mut Task), Refusal> {
        self.check_agent(body)?;
        let id = match body.get(name) {
            None | Some(Value::Null) => return Err(Refusal::new(40_035, format!("缺少参数 {name}"))),
            Some(id) => id.as_u64().ok_or_else(|| Refusal::wrong_type(40_035, name))?,
        };
        let task = self.tasks.get_mut(&id).filter(|task| now.saturating_sub(task.at) < WINDOW_MS);
        let task = task.ok_or_else(|| Refusal::new(400_002, "无效的参数: no such task, or too old"))?;
        Ok((&self.app, task))
    }
}

impl Task {
    fn is_out(&self, now: u64) -> bool {
        now.saturating_sub(self.at) >= UNDER_WAY_MS
    }

    /// Lists with nobody in them are left out, as in the page's own example.
    fn result(&self, reads_after: Option<u64>, now: u64) -> Value {
        let mut result = json!({});
        let mut put = |name: &str, list: Vec<Value>| {
            if !list.is_empty() {
                result[name] = list.into();
            }
        };
        let texts = |list: &[String]| list.iter().map(|text| json!(text)).collect::<Vec<_>>();
        put("invalid_user_id_list", texts(&self.people.invalid_users));
        put("invalid_dept_id_list", texts(&self.people.invalid_departments));
        put("forbidden_user_id_list", self.dropped.iter().map(|(user, _)| json!(user)).collect());
        let forbidden = self.dropped.iter();
        let forbidden =
            forbidden.map(|(user, code)| json!({"code": code, "count": 1, "userid": user})).collect();
        put("forbidden_list", forbidden);
        if self.is_out(now) && !self.recalled {
            let all_read = reads_after.is_some_and(|after| now.saturating_sub(self.at) >= after);
            let got = |user: &&String| self.dropped.iter().all(|(dropped, _)| dropped != *user);
            let got: Vec<&String> = self.people.users.iter().filter(got).collect();
            let (read, unread): (Vec<&String>, Vec<&String>) =
                got.into_iter().partition(|user| all_read || self.read.contains(user));
            put("read_user_id_list", read.into_iter().map(|user| json!(user)).collect());
            put("unread_user_id_list", unread.into_iter().map(|user| json!(user)).collect());
        }
        result
    }
}
