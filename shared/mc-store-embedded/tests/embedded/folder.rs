//! The data folder: who owns it, and what may be in it.

use std::sync::Arc;

use mc_core::ErrorKind;
use mc_core::ports::{Attrs, Item, Key, Op, Queue, Store, Verdict};
use mc_store_embedded::{Embedded, Options};
use mc_testkit::MockClock;

use crate::support::{FAMILY, Folder, group, sends};

#[tokio::test]
async fn a_second_owner_is_told_who_the_first_one_is() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = folder.open(&clock);
    let refusal = Embedded::open(folder.options(), clock.clone()).unwrap_err().to_string();
    assert!(refusal.contains(&folder.path().display().to_string()), "{refusal}");
    assert!(refusal.contains(&format!("pid={}", std::process::id())), "{refusal}");
    data.close().await.unwrap();
    folder.open(&clock);
}

#[tokio::test]
async fn after_closing_every_call_is_unavailable_and_what_was_told_is_written() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = folder.open(&clock);
    let key = Key::new("p", "s");
    data.queue().send(sends(&group("a"), 0..3)).await.unwrap();
    // Nobody waits for this write, and closing makes it all the same.
    data.queue().next(FAMILY).await.finish(vec![Verdict::Done; 3]);
    data.close().await.unwrap();
    let refusal = data.store().write(Op::put(Item::new(key.clone(), Attrs::new()))).await.unwrap_err();
    assert_eq!(mc_core::Error::from(refusal).kind, ErrorKind::Unavailable);
    assert_eq!(data.close().await.unwrap_err().kind, ErrorKind::Unavailable);
    drop(data);
    assert!(folder.open(&clock).queue().next_unless_idle(FAMILY).await.is_none());
}

#[tokio::test]
async fn a_database_of_a_newer_program_is_refused() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    drop(folder.open(&clock));
    let file = folder.path().join("message-center.db");
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.pragma_update(None, "user_version", 1000).unwrap();
    drop(connection);
    let refusal = Embedded::open(folder.options(), clock).unwrap_err().to_string();
    assert!(refusal.contains("newer version") && refusal.contains("1000"), "{refusal}");
}

#[tokio::test]
async fn a_copy_of_a_running_database_opens() {
    let (folder, copy, clock) = (Folder::new(), Folder::new(), Arc::new(MockClock::default()));
    let data = folder.open(&clock);
    let key = Key::new("p", "s");
    data.store().write(Op::put(Item::new(key.clone(), Attrs::new().with("n", 1)))).await.unwrap();
    data.queue().send(sends(&group("a"), 0..3)).await.unwrap();
    std::fs::create_dir_all(copy.path()).unwrap();
    data.copy_to(copy.path().join("message-center.db")).await.unwrap();
    let copied = copy.open(&clock);
    assert_eq!(copied.store().get(&key).await.unwrap().unwrap().attrs.num("n"), Some(1));
    assert_eq!(copied.queue().next(FAMILY).await.envelope().tasks.len(), 3);
}

#[tokio::test]
async fn the_log_has_its_length_from_the_start() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = Embedded::open(Options { log_bytes: 3 << 20, ..folder.options() }, clock.clone()).unwrap();
    let length = || std::fs::metadata(folder.path().join("message-center.db-wal")).unwrap().len();
    assert_eq!(length(), 3 << 20);
    data.store().write(Op::put(Item::new(Key::new("p", "s"), Attrs::new()))).await.unwrap();
    assert_eq!(length(), 3 << 20, "a write overwrites");
}
