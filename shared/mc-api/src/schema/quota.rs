//! Quotas.

use utoipa::ToSchema;

use super::words::{Kind, QuotaSource, QuotaUnit, QuotaWindow};

/// How one window of a channel stands.
#[derive(ToSchema)]
pub struct Quota {
    /// The channel.
    pub channel: String,
    /// Its kind.
    pub kind: Kind,
    /// The window.
    pub window: QuotaWindow,
    /// Whether the window is what lies behind us at any time, and not a day or month of the calendar.
    pub rolling: bool,
    /// What is counted.
    pub unit: QuotaUnit,
    /// How much there is in a window; null if nobody said.
    pub limit: Option<u64>,
    /// How much of it is used.
    pub used: u64,
    /// How much of it scheduled sends have reserved until the window ends.
    pub reserved: u64,
    /// What is left; null if no limit is known.
    pub remaining: Option<u64>,
    /// The same in percent of the limit.
    pub remaining_percent: Option<f64>,
    /// Where the limit comes from.
    pub source: QuotaSource,
    /// As of when: the platform's last answer, or now where only we count.
    #[schema(format = DateTime)]
    pub checked_at: String,
    /// When the window begins anew; null for a rolling one, which does so all the time.
    #[schema(format = DateTime)]
    pub resets_at: Option<String>,
    /// How many were counted within the last 60 minutes, where they are.
    pub per_hour: Option<u64>,
    /// When it runs out if that goes on; null if it does not before the window begins anew.
    #[schema(format = DateTime)]
    pub forecast: Option<String>,
    /// When it was found to be used up, if it is.
    #[schema(format = DateTime, nullable = false)]
    pub exhausted_at: Option<String>,
    /// Why the platform gave no figures when it was asked last.
    #[schema(nullable = false)]
    pub trouble: Option<String>,
}
