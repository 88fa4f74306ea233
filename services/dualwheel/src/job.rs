//! Calls made as jobs: what takes long goes on to its end, shows how far it has come, and is given up with Ctrl-C.

use std::{
    io::{IsTerminal, Write, stderr, stdin},
    time::Duration,
};

use anyhow::{Context, bail, ensure};
use dualwheel_kit::{
    Call,
    access::{Method, named},
    client,
    config::Config,
};
use dualwheel_proto::{
    Any,
    job::{
        CancelJobRequest, CreateJobRequest, DeleteJobRequest, GetJobRequest, Job, JobProgress, JobState,
        ListJobsRequest, WatchJobRequest, job_service_client::JobServiceClient,
    },
};
use prost::Message;
use prost_reflect::{DynamicMessage, MessageDescriptor};
use tokio::{signal::ctrl_c, time::sleep};
use tonic::{Code, Status, transport::Channel};

use crate::{
    cli::{
        Common, Place,
        job::{Job as Command, Named, Start},
    },
    format,
    mesh::{self, Role},
    output, table,
    target::{explain, reach, taken},
};

/// What a type URL begins with.
const TYPES: &str = "type.googleapis.com/";
/// Times that a broken connection is made again while a job is followed, and the pause before.
const TRIES: (u32, Duration) = (5, Duration::from_secs(1));
/// Full name of a job.
const JOB: &str = "dualwheel.job.v1.Job";

/// Runs the command.
///
/// # Errors
/// When the mesh cannot be reached or refuses; with `watch`, when the job failed.
pub async fn run(config: &Config, common: &Common, command: &Command) -> anyhow::Result<()> {
    match command {
        Command::Start(args) => {
            let (_, mut jobs) = reached(config, &args.place).await?;
            let request = mesh::request(config, read(args)?)?;
            let made = taken(jobs.create_job(request).await)?.job.unwrap_or_default();
            told(common, &made)
        }
        Command::List(place) => list(config, common, place).await,
        Command::Show(args) => {
            let (_, mut jobs) = reached(config, &args.place).await?;
            let request = GetJobRequest {
                name: args.name.clone(),
            };
            let request = mesh::request(config, request)?;
            told(
                common,
                &taken(jobs.get_job(request).await)?.job.unwrap_or_default(),
            )
        }
        Command::Watch(args) => watch(config, common, args).await,
        Command::Cancel(args) => {
            let (_, mut jobs) = reached(config, &args.place).await?;
            let request = CancelJobRequest {
                name: args.name.clone(),
            };
            let request = mesh::request(config, request)?;
            told(
                common,
                &taken(jobs.cancel_job(request).await)?.job.unwrap_or_default(),
            )
        }
        Command::Delete(args) => {
            let (_, mut jobs) = reached(config, &args.place).await?;
            let request = DeleteJobRequest {
                name: args.name.clone(),
            };
            taken(jobs.delete_job(mesh::request(config, request)?).await)?;
            Ok(())
        }
    }
}

type Client = JobServiceClient<Channel>;

async fn reached(config: &Config, place: &Place) -> anyhow::Result<(Channel, Client)> {
    // A job ends with its process: without a mesh there are those that have ended.
    let channel = reach(place.endpoint.as_deref(), Role::All, config).await?;
    Ok((channel.clone(), client_of(&channel)))
}

fn client_of(channel: &Channel) -> Client {
    JobServiceClient::new(channel.clone()).max_decoding_message_size(usize::MAX)
}

/// The message that a call takes, by the call's whole name or by its last part, where one service has it.
fn request_of(call: &str) -> anyhow::Result<MessageDescriptor> {
    let is_named = |method: &&Method| method.path == call || method.path.rsplit('/').next() == Some(call);
    let mut found = Method::all().iter().filter(is_named);
    let unknown = || format!("no call is named {call}; proto/reference lists those there are");
    let path = found.next().with_context(unknown)?.path;
    ensure!(
        found.next().is_none(),
        "several services have a call {call}; name it as {path}"
    );
    named::request(path).with_context(unknown)
}

/// The request of `job start`.
fn read(args: &Start) -> anyhow::Result<CreateJobRequest> {
    let descriptor = request_of(&args.method)?;
    let json = match args.request.as_str() {
        "-" => std::io::read_to_string(stdin()).context("standard input cannot be read")?,
        json => json.to_owned(),
    };
    let name = descriptor.full_name().to_owned();
    let mut json = serde_json::Deserializer::from_str(&json);
    let message = DynamicMessage::deserialize(descriptor, &mut json)
        .and_then(|message| json.end().map(|()| message))
        .with_context(|| format!("the request is no {name} in JSON"))?;
    Ok(of(&name, message.encode_to_vec()))
}

fn of(name: &str, value: Vec<u8>) -> CreateJobRequest {
    CreateJobRequest {
        request_id: String::new(),
        request: Some(Any {
            type_url: format!("{TYPES}{name}"),
            value,
        }),
    }
}

async fn list(config: &Config, common: &Common, place: &Place) -> anyhow::Result<()> {
    let (_, mut jobs) = reached(config, place).await?;
    let mut request = ListJobsRequest::default();
    let mut rows = Vec::new();
    loop {
        let asked = mesh::request(config, request.clone())?;
        let page = taken(jobs.list_jobs(asked).await)?;
        for job in &page.jobs {
            if common.json {
                output::line(JOB, job)?;
            }
            rows.push(vec![
                job.name.clone(),
                job.method.rsplit('/').next().unwrap_or_default().to_owned(),
                state(job).to_owned(),
                so_far(&job.progress.clone().unwrap_or_default()),
                job.create_time.map_or(String::new(), |time| time.to_string()),
            ]);
        }
        if page.next_page_token.is_empty() {
            break;
        }
        request.page_token = page.next_page_token;
    }
    if common.json {
        return Ok(());
    }
    let headings = ["Job", "Call", "State", "So far", "Made"].map(|heading| (heading, false));
    output::text(&table::rows(&headings, rows))
}

async fn watch(config: &Config, common: &Common, args: &Named) -> anyhow::Result<()> {
    let (channel, _) = reached(config, &args.place).await?;
    let ended = followed(&mesh::call(config)?, &channel, &args.name).await?;
    told(common, &ended)?;
    answered(ended).map(drop)
}

fn state(job: &Job) -> &'static str {
    match job.state() {
        JobState::Unspecified => "unknown",
        JobState::Working => "working",
        JobState::Succeeded => "succeeded",
        JobState::Failed => "failed",
        JobState::Cancelled => "cancelled",
        JobState::Interrupted => "interrupted",
    }
}

fn so_far(progress: &JobProgress) -> String {
    match (progress.done, progress.total) {
        (0, 0) => progress.step.clone(),
        (done, 0) => format!("{}: {}", progress.step, format::whole(done)),
        (done, total) => format!(
            "{}: {} of {}",
            progress.step,
            format::whole(done),
            format::whole(total)
        ),
    }
}

fn told(common: &Common, job: &Job) -> anyhow::Result<()> {
    if common.json {
        return output::json(JOB, job);
    }
    let progress = so_far(&job.progress.clone().unwrap_or_default());
    let progress = if progress.is_empty() {
        progress
    } else {
        format!(" ({progress})")
    };
    let error = job
        .error
        .as_ref()
        .map_or(String::new(), |error| format!(": {}", error.message));
    output::text(&format!("{} {}{progress}{error}", job.name, state(job)))
}

/// Makes a call as a job of the mesh behind `channel`, and answers what it answered.
///
/// # Errors
/// When the mesh cannot be reached or refuses, the call fails, or Ctrl-C is pressed, which ends the job.
pub async fn long<A: Message + Default>(
    channel: &Channel,
    config: &Config,
    method: &str,
    request: &impl Message,
) -> anyhow::Result<A> {
    let request = of(request_of(method)?.full_name(), request.encode_to_vec());
    let call = mesh::call(config)?;
    let request = mesh::request(config, request)?;
    let made = taken(client_of(channel).create_job(request).await)?
        .job
        .unwrap_or_default();
    let ended = tokio::select! {
        ended = followed(&call, channel, &made.name) => ended?,
        _ = ctrl_c() => {
            let request = CancelJobRequest { name: made.name };
            let request = mesh::request(config, request)?;
            taken(client_of(channel).cancel_job(request).await)?;
            bail!("interrupted; the job was cancelled");
        }
    };
    let answer = answered(ended)?;
    A::decode(&*answer.value).with_context(|| format!("the answer is no {}", answer.type_url))
}

/// Follows a job to its end; a terminal shows how far it has come.
async fn followed(call: &Call, channel: &Channel, name: &str) -> anyhow::Result<Job> {
    let (mut left, pause) = TRIES;
    let mut line = Line::default();
    loop {
        match follow(call, channel, name, &mut line).await {
            Ok(job) => return Ok(job),
            Err(status) if left > 0 && status.code() == Code::Unavailable => {
                left -= 1;
                sleep(pause).await;
            }
            Err(status) => return Err(explain(&status)),
        }
    }
}

async fn follow(call: &Call, channel: &Channel, name: &str, line: &mut Line) -> Result<Job, Status> {
    let request = WatchJobRequest {
        name: name.to_owned(),
    };
    let mut states = client_of(channel)
        .watch_job(client::unbounded(call, request))
        .await?
        .into_inner();
    while let Some(state) = states.message().await? {
        let job = state.job.unwrap_or_default();
        if job.state() != JobState::Working {
            return Ok(job);
        }
        line.show(&so_far(&job.progress.unwrap_or_default()));
    }
    Err(Status::unavailable("the stream ended before the job"))
}

/// What an ended job was answered.
fn answered(job: Job) -> anyhow::Result<Any> {
    if let Some(error) = job.error {
        let details = error.encode_to_vec().into();
        return Err(explain(&Status::with_details(
            error.code.into(),
            error.message,
            details,
        )));
    }
    let state = state(&job);
    job.answer.with_context(|| format!("{} is {state}", job.name))
}

/// A line of a terminal that is written over, and away when dropped.
#[derive(Default)]
struct Line(String);

impl Line {
    fn show(&mut self, text: &str) {
        let mut out = stderr();
        if text != self.0 && out.is_terminal() {
            // What cannot be shown is not missed.
            let _ = write!(out, "\r\x1b[K{text}").and_then(|()| out.flush());
            text.clone_into(&mut self.0);
        }
    }
}

impl Drop for Line {
    fn drop(&mut self) {
        self.show("");
    }
}
