//! Somebody who is asked whether to send, and answers what a test says.

use std::sync::{Arc, Mutex};

use axum::Router;
use axum::http::StatusCode;
use axum::routing::any;
use serde_json::Value;
use tokio::net::TcpListener;

#[derive(Default)]
struct State {
    status: u16,
    answer: String,
    bodies: Vec<Value>,
}

pub struct Asked {
    pub url: String,
    state: Arc<Mutex<State>>,
}

impl Asked {
    pub async fn start() -> Self {
        Self::before_answering(|| ()).await
    }

    /// The same with something that happens before each answer.
    pub async fn before_answering(happens: impl Fn() + Clone + Send + Sync + 'static) -> Self {
        let state =
            Arc::new(Mutex::new(State { status: 200, answer: "true".to_owned(), bodies: Vec::new() }));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/ask", listener.local_addr().unwrap());
        let shared = state.clone();
        let answer = move |body: String| {
            happens();
            let mut state = shared.lock().unwrap();
            state.bodies.push(serde_json::from_str(&body).unwrap_or_default());
            std::future::ready((StatusCode::from_u16(state.status).unwrap(), state.answer.clone()))
        };
        let router = Router::new().route("/ask", any(answer));
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { url, state }
    }

    /// What it says from now on.
    pub fn say(&self, status: u16, answer: &str) {
        let mut state = self.state.lock().unwrap();
        (state.status, state.answer) = (status, answer.to_owned());
    }

    /// How often it was asked.
    pub fn count(&self) -> usize {
        self.state.lock().unwrap().bodies.len()
    }

    /// What it was asked, as JSON; null where there was none.
    pub fn bodies(&self) -> Vec<Value> {
        self.state.lock().unwrap().bodies.clone()
    }
}
