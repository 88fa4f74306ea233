use std::sync::atomic::{AtomicUsize, Ordering};

use dualwheel_proto::{
    consumer::{GetFastRequest, GetFastResponse},
    types::{Metric, MetricQuery},
};
use futures::TryStreamExt;
use prost::Message as _;
use tokio::{sync::Notify, time::sleep};
use tonic::Code;

use super::*;
use crate::{
    access::Brands,
    db,
    failure::reason_of,
    identity::Identity,
    layers::tests::{answer, next},
};

const CONSUMER: &str = "dualwheel.consumer.v1.ConsumerService";

async fn service(calls: Next) -> Service {
    let database = db::connect("sqlite::memory:").await.unwrap();
    db::prepare::<store::Migrator>(&database).await.unwrap();
    let limits = Limits {
        time: Duration::from_secs(20),
        answer: 1 << 10,
    };
    Service::new(database.connection().clone(), calls, &[CONSUMER], limits)
}

/// A question about a brand.
fn fast(brand: &str) -> Any {
    let query = MetricQuery {
        brand: brand.to_owned(),
        ..MetricQuery::default()
    };
    let request = GetFastRequest {
        query: Some(query),
        ..GetFastRequest::default()
    };
    Any {
        type_url: "type.googleapis.com/dualwheel.consumer.v1.GetFastRequest".to_owned(),
        value: request.encode_to_vec(),
    }
}

fn asked<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    request.extensions_mut().insert(Call::background("t"));
    request
}

fn create(request: Any) -> Request<proto::CreateJobRequest> {
    asked(proto::CreateJobRequest {
        request: Some(request),
        ..proto::CreateJobRequest::default()
    })
}

async fn created(service: &Service, brand: &str) -> proto::Job {
    let answer = service.create_job(create(fast(brand))).await.unwrap();
    answer.into_inner().job.unwrap()
}

/// Every state that is told of a job.
async fn watched(service: &Service, name: &str) -> Vec<proto::Job> {
    let request = asked(proto::WatchJobRequest {
        name: name.to_owned(),
    });
    let states = service.watch_job(request).await.unwrap().into_inner();
    let states = states.map_ok(|told| told.job.unwrap());
    states.try_collect().await.unwrap()
}

async fn read(service: &Service, name: &str) -> Result<proto::Job, Status> {
    let name = name.to_owned();
    let answer = service.get_job(asked(proto::GetJobRequest { name })).await?;
    Ok(answer.into_inner().job.unwrap())
}

/// What `GetFast` answers.
fn metrics() -> GetFastResponse {
    let metric = Metric {
        id: "fast.fertility".to_owned(),
        ..Metric::default()
    };
    GetFastResponse {
        metrics: vec![metric],
        trend: Vec::new(),
    }
}

#[tokio::test]
async fn a_job_tells_how_far_it_has_come_and_then_the_calls_answer() {
    let go_on = Arc::new(Notify::new());
    let waiting = Arc::clone(&go_on);
    let calls = next(move |request: http::Request<Body>| {
        let waiting = Arc::clone(&waiting);
        async move {
            assert_eq!(request.uri().path(), format!("/{CONSUMER}/GetFast"));
            assert_eq!(request.extensions().get::<OnBehalf>().unwrap().0.tenant(), "t");
            let left = request.extensions().get::<Deadline>().unwrap().0 - Instant::now();
            assert!(left > Duration::from_secs(15));
            work::metrics(|| {
                work::step("counting", 8);
                work::advance(3);
            })
            .await
            .unwrap();
            waiting.notified().await;
            answer(&metrics().encode_to_vec())
        }
    });
    let service = service(calls).await;
    let job = created(&service, "A").await;
    assert_eq!(job.state(), JobState::Working);
    assert_eq!(job.request.as_ref(), Some(&fast("A")));
    let following = {
        let (service, name) = (service.clone(), job.name.clone());
        tokio::spawn(async move { watched(&service, &name).await })
    };
    let counting = loop {
        let progress = read(&service, &job.name).await.unwrap().progress.unwrap();
        if progress.done == 3 {
            break progress;
        }
        sleep(Duration::from_millis(5)).await;
    };
    assert_eq!((counting.step.as_str(), counting.total), ("counting", 8));
    go_on.notify_one();
    let states = following.await.unwrap();
    let (last, before) = states.split_last().unwrap();
    assert!(before.iter().all(|state| state.state() == JobState::Working));
    assert_eq!(last.state(), JobState::Succeeded);
    assert_eq!(last.progress.as_ref(), Some(&counting));
    let told = last.answer.clone().unwrap();
    assert_eq!(
        told.type_url,
        "type.googleapis.com/dualwheel.consumer.v1.GetFastResponse"
    );
    assert_eq!(GetFastResponse::decode(&*told.value).unwrap(), metrics());
    assert!(last.end_time.is_some() && last.error.is_none());
    assert_eq!(&read(&service, &job.name).await.unwrap(), last);
}

#[tokio::test]
async fn a_failed_call_a_panic_and_a_large_answer_are_told_as_errors_with_their_reasons() {
    let calls = next(|request: http::Request<Body>| async move {
        let body = http_body_util::BodyExt::collect(request.into_body())
            .await
            .unwrap();
        let message = GetFastRequest::decode(unframed(&body.to_bytes()).unwrap()).unwrap();
        match message.query.unwrap().brand.as_str() {
            "none" => Failure::new(Reason::BrandUnknown, "no such brand")
                .status()
                .into_http(),
            "panic" => panic!("so it goes"),
            _ => answer(&[0; 2_000]),
        }
    });
    let service = service(calls).await;
    for (brand, code, reason) in [
        ("none", Code::NotFound, "BRAND_UNKNOWN"),
        ("panic", Code::Internal, "INTERNAL"),
        ("large", Code::ResourceExhausted, "ANSWER_TOO_LARGE"),
    ] {
        let job = created(&service, brand).await;
        let last = watched(&service, &job.name).await.pop().unwrap();
        assert_eq!(last.state(), JobState::Failed);
        let error = last.error.unwrap();
        assert_eq!(error.code, code as i32);
        let status = Status::with_details(code, error.message.clone(), error.encode_to_vec().into());
        assert_eq!(reason_of(&status).unwrap(), reason);
        assert!(last.answer.is_none());
    }
}

/// Calls that never end, and how many of them are at work.
fn endless() -> (Next, Arc<AtomicUsize>) {
    struct AtWork(Arc<AtomicUsize>);
    impl Drop for AtWork {
        fn drop(&mut self) {
            self.0.fetch_sub(1, Ordering::SeqCst);
        }
    }
    let count = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&count);
    let calls = next(move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
        let at_work = AtWork(Arc::clone(&counted));
        async move {
            let _at_work = at_work;
            std::future::pending().await
        }
    });
    (calls, count)
}

async fn until(such: impl Fn() -> bool) {
    let waited = timeout(Duration::from_secs(20), async {
        while !such() {
            sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.expect("it does not become so");
}

#[tokio::test]
async fn a_cancelled_job_leaves_its_work_and_stays_cancelled() {
    let (calls, at_work) = endless();
    let service = service(calls).await;
    let job = created(&service, "A").await;
    until(|| at_work.load(Ordering::SeqCst) == 1).await;
    let delete = |name: &str| {
        let name = name.to_owned();
        service.delete_job(asked(proto::DeleteJobRequest { name }))
    };
    assert_eq!(
        reason_of(&delete(&job.name).await.unwrap_err()).unwrap(),
        "JOB_AT_WORK"
    );
    for _ in 0..2 {
        let name = job.name.clone();
        let cancelled = service.cancel_job(asked(proto::CancelJobRequest { name })).await;
        assert_eq!(
            cancelled.unwrap().into_inner().job.unwrap().state(),
            JobState::Cancelled
        );
        until(|| at_work.load(Ordering::SeqCst) == 0).await;
    }
    delete(&job.name).await.unwrap();
    assert_eq!(
        reason_of(&read(&service, &job.name).await.unwrap_err()).unwrap(),
        "JOB_UNKNOWN"
    );
}

#[tokio::test]
async fn a_job_that_takes_too_long_fails() {
    let (calls, at_work) = endless();
    let mut service = service(calls).await;
    service.limit = Duration::from_millis(50);
    let job = created(&service, "A").await;
    let last = watched(&service, &job.name).await.pop().unwrap();
    assert_eq!(last.error.unwrap().code, Code::DeadlineExceeded as i32);
    until(|| at_work.load(Ordering::SeqCst) == 0).await;
}

#[tokio::test]
async fn a_tenant_has_so_many_jobs_at_work_and_no_more() {
    let (calls, _) = endless();
    let service = service(calls).await;
    let mut first = None;
    for _ in 0..live::TENANT_JOBS {
        first = Some(created(&service, "A").await.name);
    }
    let refused = service.create_job(create(fast("A"))).await.unwrap_err();
    assert_eq!(reason_of(&refused).unwrap(), "JOB_LIMIT");
    let name = first.unwrap();
    let cancel = || asked(proto::CancelJobRequest { name: name.clone() });
    service.cancel_job(cancel()).await.unwrap();
    let again = async {
        while service.create_job(create(fast("A"))).await.is_err() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), again).await.unwrap();
    let listed = service.list_jobs(asked(proto::ListJobsRequest {
        states: vec![JobState::Working.into()],
        ..proto::ListJobsRequest::default()
    }));
    let listed = listed.await.unwrap().into_inner().jobs;
    assert_eq!(listed.len(), live::TENANT_JOBS);
    assert!(listed.iter().all(|job| job.request.is_none()));
}

#[tokio::test]
async fn a_repeated_request_makes_no_second_job() {
    let (calls, _) = endless();
    let service = service(calls).await;
    let mut request = proto::CreateJobRequest {
        request_id: "0190163d-8694-739b-aea5-966c26f8ad91".to_owned(),
        request: Some(fast("A")),
    };
    let ask = |request: &proto::CreateJobRequest, hash| {
        let mut request = asked(request.clone());
        request
            .extensions_mut()
            .insert(Call::background("t").asking(hash));
        service.create_job(request)
    };
    let first = ask(&request, 1).await.unwrap().into_inner().job.unwrap();
    let again = ask(&request, 1).await.unwrap().into_inner().job.unwrap();
    assert_eq!(first.name, again.name);
    request.request = Some(fast("B"));
    let other = ask(&request, 2).await.unwrap_err();
    assert_eq!(reason_of(&other).unwrap(), "REQUEST_ID_REUSED");
}

#[tokio::test]
async fn what_is_no_request_of_a_call_is_refused_by_its_field() {
    let (calls, at_work) = endless();
    let service = service(calls).await;
    let of = |name: &str, value: &[u8]| Any {
        type_url: name.to_owned(),
        value: value.to_vec(),
    };
    for (request, field) in [
        (of("", b""), "request"),
        (of("x/dualwheel.consumer.v1.ListValuesRequest", b""), "request"),
        (of("x/dualwheel.product.v1.GetSuperRequest", b""), "request"),
        (
            of("dualwheel.consumer.v1.GetFastRequest", &[0xff]),
            "request.value",
        ),
        (
            of("dualwheel.consumer.v1.GetFastRequest", &[0; REQUEST_BYTES + 1]),
            "request.value",
        ),
    ] {
        let refused = service.create_job(create(request)).await.unwrap_err();
        let violations = crate::failure::violations_of(&refused);
        assert_eq!(violations.len(), 1, "{refused:?}");
        assert_eq!(violations[0].0, field);
    }
    assert_eq!(at_work.load(Ordering::SeqCst), 0);
}

#[test]
fn calls_that_give_keys_away_or_stream_are_no_jobs() {
    let of: Vec<&str> = Method::all()
        .iter()
        .filter_map(|one| one.path.split('/').next())
        .collect();
    let offered = methods(&of);
    let has = |name: &str| offered.contains_key(&format!("dualwheel.{name}Request"));
    for method in [
        "consumer.v1.GetValue",
        "consumer.v1.FindClusters",
        "consumer.v1.ExpandAudience",
        "consumer.v1.SaveClusters",
        "consumer.v1.SaveWinbackPacks",
        "consumer.v1.CreateAudience",
        "consumer.v1.RebuildPeopleIndex",
        "consumer.v1.VerifyPeopleIndex",
        "diagnosis.v1.GetIndex",
    ] {
        assert!(has(method), "{method}");
    }
    for method in [
        "consumer.v1.ListValues",
        "consumer.v1.ExportConsumer",
        "consumer.v1.DeleteConsumers",
        "membership.v1.ListKocCandidates",
        "facts.v1.Append",
        "type.v1.ListDefinitions",
    ] {
        assert!(!has(method), "{method}");
    }
}

/// A request of who sees `brands` and is allowed `scopes`.
fn of<T>(brands: &Brands, scopes: &[Scope], message: T) -> Request<T> {
    let identity = Identity {
        subject: "s".to_owned(),
        tenant: "t".to_owned(),
        brands: brands.clone(),
        scopes: scopes.iter().copied().collect(),
    };
    let call = Call::make(&mut http::Request::new(()), Arc::new(identity), None);
    let mut request = Request::new(message);
    request.extensions_mut().insert(call);
    request
}

#[tokio::test]
async fn a_job_is_there_for_those_who_might_make_its_call() {
    let (calls, _) = endless();
    let service = service(calls).await;
    let some = |brands: &[&str]| Brands::Some(brands.iter().map(|brand| (*brand).to_owned()).collect());
    let (one, both, whole) = (some(&["A"]), some(&["A", "B"]), Brands::All);
    let scopes = [Scope::JobsRead, Scope::JobsWrite, Scope::MetricsRead];

    let make = async |brands: &Brands, scopes: &[Scope], brand: &str| {
        let request = of(brands, scopes, create(fast(brand)).into_inner());
        let answer = service.create_job(request).await?;
        Ok::<_, Status>(answer.into_inner().job.unwrap().name)
    };
    for (brands, scopes, brand) in [(&one, &scopes[..2], "A"), (&one, &scopes[..], "B")] {
        let refused = make(brands, scopes, brand).await.unwrap_err();
        assert_eq!(reason_of(&refused).unwrap(), "PERMISSION_DENIED");
    }
    let of_one = make(&one, &scopes, "A").await.unwrap();
    let of_both = make(&both, &scopes, "A").await.unwrap();
    let of_whole = make(&whole, &scopes, "A").await.unwrap();

    let sees = async |brands: &Brands, scopes: &[Scope], name: &str| {
        let name_of = proto::GetJobRequest {
            name: name.to_owned(),
        };
        let seen = service.get_job(of(brands, scopes, name_of)).await.is_ok();
        let list = proto::ListJobsRequest::default();
        let listed = service.list_jobs(of(brands, scopes, list)).await.unwrap();
        let is_listed = listed.into_inner().jobs.iter().any(|job| job.name == name);
        assert_eq!(seen, is_listed, "{name}");
        seen
    };
    for (brands, seen) in [
        (&one, [true, false, false]),
        (&both, [true, true, false]),
        (&whole, [true, true, true]),
        (&some(&["B"]), [false, false, false]),
    ] {
        for (name, is_seen) in [&of_one, &of_both, &of_whole].into_iter().zip(seen) {
            assert_eq!(sees(brands, &scopes, name).await, is_seen, "{brands:?}");
            assert!(!sees(brands, &[Scope::JobsRead], name).await);
        }
    }
}
