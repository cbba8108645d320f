//! Listing what an endpoint was told.

use mc_core::Result;
use mc_core::ports::Query;

use super::Telling;
use crate::center::Center;
use crate::keys;
use crate::share::{self, attr};

/// A page of an endpoint's tellings by event id, the newest messages' first; the cursor is the last one's event id.
pub async fn tellings(
    center: &Center,
    project: &str,
    webhook: &str,
    limit: usize,
    cursor: Option<&str>,
) -> Result<(Vec<(String, Telling)>, Option<String>)> {
    let mut query = Query::prefix(keys::telling_partition(project, webhook), "", limit);
    query.newest_first = true;
    if let Some(cursor) = cursor {
        query.to = cursor.to_owned();
    }
    let page = center.store.query(&query).await?;
    let next = page.more.then(|| page.items.last().map(|i| i.key.sk.clone())).flatten();
    let mut tellings = Vec::with_capacity(page.items.len());
    for item in &page.items {
        if let Some(telling) = share::json(&item.attrs, attr::DOC)? {
            tellings.push((item.key.sk.clone(), telling));
        }
    }
    Ok((tellings, next))
}
