//! A custom robot in a DingTalk group.

use std::time::Duration;

use mc_content::FieldError;
use mc_core::model::{AddressKind, Kind};
use mc_core::ports::{Batching, Capability, RateLimit, SharedChannel};

use crate::registry::{Entry, Ports, Setup};

pub(crate) const ENTRY: Entry = Entry {
    secrets: &["access_token", "secret", "robots"],
    takes_base_url: true,
    capability,
    urls: |_| Vec::new(),
    build,
};

fn capability() -> Capability {
    Capability {
        kind: Kind::DingtalkRobot,
        batching: Batching::Broadcast,
        addresses: &[AddressKind::Dingtalk, AddressKind::Mobile],
        dedupe: None,
        limit: Some(RateLimit { count: 20, per: Duration::from_secs(60) }),
        concurrency: 4,
    }
}

fn build(_: &Setup<'_>, _: &Ports) -> Result<SharedChannel, Vec<FieldError>> {
    Err(vec![FieldError::new("/kind", "cannot be built yet")])
}
