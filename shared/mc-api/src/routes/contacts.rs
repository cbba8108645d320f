//! Contacts: people who are written to by name.

use http::StatusCode;
use mc_core::Timestamp;
use mc_core::model::{Addresses, ContactDoc, QuietHours};
use mc_pipeline::people::{check, import};
use mc_pipeline::syslog::{self, Entry};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::groups;
use crate::answer::{self, Answer, Page, no_content, ok};
use crate::call::Call;
use crate::problem::ApiError;
use crate::query::is_place;

/// A part of every day in which nothing is pushed to somebody; `high` ignores it.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes mc_core's QuietHours, which knows nothing of OpenAPI")]
pub(crate) struct QuietHoursView {
    /// When it begins, `22:00`, in the contact's time zone.
    from: String,
    /// When it ends, `08:00`; before `from` it is on the next day.
    to: String,
}

/// A contact, as it is shown.
#[derive(Serialize, ToSchema)]
pub(crate) struct ContactView {
    /// Its id, by which `to` names it.
    id: String,
    /// What people call them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    name: Option<String>,
    /// E-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    email: Option<String>,
    /// Mobile number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    mobile: Option<String>,
    /// WeCom user id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    wecom: Option<String>,
    /// DingTalk user id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    dingtalk: Option<String>,
    /// WeChat openid.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    wechat: Option<String>,
    /// Feishu id.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    feishu: Option<String>,
    /// The language they read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    locale: Option<String>,
    /// The time zone they live in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    timezone: Option<String>,
    /// When they are not to be disturbed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<QuietHoursView>, nullable = false)]
    quiet_hours: Option<QuietHours>,
    /// The categories of templates they do not want; `*` is all of them.
    opt_outs: Vec<String>,
    /// When the contact was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    updated_at: Timestamp,
}

fn view(id: &str, doc: ContactDoc) -> ContactView {
    let ContactDoc { name, addresses, locale, timezone, quiet_hours, opt_outs, created_at, updated_at } = doc;
    let Addresses { email, mobile, wecom, dingtalk, wechat, feishu } = addresses;
    ContactView {
        id: id.to_owned(),
        name,
        email,
        mobile,
        wecom,
        dingtalk,
        wechat,
        feishu,
        locale,
        timezone,
        quiet_hours,
        opt_outs,
        created_at,
        updated_at,
    }
}

/// List contacts
#[utoipa::path(
    get, path = "/v1/contacts", tag = "contacts", operation_id = "list_contacts",
    params(
        ("q" = Option<String>, Query,
            description = "The beginning of an id, or a part of a name, a mail address or a mobile number"),
    ),
    responses((status = 200, description = "A page of contacts", body = Page<ContactView>))
)]
pub async fn list(call: Call) -> Answer {
    let (limit, cursor) = (call.query.limit()?, call.query.cursor(is_place)?);
    let contacts = &call.center().contacts;
    let page = match call.query.get("q").map(str::trim) {
        Some(text) => contacts.search(call.project(), text, limit, cursor).await?,
        None => contacts.list(call.project(), limit, cursor).await?,
    };
    let items = page.items.into_iter().map(|(id, doc)| view(&id, doc)).collect();
    ok(&Page { items, next_cursor: page.next_cursor })
}

/// Look at a contact
#[utoipa::path(
    get, path = "/v1/contacts/{id}", tag = "contacts", operation_id = "get_contact",
    params(("id" = String, Path)),
    responses((status = 200, description = "The contact", body = ContactView))
)]
pub async fn get(call: Call) -> Answer {
    let id = call.name("id", "contact")?;
    let found = call.center().contacts.get(call.project(), id).await?;
    ok(&view(id, found.ok_or_else(|| ApiError::not_found("contact"))?))
}

#[derive(Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ContactBody {
    /// What people call them.
    name: Option<String>,
    /// E-mail address.
    email: Option<String>,
    /// Mobile number, E.164 or national.
    mobile: Option<String>,
    /// WeCom user id.
    wecom: Option<String>,
    /// DingTalk user id.
    dingtalk: Option<String>,
    /// WeChat openid.
    wechat: Option<String>,
    /// Feishu open id, user id or union id.
    feishu: Option<String>,
    /// The language they read, `zh-CN`.
    locale: Option<String>,
    /// The time zone they live in, `Asia/Shanghai`. Needed for quiet hours.
    timezone: Option<String>,
    /// When they are not to be disturbed. Messages wait until its end; `high` does not.
    #[schema(value_type = Option<QuietHoursView>)]
    quiet_hours: Option<QuietHours>,
    /// The categories of templates they do not want; `*` is all of them.
    #[serde(default)]
    opt_outs: Vec<String>,
}

impl ContactBody {
    fn doc(self) -> ContactDoc {
        let Self { name, email, mobile, wecom, dingtalk, wechat, feishu, .. } = self;
        ContactDoc {
            name,
            addresses: Addresses { email, mobile, wecom, dingtalk, wechat, feishu },
            locale: self.locale,
            timezone: self.timezone,
            quiet_hours: self.quiet_hours,
            opt_outs: self.opt_outs,
            ..ContactDoc::default()
        }
    }
}

/// Make or replace a contact
///
/// In other processes a change is in force within a minute. The id `import` is taken.
#[utoipa::path(
    put, path = "/v1/contacts/{id}", tag = "contacts", operation_id = "put_contact",
    params(("id" = String, Path)),
    request_body = ContactBody,
    responses(
        (status = 201, description = "Made", body = ContactView),
        (status = 200, description = "Replaced", body = ContactView),
    )
)]
pub async fn put(call: Call) -> Answer {
    let id = call.new_name("id")?;
    let doc = call.read::<ContactBody>()?.doc();
    let errors = check::contact(&doc);
    if !errors.is_empty() {
        return Err(ApiError::fields("invalid_contact", errors));
    }
    let contacts = &call.center().contacts;
    let before = contacts.get(call.project(), id).await?.map(|doc| view(id, doc));
    let (put, doc) = contacts.put(call.project(), id, doc).await?;
    let after = view(id, doc);
    call.audit_change("contact.put", json!({"contact": id}), before.as_ref(), Some(&after)).await;
    answer::put(put, &after)
}

/// Delete a contact
///
/// 409 `in_use` while a group has it, or an alarm or a schedule names it. Messages that were accepted still go to it.
#[utoipa::path(
    delete, path = "/v1/contacts/{id}", tag = "contacts", operation_id = "delete_contact",
    params(("id" = String, Path)),
    responses((status = 204, description = "Deleted"))
)]
pub async fn delete(call: Call) -> Answer {
    let id = call.name("id", "contact")?;
    let center = call.center();
    let before = center.contacts.get(call.project(), id).await?;
    let before = view(id, before.ok_or_else(|| ApiError::not_found("contact"))?);
    groups::check_unused(&call, id, "contact").await?;
    center.contacts.delete(call.project(), id).await?;
    call.audit_change("contact.delete", json!({"contact": id}), Some(&before), None).await;
    no_content()
}

/// A part of an import is noted with the fields of what it made and changed up to this size, as JSON.
const MOST_FIELDS: usize = 65_536;

/// The fields that a part of an import changed, by contact, as they were and as they are.
fn changes(changed: &[import::Changed]) -> [Option<Value>; 2] {
    let (mut before, mut after, mut room) = (Map::new(), Map::new(), MOST_FIELDS);
    for contact in changed {
        let id = &contact.id;
        let shown = |doc: &ContactDoc| serde_json::to_value(view(id, doc.clone())).ok();
        let was = contact.before.as_ref().and_then(shown);
        let (was, is) = syslog::changes(was.as_ref(), shown(&contact.after).as_ref());
        let size: usize = was.iter().chain(&is).map(|fields| fields.to_string().len()).sum();
        let Some(left) = room.checked_sub(size) else { break };
        room = left;
        before.extend(was.map(|fields| (id.clone(), fields)));
        after.extend(is.map(|fields| (id.clone(), fields)));
    }
    [before, after].map(|fields| (!fields.is_empty()).then_some(Value::Object(fields)))
}

/// What became of a file.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes mc_pipeline's Report, which knows nothing of OpenAPI")]
pub(crate) struct ImportReport {
    /// New contacts.
    created: usize,
    /// Contacts that are different now.
    replaced: usize,
    /// Contacts that were like this already.
    unchanged: usize,
    /// Rows with something wrong; their contacts are as they were.
    refused: usize,
    /// One per row, in the file's order.
    rows: Vec<ImportedRow>,
}

/// What became of one row.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes mc_pipeline's Row, which knows nothing of OpenAPI")]
pub(crate) struct ImportedRow {
    /// The line of the file it begins in, counted from 1.
    line: u64,
    /// The contact.
    id: String,
    /// `created`, `replaced`, `unchanged` or `refused`.
    outcome: String,
    /// What is wrong, by column (`/email`).
    #[schema(required = false)]
    errors: Vec<crate::problem::ProblemField>,
}

/// Import contacts from a CSV file
///
/// At most 10,000 rows in UTF-8, divided by commas, semicolons or tabs. The header names the columns: `id`, and any of
/// `name`, `email`, `mobile`, `wecom`, `dingtalk`, `wechat`, `feishu`, `locale`, `timezone`, `quiet_hours`
/// (`22:00-08:00`), `opt_outs` (divided by spaces). A column sets its field, an empty cell empties it, and fields without
/// a column stay. Each row is judged by itself: the report says what became of it.
#[utoipa::path(
    post, path = "/v1/contacts/import", tag = "contacts", operation_id = "import_contacts",
    params(("dry_run" = Option<bool>, Query, description = "`true` changes nothing and says what would become of the file")),
    request_body(content = String, content_type = "text/csv"),
    responses((status = 200, description = "What became of each row", body = ImportReport))
)]
pub async fn import_csv(call: Call) -> Answer {
    let dry_run = call.query.word::<Word>("dry_run")?.is_some_and(|word| word == Word::True);
    let noted = |part: &import::Report, changed: &[import::Changed]| {
        let names: Vec<&str> = changed.iter().map(|contact| contact.id.as_str()).collect();
        let what = json!({
            "created": part.created, "replaced": part.replaced,
            "unchanged": part.unchanged, "refused": part.refused,
            "contacts": names,
        });
        let [before, after] = changes(changed);
        // It is about no contact alone, so its path names none.
        let resource = Some("contacts".to_owned());
        Entry { resource, before, after, ..call.entry("contacts.import", what) }
    };
    let noted: Option<import::Noted<'_>> = if dry_run { None } else { Some(&noted) };
    let report = import::import(call.center(), call.project(), &call.body, noted).await?;
    Ok(answer::json(StatusCode::OK, &report))
}

/// A yes or no in a query.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Word {
    True,
    False,
}
