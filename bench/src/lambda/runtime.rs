//! A stub of Lambda's Runtime API, and a function's process that speaks to it.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::Bytes;
use hyper::{Request, Response};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, mpsc, oneshot};

use super::http::{Answer, Stub, json, serve};
use crate::Result;

/// A function that is silent for so long has failed. Under callgrind everything takes fifty times as long.
const PATIENCE: Duration = Duration::from_secs(120);

/// An event on its way.
struct Job {
    event: Bytes,
    answer: oneshot::Sender<Result<Value>>,
}

/// One function's side of the Runtime API.
struct Api {
    jobs: Mutex<mpsc::Receiver<Job>>,
    under_way: Mutex<Option<oneshot::Sender<Result<Value>>>>,
    /// When it asked for its first event.
    ready: Mutex<Option<oneshot::Sender<Instant>>>,
}

impl Stub for Api {
    async fn answer(self: Arc<Self>, request: Request<Bytes>) -> Answer {
        let path = request.uri().path().to_owned();
        if path.ends_with("/invocation/next") {
            if let Some(ready) = self.ready.lock().await.take() {
                let _nobody_asks = ready.send(Instant::now());
            }
            return self.next().await;
        }
        if path.ends_with("/extension/register") {
            let mut answer = json(200, &json!({"functionName": "bench", "handler": "bootstrap"}));
            let id = hyper::header::HeaderValue::from_static("7f3c1a52-0000-4000-8000-000000000000");
            answer.headers_mut().insert("lambda-extension-identifier", id);
            return answer;
        }
        if path.ends_with("/extension/event/next") {
            // It registers for no events.
            return std::future::pending().await;
        }
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let ended = if path.ends_with("/response") { Ok(body) } else { Err(body.to_string().into()) };
        if let Some(answer) = self.under_way.lock().await.take() {
            let _nobody_asks = answer.send(ended);
        }
        json(202, &json!({"status": "OK"}))
    }
}

impl Api {
    async fn next(&self) -> Answer {
        let Some(job) = self.jobs.lock().await.recv().await else {
            // The function is about to be ended.
            return std::future::pending().await;
        };
        *self.under_way.lock().await = Some(job.answer);
        let deadline = jiff::Timestamp::now().as_millisecond() + 60_000;
        let mut answer = Response::new(Full::from(job.event));
        let header = |text: &str| hyper::header::HeaderValue::from_str(text).ok();
        for (name, value) in [
            ("lambda-runtime-aws-request-id", header("8476a536-e9f4-11e8-9739-2dfe598c3fcd")),
            ("lambda-runtime-deadline-ms", header(&deadline.to_string())),
            (
                "lambda-runtime-invoked-function-arn",
                header("arn:aws:lambda:us-east-1:123456789012:function:f"),
            ),
            ("lambda-runtime-trace-id", header("Root=1-5bef4de7-ad49b0e87f6ef6c87fc2e700")),
        ] {
            if let Some(value) = value {
                answer.headers_mut().insert(name, value);
            }
        }
        answer
    }
}

/// What a function is started under.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Under {
    /// Nothing.
    Itself,
    /// Callgrind, which counts its instructions.
    Callgrind,
}

/// A running function.
pub(super) struct Function {
    child: Child,
    jobs: mpsc::Sender<Job>,
    /// From exec to the first request for an event.
    pub(super) start: Duration,
    said: Arc<std::sync::Mutex<Vec<String>>>,
}

impl Function {
    /// Starts a binary and waits until it asks for its first event.
    pub(super) async fn start(binary: &Path, environment: &[(String, String)], under: Under) -> Result<Self> {
        let (jobs, received) = mpsc::channel(1);
        let (ready, is_ready) = oneshot::channel();
        let api =
            Api { jobs: Mutex::new(received), under_way: Mutex::default(), ready: Mutex::new(Some(ready)) };
        let address = serve(Arc::new(api)).await?;
        let mut command = match under {
            Under::Itself => Command::new(binary),
            Under::Callgrind => {
                let mut command = Command::new("valgrind");
                command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(binary);
                command
            }
        };
        command.env_clear().envs(environment.iter().cloned()).envs(fixed(address));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        let begun = Instant::now();
        let mut child =
            command.spawn().map_err(|error| format!("{} cannot be started: {error}", binary.display()))?;
        let said = Arc::<std::sync::Mutex<Vec<String>>>::default();
        if let Some(out) = child.stdout.take() {
            tokio::spawn(listen(out, said.clone()));
        }
        let mut function = Self { child, jobs, start: Duration::ZERO, said };
        match tokio::time::timeout(PATIENCE, is_ready).await {
            Ok(Ok(at)) => function.start = at.duration_since(begun),
            Ok(Err(_)) | Err(_) => {
                return Err(format!(
                    "{} never asked for an event: {:?}",
                    binary.display(),
                    function.take_said()
                )
                .into());
            }
        }
        Ok(function)
    }

    /// Calls it with an event; answers what it answers, and how long it took.
    pub(super) async fn invoke(&self, event: &Value) -> Result<(Value, Duration)> {
        let (answer, answered) = oneshot::channel();
        let begun = Instant::now();
        let job = Job { event: Bytes::from(event.to_string()), answer };
        self.jobs.send(job).await.map_err(|_| "the function has ended")?;
        let answer = tokio::time::timeout(PATIENCE, answered).await;
        let answer =
            answer.map_err(|_| "the function does not answer")?.map_err(|_| "the function has ended")??;
        Ok((answer, begun.elapsed()))
    }

    /// Its process.
    pub(super) fn pid(&self) -> u32 {
        self.child.id().unwrap_or(0)
    }

    /// The lines it wrote since the last time.
    pub(super) fn take_said(&self) -> Vec<String> {
        std::mem::take(&mut *self.said.lock().unwrap_or_else(std::sync::PoisonError::into_inner))
    }

    /// Ends it, and answers how many instructions callgrind counted.
    pub(super) async fn instructions(mut self) -> Result<u64> {
        let pid = self.pid().to_string();
        Command::new("kill").args(["-TERM", &pid]).status().await?;
        let out = self.child.stderr.take().ok_or("nobody listens")?;
        let mut lines = BufReader::new(out).lines();
        let mut counted = None;
        while let Some(line) = lines.next_line().await? {
            if let Some((_, count)) = line.split_once("Collected : ") {
                counted = count.trim().parse().ok();
            }
        }
        self.child.wait().await?;
        counted.ok_or_else(|| "callgrind said nothing".into())
    }

    /// Ends it.
    pub(super) async fn end(mut self) -> Result<()> {
        self.child.kill().await?;
        Ok(())
    }
}

async fn listen(out: tokio::process::ChildStdout, said: Arc<std::sync::Mutex<Vec<String>>>) {
    let mut lines = BufReader::new(out).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        said.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push(line);
    }
}

/// What Lambda sets.
fn fixed(api: SocketAddr) -> Vec<(String, String)> {
    let pairs = [
        ("AWS_LAMBDA_RUNTIME_API", api.to_string()),
        ("AWS_LAMBDA_FUNCTION_NAME", "bench".to_owned()),
        ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256".to_owned()),
        ("AWS_REGION", "us-east-1".to_owned()),
        ("AWS_ACCESS_KEY_ID", "test".to_owned()),
        ("AWS_SECRET_ACCESS_KEY", "test".to_owned()),
    ];
    pairs.map(|(name, value)| (name.to_owned(), value)).to_vec()
}
