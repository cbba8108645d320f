//! Schedules: one message for each run, never early, never twice, whatever happens in between.

use std::sync::Arc;
use std::time::Duration;

use mc_core::Timestamp;
use mc_core::model::{CatchUp, Condition, RunOutcome};
use mc_core::ports::{Clock, Key, Op, Query, Store, Verdict};
use mc_core::state::MessageStatus;
use mc_pipeline::accept::Refusal;
use mc_pipeline::accept::commit::Outcome;
use mc_pipeline::repo::Put;
use mc_pipeline::schedules::{self, Draft, Schedule};
use mc_pipeline::view::{self, Filter, MessageView};
use mc_pipeline::{due, syslog};
use mc_sandbox::Platform;
use serde_json::{Value, json};

use crate::asked::Asked;
use crate::world::{COMPLETED, PROJECT, World, code, inline, pointer};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);

/// A condition that is asked with `GET`.
pub fn asking(url: &str) -> Condition {
    serde_json::from_value(json!({"url": url})).unwrap()
}

/// What a test wants of a schedule besides its times.
pub struct Wish {
    pub message: Value,
    pub enabled: bool,
    pub catch_up: CatchUp,
    pub condition: Option<Condition>,
}

impl Default for Wish {
    fn default() -> Self {
        Self { message: inline("im", json!([])), enabled: true, catch_up: CatchUp::Once, condition: None }
    }
}

pub async fn try_put(
    world: &World,
    when: (Option<&str>, Option<Timestamp>),
    wish: Wish,
) -> Result<(Put, Schedule), Refusal> {
    let message = wish.message.to_string();
    let draft = Draft {
        cron: when.0.map(str::to_owned),
        at: when.1,
        timezone: "UTC".to_owned(),
        message: message.as_bytes(),
        enabled: wish.enabled,
        catch_up: wish.catch_up,
        condition: wish.condition,
    };
    schedules::put(&world.center, &world.caller(), "s", draft).await
}

pub async fn put(world: &World, cron: &str, wish: Wish) -> Schedule {
    match try_put(world, (Some(cron), None), wish).await {
        Ok((_, schedule)) => schedule,
        Err(refusal) => panic!("{refusal:?}"),
    }
}

pub async fn stored(world: &World) -> Schedule {
    schedules::get(&world.center, PROJECT, "s").await.unwrap().unwrap()
}

/// Every message of the last days, the newest first.
pub async fn messages(world: &World) -> Vec<MessageView> {
    let filter = Filter {
        from: Some(world.clock.now().before(Duration::from_secs(400 * 86_400))),
        ..Filter::default()
    };
    view::list(&world.center, PROJECT, &filter, 200, None).await.unwrap().items
}

pub async fn log(world: &World, kind: &str) -> Vec<Value> {
    let (entries, _) = syslog::list(&world.center, PROJECT, &Default::default(), 200, None).await.unwrap();
    entries.into_iter().filter(|(_, e)| e.kind == kind).map(|(_, e)| e.data).collect()
}

pub fn arrived(world: &World) -> usize {
    world.sandbox.accepted(Platform::Im).len()
}

async fn run(world: &World, at: Timestamp) -> Verdict {
    schedules::run(&world.center, &Arc::from(PROJECT), &Arc::from("s"), at, 0).await.unwrap()
}

#[tokio::test]
async fn a_cron_makes_one_message_for_each_run() {
    let world = World::working().await;
    let first = put(&world, "*/5 * * * *", Wish::default()).await.next.unwrap();
    assert_eq!(first, world.clock.now().after(5 * MINUTE));
    for minute in 1..=30 {
        world.advance(MINUTE - Duration::from_secs(1)).await;
        assert_eq!(arrived(&world), (minute - 1) / 5, "never early");
        world.advance(Duration::from_secs(1)).await;
        assert_eq!(arrived(&world), minute / 5);
    }
    let all = messages(&world).await;
    assert_eq!(all.len(), 6);
    assert!(all.iter().all(|m| m.status == COMPLETED && m.request["sender"] == "schedule:s"));
    assert_eq!(all[5].request["send_at"], json!(first));
    let schedule = stored(&world).await;
    assert_eq!(schedule.next, Some(first.after(30 * MINUTE)));
    let last = schedule.last.unwrap();
    assert_eq!((last.outcome, last.message_id), (RunOutcome::Accepted, Some(all[0].id)));
}

#[tokio::test]
async fn a_cron_may_have_seconds() {
    let world = World::working().await;
    put(&world, "*/10 * * * * *", Wish::default()).await;
    for _ in 0..6 {
        world.advance(Duration::from_secs(10)).await;
    }
    assert_eq!((arrived(&world), messages(&world).await.len()), (6, 6));
}

#[tokio::test]
async fn one_time_is_one_message() {
    let world = World::working().await;
    let at = world.clock.now().after(400 * 24 * HOUR);
    try_put(&world, (None, Some(at)), Wish::default()).await.unwrap();
    world.advance(400 * 24 * HOUR - MINUTE).await;
    assert_eq!(arrived(&world), 0);
    world.advance(MINUTE).await;
    assert_eq!(arrived(&world), 1);
    assert_eq!(stored(&world).await.next, None);
    // It may be put again as it is, also paused in between, and does not run again.
    for enabled in [true, false, true] {
        let wish = Wish { enabled, ..Wish::default() };
        assert_eq!(try_put(&world, (None, Some(at)), wish).await.unwrap().0, Put::Replaced);
    }
    world.advance(HOUR).await;
    assert_eq!(arrived(&world), 1);
    let past = try_put(&world, (None, Some(at.after(MINUTE))), Wish::default()).await.unwrap_err();
    assert_eq!(pointer(&past), "/at");
}

#[tokio::test]
async fn one_time_that_passed_without_a_run_is_refused() {
    let world = World::working().await;
    let at = world.clock.now().after(HOUR);
    let paused = || Wish { enabled: false, ..Wish::default() };
    try_put(&world, (None, Some(at)), paused()).await.unwrap();
    world.advance(2 * HOUR).await;
    let past = try_put(&world, (None, Some(at)), Wish::default()).await.unwrap_err();
    assert_eq!((code(&past), pointer(&past).as_str()), ("invalid_request", "/at"));
    let still_paused = try_put(&world, (None, Some(at)), paused()).await.unwrap().1;
    assert_eq!((still_paused.next, arrived(&world)), (None, 0));
}

#[tokio::test]
async fn two_schedulers_and_two_consumers_at_once_make_one_message() {
    let world = World::quiet().await;
    let at = put(&world, "0 9 * * *", Wish::default()).await.next.unwrap();
    world.clock.set(at);
    let (one, two) = tokio::join!(due::promote(&world.center), due::promote(&world.center));
    assert!(one.unwrap() + two.unwrap() >= 1);
    let (one, two) = tokio::join!(run(&world, at), run(&world, at));
    assert_eq!((one, two), (Verdict::Done, Verdict::Done));
    world.work();
    world.advance(Duration::ZERO).await;
    assert_eq!((arrived(&world), messages(&world).await.len()), (1, 1));
    assert_eq!(stored(&world).await.next, Some(at.after(24 * HOUR)));
}

#[tokio::test]
async fn runs_close_together_are_each_worked_on_once() {
    for cron in ["*/10 * * * * *", "* * * * *"] {
        let (world, asked) = (World::working().await, Asked::start().await);
        let condition = serde_json::from_value(json!({"url": asked.url})).unwrap();
        let first = put(&world, cron, Wish { condition, ..Wish::default() }).await.next.unwrap();
        let apart = if cron.starts_with("*/10") { MINUTE / 6 } else { MINUTE };
        world.clock.set(first);
        world.advance(Duration::ZERO).await;
        for _ in 1..12 {
            world.advance(apart).await;
        }
        // What a crash could have lost is looked for once more.
        world.advance(apart / 2).await;
        assert_eq!((arrived(&world), messages(&world).await.len(), asked.count()), (12, 12, 12), "{cron}");
    }
}

#[tokio::test]
async fn a_near_run_has_a_row_behind_its_task_in_case_that_is_lost() {
    let world = World::quiet().await;
    let at = put(&world, "* * * * *", Wish::default()).await.next.unwrap();
    world.clock.set(at);
    assert_eq!(run(&world, at).await, Verdict::Done);
    let rows = world.store.query(&Query::prefix("due#00".to_owned(), "", 10)).await.unwrap().items;
    let times: Vec<&str> = rows.iter().filter_map(|row| row.key.sk.split('#').next()).collect();
    let behind = |run: Timestamp| format!("{:013}", run.after(MINUTE / 2).millis());
    assert_eq!(times, [behind(at.after(MINUTE))], "the row of the run that is over is gone");
}

#[tokio::test]
async fn a_crash_between_the_message_and_the_next_run_makes_one_message() {
    let world = World::working().await;
    let at = put(&world, "0 9 * * *", Wish::default()).await.next.unwrap();
    let key = Key::new(format!("schedules#{PROJECT}"), "s");
    let before = world.store.get(&key).await.unwrap().unwrap();
    world.clock.set(at);
    world.advance(Duration::ZERO).await;
    assert_eq!(arrived(&world), 1);
    // As if the process had died before the schedule was moved on: the task comes again.
    world.store.write(Op::put(before)).await.unwrap();
    assert_eq!(run(&world, at).await, Verdict::Done);
    world.advance(Duration::ZERO).await;
    assert_eq!((arrived(&world), messages(&world).await.len()), (1, 1));
    assert_eq!(stored(&world).await.next, Some(at.after(24 * HOUR)));
}

#[tokio::test]
async fn what_was_planned_before_a_change_does_nothing() {
    let world = World::working().await;
    let nine = put(&world, "0 9 * * *", Wish::default()).await.next.unwrap();
    let ten = put(&world, "0 10 * * *", Wish::default()).await.next.unwrap();
    world.clock.set(nine);
    world.advance(Duration::ZERO).await;
    assert_eq!(run(&world, nine).await, Verdict::Done);
    assert_eq!(arrived(&world), 0, "moved");
    world.advance(HOUR).await;
    assert_eq!(arrived(&world), 1);

    // The task is in the queue already when it is paused.
    world.clock.set(ten.after(24 * HOUR - MINUTE));
    world.advance(Duration::ZERO).await;
    put(&world, "0 10 * * *", Wish { enabled: false, ..Wish::default() }).await;
    world.advance(2 * MINUTE).await;
    assert_eq!((arrived(&world), stored(&world).await.next), (1, None), "paused");

    put(&world, "0 11 * * *", Wish::default()).await;
    assert!(schedules::delete(&world.center, PROJECT, "s").await.unwrap());
    assert!(!schedules::delete(&world.center, PROJECT, "s").await.unwrap());
    world.advance(48 * HOUR).await;
    assert_eq!(arrived(&world), 1, "deleted");
}

#[tokio::test]
async fn a_change_that_keeps_the_next_run_keeps_it() {
    let world = World::working().await;
    let nine = put(&world, "0 9 * * *", Wish::default()).await.next.unwrap();
    world.clock.set(nine.before(MINUTE));
    world.advance(Duration::ZERO).await;
    let mut message = inline("im", json!([]));
    message["content"]["body"] = json!("Changed");
    put(&world, "0 9 * * *", Wish { message, ..Wish::default() }).await;
    world.advance(MINUTE).await;
    world.advance(MINUTE).await;
    let all = messages(&world).await;
    assert_eq!((arrived(&world), all.len()), (1, 1));
    assert_eq!(all[0].request["content"]["body"], "Changed");
}

#[tokio::test]
async fn a_run_that_is_due_is_made_though_the_schedule_is_changed_before_it_is() {
    for cron in [Some("0 9 * * *"), None] {
        let world = World::quiet().await;
        let at = if cron.is_some() { None } else { Some(world.clock.now().after(HOUR)) };
        let due = try_put(&world, (cron, at), Wish::default()).await.unwrap().1.next.unwrap();
        world.clock.set(due.after(MINUTE / 2));
        let mut message = inline("im", json!([]));
        message["content"]["body"] = json!("Changed");
        let wish = Wish { message, ..Wish::default() };
        assert_eq!(try_put(&world, (cron, at), wish).await.unwrap().1.next, Some(due));
        world.work();
        world.advance(Duration::ZERO).await;
        let all = messages(&world).await;
        assert_eq!((arrived(&world), all.len()), (1, 1), "{cron:?}");
        assert_eq!(all[0].request["content"]["body"], "Changed");
        assert_eq!(all[0].request["send_at"], json!(due));
        assert_eq!(stored(&world).await.next, cron.map(|_| due.after(24 * HOUR)));
    }
}

#[tokio::test]
async fn a_refused_run_is_told_and_the_schedule_goes_on() {
    let world = World::working().await;
    let template = json!({"title": "T", "body": "B", "routing": {"channels": ["im"]}});
    world.template("daily", template.clone()).await;
    let message = json!({"template": "daily"});
    let nine = put(&world, "0 9 * * *", Wish { message, ..Wish::default() }).await.next.unwrap();
    world.center.templates.delete(PROJECT, "daily").await.unwrap();
    world.clock.set(nine);
    world.advance(Duration::ZERO).await;
    let told = log(&world, "schedule.failed").await;
    assert_eq!(told.len(), 1);
    assert_eq!((&told[0]["schedule"], &told[0]["code"]), (&json!("s"), &json!("unknown_template")));
    assert_eq!((&told[0]["scheduled_at"], &told[0]["pointers"]), (&json!(nine), &json!(["/template"])));
    assert_eq!(stored(&world).await.last.unwrap().code.as_deref(), Some("unknown_template"));
    world.template("daily", template).await;
    world.advance(24 * HOUR).await;
    assert_eq!(arrived(&world), 1);
}

#[tokio::test]
async fn after_an_hour_without_a_scheduler_each_schedule_does_what_it_says() {
    for (catch_up, late, left_out) in [(CatchUp::Skip, 0, 5), (CatchUp::Once, 1, 4)] {
        let world = World::working().await;
        let first = put(&world, "*/15 * * * *", Wish { catch_up, ..Wish::default() }).await.next.unwrap();
        // Nobody promotes while the clock goes on, by more than four runs.
        world.clock.advance(HOUR + 20 * MINUTE);
        world.advance(Duration::ZERO).await;
        assert_eq!(arrived(&world), late, "{catch_up:?}");
        assert_eq!(stored(&world).await.next, Some(first.after(HOUR + 15 * MINUTE)));
        let skipped = log(&world, "schedule.skipped").await;
        assert_eq!(skipped.len(), 1, "{catch_up:?}");
        assert_eq!((&skipped[0]["code"], &skipped[0]["scheduled_at"]), (&json!("late"), &json!(first)));
        assert_eq!(skipped[0]["runs"], left_out, "{catch_up:?}");
        // Of the runs that were missed, the last one is made.
        let made: Vec<Value> = messages(&world).await.iter().map(|m| m.request["send_at"].clone()).collect();
        assert_eq!(made, vec![json!(first.after(HOUR)); late]);
        world.advance(10 * MINUTE).await;
        assert_eq!(arrived(&world), late + 1, "{catch_up:?}: it goes on");
    }
}

#[tokio::test]
async fn a_run_that_is_a_minute_late_at_most_was_not_missed() {
    for (late, on_time) in [(Duration::from_millis(2500), 1), (MINUTE, 2)] {
        for (catch_up, made_late) in [(CatchUp::Skip, 0), (CatchUp::Once, 1)] {
            let world = World::working().await;
            let first = put(&world, "* * * * *", Wish { catch_up, ..Wish::default() }).await.next.unwrap();
            // Three runs come too late, and after them one or two that do not.
            let last = first.after((2 + on_time) * MINUTE);
            world.clock.set(last.before((on_time - 1) * MINUTE).after(late));
            world.advance(Duration::ZERO).await;
            let made = messages(&world).await;
            let made: Vec<Value> = made.iter().map(|m| m.request["send_at"].clone()).collect();
            let wanted = (0..on_time + made_late).map(|back| json!(last.before(back * MINUTE)));
            assert_eq!(made, wanted.collect::<Vec<_>>(), "{catch_up:?}, {late:?}");
            let skipped = log(&world, "schedule.skipped").await;
            assert_eq!(skipped.len(), 1, "{catch_up:?}");
            assert_eq!(skipped[0]["runs"], 3 - made_late, "{catch_up:?}");
            assert_eq!(stored(&world).await.next, Some(last.after(MINUTE)));
        }
    }
}

#[tokio::test]
async fn the_last_missed_run_is_made_once_whatever_happens_in_between() {
    let world = World::working().await;
    let first = put(&world, "0 9 * * *", Wish::default()).await.next.unwrap();
    let key = Key::new(format!("schedules#{PROJECT}"), "s");
    let before = world.store.get(&key).await.unwrap().unwrap();
    let last = first.after(2 * 24 * HOUR);
    world.clock.set(last.after(HOUR));
    let (one, two) = tokio::join!(run(&world, first), run(&world, first));
    assert_eq!((one, two), (Verdict::Done, Verdict::Done));
    // As if the process had died before the schedule was moved on: the task of the first run comes again.
    world.store.write(Op::put(before)).await.unwrap();
    assert_eq!(run(&world, first).await, Verdict::Done);
    world.advance(Duration::ZERO).await;
    let all = messages(&world).await;
    assert_eq!((arrived(&world), all.len()), (1, 1));
    assert_eq!(all[0].request["send_at"], json!(last));
    assert_eq!(stored(&world).await.next, Some(last.after(24 * HOUR)));
}

#[tokio::test]
async fn one_time_that_was_missed_is_late_or_expired() {
    for (expires, status) in [(None, COMPLETED), (Some(2), MessageStatus::Expired)] {
        let world = World::working().await;
        let at = world.clock.now().after(HOUR);
        let mut message = inline("im", json!([]));
        if let Some(minutes) = expires {
            message["expire_at"] = json!(at.after(minutes * MINUTE));
        }
        let wish = Wish { message, catch_up: CatchUp::Skip, ..Wish::default() };
        try_put(&world, (None, Some(at)), wish).await.unwrap();
        world.clock.advance(2 * HOUR);
        world.advance(Duration::ZERO).await;
        let all = messages(&world).await;
        assert_eq!((all.len(), all[0].status), (1, status));
    }
}

#[tokio::test]
async fn the_planned_time_is_in_the_data_and_in_the_template() {
    let world = World::working().await;
    let template = json!({
        "title": "T", "body": "{{ scheduled_at }} {{ day }}", "routing": {"channels": ["im"]},
        "variables": {"type": "object", "properties": {"day": {"type": "string"}}, "additionalProperties": false},
    });
    world.template("daily", template).await;
    let message = json!({"template": "daily", "data": {"day": "of {{ scheduled_at }}"}});
    let next = put(&world, "0 9 * * *", Wish { message, ..Wish::default() }).await.next.unwrap();
    world.clock.set(next);
    world.advance(Duration::ZERO).await;
    let all = messages(&world).await;
    let text = "2026-12-01T09:00:00+00:00";
    assert_eq!(all[0].request["data"], json!({"day": format!("of {text}"), "scheduled_at": text}));
    let sent = world.sandbox.accepted(Platform::Im)[0].raw.clone();
    assert!(sent.contains(&format!("{text} of {text}")), "{sent}");
}

#[tokio::test]
async fn what_can_be_known_at_once_is_refused_at_once() {
    let world = World::quiet().await;
    world
        .template("greet", json!({"title": "T", "body": "{{ name }}", "routing": {"channels": ["im"]}}))
        .await;
    let cases = [
        (json!({"template": "no-such"}), "unknown_template", "/message/template"),
        (json!({"template": "greet"}), "missing_variable", "/message/data"),
        (inline("no-such", json!([])), "unknown_channel", "/message/routing/channels/0"),
        (json!({"tmeplate": "x"}), "invalid_request", "/message/tmeplate"),
        (inline("mail", json!([{"email": "nobody"}])), "invalid_address", "/message/to/0/email"),
    ];
    for (message, wanted, place) in cases {
        let refusal = try_put(&world, (Some("0 9 * * *"), None), Wish { message, ..Wish::default() })
            .await
            .unwrap_err();
        assert_eq!((code(&refusal), pointer(&refusal).as_str()), (wanted, place), "{refusal:?}");
    }
    for (field, value) in [("send_at", json!("2027-01-01T00:00:00Z")), ("dry_run", json!(true))] {
        let mut message = inline("im", json!([]));
        message[field] = value;
        let refusal = try_put(&world, (Some("0 9 * * *"), None), Wish { message, ..Wish::default() })
            .await
            .unwrap_err();
        assert_eq!(pointer(&refusal), format!("/message/{field}"));
    }
    let far = Some(world.clock.now().after(6 * 366 * 24 * HOUR));
    let far = try_put(&world, (None, far), Wish::default()).await.unwrap_err();
    assert_eq!((code(&far), pointer(&far).as_str()), ("invalid_request", "/at"), "as far as a message");
    let never = try_put(&world, (Some("0 0 30 2 *"), None), Wish::default()).await.unwrap_err();
    assert_eq!(pointer(&never), "/cron");
    let condition = Condition { url: "http://169.254.169.254/".into(), ..asking("") };
    let wish = Wish { condition: Some(condition), ..Wish::default() };
    let refusal = try_put(&world, (Some("0 9 * * *"), None), wish).await.unwrap_err();
    assert_eq!((code(&refusal), pointer(&refusal).as_str()), ("forbidden_address", "/condition/url"));
    assert!(schedules::get(&world.center, PROJECT, "s").await.unwrap().is_none(), "nothing was changed");
}

#[tokio::test]
async fn a_schedule_is_run_by_hand_without_moving_its_next_run() {
    let world = World::working().await;
    let next = put(&world, "0 9 * * *", Wish { enabled: false, ..Wish::default() }).await.next;
    let answer = schedules::run_now(&world.center, &world.caller(), "s", None).await.unwrap();
    let Outcome::Accepted(accepted) = &answer.outcomes[0] else { panic!("{answer:?}") };
    assert_eq!(world.finished(accepted.id).await.status, COMPLETED);
    assert_eq!(stored(&world).await.next, next);
    let none = schedules::run_now(&world.center, &world.caller(), "other", None).await.unwrap_err();
    assert_eq!(code(&none), "not_found");
}
