use std::{
    future::Future,
    pin::Pin,
    task::{Context, Poll},
};

use tonic::{Code, Request, Status, client::Grpc, codegen::http::uri::PathAndQuery};
use tonic_health::pb::{HealthCheckRequest, health_client::HealthClient};
use tonic_prost::ProstCodec;
use tonic_reflection::pb::v1::{
    ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
    server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
};

use super::*;
use crate::{
    Call,
    client::{connect, retry_unavailable, with_deadline},
    failure::reason_of,
    headers::REQUEST_ID,
};

/// A service with a method for every way to go wrong.
#[derive(Clone)]
struct Moody;

impl NamedService for Moody {
    const NAME: &'static str = "test.Moody";
}

impl tower::Service<http::Request<Body>> for Moody {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        Box::pin(async move {
            match request.uri().path().rsplit('/').next().unwrap() {
                "Slow" => tokio::time::sleep(Duration::from_secs(5)).await,
                "Brief" => tokio::time::sleep(Duration::from_millis(300)).await,
                "Panic" => panic!("moody"),
                _ => {}
            }
            let tenant = request.extensions().get::<Call>().unwrap().tenant().to_owned();
            Ok(Status::not_found(tenant).into_http())
        })
    }
}

fn config() -> Config {
    let mut config = Config {
        listen: "127.0.0.1:0".to_owned(),
        ..Config::default()
    };
    config.deadlines.drain_ms = 2_000;
    config
}

fn server() -> Server {
    Server::builder(&config()).unwrap().add(Moody).build().unwrap()
}

async fn call(channel: Channel, method: &str, timeout: Duration) -> Status {
    let mut client = Grpc::new(channel);
    if let Err(error) = client.ready().await {
        return Status::unavailable(error.to_string());
    }
    let path = PathAndQuery::try_from(format!("/test.Moody/{method}")).unwrap();
    let codec = ProstCodec::<(), ()>::default();
    client
        .unary(with_deadline(&Call::outgoing(None), (), timeout), path, codec)
        .await
        .map(|_| ())
        .unwrap_err()
}

const LONG: Duration = Duration::from_secs(20);

async fn health(channel: Channel, service: &str) -> Result<i32, Code> {
    let request = HealthCheckRequest {
        service: service.to_owned(),
    };
    let answer = HealthClient::new(channel)
        .check(request)
        .await
        .map_err(|status| status.code())?;
    Ok(answer.into_inner().status)
}

#[tokio::test]
async fn health_and_reflection_answer_in_process() {
    let channel = server().in_process();
    assert_eq!(health(channel.clone(), "").await, Ok(1));
    assert_eq!(health(channel.clone(), "test.Moody").await, Ok(1));
    assert_eq!(health(channel.clone(), "test.Other").await, Err(Code::NotFound));

    let ask = |message| ServerReflectionRequest {
        host: String::new(),
        message_request: Some(message),
    };
    let questions = [
        ask(MessageRequest::ListServices(String::new())),
        ask(MessageRequest::FileContainingSymbol(
            "dualwheel.type.v1.Metric".to_owned(),
        )),
    ];
    let mut client = ServerReflectionClient::new(channel);
    let mut answers = client
        .server_reflection_info(tokio_stream::iter(questions))
        .await
        .unwrap()
        .into_inner();
    let Some(MessageResponse::ListServicesResponse(list)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("a list of services expected")
    };
    let names: Vec<_> = list.service.into_iter().map(|service| service.name).collect();
    for name in ["test.Moody"].iter().chain(&STANDARD) {
        assert!(names.contains(&(*name).to_owned()), "{names:?}");
    }
    let Some(MessageResponse::FileDescriptorResponse(files)) =
        answers.message().await.unwrap().unwrap().message_response
    else {
        panic!("a file expected")
    };
    assert_eq!(files.file_descriptor_proto.len(), 1);
}

#[tokio::test]
async fn tools_that_know_the_older_reflection_only_are_answered_too() {
    use tonic_reflection::pb::v1alpha::{
        ServerReflectionRequest, server_reflection_client::ServerReflectionClient,
        server_reflection_request::MessageRequest, server_reflection_response::MessageResponse,
    };
    let ask = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::FileContainingSymbol(
            "dualwheel.type.v1.Metric".to_owned(),
        )),
    };
    let mut client = ServerReflectionClient::new(server().in_process());
    let answers = client.server_reflection_info(tokio_stream::once(ask)).await;
    let answer = answers.unwrap().into_inner().message().await.unwrap().unwrap();
    let Some(MessageResponse::FileDescriptorResponse(files)) = answer.message_response else {
        panic!("a file expected")
    };
    assert_eq!(files.file_descriptor_proto.len(), 1);
}

#[tokio::test]
async fn every_failure_has_a_reason() {
    let channel = server().in_process();
    let unknown = [
        "/test.Moody2/Fine",
        "/dualwheel.consumer.v1.ConsumerService/Nothing",
        "/nothing/at/all",
    ];
    for path in unknown {
        let mut client = Grpc::new(channel.clone());
        client.ready().await.unwrap();
        let codec = ProstCodec::<(), ()>::default();
        let status = client
            .unary(Request::new(()), PathAndQuery::from_static(path), codec)
            .await
            .unwrap_err();
        assert_eq!(status.code(), Code::Unimplemented, "{path}");
        assert_eq!(reason_of(&status).as_deref(), Some("METHOD_UNKNOWN"), "{path}");
        assert!(!status.message().is_empty());
    }
    let request = HealthCheckRequest {
        service: "nothing".to_owned(),
    };
    let status = HealthClient::new(channel).check(request).await.unwrap_err();
    assert_eq!(reason_of(&status).as_deref(), Some("NOT_FOUND"));
}

#[tokio::test]
async fn a_slow_service_answers_deadline_exceeded() {
    let status = call(server().in_process(), "Slow", Duration::from_millis(300)).await;
    assert_eq!(status.code(), Code::DeadlineExceeded, "{status}");
    assert_eq!(reason_of(&status).as_deref(), Some("DEADLINE"));
}

#[tokio::test]
async fn a_panic_is_internal_and_the_next_call_goes_on() {
    let channel = server().in_process();
    let status = call(channel.clone(), "Panic", LONG).await;
    assert_eq!(
        (status.code(), reason_of(&status).as_deref()),
        (Code::Internal, Some("INTERNAL"))
    );
    let status = call(channel, "Fine", LONG).await;
    assert_eq!((status.code(), status.message()), (Code::NotFound, "default"));
}

#[tokio::test]
async fn request_ids_come_back_over_tcp() {
    let bound = bind(&config()).await.unwrap();
    let channel = connect(&bound.address().to_string(), &config()).unwrap();
    let serving = tokio::spawn(server().serve(bound, std::future::pending()));
    let mut request = Request::new(HealthCheckRequest::default());
    request
        .metadata_mut()
        .insert(REQUEST_ID, "my-call".parse().unwrap());
    let answer = HealthClient::new(channel).check(request).await.unwrap();
    assert_eq!(answer.metadata().get(REQUEST_ID).unwrap(), "my-call");
    serving.abort();
}

#[tokio::test]
async fn shutdown_lets_running_calls_end_and_takes_no_more() {
    let bound = bind(&config()).await.unwrap();
    let channel = connect(&bound.address().to_string(), &config()).unwrap();
    let (stop, stopped) = oneshot::channel::<()>();
    let shutdown = async {
        let _ = stopped.await;
    };
    let serving = tokio::spawn(server().serve(bound, shutdown));
    let running = tokio::spawn(call(channel.clone(), "Brief", LONG));
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.send(()).unwrap();
    assert_eq!(running.await.unwrap().code(), Code::NotFound);
    serving.await.unwrap().unwrap();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    let after = retry_unavailable(deadline, || async {
        Err::<(), _>(call(channel.clone(), "Fine", LONG).await)
    });
    assert_eq!(after.await.unwrap_err().code(), Code::Unavailable);
}

#[tokio::test]
async fn a_drain_ends_even_when_a_call_does_not() {
    let mut config = config();
    config.deadlines.drain_ms = 100;
    let bound = bind(&config).await.unwrap();
    let channel = connect(&bound.address().to_string(), &config).unwrap();
    let server = Server::builder(&config).unwrap().add(Moody).build().unwrap();
    let running = tokio::spawn(call(channel, "Slow", LONG));
    let begun = tokio::time::Instant::now();
    server
        .serve(bound, tokio::time::sleep(Duration::from_millis(200)))
        .await
        .unwrap();
    assert!(begun.elapsed() < Duration::from_secs(3));
    running.abort();
}

#[tokio::test]
async fn only_loopback_is_bound_without_leave() {
    let mut config = Config {
        listen: "0.0.0.0:0".to_owned(),
        ..config()
    };
    let error = bind(&config).await.unwrap_err().to_string();
    assert!(error.contains("allow_remote_without_auth"), "{error}");
    config.allow_remote_without_auth = true;
    assert_ne!(bind(&config).await.unwrap().address().port(), 0);
    let taken = bind(&self::config()).await.unwrap();
    config.listen = taken.address().to_string();
    assert!(matches!(bind(&config).await, Err(Error::Bind { .. })));
}

#[test]
fn health_tells_when_the_threads_behind_the_calls_stand_still() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(1)
        .enable_all()
        .build()
        .unwrap();
    let (release, held) = std::sync::mpsc::channel::<()>();
    runtime.block_on(async {
        let mut config = config();
        config.deadlines.default_ms = 150;
        let server = Server::builder(&config).unwrap().add(Moody).build().unwrap();
        let bound = bind(&config).await.unwrap();
        let channel = connect(&bound.address().to_string(), &config).unwrap();
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(server.serve(bound, async { drop(stopped.await) }));
        let until = |status| {
            let channel = channel.clone();
            async move {
                let reached = async {
                    while health(channel.clone(), "test.Moody").await != Ok(status) {
                        sleep(Duration::from_millis(20)).await;
                    }
                };
                timeout(LONG, reached).await.unwrap();
            }
        };
        until(1).await;
        // All the threads there are wait for something that never comes.
        drop(tokio::task::spawn_blocking(move || held.recv()));
        until(2).await;
        release.send(()).unwrap();
        until(1).await;
        // Busy threads are no still ones.
        for _ in 0..10 {
            let busy = || std::thread::sleep(Duration::from_millis(60));
            tokio::task::spawn_blocking(busy).await.unwrap();
            assert_eq!(health(channel.clone(), "").await, Ok(1));
        }
        stop.send(()).unwrap();
        serving.await.unwrap().unwrap();
    });
}
