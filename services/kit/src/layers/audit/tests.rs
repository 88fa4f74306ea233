use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
};

use bytes::Bytes;
use serde_json::{Value, json};
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::fmt::MakeWriter;

use super::*;
use crate::layers::{
    Next,
    tests::{answer, call, next, read},
    wrap,
};

/// The lines that are written.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Lines {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

impl Lines {
    fn begin() -> (Self, DefaultGuard) {
        let lines = Self::default();
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_writer(lines.clone())
            .finish();
        (lines, tracing::subscriber::set_default(subscriber))
    }

    fn taken(&self) -> Vec<Value> {
        let bytes = std::mem::take(&mut *self.0.lock().unwrap());
        let text = String::from_utf8(bytes).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

fn audited_calls<F, A>(handler: F) -> Next
where
    F: Fn(Request<Body>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    wrap(vec![layer(), subject(&Config::default())], next(handler))
}

fn asked(method: &str, request: &Value) -> Request<Body> {
    let path = format!("dualwheel.consumer.v1.{method}");
    let message = Bytes::from(named::encode(&path, &request.to_string()));
    call(&format!("/{path}"), "t", message)
}

#[tokio::test]
async fn a_line_says_what_a_call_was_about_and_how_much_it_was() {
    let (lines, _guard) = Lines::begin();
    let calls = audited_calls(|request| async move {
        let notes = request.extensions().get::<Call>().unwrap().notes();
        notes.resource("audiences/made");
        notes.expression(&"stage(P)");
        notes.people(3);
        answer(b"")
    });
    let request = json!({"audience": {"brand": "b", "displayName": "secret"}, "freeze": true});
    calls.run(asked("AudienceService/CreateAudience", &request)).await;
    let line = &lines.taken()[0];
    for (field, value) in [
        ("kind", json!("write")),
        ("tenant", json!("t")),
        ("code", json!("Ok")),
        ("brand", json!("b")),
        ("resource", json!("audiences/made")),
        ("people", json!(3)),
    ] {
        assert_eq!(line[field], value, "{field} of {line}");
    }
    assert_eq!(line["expression"].as_str().unwrap().len(), 64);
    assert!(line.get("rows").is_none());
    assert!(!line.to_string().contains("secret"));

    // By its name, and nothing noted by the handler.
    let calls = audited_calls(|_| async { answer(b"") });
    let request = json!({"name": "audiences/x"});
    calls.run(asked("AudienceService/DeleteAudience", &request)).await;
    let line = &lines.taken()[0];
    assert_eq!(line["resource"], "audiences/x");
    assert!(line.get("brand").is_none() && line.get("people").is_none());
    // Keys are in no line, and other calls have none.
    let request = json!({"consumers": ["somebody"]});
    calls.run(asked("PrivacyService/DeleteConsumers", &request)).await;
    calls.run(asked("ConsumerService/GetFast", &json!({}))).await;
    let told = lines.taken();
    assert_eq!(told.len(), 1);
    assert!(!told[0].to_string().contains("somebody"));
}

#[tokio::test]
async fn a_stream_is_told_when_it_has_ended() {
    let (lines, _guard) = Lines::begin();
    let calls = audited_calls(|request| async move {
        request.extensions().get::<Call>().unwrap().notes().add_rows(2);
        answer(b"some keys")
    });
    let request = json!({"brand": "b", "definition": {"text": "stage(P)"}});
    let answered = calls.run(asked("AudienceService/ExportAudience", &request)).await;
    assert!(lines.taken().is_empty());
    read(answered).await;
    let line = &lines.taken()[0];
    assert_eq!((&line["kind"], &line["code"]), (&json!("export"), &json!("Ok")));
    assert_eq!(line["rows"], 2);
    // Given up before its end.
    drop(calls.run(asked("AudienceService/ExportAudience", &request)).await);
    assert_eq!(lines.taken()[0]["code"], "Cancelled");
}
