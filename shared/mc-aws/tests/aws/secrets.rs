//! Secrets that are kept for a while.

use std::time::Duration;

use mc_aws::meter::Operation;

use crate::rig::Rig;

#[tokio::test]
async fn a_rotation_arrives_without_a_new_start() {
    let rig = Rig::new().await;
    let name = format!("ring-{}", std::process::id());
    let manager = rig.aws.secrets_manager();
    manager.create_secret().name(&name).secret_string("one").send().await.unwrap();
    let secrets = rig.aws.secrets();
    assert_eq!(secrets.get(&name).await.unwrap().expose(), "one");
    manager.put_secret_value().secret_id(&name).secret_string("two").send().await.unwrap();
    assert_eq!(secrets.get(&name).await.unwrap().expose(), "one");
    assert_eq!(secrets.get_fresh(&name).await.unwrap().expose(), "one", "it was read this very moment");
    rig.clock.advance(Duration::from_secs(11));
    assert_eq!(secrets.get_fresh(&name).await.unwrap().expose(), "two");
    manager.put_secret_value().secret_id(&name).secret_string("three").send().await.unwrap();
    rig.clock.advance(Duration::from_secs(301));
    assert_eq!(secrets.get(&name).await.unwrap().expose(), "three");
    let gets = rig.aws.meter().readings().into_iter().find(|r| r.operation == Operation::GetSecretValue);
    assert_eq!(gets.unwrap().calls, 3);
}

#[tokio::test]
async fn a_secret_that_is_not_there_is_named() {
    let rig = Rig::new().await;
    let error = rig.aws.secrets().get("nobody").await.unwrap_err();
    assert!(error.to_string().contains("secret=nobody"), "{error}");
}
