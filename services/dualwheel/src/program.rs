//! The program: one command of the command line, with its telemetry and exit code.

use std::{ffi::OsString, process::ExitCode, time::Duration};

use anyhow::Context;
use clap::Parser;
use dualwheel_kit::{
    afterwards,
    config::{Config, at_home},
    db, telemetry,
};

use crate::{
    ask, audience,
    cli::{Cli, Command, Generate, Lake},
    consumer, coverage, demo, diagnose, generate, import, index, job, lake, mesh, migrate, models, output,
    plugin, serve,
};

/// How long a server that has ended its calls waits for what goes on after them: what the chart leaves beside the drain time.
const SERVER_PATIENCE: Duration = Duration::from_secs(5);

/// Exit code for a wrong configuration (EX_USAGE).
const WRONG_CONFIGURATION: u8 = 64;

/// Parses the command line, starts telemetry, runs one command; the exit code says whether it succeeded.
#[must_use]
pub fn run() -> ExitCode {
    if let Some(compiled) = dualwheel_plugin_host::run_if_asked() {
        return compiled;
    }
    let cli = Cli::parse_from(std::env::args_os().map(from_home));
    let mut flags = cli.common.flags();
    let quiet = !matches!(cli.command, Command::Serve(_) | Command::Config);
    if quiet {
        // A command for people tells only what went wrong, unless asked for more. That bitmaps have no smallest and
        // largest value is nothing that went wrong.
        flags
            .entry("log.filter".to_owned())
            .or_insert_with(|| "warn,deltalake_core::writer::stats=error".to_owned());
    }
    let config = match Config::load(cli.common.config.as_deref(), &flags) {
        Ok(config) => config,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::from(WRONG_CONFIGURATION);
        }
    };
    // What is configured is shown, whether or not it can be used here.
    let done = match cli.command {
        Command::Config => output::text(&format!(
            "{}\n# time zones: IANA {}",
            config.render(),
            chrono_tz::IANA_TZDB_VERSION
        )),
        _ => run_command(cli, config),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// An argument with a path that starts at the home folder, alone or behind a name: shells expand only the first.
fn from_home(argument: OsString) -> OsString {
    let Some(text) = argument.to_str() else {
        return argument;
    };
    match text.split_once('=') {
        Some((name, path)) if path.starts_with('~') => format!("{name}={}", at_home(path)).into(),
        _ => at_home(text).into(),
    }
}

fn run_command(cli: Cli, mut config: Config) -> anyhow::Result<()> {
    if !matches!(cli.command, Command::Serve(_)) {
        // It is the server's, beside which a command may run.
        config.telemetry.prometheus_listen = None;
    }
    let runtime = tokio::runtime::Runtime::new().context("the runtime cannot be started")?;
    // What still goes on beside the command, such as following the facts, may end at any time: it ends with the process,
    // not by a runtime that is taken away from below it.
    let runtime = std::mem::ManuallyDrop::new(runtime);
    let _entered = runtime.enter();
    let telemetry = telemetry::init(&config)?;
    let settings = config.clone();
    let done = runtime.block_on(async {
        match &cli.command {
            Command::Demo(args) => demo::run(config, &cli.common, args).await,
            Command::Serve(args) => serve::run(config, args).await,
            Command::Migrate(command) => migrate::run(&config, &cli.common, command).await,
            Command::Import(args) => import::run(&config, &cli.common, args).await,
            Command::Generate(args) => write_market(args),
            Command::Diagnose(args) => diagnose::run(&config, &cli.common, args).await,
            Command::Brands(place) => coverage::brands(&config, &cli.common, place).await,
            Command::Coverage(args) => coverage::coverage(&config, &cli.common, args).await,
            Command::Ask(args) => ask::run(&config, &cli.common, args).await,
            Command::Consumer(command) => consumer::run(&config, &cli.common, command).await,
            Command::Audience(command) => audience::run(&config, &cli.common, command).await,
            Command::Index(command) => index::run(&config, &cli.common, command).await,
            Command::Job(command) => job::run(&config, &cli.common, command).await,
            Command::Compact => Ok(mesh::lake(&config)?.compact().await?),
            Command::Lake(Lake::Verify) => lake::verify(&config, &cli.common).await,
            Command::Lake(Lake::Producer(args)) => lake::producer(&config, &cli.common, args).await,
            Command::Koc(args) => models::koc(&config, &cli.common, args).await,
            Command::Trends(args) => models::trends(&config, &cli.common, args).await,
            Command::Plugin(command) => plugin::run(&config, &cli.common, command).await,
            Command::Config => Ok(()),
        }
    });
    let patience = match cli.command {
        Command::Serve(_) => SERVER_PATIENCE,
        _ => mesh::patience(&settings),
    };
    if !runtime.block_on(afterwards::ended(patience)) {
        tracing::warn!("A shadow was still being asked; it is not recorded");
    }
    runtime.block_on(db::checkpoint(&settings));
    telemetry.shutdown();
    done
}

fn write_market(args: &Generate) -> anyhow::Result<()> {
    let mut options = generate::Options::new(&args.out);
    options.seed = args.seed;
    options.brands = args.brands;
    options.consumers = args.consumers;
    options.facts = args.facts;
    let months = chrono::Months::new(args.months);
    let after = options.last_day.succ_opt();
    let first = after.and_then(|after| after.checked_sub_months(months));
    options.first_day = first.context("--months reaches before the calendar")?;
    let summary = generate::run(&options, &|_| {})?;
    for (fact, rows) in &summary.facts {
        output::text(&format!("{fact}: {rows}"))?;
    }
    output::text(&format!("{} facts in {}", summary.total, args.out.display()))
}
