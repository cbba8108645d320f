//! Buttons that people pressed.

use std::time::Duration;

use mc_core::Result;
use mc_core::model::{Event, EventKind};
use mc_core::ports::{Attrs, Item, Op, WriteError};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use super::index;
use crate::center::Center;
use crate::keys;
use crate::repo::ChannelEntry;
use crate::tell;

/// For how long the same press is recognised. Platforms repeat a callback for some minutes at most.
const REPEATS: Duration = Duration::from_secs(86_400);

/// One press of a button.
pub(super) struct Pressed {
    pub(super) platform_id: Option<String>,
    pub(super) user: Option<String>,
    pub(super) action: String,
    pub(super) data: Value,
}

/// Tells the caller's endpoints of a press, once however often the platform repeats it.
pub(super) async fn tell(
    center: &Center,
    project: &str,
    entry: &ChannelEntry,
    pressed: Pressed,
) -> Result<()> {
    let Pressed { platform_id, user, action, data } = pressed;
    let now = center.clock.now();
    let place = match &platform_id {
        Some(id) => index::locate(center, project, &entry.name, id).await?,
        None => None,
    };
    let head = match &place {
        Some(place) => crate::deliver::load::head(center, project, place.message).await?,
        None => None,
    };
    let told = json!({
        "channel": entry.name, "user": user, "action": action, "data": data, "platform_id": platform_id,
    });
    // The same press has the same content; what tells two presses apart (a time, an event's id) is in `data`.
    let same = hex(digest(&SHA256, told.to_string().as_bytes()).as_ref());
    let key = keys::pressed(project, &entry.name, &same);
    let fresh = format!("evt_{}-action", center.unique());
    let item = Item::new(key, Attrs::new().with("e", fresh.as_str())).expiring(now.after(REPEATS));
    let id = match center.store.write(Op::put_new(item)).await {
        Ok(_) => fresh,
        Err(WriteError::Conflict(conflict)) => {
            let first = conflict.current.as_ref().and_then(|item| item.attrs.text("e"));
            first.map_or(fresh, str::to_owned)
        }
        Err(WriteError::Failed(error)) => return Err(error),
    };
    let mut data = told;
    if let Some(members) = data.as_object_mut() {
        members.remove("platform_id");
        if let (Some(place), Some(head)) = (&place, &head) {
            members.insert("message_id".into(), json!(place.message));
            members.insert("reference".into(), json!(head.doc.reference));
            if let Some(delivery) = head.doc.deliveries.iter().position(|d| d.channel == *entry.name) {
                members.insert("delivery_id".into(), json!(place.message.delivery(delivery)));
            }
        }
    }
    let day = tell::day_of(&id).unwrap_or_else(|| now.day());
    let event = Event { kind: EventKind::ChannelAction, timestamp: now, data };
    tell::emit(center, project, &day, vec![(id, event)]).await
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
