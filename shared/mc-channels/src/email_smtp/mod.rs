//! E-mail through an SMTP server.

use mc_content::FieldError;
use mc_core::model::{AddressKind, Kind};
use mc_core::ports::{Batching, Capability, SharedChannel};

use crate::registry::{Entry, Ports, Setup};

pub(crate) const ENTRY: Entry =
    Entry { secrets: &["password"], takes_base_url: false, capability, urls: |_| Vec::new(), build };

fn capability() -> Capability {
    Capability {
        kind: Kind::EmailSmtp,
        batching: Batching::Single,
        addresses: &[AddressKind::Email],
        dedupe: None,
        limit: None,
        concurrency: 4,
    }
}

fn build(_: &Setup<'_>, _: &Ports) -> Result<SharedChannel, Vec<FieldError>> {
    Err(vec![FieldError::new("/kind", "cannot be built yet")])
}
