//! Requests from API Gateway, for every function that has a router.

use std::sync::{Arc, Mutex, PoisonError};

use axum::Router;
use mc_api::{Api, ApiOptions};
use mc_core::Result;
use mc_pipeline::Center;
use serde_json::Value;

use crate::event::Request;
use crate::http::{self, Answer};
use crate::log::Fields;
use crate::place::Place;
use crate::runtime::Done;

/// A router over a message center, built with the first request and again when the center is another one.
pub(super) struct Requests {
    routes: fn(Arc<Api>) -> Router,
    built: Mutex<Option<(Arc<Center>, Router)>>,
}

impl Requests {
    pub(super) fn new(routes: fn(Arc<Api>) -> Router) -> Self {
        Self { routes, built: Mutex::default() }
    }

    /// Answers one request. A message center that cannot be built is a 503, for the caller to try again.
    pub(super) async fn answer(&self, place: &Place, request: Request<'_>) -> Result<Done<Answer>> {
        let center = place.center().await?;
        let router = self.router(&center);
        let id = request.context.request_id.0.to_string();
        let answer = http::answer(router, request).await;
        let fields: Fields = vec![("request", Value::from(id)), ("status", Value::from(answer.status_code))];
        Ok(Done { answer, fields })
    }

    fn router(&self, center: &Arc<Center>) -> Router {
        let mut built = self.built.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((of, router)) = &*built
            && Arc::ptr_eq(of, center)
        {
            return router.clone();
        }
        let router = (self.routes)(Arc::new(Api::new(center.clone(), ApiOptions::default())));
        *built = Some((center.clone(), router.clone()));
        router
    }
}
