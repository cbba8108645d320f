//! Killed at any point, nothing that was answered is lost.

use std::collections::HashSet;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use mc_core::ports::{Attrs, Commit, Item, Key, Op, Store, Verdict};
use mc_store_embedded::{Embedded, Options};
use mc_testkit::MockClock;

use crate::support::{FAMILY, Folder, group, number, sends};

/// Where the child finds its folder and its first number.
const FOLDER: &str = "MC_TEST_CRASH_FOLDER";
const FIRST: &str = "MC_TEST_CRASH_FIRST";

fn key(n: u32) -> Key {
    Key::new("crash", format!("{n:08}"))
}

/// What the parent starts and kills; without a folder from the parent there is nothing to do. Prints each number after its commit was answered.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn child() {
    let Ok(folder) = std::env::var(FOLDER) else { return };
    let next = Arc::new(AtomicU32::new(std::env::var(FIRST).unwrap().parse().unwrap()));
    let options = Options { log_bytes: 1 << 20, ..Options::new(folder) };
    let data = Embedded::open(options, Arc::new(MockClock::default())).unwrap();
    let mut writers = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let (store, next) = (data.store(), Arc::clone(&next));
        writers.spawn(async move {
            loop {
                let n = next.fetch_add(1, Relaxed);
                let commit = Commit {
                    guard: Some(Op::put_new(Item::new(key(n), Attrs::new().with("n", n as i64)))),
                    ops: vec![Op::put(Item::new(
                        Key::new("other", key(n).sk),
                        Attrs::new().with("b", vec![7; 3000]),
                    ))],
                    tasks: sends(&group("a"), [n]),
                    ..Commit::default()
                };
                store.commit(commit).await.unwrap();
                // The parent may be gone already, and then this process is about to be.
                let _ = writeln!(std::io::stdout(), "\ndone {n}");
            }
        });
    }
    writers.join_next().await;
}

#[tokio::test]
async fn a_killed_process_loses_nothing() {
    let (folder, clock) = (Folder::new(), Arc::new(MockClock::default()));
    let mut answered = HashSet::new();
    let mut delivered = HashSet::new();
    let mut first = 0;
    for round in 1..=6 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "crash::child", "--nocapture", "--test-threads=1"])
            .env(FOLDER, folder.path())
            .env(FIRST, first.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map_while(Result::ok);
        let mut numbers =
            || lines.find_map(|line| line.strip_prefix("done ").and_then(|n| n.parse::<u32>().ok()));
        let before = answered.len();
        while answered.len() < before + round * 333 {
            answered.insert(numbers().expect("the child works until it is killed"));
        }
        child.kill().unwrap();
        // What is still in the pipe was answered too.
        answered.extend(std::iter::from_fn(numbers));
        child.wait().unwrap();
        let data = folder.open(&clock);
        for n in &answered {
            let items = data.store().get_many(&[key(*n), Key::new("other", key(*n).sk)]).await.unwrap();
            assert_eq!(items[0].as_ref().and_then(|item| item.attrs.num("n")), Some(i64::from(*n)));
            assert!(items[1].is_some(), "a commit is whole");
        }
        while let Some(taken) = data.queue().next_unless_idle(FAMILY).await {
            delivered.extend(taken.envelope().tasks.iter().map(number));
            let tasks = taken.envelope().tasks.len();
            taken.finish(vec![Verdict::Done; tasks]);
        }
        for n in &delivered {
            assert!(data.store().get(&key(*n)).await.unwrap().is_some(), "a task without its item");
        }
        first = delivered.iter().max().unwrap() + 1;
        assert!(answered.is_subset(&delivered), "every answered commit sent its task");
    }
}
