//! Attachments, and values that are too large for the table.

use bytes::Bytes;
use mc_aws::meter::{Operation, Unit};
use mc_core::ports::{Attrs, Blobs, Change, Cond, Item, Key, Op, Query, Store};

use crate::rig::Rig;

#[tokio::test]
async fn a_file_comes_back_as_it_was() {
    let rig = Rig::new().await;
    let blobs = rig.aws.blobs().unwrap();
    assert_eq!(blobs.get("20261201/nothing").await.unwrap(), None);
    for bytes in [Bytes::from_static(b"one"), Bytes::from(vec![7; 3 << 20]), Bytes::new()] {
        blobs.put("20261201/01J.0", bytes.clone()).await.unwrap();
        assert_eq!(blobs.get("20261201/01J.0").await.unwrap(), Some(bytes));
    }
    blobs.forget_before("20270101").await.unwrap();
}

#[tokio::test]
async fn a_large_value_costs_the_table_nothing() {
    let rig = Rig::new().await;
    let store = rig.aws.store().unwrap();
    let key = Key::new("large", "one");
    let text = "消".repeat(200_000);
    let attrs = Attrs::new().with("doc", vec![7; 1 << 20]).with("text", text.as_str()).with("n", 1);
    let item = Item::new(key.clone(), attrs);
    store.write(Op::put_new(item.clone())).await.unwrap();
    let claim = Op::Update(key.clone(), vec![Change::set("n", 2)], vec![Cond::Eq("n".into(), 1.into())]);
    let claimed = store.write(claim.clone()).await.unwrap().unwrap();
    assert_eq!(claimed.attrs.bytes("doc"), item.attrs.bytes("doc"));
    assert_eq!(rig.aws.meter().units(Unit::Write), 2);
    // Another process has to look into the bucket.
    let other = rig.aws.store().unwrap();
    assert_eq!(other.get(&key).await.unwrap().unwrap().attrs.text("text"), Some(text.as_str()));
    let page = other.query(&Query::prefix("large", "", 10)).await.unwrap();
    assert_eq!(page.items[0].attrs, claimed.attrs);
    let gets = rig.aws.meter().readings().into_iter().find(|r| r.operation == Operation::GetObject);
    assert_eq!(gets.unwrap().calls, 2, "what was read once is remembered");
    match store.write(claim).await {
        Err(mc_core::ports::WriteError::Conflict(conflict)) => {
            assert_eq!(conflict.current.unwrap().attrs, claimed.attrs);
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_large_value_may_be_set_later() {
    let rig = Rig::new().await;
    let store = rig.aws.store().unwrap();
    let key = Key::new("large", "later");
    let update = Op::Update(key.clone(), vec![Change::set("log", vec![1; 500_000])], vec![]);
    assert_eq!(store.write(update).await.unwrap().unwrap().attrs.bytes("log").unwrap().len(), 500_000);
    assert_eq!(store.get(&key).await.unwrap().unwrap().attrs.bytes("log").unwrap().len(), 500_000);
}

#[tokio::test]
async fn an_item_of_too_many_small_values_is_refused_by_its_name() {
    let rig = Rig::new().await;
    let attrs = (0..20).fold(Attrs::new(), |attrs, n| attrs.with(format!("a{n}"), vec![1; 30_000]));
    let refused = rig.aws.store().unwrap().write(Op::put(Item::new(Key::new("large", "many"), attrs))).await;
    assert!(format!("{refused:?}").contains("larger than the table takes"), "{refused:?}");
}
