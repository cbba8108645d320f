//! Any self-built IM with an HTTP API.

use mc_content::FieldError;
use mc_core::model::{AddressKind, Kind};
use mc_core::ports::{Batching, Capability, SharedChannel};

use crate::registry::{Entry, Ports, Setup};

pub(crate) const ENTRY: Entry =
    Entry { secrets: &["secret"], takes_base_url: true, capability, urls: |_| Vec::new(), build };

fn capability() -> Capability {
    Capability {
        kind: Kind::Webhook,
        batching: Batching::Broadcast,
        addresses: &[AddressKind::Email],
        dedupe: None,
        limit: None,
        concurrency: 128,
    }
}

fn build(_: &Setup<'_>, _: &Ports) -> Result<SharedChannel, Vec<FieldError>> {
    Err(vec![FieldError::new("/kind", "cannot be built yet")])
}
