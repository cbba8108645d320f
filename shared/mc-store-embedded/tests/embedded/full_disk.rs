//! No room left on the disk.

use std::sync::Arc;
use std::time::Duration;

use mc_core::ErrorKind;
use mc_core::ports::{Attrs, Change, Commit, Item, Key, Op, Queue, Store, Task, Verdict};
use mc_store_embedded::{Embedded, Options};
use mc_testkit::MockClock;

use crate::support::{FAMILY, Folder, group, send, sends};

/// A database that takes no more pages than `pages`, as if its disk were full then.
fn small(folder: &Folder, clock: &Arc<MockClock>, pages: u32) -> Embedded {
    Embedded::open(Options { max_pages: Some(pages), ..folder.options() }, clock.clone()).unwrap()
}

fn big(n: u32) -> Op {
    Op::put(Item::new(Key::new("big", format!("{n}")), Attrs::new().with("b", vec![7; 20_000])))
}

#[tokio::test]
async fn a_full_disk_refuses_whole_commits_and_recovers() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = small(&folder, &clock, 60);
    let store = data.store();
    let counter = Key::new("a", "counter");
    let mut made = 0;
    let error = loop {
        let add = Op::Update(counter.clone(), vec![Change::Add("n".into(), 1)], vec![]);
        let commit = Commit {
            guard: Some(add),
            ops: vec![big(made)],
            tasks: sends(&group("a"), [made]),
            ..Commit::default()
        };
        match store.commit(commit).await {
            Ok(_) => made += 1,
            Err(error) => break mc_core::Error::from(error),
        }
    };
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    assert!(made > 5);
    assert_eq!(store.get(&counter).await.unwrap().unwrap().attrs.num("n"), Some(i64::from(made)));
    assert_eq!(store.get(&Key::new("big", format!("{made}"))).await.unwrap(), None);
    assert_eq!(data.queue().depths().await.unwrap()[0].waiting, Some(u64::from(made)));
    assert!(data.stats().failed_commits >= 1);
    // There is room again.
    store.write(Op::Delete(Key::new("big", "0"), vec![])).await.unwrap();
    store.write(big(1000)).await.unwrap();
    data.close().await.unwrap();
    drop((store, data));
    let data = folder.open(&clock);
    assert_eq!(data.store().get(&counter).await.unwrap().unwrap().attrs.num("n"), Some(i64::from(made)));
}

#[tokio::test]
async fn a_verdict_waits_for_room_and_nothing_is_lost() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let data = small(&folder, &clock, 60);
    let (store, queue) = (data.store(), data.queue());
    queue.send(sends(&group("a"), [0])).await.unwrap();
    let taken = queue.next(FAMILY).await;
    let mut n = 0;
    while store.write(big(n)).await.is_ok() {
        n += 1;
    }
    // Fill what single pages are left too.
    let small =
        |n: u32| Op::put(Item::new(Key::new("small", format!("{n}")), Attrs::new().with("b", vec![7; 1500])));
    let mut m = 0;
    while store.write(small(m)).await.is_ok() {
        m += 1;
    }
    // A task that takes more room than the row it replaces leaves.
    let webhook = "w".repeat(20_000);
    let task = Task::Notify { project: "p".into(), webhook, event: "e".into() };
    let again = Verdict::Again { task, after: Duration::from_secs(5) };
    let refused = taken.finish_durably(vec![again]).await.unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Unavailable, "{refused}");
    queue.send(vec![send(&group("b"), 1, Duration::ZERO)]).await.unwrap();
    store.write(Op::Delete(Key::new("big", "0"), vec![])).await.unwrap();
    // The next group that is written takes what was kept along.
    store.write(Op::Delete(Key::new("big", "1"), vec![])).await.unwrap();
    queue.next(FAMILY).await.finish(vec![Verdict::Done]);
    clock.advance(Duration::from_secs(6));
    queue.wake();
    let again = queue.next(FAMILY).await;
    assert!(matches!(&again.envelope().tasks[..], [Task::Notify { .. }]));
}
