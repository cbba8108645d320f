//! Items that are forgotten.

use std::time::Duration;

use mc_core::ports::{Attrs, Change, Clock, Cond, Item, Op, Query};

use super::{StoreUnderTest, conflict, key};
use crate::must::Must;

const MINUTE: Duration = Duration::from_secs(60);

/// "Never answered", by no read, whether or not the store has removed it.
pub(super) async fn an_expired_item_is_never_answered(test: &impl StoreUnderTest) {
    let store = test.store();
    let (short, long) = (key("expiry", "a"), key("expiry", "b"));
    let now = test.clock().now();
    let item =
        |at: &_, after| Item::new(Clone::clone(at), Attrs::new().with("n", 1)).expiring(now.after(after));
    store.write(Op::put(item(&short, MINUTE))).await.must();
    store.write(Op::put(item(&long, 3 * MINUTE))).await.must();
    assert_eq!(store.get(&short).await.must().must().expires_at, Some(now.after(MINUTE)));
    test.clock().advance(2 * MINUTE);
    assert_eq!(store.get(&short).await.must(), None);
    let many = store.get_many(&[short.clone(), long.clone()]).await.must();
    assert!(many[0].is_none() && many[1].is_some());
    let page = store.query(&Query::prefix(short.pk.as_str(), "", 1)).await.must();
    assert_eq!(page.items.len(), 1);
    assert_eq!(page.items[0].key, long);
}

/// "Counts as absent in conditions": it does not stand in the way and lends nothing to what comes after.
pub(super) async fn an_expired_item_counts_as_absent(test: &impl StoreUnderTest) {
    let store = test.store();
    let now = test.clock().now();
    let keys = ["new", "guarded", "update", "delete", "read"].map(|sk| key("expired", sk));
    for at in &keys {
        let item = Item::new(at.clone(), Attrs::new().with("n", 1)).expiring(now.after(MINUTE));
        store.write(Op::put_new(item)).await.must();
    }
    test.clock().advance(2 * MINUTE);
    let [new, guarded, update, delete, read] = keys;
    let fresh = Item::new(new.clone(), Attrs::new().with("m", 2));
    assert_eq!(store.write(Op::put_new(fresh.clone())).await.must(), Some(fresh.clone()));
    assert_eq!(store.get(&new).await.must(), Some(fresh));
    let put = Op::Put(Item::new(guarded.clone(), Attrs::new()), vec![Cond::Exists]);
    assert!(conflict(store.write(put).await).current.is_none());
    let changed = store.write(Op::Update(update.clone(), vec![Change::Add("m".into(), 1)], vec![])).await;
    let changed = changed.must().must();
    assert_eq!((changed.attrs.num("n"), changed.attrs.num("m"), changed.expires_at), (None, Some(1), None));
    assert!(conflict(store.write(Op::Delete(delete, vec![Cond::Exists])).await).current.is_none());
    let update = Op::Update(read, vec![], vec![Cond::Eq("n".into(), 1.into())]);
    assert!(conflict(store.write(update).await).current.is_none());
}

/// An update brings the end nearer, puts it off or takes it away.
pub(super) async fn an_expiry_moves_both_ways(test: &impl StoreUnderTest) {
    let store = test.store();
    let now = test.clock().now();
    let [nearer, later, never, put] = ["nearer", "later", "never", "put"].map(|sk| key("moving", sk));
    for at in [&nearer, &later, &never, &put] {
        store
            .write(Op::put(Item::new(at.clone(), Attrs::new()).expiring(now.after(10 * MINUTE))))
            .await
            .must();
    }
    let expire = |at: &_, end| Op::Update(Clone::clone(at), vec![Change::Expire(end)], vec![Cond::Exists]);
    store.write(expire(&nearer, Some(now.after(MINUTE)))).await.must();
    store.write(expire(&later, Some(now.after(20 * MINUTE)))).await.must();
    store.write(expire(&never, None)).await.must();
    store.write(Op::put(Item::new(put.clone(), Attrs::new()))).await.must();
    test.clock().advance(2 * MINUTE);
    assert!(store.get(&nearer).await.must().is_none());
    test.clock().advance(10 * MINUTE);
    assert!(store.get(&later).await.must().is_some());
    test.clock().advance(10 * MINUTE);
    assert!(store.get(&later).await.must().is_none());
    assert!(store.get(&never).await.must().is_some());
    assert!(store.get(&put).await.must().is_some());
}
