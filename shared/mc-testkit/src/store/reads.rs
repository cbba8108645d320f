//! Single reads.

use mc_core::ports::{Attrs, Op, Query};

use super::{StoreUnderTest, attrs, key, num, put};
use crate::must::Must;

/// Attributes of every kind and size, under keys of any text.
pub(super) async fn what_was_put_is_read(test: &impl StoreUnderTest) {
    let store = test.store();
    assert_eq!(attrs(&*store, &key("put", "nobody")).await, None);
    let samples = [
        Attrs::new(),
        Attrs::new().with("n", i64::MIN).with("m", i64::MAX).with("zero", 0),
        Attrs::new().with("t", "").with("u", "企业微信 – ünïcödé 🦀"),
        Attrs::new().with("b", Vec::new()).with("c", vec![0, 255, 7]),
        Attrs::new().with("large", vec![b'x'; 300 << 10]).with("also", "here"),
    ];
    for (n, sample) in samples.into_iter().enumerate() {
        for sk in [format!("plain{n}"), format!("群/消息 #{n} é")] {
            put(&*store, &key("put/项目", &sk), sample.clone()).await;
            assert_eq!(attrs(&*store, &key("put/项目", &sk)).await.as_ref(), Some(&sample), "{sk}");
        }
    }
}

/// "In the keys' order", "any number of keys, also none, also the same one twice".
pub(super) async fn many_keys_in_their_order(test: &impl StoreUnderTest) {
    let store = test.store();
    assert!(store.get_many(&[]).await.must().is_empty());
    for n in 0..150 {
        put(&*store, &key("many", &format!("{n}")), Attrs::new().with("n", n)).await;
    }
    let mut wanted: Vec<i64> = (0..150).rev().collect();
    wanted.extend([7, 7, 1000, 0]);
    let keys: Vec<_> = wanted.iter().map(|n| key("many", &format!("{n}"))).collect();
    let found = store.get_many(&keys).await.must();
    let found: Vec<_> = found.into_iter().map(|item| item.and_then(|item| item.attrs.num("n"))).collect();
    let wanted: Vec<_> = wanted.into_iter().map(|n| (n < 150).then_some(n)).collect();
    assert_eq!(found, wanted);
}

/// "A read sees every write that was answered before it began", whichever read it is.
pub(super) async fn a_read_sees_every_answered_write(test: &impl StoreUnderTest) {
    let store = test.store();
    let at = key("fresh", "one");
    for n in 0..50 {
        put(&*store, &at, Attrs::new().with("n", n)).await;
        assert_eq!(num(&*store, &at, "n").await, Some(n));
        let many = store.get_many(std::slice::from_ref(&at)).await.must();
        assert_eq!(many[0].as_ref().and_then(|item| item.attrs.num("n")), Some(n));
        let page = store.query(&Query::prefix(at.pk.as_str(), "", 10)).await.must();
        assert_eq!(page.items[0].attrs.num("n"), Some(n));
    }
    store.write(Op::Delete(at.clone(), vec![])).await.must();
    assert_eq!(store.get(&at).await.must(), None);
}

/// "It survives the crash of the process", as far as a restart can show it.
pub(super) async fn what_was_answered_survives_a_restart(mut test: impl StoreUnderTest) {
    let at = key("restart", "one");
    put(&*test.store(), &at, Attrs::new().with("n", 1)).await;
    if test.reopen().await {
        assert_eq!(num(&*test.store(), &at, "n").await, Some(1));
    }
}
