//! `dualwheel diagnose`: a stored run, followed to its end.

use std::path::Path;

use anyhow::{Context, bail};
use dualwheel_kit::{client, config::Config, question::window_to_proto};
use dualwheel_measure::Window;
use dualwheel_proto::diagnosis::{
    Diagnosis, DiagnosisSpec, Peer, ResumeRunRequest, RunState, StartDiagnosisRequest, WatchRunRequest,
    diagnosis_service_client::DiagnosisServiceClient,
};
use tonic::transport::Channel;

use crate::{
    cli::{Common, Diagnose, Language},
    mesh::{self, Role},
    output,
    report::{self, Lang},
    table,
    target::{explain, reach},
};

impl From<Language> for Lang {
    fn from(language: Language) -> Self {
        match language {
            Language::En => Self::En,
            Language::Zh => Self::Zh,
        }
    }
}

/// Runs the command.
///
/// # Errors
/// When the mesh cannot be reached, refuses the question, or the run fails.
pub async fn run(config: &Config, common: &Common, args: &Diagnose) -> anyhow::Result<()> {
    let channel = reach(args.place.endpoint.as_deref(), Role::Diagnosis, config).await?;
    let start = match (&args.resume, &args.brand, args.window) {
        (Some(name), ..) => Start::Resumed(name.clone()),
        (None, Some(brand), Some(window)) => Start::New(DiagnosisSpec {
            peer_set: args.peer_set.clone().unwrap_or_default(),
            modes: args.modes.clone(),
            category_level: args.category_level,
            ..spec(brand, &args.peers, window)
        }),
        _ => bail!("say --brand and --window, or --resume"),
    };
    let diagnosis = follow(channel, start, config, !common.json).await?;
    if let Some(file) = &args.report {
        write_report(&diagnosis, args.lang.into(), file)?;
    }
    if common.json {
        return output::json("dualwheel.diagnosis.v1.Diagnosis", &diagnosis);
    }
    output::text(&table::diagnosis(&diagnosis, args.lang.into()))
}

/// What to diagnose: a brand of the tenant against others of it.
#[must_use]
pub fn spec(brand: &str, peers: &[String], window: Window) -> DiagnosisSpec {
    let peers = peers.iter().map(|brand| Peer {
        brand: brand.clone(),
        ..Peer::default()
    });
    DiagnosisSpec {
        brand: brand.to_owned(),
        window: Some(window_to_proto(window)),
        peers: peers.collect(),
        ..DiagnosisSpec::default()
    }
}

/// How a run begins.
#[derive(Clone, Debug)]
pub enum Start {
    /// A new one.
    New(DiagnosisSpec),
    /// The one of this name, once more.
    Resumed(String),
}

/// Begins a run, follows it, and answers its result; progress goes to standard error where `tell`.
///
/// # Errors
/// When the mesh refuses the question or the run fails.
pub async fn follow(
    channel: Channel,
    start: Start,
    config: &Config,
    tell: bool,
) -> anyhow::Result<Diagnosis> {
    let mut client = DiagnosisServiceClient::new(channel).max_decoding_message_size(usize::MAX);
    let (call, patience) = (mesh::call(config)?, mesh::patience(config));
    let begun = match start {
        Start::New(spec) => {
            let request = StartDiagnosisRequest {
                spec: Some(spec),
                request_id: String::new(),
            };
            let started = client
                .start_diagnosis(client::with_deadline(&call, request, patience))
                .await;
            started.map(|answer| answer.into_inner().run)
        }
        Start::Resumed(name) => {
            let request = client::with_deadline(&call, ResumeRunRequest { name }, patience);
            client
                .resume_run(request)
                .await
                .map(|answer| answer.into_inner().run)
        }
    };
    let begun = begun.map_err(|status| explain(&status))?;
    let name = begun.context("the answer names no run")?.name;
    let progress = indicatif::ProgressBar::new(0);
    if !tell {
        progress.set_draw_target(indicatif::ProgressDrawTarget::hidden());
    }
    let request = client::unbounded(&call, WatchRunRequest { name: name.clone() });
    let watch = client.watch_run(request);
    let mut steps = watch.await.map_err(|status| explain(&status))?.into_inner();
    let mut last = None;
    while let Some(step) = steps.message().await.map_err(|status| explain(&status))? {
        if let Some(run) = &step.run {
            progress.set_length(u64::try_from(run.total_steps).unwrap_or(0));
            progress.set_position(u64::try_from(run.done_steps).unwrap_or(0));
        }
        last = step.run;
    }
    progress.finish_and_clear();
    let run = last.with_context(|| format!("{name} answered nothing"))?;
    match run.state() {
        RunState::Succeeded | RunState::Partial => {
            run.result.with_context(|| format!("{name} has no result"))
        }
        RunState::Cancelled => {
            bail!("{name} was cancelled; `dualwheel diagnose --resume {name}` starts it again")
        }
        RunState::Interrupted => {
            bail!("{name} was interrupted; `dualwheel diagnose --resume {name}` starts it again")
        }
        state => bail!("{name} ended as {}: {}", state.as_str_name(), run.error),
    }
}

/// Writes the HTML report of a diagnosis.
///
/// # Errors
/// When it cannot be rendered or written.
pub fn write_report(diagnosis: &Diagnosis, lang: Lang, file: &Path) -> anyhow::Result<()> {
    let page = report::render(diagnosis, lang)?;
    std::fs::write(file, page).with_context(|| format!("the report cannot be written to {}", file.display()))
}
