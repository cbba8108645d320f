//! Worlds with channels whose platforms count.

use std::sync::Arc;

use mc_core::model::{ChannelDoc, Kind};
use mc_pipeline::repo::Build;
use mc_testkit::Platform;
use serde_json::json;

use crate::world::World;

/// A world with a channel for each platform: calls are counted in days and months of China.
pub async fn world<const N: usize>(channels: [&str; N]) -> (World, [Arc<Platform>; N]) {
    world_with(channels, |_| {}).await
}

/// The same with something changed about each channel.
pub async fn world_with<const N: usize>(
    channels: [&str; N],
    change: impl Fn(&mut ChannelDoc),
) -> (World, [Arc<Platform>; N]) {
    let platforms: [Arc<Platform>; N] = std::array::from_fn(|_| Arc::default());
    let of: Vec<(String, Arc<Platform>)> =
        channels.iter().map(|name| (*name).to_owned()).zip(platforms.clone()).collect();
    let build: Build = Arc::new(move |setup, ports| match of.iter().find(|(name, _)| name == setup.name) {
        Some((_, platform)) => Ok(platform.channel()),
        None => mc_channels::build(setup, ports),
    });
    let world = World::built_by(Some(build)).await;
    for name in channels {
        world.channel_with(name, Kind::WechatOfficial, json!({}), &[], &change).await;
    }
    (world, platforms)
}
