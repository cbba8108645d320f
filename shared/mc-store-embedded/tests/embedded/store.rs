//! What only this store promises.

use std::sync::Arc;
use std::time::Duration;

use mc_core::ports::{Attrs, Change, Clock, Commit, Cond, Item, Key, Op, Query, Store, WriteError};
use mc_testkit::MockClock;
use tokio::task::JoinSet;

use crate::support::Folder;

const MINUTE: Duration = Duration::from_secs(60);

/// How many rows a table holds, seen from outside after the database was closed.
fn rows(folder: &Folder, table: &str) -> i64 {
    let connection = rusqlite::Connection::open(folder.path().join("message-center.db")).unwrap();
    connection.query_row(&format!("SELECT count(*) FROM {table}"), [], |row| row.get(0)).unwrap()
}

#[tokio::test]
async fn the_sweep_removes_what_expired_and_nothing_else() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = folder.open(&clock);
    let store = data.store();
    let now = clock.now();
    let key = |n: u32| Key::new("sweep", format!("{n:03}"));
    let ops =
        (0..300).map(|n| Op::put(Item::new(key(n), Attrs::new()).expiring(now.after(MINUTE)))).collect();
    store.commit(Commit { ops, ..Commit::default() }).await.unwrap();
    // Put off, taken away, replaced, deleted: the notes of all of these are stale by now.
    let expire = |n, at| Op::Update(key(n), vec![Change::Expire(at)], vec![Cond::Exists]);
    let later = now.after(3 * MINUTE);
    let ops = vec![
        expire(0, Some(later)),
        expire(1, None),
        Op::put(Item::new(key(2), Attrs::new())),
        Op::put(Item::new(key(3), Attrs::new()).expiring(later)),
        Op::Delete(key(4), vec![]),
    ];
    store.commit(Commit { ops, ..Commit::default() }).await.unwrap();
    assert_eq!(store.sweep(now, 1000).await.unwrap(), 0);
    clock.advance(2 * MINUTE);
    assert_eq!(store.sweep(clock.now(), 100).await.unwrap(), 100, "no more than the budget at a time");
    while store.sweep(clock.now(), 100).await.unwrap() > 0 {}
    let left = store.query(&Query::prefix("sweep", "", 10)).await.unwrap().items;
    assert_eq!(left.iter().map(|item| &*item.key.sk).collect::<Vec<_>>(), ["000", "001", "002", "003"]);
    clock.advance(2 * MINUTE);
    while store.sweep(clock.now(), 100).await.unwrap() > 0 {}
    drop((store, data));
    assert_eq!(rows(&folder, "item"), 2);
    assert_eq!(rows(&folder, "expiry"), 0);
}

#[tokio::test]
async fn renewing_an_expiry_writes_no_further_note() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = folder.open(&clock);
    for n in 1..50 {
        let renew = vec![Change::Expire(Some(clock.now().after(n * MINUTE)))];
        data.store().write(Op::Update(Key::new("a", "b"), renew, vec![])).await.unwrap();
    }
    drop(data);
    assert_eq!(rows(&folder, "expiry"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn writes_that_come_together_share_a_sync_and_keep_apart() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = folder.open(&clock);
    let taken = Item::new(Key::new("k", "taken"), Attrs::new().with("n", -1));
    data.store().write(Op::put(taken.clone())).await.unwrap();
    let before = data.stats();
    let mut writers = JoinSet::new();
    for n in 0..400_i64 {
        let (store, taken) = (data.store(), taken.clone());
        writers.spawn(async move {
            let key = if n % 4 == 0 { taken.key.clone() } else { Key::new("k", format!("{n}")) };
            let commit = Commit {
                guard: Some(Op::put_new(Item::new(key, Attrs::new().with("n", n)))),
                ops: vec![Op::put(Item::new(Key::new("other", format!("{n}")), Attrs::new()))],
                ..Commit::default()
            };
            match store.commit(commit).await {
                Ok(item) => assert!(n % 4 != 0 && item.unwrap().attrs.num("n") == Some(n)),
                Err(WriteError::Conflict(conflict)) => assert_eq!(conflict.current, Some(taken)),
                Err(WriteError::Failed(error)) => panic!("{error}"),
            }
        });
    }
    writers.join_all().await;
    let after = data.stats();
    assert_eq!(after.requests - before.requests, 400);
    assert!(after.commits - before.commits < 400, "{after:?}");
    let others = data.store().query(&Query::prefix("other", "", 1000)).await.unwrap();
    assert_eq!(others.items.len(), 300);
}

#[tokio::test]
async fn a_damaged_row_fails_alone() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    drop(folder.open(&clock));
    let connection = rusqlite::Connection::open(folder.path().join("message-center.db")).unwrap();
    connection.execute("INSERT INTO item (pk, sk, attrs) VALUES ('a', 'bad', x'ff')", []).unwrap();
    drop(connection);
    let data = folder.open(&clock);
    let add = |sk: &str| Op::Update(Key::new("a", sk), vec![Change::Add("n".into(), 1)], vec![]);
    let (store, other) = (data.store(), data.store());
    // The second write of this commit fails after the first was made, so the first must be undone.
    let commit = Commit { guard: Some(add("undone")), ops: vec![add("bad")], ..Commit::default() };
    let (bad, good) = tokio::join!(store.commit(commit), other.write(add("good")));
    assert_eq!(mc_core::Error::from(bad.unwrap_err()).kind, mc_core::ErrorKind::Corrupt);
    assert_eq!(good.unwrap().unwrap().attrs.num("n"), Some(1));
    assert_eq!(store.get(&Key::new("a", "undone")).await.unwrap(), None);
    store.write(Op::put(Item::new(Key::new("a", "bad"), Attrs::new()))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_log_starts_again_under_constant_load() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = folder.open(&clock);
    let mut writers = JoinSet::new();
    for n in 0..8 {
        let store = data.store();
        writers.spawn(async move {
            for m in 0..60 {
                let item = |k| {
                    Item::new(
                        Key::new("load", format!("{n}/{m}/{k}")),
                        Attrs::new().with("b", vec![7; 20_000]),
                    )
                };
                let ops = (0..10).map(|k| Op::put(item(k))).collect();
                store.commit(Commit { ops, ..Commit::default() }).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let log = std::fs::metadata(folder.path().join("message-center.db-wal")).unwrap().len();
    assert!(data.stats().checkpoints >= 2, "{:?}", data.stats());
    assert!(log < 80 << 20, "100 MB were written and the log is {log} bytes long");
}
