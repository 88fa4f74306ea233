//! Runs: start, watch, cancel, list, and what a crash leaves.

#![cfg(test)]

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use dualwheel_diagnosis::store::{NewRun, Runs, State};
use dualwheel_kit::Call;
use dualwheel_proto::{
    diagnosis::{
        CancelRunRequest, DiagnosisRun, GetIndexRequest, GetRunRequest, ListRunsRequest, ResumeRunRequest,
        RunState, StartDiagnosisRequest, WatchRunRequest, WatchRunResponse,
    },
    types::Absence,
};
use prost::Message;
use tokio_stream::StreamExt;
use tonic::Code;

use crate::{Client, House, PEERS, fakes::World, fields, reason, spec};

async fn start(client: &mut Client, peers: &[&str]) -> DiagnosisRun {
    let request = StartDiagnosisRequest {
        spec: Some(spec("ash", peers)),
        request_id: String::new(),
    };
    client
        .diagnoses
        .start_diagnosis(request)
        .await
        .unwrap()
        .into_inner()
        .run
        .unwrap()
}

async fn watch(client: &mut Client, name: &str) -> Vec<WatchRunResponse> {
    let request = WatchRunRequest {
        name: name.to_owned(),
    };
    let stream = client.diagnoses.watch_run(request).await.unwrap().into_inner();
    stream.map(Result::unwrap).collect().await
}

async fn resume(client: &mut Client, name: &str) -> DiagnosisRun {
    let request = ResumeRunRequest {
        name: name.to_owned(),
    };
    client
        .diagnoses
        .resume_run(request)
        .await
        .unwrap()
        .into_inner()
        .run
        .unwrap()
}

async fn get(client: &mut Client, name: &str) -> DiagnosisRun {
    client
        .diagnoses
        .get_run(GetRunRequest {
            name: name.to_owned(),
        })
        .await
        .unwrap()
        .into_inner()
        .run
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_tells_its_progress_and_keeps_its_result() {
    let house = House::new().await;
    let mut client = house.client.clone();
    let started = start(&mut client, &PEERS).await;
    assert_eq!(started.state(), RunState::Running);
    // Eight groups, AIPL, flow and four lists for the brand, eight groups for each of four peers, the scoring.
    assert_eq!(started.total_steps, 8 + 2 + 4 + 4 * 8 + 1);
    let seen = watch(&mut client, &started.name).await;
    let steps: Vec<i32> = seen
        .iter()
        .map(|answer| answer.run.as_ref().unwrap().done_steps)
        .collect();
    assert!(steps.is_sorted(), "{steps:?}");
    let ended = seen.last().unwrap().run.clone().unwrap();
    assert_eq!(
        (ended.state(), ended.done_steps),
        (RunState::Succeeded, ended.total_steps)
    );
    assert!(ended.end_time.is_some() && ended.error.is_empty());
    let result = ended.result.clone().unwrap();
    assert!(result.missing.is_empty());
    assert_eq!(
        (
            result.reference_size,
            result.metrics.len(),
            result.sub_indicators.len()
        ),
        (5, 26, 10)
    );
    assert_eq!(
        (
            result.tracks.len(),
            result.members.len(),
            result.gaps.len(),
            result.scenes.len()
        ),
        (5, 5, 8, 12)
    );
    let index = result.index.as_ref().unwrap();
    assert!(index.value.is_some() && index.interval.is_some() && index.unit == "points");
    let pictures = result.pictures.as_ref().unwrap();
    assert_eq!(
        (
            pictures.aipl.len(),
            pictures.flow.len(),
            pictures.fast_trend.len()
        ),
        (2, 1, 1)
    );
    let ids: Vec<&str> = result
        .definitions
        .iter()
        .map(|definition| definition.id.as_str())
        .collect();
    assert!(
        ids.starts_with(&["index"])
            && ids.ends_with(&["consumer.x", "product.x", "content.x", "membership.x"])
    );
    // Read again, and watched after its end: the same.
    assert_eq!(get(&mut client, &ended.name).await, ended);
    let again = watch(&mut client, &ended.name).await;
    assert_eq!((again.len(), again[0].run.clone().unwrap()), (1, ended));
    // Not stored, the same numbers.
    let request = GetIndexRequest {
        spec: Some(spec("ash", &PEERS)),
    };
    let once = client
        .diagnoses
        .get_index(request)
        .await
        .unwrap()
        .into_inner()
        .diagnosis
        .unwrap();
    assert_eq!(once, result);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_request_answers_the_first_run() {
    let house = House::new().await;
    let mut client = house.client.clone();
    let id = "01890a5d-ac96-774b-bcce-b302099a8057";
    let request = StartDiagnosisRequest {
        spec: Some(spec("ash", &PEERS)),
        request_id: id.to_owned(),
    };
    let first = client
        .diagnoses
        .start_diagnosis(request.clone())
        .await
        .unwrap()
        .into_inner()
        .run
        .unwrap();
    let again = StartDiagnosisRequest {
        request_id: id.to_uppercase(),
        ..request.clone()
    };
    let again = client
        .diagnoses
        .start_diagnosis(again)
        .await
        .unwrap()
        .into_inner()
        .run
        .unwrap();
    assert_eq!(first.name, again.name);
    let other = StartDiagnosisRequest {
        spec: Some(spec("birch", &["ash"])),
        ..request.clone()
    };
    assert_eq!(
        fields(&client.diagnoses.start_diagnosis(other).await.unwrap_err()),
        ["request_id"]
    );
    let wrong = StartDiagnosisRequest {
        request_id: "x".to_owned(),
        ..request
    };
    assert_eq!(
        fields(&client.diagnoses.start_diagnosis(wrong).await.unwrap_err()),
        ["request_id"]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_are_newest_first_and_paged() {
    let house = House::new().await;
    let mut client = house.client.clone();
    let mut names = Vec::new();
    for _ in 0..3 {
        let run = start(&mut client, &PEERS).await;
        watch(&mut client, &run.name).await;
        names.insert(0, run.name);
    }
    let page = |page_size, page_token: &str| ListRunsRequest {
        brand: "ash".to_owned(),
        page_size,
        page_token: page_token.to_owned(),
        ..ListRunsRequest::default()
    };
    let first = client
        .diagnoses
        .list_runs(page(2, ""))
        .await
        .unwrap()
        .into_inner();
    let second = client
        .diagnoses
        .list_runs(page(2, &first.next_page_token))
        .await
        .unwrap()
        .into_inner();
    assert_eq!(second.next_page_token, "");
    let listed: Vec<&DiagnosisRun> = first.runs.iter().chain(&second.runs).collect();
    assert_eq!(
        listed.iter().map(|run| run.name.clone()).collect::<Vec<_>>(),
        names
    );
    assert!(
        listed
            .iter()
            .all(|run| run.result.is_none() && run.state() == RunState::Succeeded)
    );
    let none = ListRunsRequest {
        brand: "birch".to_owned(),
        ..ListRunsRequest::default()
    };
    assert!(
        client
            .diagnoses
            .list_runs(none)
            .await
            .unwrap()
            .into_inner()
            .runs
            .is_empty()
    );
    for wrong in [page(0, "nonsense"), page(-1, "")] {
        assert_eq!(
            reason(&client.diagnoses.list_runs(wrong).await.unwrap_err()),
            "INVALID_PAGE"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_run_ends_at_once_and_stays_cancelled() {
    let world = World {
        hanging: ["membership"].into(),
        ..World::default()
    };
    let house = House::with(world, Duration::from_secs(600)).await;
    let mut client = house.client.clone();
    let run = start(&mut client, &PEERS).await;
    let mut watcher = client.clone();
    let name = run.name.clone();
    let watched = tokio::spawn(async move { watch(&mut watcher, &name).await });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let running = get(&mut client, &run.name).await;
    assert!(
        running.state() == RunState::Running && running.done_steps > 0,
        "{running:?}"
    );
    let request = CancelRunRequest {
        name: run.name.clone(),
    };
    let cancelled = client
        .diagnoses
        .cancel_run(request.clone())
        .await
        .unwrap()
        .into_inner()
        .run
        .unwrap();
    assert_eq!(cancelled.state(), RunState::Cancelled);
    let seen = tokio::time::timeout(Duration::from_secs(5), watched)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        seen.last().unwrap().run.as_ref().unwrap().state(),
        RunState::Cancelled
    );
    assert_eq!(
        client
            .diagnoses
            .cancel_run(request)
            .await
            .unwrap()
            .into_inner()
            .run
            .unwrap(),
        cancelled
    );
    assert_eq!(get(&mut client, &run.name).await, cancelled);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ended_run_cannot_be_cancelled() {
    let house = House::new().await;
    let mut client = house.client.clone();
    let run = start(&mut client, &PEERS).await;
    let ended = watch(&mut client, &run.name).await.pop().unwrap().run.unwrap();
    let cancelled = client
        .diagnoses
        .cancel_run(CancelRunRequest { name: run.name })
        .await
        .unwrap()
        .into_inner()
        .run
        .unwrap();
    assert_eq!(cancelled, ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_that_a_crash_left_working_is_interrupted_and_resumed() {
    let house = House::new().await;
    let new = NewRun {
        brand: "ash".to_owned(),
        peers: Vec::new(),
        spec: spec("ash", &PEERS).encode_to_vec(),
        total_steps: 9,
        request_id: None,
    };
    let (left, _) = Runs::of(&Call::background("default"), house.database.connection())
        .create(new)
        .await
        .unwrap();
    assert_eq!(left.state, State::Running);
    let mut client = house.restarted().await;
    let page = client
        .diagnoses
        .list_runs(ListRunsRequest::default())
        .await
        .unwrap()
        .into_inner();
    assert_eq!(page.runs.len(), 1);
    let limit = std::time::Instant::now() + Duration::from_secs(60);
    let run = loop {
        let run = get(&mut client, &format!("runs/{}", left.id)).await;
        if run.state() != RunState::Running || std::time::Instant::now() > limit {
            break run;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    };
    assert_eq!(run.state(), RunState::Interrupted);
    assert!(run.error.contains("resume it") && run.end_time.is_some());
    assert_eq!(watch(&mut client, &run.name).await.len(), 1);
    let again = resume(&mut client, &run.name).await;
    assert_eq!((again.state(), again.error.as_str()), (RunState::Running, ""));
    let ended = watch(&mut client, &run.name).await.pop().unwrap().run.unwrap();
    assert_eq!(
        (ended.name.as_str(), ended.state()),
        (run.name.as_str(), RunState::Succeeded)
    );
    assert_eq!(ended.done_steps, ended.total_steps);
    // What has succeeded stays as it is.
    assert_eq!(resume(&mut client, &run.name).await, ended);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partial_run_is_filled_up_when_the_service_is_back() {
    let world = World {
        failing: [("content", Code::Unavailable)].into(),
        ..World::default()
    };
    let mut house = House::with(world, Duration::from_secs(20)).await;
    let run = start(&mut house.client.clone(), &PEERS).await;
    let partial = watch(&mut house.client.clone(), &run.name)
        .await
        .pop()
        .unwrap()
        .run
        .unwrap();
    assert!(partial.state() == RunState::Partial && partial.result.as_ref().unwrap().partial);
    // Nobody answers now: the result of before stays.
    house.world = Arc::new(World {
        failing: ["consumer", "product", "content", "membership"]
            .map(|service| (service, Code::Unavailable))
            .into(),
        ..World::default()
    });
    let mut client = house.restarted().await;
    resume(&mut client, &run.name).await;
    let kept = watch(&mut client, &run.name).await.pop().unwrap().run.unwrap();
    assert_eq!((kept.state(), &kept.result), (RunState::Partial, &partial.result));
    assert!(!kept.error.is_empty());
    house.world = Arc::default();
    let mut client = house.restarted().await;
    resume(&mut client, &run.name).await;
    let whole = watch(&mut client, &run.name).await.pop().unwrap().run.unwrap();
    assert_eq!((whole.state(), whole.error.as_str()), (RunState::Succeeded, ""));
    let whole = whole.result.unwrap();
    assert!(!whole.partial && whole.missing.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn overload_is_waited_out_and_changes_no_number() {
    let house = House::new().await;
    let calm = start(&mut house.client.clone(), &PEERS).await;
    let calm = watch(&mut house.client.clone(), &calm.name)
        .await
        .pop()
        .unwrap()
        .run
        .unwrap();
    // More refusals than a call is tried.
    let world = World {
        refusals: 300.into(),
        ..World::default()
    };
    let house = House::with(world, Duration::from_secs(20)).await;
    let mut client = house.client.clone();
    let run = start(&mut client, &PEERS).await;
    let ended = watch(&mut client, &run.name).await.pop().unwrap().run.unwrap();
    assert_eq!(ended.state(), RunState::Succeeded, "{}", ended.error);
    assert_eq!(ended.result, calm.result);
    assert!(house.world.refusals.load(Ordering::SeqCst) <= 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn too_many_runs_are_refused_until_some_have_ended() {
    let world = World {
        hanging: ["consumer"].into(),
        ..World::default()
    };
    let house = House::with(world, Duration::from_secs(3_600)).await;
    let mut client = house.client.clone();
    let mut names = Vec::new();
    for _ in 0..32 {
        names.push(start(&mut client, &PEERS).await.name);
    }
    let request = StartDiagnosisRequest {
        spec: Some(spec("ash", &PEERS)),
        request_id: String::new(),
    };
    let status = client.diagnoses.start_diagnosis(request).await.unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::ResourceExhausted, "RUN_LIMIT")
    );
    assert!(dualwheel_kit::failure::retry_after(&status).is_some());
    let cancelled = CancelRunRequest {
        name: names.pop().unwrap(),
    };
    client.diagnoses.cancel_run(cancelled.clone()).await.unwrap();
    // Its place is free as soon as its task has gone.
    let limit = std::time::Instant::now() + Duration::from_secs(10);
    let request = ResumeRunRequest { name: cancelled.name };
    while let Err(status) = client.diagnoses.resume_run(request.clone()).await {
        assert_eq!(reason(&status), "RUN_LIMIT");
        assert!(std::time::Instant::now() < limit, "its place is not freed");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_listed_by_state_and_time() {
    let house = House::new().await;
    let mut client = house.client.clone();
    let run = start(&mut client, &PEERS).await;
    let ended = watch(&mut client, &run.name).await.pop().unwrap().run.unwrap();
    let made = ended.create_time.unwrap();
    let mut found = async |request: ListRunsRequest| client.diagnoses.list_runs(request).await;
    let mut request = ListRunsRequest {
        created_from: Some(made),
        ..ListRunsRequest::default()
    };
    request.states = vec![RunState::Succeeded.into()];
    assert_eq!(found(request.clone()).await.unwrap().into_inner().runs.len(), 1);
    request.states = vec![RunState::Failed.into()];
    assert!(found(request).await.unwrap().into_inner().runs.is_empty());
    let before = ListRunsRequest {
        created_before: Some(made),
        ..ListRunsRequest::default()
    };
    assert!(found(before).await.unwrap().into_inner().runs.is_empty());
    let wrong = ListRunsRequest {
        states: vec![0],
        created_from: Some(prost_types::Timestamp {
            seconds: 0,
            nanos: -1,
        }),
        ..ListRunsRequest::default()
    };
    let status = found(wrong).await.unwrap_err();
    assert_eq!(fields(&status), ["states[0]", "created_from"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_is_down_leaves_a_partial_run() {
    for code in [Code::Unavailable, Code::Internal] {
        let world = World {
            failing: [("content", code)].into(),
            ..World::default()
        };
        let house = House::with(world, Duration::from_secs(20)).await;
        let mut client = house.client.clone();
        let run = start(&mut client, &PEERS).await;
        let ended = watch(&mut client, &run.name).await.pop().unwrap().run.unwrap();
        assert_eq!(
            (ended.state(), ended.done_steps),
            (RunState::Partial, ended.total_steps)
        );
        let result = ended.result.unwrap();
        let missing: Vec<_> = result
            .missing
            .iter()
            .filter(|part| part.metric.starts_with("start."))
            .collect();
        assert_eq!(missing.len(), 5);
        for part in &missing {
            assert_eq!(
                (part.absence(), part.service.as_str()),
                (Absence::ServiceUnavailable, "content")
            );
            assert!(part.detail.contains("did not answer start ") && part.supply.contains("content service"));
            assert!((part.weight - 0.04).abs() < 1e-12);
        }
        assert_eq!(result.missing.len(), 6, "five metrics and the definitions");
        let content = result
            .tracks
            .iter()
            .find(|track| track.track == "content")
            .unwrap();
        assert_eq!(
            (
                content.score,
                content.weight,
                content.weight_present,
                content.partial
            ),
            (None, 0.0, 0.0, true)
        );
        let people = result
            .tracks
            .iter()
            .find(|track| track.track == "people")
            .unwrap();
        assert!((people.weight - 0.25).abs() < 1e-12);
        assert!(result.index.unwrap().value.is_some());
        let reach = result
            .metrics
            .iter()
            .find(|score| score.metric.as_ref().unwrap().id == "start.reach")
            .unwrap();
        assert_eq!(
            reach.metric.as_ref().unwrap().absence(),
            Absence::ServiceUnavailable
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_hangs_is_left_out() {
    let world = World {
        hanging: ["consumer"].into(),
        ..World::default()
    };
    let house = House::with(world, Duration::from_millis(400)).await;
    let mut client = house.client.clone();
    let run = start(&mut client, &PEERS).await;
    let ended = watch(&mut client, &run.name).await.pop().unwrap().run.unwrap();
    assert_eq!(ended.state(), RunState::Partial);
    let result = ended.result.unwrap();
    let lost = |track: &str| {
        result
            .tracks
            .iter()
            .find(|other| other.track == track)
            .unwrap()
            .weight_present
    };
    assert_eq!(lost("people"), 0.0);
    // NEO keeps close people, premium and full price: (0 + 1/3 + 2/4) ÷ 3.
    assert!((lost("brand") - (1.0 / 3.0 + 0.5) / 3.0).abs() < 1e-12);
    assert!(
        result
            .missing
            .iter()
            .any(|part| part.metric == "aipl" && part.weight == 0.0)
    );
    let detail = &result
        .missing
        .iter()
        .find(|part| part.metric == "fast.fertility")
        .unwrap()
        .detail;
    assert!(detail.contains("DEADLINE"), "{detail}");
}

#[tokio::test(flavor = "multi_thread")]
async fn no_service_at_all_fails() {
    let all = ["consumer", "product", "content", "membership"].map(|service| (service, Code::Unavailable));
    let world = World {
        failing: all.into(),
        ..World::default()
    };
    let house = House::with(world, Duration::from_secs(20)).await;
    let mut client = house.client.clone();
    let run = start(&mut client, &PEERS).await;
    let ended = watch(&mut client, &run.name).await.pop().unwrap().run.unwrap();
    assert!(ended.state() == RunState::Failed && ended.result.is_none() && !ended.error.is_empty());
    let status = client
        .diagnoses
        .get_index(GetIndexRequest {
            spec: Some(spec("ash", &PEERS)),
        })
        .await
        .unwrap_err();
    assert_eq!(
        (status.code(), reason(&status).as_str()),
        (Code::Unavailable, "SERVICE_UNAVAILABLE")
    );
}
