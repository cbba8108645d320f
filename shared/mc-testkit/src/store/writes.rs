//! Single writes.

use mc_core::ports::{Attr, Attrs, Change, Cond, Item, Op};

use super::{StoreUnderTest, attrs, conflict, key, put};
use crate::must::Must;

/// A put leaves nothing of the old item, and answers the new one.
pub(super) async fn a_put_replaces_the_whole_item(test: &impl StoreUnderTest) {
    let store = test.store();
    let at = key("replace", "one");
    put(&*store, &at, Attrs::new().with("old", 1).with("both", 1)).await;
    let item = Item::new(at.clone(), Attrs::new().with("both", 2));
    assert_eq!(store.write(Op::put(item.clone())).await.must(), Some(item.clone()));
    assert_eq!(store.get(&at).await.must(), Some(item.clone()));
    let same = Op::Put(item.clone(), vec![Cond::Exists, Cond::Eq("both".into(), 2.into())]);
    assert_eq!(store.write(same).await.must(), Some(item));
}

/// An update begins from what is there or from nothing, and answers the item as it is afterwards.
pub(super) async fn an_update_changes_some_attributes(test: &impl StoreUnderTest) {
    let store = test.store();
    let at = key("update", "one");
    let changes = vec![Change::set("t", "a"), Change::Add("n".into(), 5), Change::Remove("nothing".into())];
    let made = store.write(Op::Update(at.clone(), changes, vec![])).await.must().must();
    assert_eq!((made.attrs.text("t"), made.attrs.num("n")), (Some("a"), Some(5)));
    let changes = vec![Change::Add("n".into(), -7), Change::set("u", vec![1]), Change::Remove("t".into())];
    let changed = store.write(Op::Update(at.clone(), changes, vec![Cond::Exists])).await.must().must();
    assert_eq!(changed.attrs.num("n"), Some(-2));
    assert_eq!(changed.attrs.get("t"), None);
    let stored = store.get(&at).await.must().must();
    assert_eq!((stored.attrs.num("n"), stored.attrs.get("t")), (Some(-2), None));
    assert_eq!(stored.attrs.bytes("u").map(|b| b.to_vec()), Some(vec![1]));
}

/// A delete answers `None`, also when there was nothing.
pub(super) async fn a_delete_answers_nothing(test: &impl StoreUnderTest) {
    let store = test.store();
    let at = key("delete", "one");
    assert_eq!(store.write(Op::Delete(at.clone(), vec![])).await.must(), None);
    put(&*store, &at, Attrs::new().with("n", 1)).await;
    let wrong = Op::Delete(at.clone(), vec![Cond::Eq("n".into(), 2.into())]);
    assert_eq!(conflict(store.write(wrong).await).current.must().attrs.num("n"), Some(1));
    let right = Op::Delete(at.clone(), vec![Cond::Eq("n".into(), 1.into())]);
    assert_eq!(store.write(right).await.must(), None);
    assert_eq!(store.get(&at).await.must(), None);
}

/// Every kind of condition, on an item and on none, in every kind of write.
pub(super) async fn every_condition_decides(test: &impl StoreUnderTest) {
    let store = test.store();
    let there = Attrs::new().with("n", 5).with("t", "a").with("b", vec![1]);
    let text = |t: &str| Attr::from(t);
    let table = [
        (Cond::Exists, true, false),
        (Cond::NotExists, false, true),
        (Cond::Absent("x".into()), true, true),
        (Cond::Absent("n".into()), false, true),
        (Cond::Eq("n".into(), 5.into()), true, false),
        (Cond::Eq("n".into(), 6.into()), false, false),
        (Cond::Eq("n".into(), text("5")), false, false),
        (Cond::Eq("t".into(), text("a")), true, false),
        (Cond::Eq("b".into(), vec![1].into()), true, false),
        (Cond::Eq("x".into(), text("a")), false, false),
        (Cond::In("t".into(), vec![text("b"), text("a")]), true, false),
        (Cond::In("t".into(), vec![text("b")]), false, false),
        (Cond::In("x".into(), vec![text("a")]), false, false),
        (Cond::Lt("n".into(), 6), true, false),
        (Cond::Lt("n".into(), 5), false, false),
        (Cond::Le("n".into(), 5), true, false),
        (Cond::Le("n".into(), 4), false, false),
        (Cond::Lt("t".into(), 100), false, false),
        (Cond::Lt("x".into(), 100), false, false),
    ];
    for (n, (cond, on_item, on_none)) in table.into_iter().enumerate() {
        for (exists, expected) in [(true, on_item), (false, on_none)] {
            let at = key("conditions", &format!("{n}/{exists}"));
            let reset = async || match exists {
                true => put(&*store, &at, there.clone()).await,
                false => drop(store.write(Op::Delete(at.clone(), vec![])).await.must()),
            };
            for op in [
                Op::Update(at.clone(), vec![Change::set("new", 1)], vec![cond.clone()]),
                Op::Put(Item::new(at.clone(), Attrs::new().with("new", 1)), vec![cond.clone()]),
                Op::Delete(at.clone(), vec![cond.clone()]),
            ] {
                reset().await;
                let made = store.write(op.clone()).await.is_ok();
                assert_eq!(made, expected, "{op:?} where exists={exists}");
            }
        }
    }
}

/// "On a conflict nothing is changed and the current item is answered."
pub(super) async fn a_conflict_changes_nothing(test: &impl StoreUnderTest) {
    let store = test.store();
    let at = key("conflict", "one");
    let there = Item::new(at.clone(), Attrs::new().with("n", 1).with("t", "mine"));
    store.write(Op::put_new(there.clone())).await.must();
    let theirs = Item::new(at.clone(), Attrs::new().with("n", 2));
    for op in [
        Op::put_new(theirs.clone()),
        Op::Put(theirs, vec![Cond::Exists, Cond::Eq("n".into(), 9.into())]),
        Op::Update(at.clone(), vec![Change::Add("n".into(), 1)], vec![Cond::Eq("t".into(), "theirs".into())]),
        Op::Delete(at.clone(), vec![Cond::Lt("n".into(), 1)]),
    ] {
        assert_eq!(conflict(store.write(op).await).current, Some(there.clone()));
        assert_eq!(attrs(&*store, &at).await.as_ref(), Some(&there.attrs));
    }
    let nobody = Op::Update(key("conflict", "nobody"), vec![], vec![Cond::Exists]);
    assert!(conflict(store.write(nobody).await).current.is_none());
}
