use bytes::Bytes;
use http_body_util::BodyExt;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::*;
use crate::identity::Identity;

fn request(path: &str) -> Request<Body> {
    Request::builder().uri(path).body(Body::empty()).unwrap()
}

pub(crate) fn next<F, A>(handler: F) -> Next
where
    F: Fn(Request<Body>) -> A + Send + Sync + 'static,
    A: Future<Output = Response<Body>> + Send + 'static,
{
    Next(Arc::new(move |request| handler(request).boxed()))
}

pub(super) fn code(response: &Response<Body>) -> Code {
    Status::from_header_map(response.headers()).map_or(Code::Ok, |status| status.code())
}

/// What a handler would answer: a message in its frame, and a good end.
pub(crate) fn answer(message: &[u8]) -> Response<Body> {
    answers::Answer::of(framed(message)).into_response()
}

/// A call of `path` by somebody of `tenant`.
pub(super) fn call(path: &str, tenant: &str, message: Bytes) -> Request<Body> {
    let body = Body::new(http_body_util::Full::new(framed(&message)));
    let mut request = Request::builder().uri(path).body(body).unwrap();
    let identity = Arc::new(Identity::whole("anonymous", tenant));
    let call = Call::make(&mut request, identity, None);
    request.extensions_mut().insert(call);
    request
}

/// The body of an answer, and its code.
pub(super) async fn read(response: Response<Body>) -> (Bytes, Code) {
    let code = code(&response);
    (response.into_body().collect().await.unwrap().to_bytes(), code)
}

#[tokio::test]
async fn the_order_is_fixed() {
    let mut config = Config::default();
    config.limits.tenant_calls_per_second = 1;
    let parts = Parts {
        verifier: None,
        inner: false,
        shared: Shared::open(&config).unwrap(),
        versions: Some(Arc::new(answers::tests::Fixed::default())),
    };
    let names: Vec<_> = list(&config, &parts).iter().map(|layer| layer.name).collect();
    assert_eq!(
        names,
        [
            "request-id",
            "trace",
            "panic",
            "load-shed",
            "deadline",
            "authentication",
            "audit",
            "audit-subject",
            "stream-share",
            "rate-limit",
            "limits",
            "idempotency",
            "answers",
            "reasons",
        ]
    );
}

#[tokio::test]
async fn a_tenant_beyond_its_limit_is_told_when_to_come_again() {
    let mut config = Config::default();
    config.limits.tenant_calls_per_second = 1;
    let limit = rate_limit(1, Shared::open(&config).unwrap());
    let calls = wrap(vec![limit], next(|_| async { answer(b"x") }));
    let ask = |tenant: &str| calls.run(call("/x", tenant, Bytes::new()));
    assert_eq!(code(&ask("a").await), Code::Ok);
    let refused = Status::from_header_map(ask("a").await.headers()).unwrap();
    assert_eq!(crate::failure::reason_of(&refused).unwrap(), "RATE_LIMITED");
    let wait = crate::failure::retry_after(&refused).unwrap();
    // A half more at most, so that not all come again at once.
    assert!(
        wait > Duration::ZERO && wait <= Duration::from_millis(1_500),
        "{wait:?}"
    );
    let quota = refused.get_details_quota_failure().unwrap().violations;
    assert_eq!(quota[0].subject, "tenants/a");
    assert!(quota[0].description.contains("1 calls a second"), "{quota:?}");
    let pushback = refused.metadata().get("grpc-retry-pushback-ms").unwrap();
    let pushback: u128 = pushback.to_str().unwrap().parse().unwrap();
    assert!(pushback >= wait.as_millis() && pushback <= wait.as_millis() + 1);
    assert_eq!(code(&ask("b").await), Code::Ok);
}

#[tokio::test]
async fn decent_request_ids_are_kept_and_others_replaced() {
    let echo = next(|request| async move {
        let id = request.extensions().get::<RequestId>().unwrap().0.clone();
        Response::builder()
            .header("seen", id)
            .body(Body::empty())
            .unwrap()
    });
    let calls = wrap(vec![Layer::new("request-id", request_id)], echo);
    for (given, kept) in [
        ("abc-1_Z", true),
        ("a b", false),
        ("", false),
        (&"x".repeat(65), false),
    ] {
        let mut call = request("/x");
        call.headers_mut().insert(REQUEST_ID, given.parse().unwrap());
        let response = calls.run(call).await;
        let told = response.headers()[REQUEST_ID].to_str().unwrap();
        assert_eq!(response.headers()["seen"], told);
        assert_eq!(told == given, kept, "{given:?} became {told:?}");
        assert!(kept || Uuid::parse_str(told).is_ok());
    }
}

#[test]
fn refusals_are_told_once_a_second_with_their_number() {
    assert_eq!(to_tell("A"), Some(1));
    assert_eq!((to_tell("A"), to_tell("A")), (None, None));
    assert_eq!(to_tell("B"), Some(1));
    std::thread::sleep(TOLD_EVERY);
    assert_eq!(to_tell("A"), Some(3));
}

#[tokio::test]
async fn deadlines_are_the_callers_but_capped_less_a_margin() {
    let tell = next(|request| async move {
        let Deadline(at) = *request.extensions().get::<Deadline>().unwrap();
        let left = (at - Instant::now()).as_millis().to_string();
        Response::builder()
            .header("left", left)
            .body(Body::empty())
            .unwrap()
    });
    let calls = wrap(
        vec![deadline(Duration::from_secs(10), Duration::from_millis(50))],
        tell,
    );
    for (given, left) in [
        (None, 9_900),
        (Some("5S"), 4_900),
        (Some("100m"), 80),
        (Some("1H"), 9_900),
    ] {
        let mut call = request("/x");
        if let Some(given) = given {
            call.headers_mut()
                .insert(TIMEOUT_HEADER, HeaderValue::from_static(given));
        }
        let told: u64 = calls.run(call).await.headers()["left"]
            .to_str()
            .unwrap()
            .parse()
            .unwrap();
        // Some time passes on a busy machine.
        assert!(
            told <= left && told + 3_000 > left,
            "{given:?}: {told} and not {left}"
        );
    }
}

#[tokio::test]
async fn late_answers_are_deadline_exceeded() {
    let never = next(|_| std::future::pending());
    let calls = wrap(vec![deadline(Duration::from_millis(20), Duration::ZERO)], never);
    let response = calls.run(request("/x")).await;
    let status = Status::from_header_map(response.headers()).unwrap();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(crate::failure::reason_of(&status).as_deref(), Some("DEADLINE"));
}

#[test]
fn timeouts_are_read_as_grpc_writes_them() {
    let read = |text: &'static str| {
        timeout(&HeaderMap::from_iter([(
            TIMEOUT_HEADER.parse().unwrap(),
            HeaderValue::from_static(text),
        )]))
    };
    assert_eq!(read("3M"), Some(Duration::from_secs(180)));
    assert_eq!(read("99999999n"), Some(Duration::from_nanos(99_999_999)));
    for wrong in ["", "S", "5", "5x", "-5S", "+5S", "123456789S", "1.5S"] {
        assert_eq!(read(wrong), None, "{wrong}");
    }
}

#[tokio::test]
async fn a_panic_is_one_internal_answer() {
    let calls = wrap(
        vec![Layer::new("panic", panic)],
        next(|_| async { panic!("secret") }),
    );
    let response = calls.run(request("/x")).await;
    assert_eq!(code(&response), Code::Internal);
    assert!(!format!("{:?}", response.headers()).contains("secret"));
}
