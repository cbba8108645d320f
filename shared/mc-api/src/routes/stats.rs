//! Counters over time.

use mc_core::Timestamp;
use mc_pipeline::stats::{By, Interval, Question, Series, series};
use serde::Serialize;
use utoipa::ToSchema;

use crate::answer::{Answer, ok};
use crate::call::Call;
use crate::schema;

/// Series of points.
#[derive(Serialize, ToSchema)]
pub(crate) struct Stats {
    /// How long the stretch of a point is.
    #[schema(value_type = schema::StatsInterval)]
    interval: Interval,
    /// The series, the busiest first.
    #[schema(value_type = Vec<StatsSeries>)]
    series: Vec<Series>,
}

/// One series.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes mc_pipeline's Series, which knows nothing of OpenAPI")]
pub(crate) struct StatsSeries {
    /// The channel, kind, template or status; `all` when nothing is told apart, `(inline)` for messages without a
    /// template, `(others)` for all that have no series of their own.
    key: String,
    /// One point for every stretch of time, the earliest first.
    points: Vec<StatsPoint>,
}

/// What was counted in one stretch of time. By status, only what the series is about is there.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes mc_pipeline's Point, which knows nothing of OpenAPI")]
pub(crate) struct StatsPoint {
    /// When it begins.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// Recipients accepted, for each channel that begins with them.
    #[schema(required = false)]
    accepted: u64,
    /// Recipients that the platform accepted.
    #[schema(required = false)]
    sent: u64,
    /// Recipients reached, as the platform told.
    #[schema(required = false)]
    delivered: u64,
    /// Recipients who read it, as the platform told.
    #[schema(required = false)]
    read: u64,
    /// Recipients who failed for good; a bounce counts here besides under `sent`.
    #[schema(required = false)]
    failed: u64,
    /// Recipients whose time passed.
    #[schema(required = false)]
    expired: u64,
    /// Recipients that nothing is sent to.
    #[schema(required = false)]
    suppressed: u64,
    /// Recipients somebody cancelled.
    #[schema(required = false)]
    canceled: u64,
    /// Recipients that are held because nobody knows.
    #[schema(required = false)]
    in_doubt: u64,
    /// Recipients it was taken back from.
    #[schema(required = false)]
    recalled: u64,
    /// Recipients given up, who are among the failed ones.
    #[schema(required = false)]
    gave_up: u64,
    /// Tries of recipients that failed and are made again.
    #[schema(required = false)]
    retries: u64,
    /// Shares (up to 200 recipients of a delivery) that were worked on.
    #[schema(required = false)]
    pushes: u64,
    /// How long that took in milliseconds, all together.
    #[schema(required = false)]
    push_ms: u64,
}

/// Look at what was counted
///
/// `from` and `to` are rounded to whole stretches; the last day by default. `interval` is `minute` (kept for three days, a
/// day at most in one answer), `hour` (400 days, 31) or `day` (in UTC; 400 days, 100). `by` is `channel`, `kind`,
/// `template`, `status` or `none`. When there are too many series, the busiest are told by themselves.
#[utoipa::path(
    get, path = "/v1/stats", tag = "monitoring", operation_id = "get_stats",
    responses((status = 200, description = "The series", body = Stats))
)]
pub async fn get(call: Call) -> Answer {
    let question = Question {
        from: call.query.time("from")?,
        to: call.query.time("to")?,
        interval: call.query.word("interval")?,
        by: call.query.word::<By>("by")?.unwrap_or_default(),
    };
    let (interval, series) = series(call.center(), call.project(), &question).await?;
    ok(&Stats { interval, series })
}
