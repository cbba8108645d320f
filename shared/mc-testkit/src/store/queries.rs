//! Listings of a partition.

use mc_core::ports::{Attrs, Commit, Item, Op, Query, Store};

use super::{StoreUnderTest, key, put};
use crate::must::Must;

async fn keys(store: &dyn Store, query: &Query) -> Vec<String> {
    store.query(query).await.must().items.into_iter().map(|item| item.key.sk).collect()
}

/// The first bound is included, the second is not; other partitions are not seen.
pub(super) async fn bounds_order_and_limit(test: &impl StoreUnderTest) {
    let store = test.store();
    for sk in ["a", "b#1", "b#2", "b#3", "c"] {
        put(&*store, &key("bounds", sk), Attrs::new().with("sk", sk)).await;
    }
    put(&*store, &key("bounds2", "b#4"), Attrs::new()).await;
    let pk = key("bounds", "").pk;
    let mut query =
        Query { pk: pk.clone(), from: "b#1".into(), to: "c".into(), newest_first: false, limit: 10 };
    assert_eq!(keys(&*store, &query).await, ["b#1", "b#2", "b#3"]);
    assert!(!store.query(&query).await.must().more, "the partition holds more, the range does not");
    query.newest_first = true;
    assert_eq!(keys(&*store, &query).await, ["b#3", "b#2", "b#1"]);
    query.limit = 2;
    let page = store.query(&query).await.must();
    assert!(page.more);
    assert_eq!(page.items[1].key, key("bounds", "b#2"));
    assert_eq!(page.items[1].attrs.text("sk"), Some("b#2"));
    assert_eq!(keys(&*store, &Query::prefix(pk.as_str(), "b#", 10)).await, ["b#1", "b#2", "b#3"]);
    assert_eq!(keys(&*store, &Query::prefix(pk.as_str(), "", 10)).await, ["a", "b#1", "b#2", "b#3", "c"]);
    let none = store.query(&Query::prefix(pk, "x", 10)).await.must();
    assert!(none.items.is_empty() && !none.more);
}

/// Sort keys of any text come in the order of their bytes.
pub(super) async fn keys_are_ordered_as_bytes(test: &impl StoreUnderTest) {
    let store = test.store();
    let mut all = vec!["A", "Z", "a", "a ", "a#", "aa", "z", "é", "消息", "🦀", "~", "0", "10", "9"];
    for sk in &all {
        put(&*store, &key("bytes", sk), Attrs::new()).await;
    }
    all.sort_unstable();
    assert_eq!(keys(&*store, &Query::prefix(key("bytes", "").pk, "", 100)).await, all);
}

/// Going on behind the last item reaches every item once, whatever ends a page; no page is empty while more follow.
pub(super) async fn pages_reach_everything(test: &impl StoreUnderTest) {
    let store = test.store();
    let item = |n: u32| Item::new(key("pages", &format!("{n:04}")), Attrs::new().with("b", vec![7; 30_000]));
    let ops = (0..330).map(|n| Op::put(item(n))).collect();
    store.commit(Commit { ops, ..Commit::default() }).await.must();
    for (limit, newest_first) in [(7, false), (100, true), (330, false), (1000, true)] {
        let mut query = Query { limit, newest_first, ..Query::prefix(key("pages", "").pk, "", limit) };
        let mut seen = Vec::new();
        loop {
            let page = store.query(&query).await.must();
            assert!(page.items.len() <= limit);
            seen.extend(page.items.into_iter().map(|item| item.key.sk));
            if !page.more {
                break;
            }
            match (seen.last(), newest_first) {
                (Some(last), true) => query.to = last.clone(),
                (Some(last), false) => query.from = format!("{last}\u{1}"),
                (None, _) => panic!("an empty page with more to come"),
            }
        }
        let mut expected: Vec<_> = (0..330).map(|n| format!("{n:04}")).collect();
        if newest_first {
            expected.reverse();
        }
        assert_eq!(seen, expected, "limit {limit}");
    }
}
