//! Calls made as jobs: longer than a call may take, followed, cancelled, left by a process that is killed.

use std::time::Duration;

use dualwheel_proto::{
    Any,
    consumer::{FindClustersRequest, FindClustersResponse, targeting_service_client::TargetingServiceClient},
    job::{
        CancelJobRequest, CreateJobRequest, GetJobRequest, Job, JobState, ListJobsRequest, WatchJobRequest,
        job_service_client::JobServiceClient,
    },
};
use prost::Message;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tonic::transport::Channel;

use crate::harness::{BRAND, Server, date, journey, market, run};

/// Longest time of a call.
const CALL: Duration = Duration::from_secs(1);
/// Jobs that take longer than that together.
const JOBS: usize = 12;

fn clusters(brand: &str, as_of: &str) -> FindClustersRequest {
    FindClustersRequest {
        brand: brand.to_owned(),
        as_of: Some(date(as_of)),
        ..FindClustersRequest::default()
    }
}

async fn start(channel: &Channel, request: &FindClustersRequest) -> Job {
    let request = CreateJobRequest {
        request_id: String::new(),
        request: Some(Any {
            type_url: "type.googleapis.com/dualwheel.consumer.v1.FindClustersRequest".to_owned(),
            value: request.encode_to_vec(),
        }),
    };
    let made = JobServiceClient::new(channel.clone()).create_job(request).await;
    made.unwrap().into_inner().job.unwrap()
}

/// What is told of a job, until it has ended.
async fn watch(channel: &Channel, name: &str) -> Vec<Job> {
    let request = WatchJobRequest {
        name: name.to_owned(),
    };
    let mut states = JobServiceClient::new(channel.clone())
        .watch_job(request)
        .await
        .unwrap()
        .into_inner();
    let mut told = Vec::new();
    while let Some(state) = states.message().await.unwrap() {
        told.push(state.job.unwrap());
    }
    told
}

async fn get(channel: &Channel, name: &str) -> Job {
    let request = GetJobRequest {
        name: name.to_owned(),
    };
    let answer = JobServiceClient::new(channel.clone()).get_job(request).await;
    answer.unwrap().into_inner().job.unwrap()
}

fn seconds(job: &Job) -> f64 {
    let (from, to) = (job.create_time.unwrap(), job.end_time.unwrap());
    (to.seconds - from.seconds) as f64 + f64::from(to.nanos - from.nanos) / 1e9
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_take_longer_than_calls_end_when_cancelled_and_are_told_when_their_process_is_killed() {
    let data = journey().copy();
    let settings = [format!("deadlines.default_ms={}", CALL.as_millis())];
    let mut server = Server::start(data.path(), &["all"], &settings);
    let channel = server.channel();
    let request = clusters("544", "2017-12-31");
    let mut jobs = Vec::new();
    for _ in 0..JOBS {
        jobs.push(start(&channel, &request).await);
    }
    let (first, rest) = jobs.split_at(JOBS / 2);
    let mut answers = Vec::new();
    for job in first {
        let told = watch(&channel, &job.name).await;
        let last = told.last().unwrap();
        assert_eq!(last.state(), JobState::Succeeded, "{last:?}");
        assert!(
            last.progress.as_ref().is_some_and(|progress| progress.done > 0),
            "{last:?}"
        );
        answers.push((seconds(last), last.answer.clone().unwrap().value));
    }
    assert!(
        answers.iter().any(|(seconds, _)| *seconds > CALL.as_secs_f64()),
        "no job took longer than a call may: {:?}",
        answers.iter().map(|(seconds, _)| seconds).collect::<Vec<_>>()
    );
    assert!(answers.windows(2).all(|two| two[0].1 == two[1].1));
    let found = FindClustersResponse::decode(answers[0].1.as_slice()).unwrap();
    assert!(found.clusters.len() > 1, "{found:?}");

    for job in rest {
        let request = CancelJobRequest {
            name: job.name.clone(),
        };
        JobServiceClient::new(channel.clone())
            .cancel_job(request)
            .await
            .unwrap();
        let state = get(&channel, &job.name).await.state();
        assert!(
            matches!(state, JobState::Cancelled | JobState::Succeeded),
            "{state:?}"
        );
    }
    let busy = ListJobsRequest {
        states: vec![JobState::Working.into()],
        ..ListJobsRequest::default()
    };
    let busy = JobServiceClient::new(channel.clone()).list_jobs(busy).await;
    assert!(busy.unwrap().into_inner().jobs.is_empty());

    let mut left = Vec::new();
    for _ in 0..JOBS {
        left.push(start(&channel, &request).await);
    }
    server.kill();
    let server = Server::start(data.path(), &["all"], &settings);
    let channel = server.channel();
    let limit = Instant::now() + Duration::from_secs(60);
    loop {
        let job = get(&channel, &left[JOBS - 1].name).await;
        match job.state() {
            JobState::Interrupted => break,
            JobState::Working => assert!(Instant::now() < limit, "{job:?}"),
            _ => panic!("nobody has worked on it: {job:?}"),
        }
        sleep(Duration::from_millis(500)).await;
    }
    let again = start(&channel, &request).await;
    let told = watch(&channel, &again.name).await.pop().unwrap();
    assert_eq!(told.answer.unwrap().value, answers[0].1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_of_the_command_line_answers_as_the_call_does() {
    let data = market().copy();
    let server = Server::all(data.path());
    let url = server.url();
    let job = |args: &[&str]| run(["job"].iter().chain(args).chain(&["--endpoint", &url]));
    let request = format!(
        r#"{{"brand": "{BRAND}", "definition": {{"text": "stage(L)"}}, "as_of": {{"year": 2026, "month": 6, "day": 30}}}}"#
    );
    let made = job(&["start", "ProfileAudience", &request, "--json"]).json();
    let name = made["name"].as_str().unwrap();
    let watched = job(&["watch", name]).ok();
    assert!(watched.starts_with(&format!("{name} succeeded")), "{watched}");
    let shown = job(&["show", name, "--json"]).json();
    let by_command = run([
        "audience",
        "profile",
        "stage(L)",
        "--brand",
        BRAND,
        "--as-of",
        "2026-06-30",
        "--endpoint",
        &url,
        "--json",
    ])
    .json();
    let mut answer = shown["answer"].clone();
    let kind = answer.as_object_mut().unwrap().remove("@type").unwrap();
    assert_eq!(
        kind,
        "type.googleapis.com/dualwheel.consumer.v1.ProfileAudienceResponse"
    );
    assert_eq!(answer, by_command);

    // The commands for what takes long make jobs of their own.
    let verified = run(["index", "verify", "--endpoint", &url]).ok();
    assert!(verified.contains(" 0 differ"), "{verified}");
    let mut client = TargetingServiceClient::new(server.channel());
    let asked = clusters(BRAND, "2026-06-30");
    let direct = client.find_clusters(asked).await.unwrap().into_inner();
    let by_command = run([
        "audience",
        "clusters",
        "--brand",
        BRAND,
        "--as-of",
        "2026-06-30",
        "--endpoint",
        &url,
        "--json",
    ])
    .json();
    let direct = dualwheel_proto::to_json("dualwheel.consumer.v1.FindClustersResponse", &direct);
    assert_eq!(Some(by_command), direct);
    let listed = job(&["list", "--json"]).ok();
    let listed: Vec<Value> = listed
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let calls: Vec<&str> = listed
        .iter()
        .filter_map(|job| job["method"].as_str()?.rsplit('/').next())
        .collect();
    assert_eq!(calls, ["FindClusters", "VerifyPeopleIndex", "ProfileAudience"]);
    assert!(listed.iter().all(|job| job["state"] == "JOB_STATE_SUCCEEDED"));

    // What fails says why, and bad input names its field.
    let unknown = r#"{"query": {"brand": "nobody", "window": {"first_day": {"year": 2026, "month": 4, "day": 1},
        "last_day": {"year": 2026, "month": 6, "day": 30}}}}"#;
    let failing = job(&["start", "GetFast", unknown, "--json"]).json();
    job(&["watch", failing["name"].as_str().unwrap()]).fails(1, &["BRAND_UNKNOWN"]);
    job(&["start", "GetFast", r#"{"quary": {}}"#]).fails(1, &["quary", "GetFastRequest"]);
    job(&["start", "Nothing"]).fails(1, &["Nothing", "proto/reference"]);
    job(&["start", "ListDefinitions"]).fails(1, &["ListDefinitions", "several"]);
    job(&["start", "ListValues"]).fails(1, &["INVALID_QUESTION", "request"]);
    job(&["show", "jobs/none"]).fails(1, &["JOB_UNKNOWN"]);
    job(&["delete", name]).ok();
    job(&["show", name]).fails(1, &["JOB_UNKNOWN"]);
}
