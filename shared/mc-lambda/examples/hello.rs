//! A function of AWS that does nothing: what the others' figures are held against.

use lambda_runtime::{Diagnostic, LambdaEvent, service_fn};
use serde_json::Value;

fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let service =
        service_fn(|event: LambdaEvent<Value>| async move { Ok::<Value, Diagnostic>(event.payload) });
    runtime.block_on(lambda_runtime::Runtime::new(service).run())
}
