//! `dualwheel demo`: a generated market, through gRPC into the mesh, and one brand diagnosed against the others.

use std::time::Instant;

use anyhow::Context;
use dualwheel_kit::config::Config;
use dualwheel_measure::{Day, Window};

use crate::{
    cli::{Common, Demo},
    diagnose, generate, import, mesh, output, serve, table,
};

/// Days that the demo measures: the last quarter of the market.
const WINDOW_DAYS: i32 = 91;

/// Runs the command, in a folder of its own unless one is given.
///
/// # Errors
/// When a step fails; the message says which.
pub async fn run(mut config: Config, common: &Common, args: &Demo) -> anyhow::Result<()> {
    let scratch = tempfile::tempdir().context("no temporary folder can be made")?;
    if common.data.is_none() {
        config.data = scratch.path().join("lake").display().to_string();
    }
    let mut clock = Clock {
        started: Instant::now(),
        quiet: common.json,
    };
    let market = scratch.path().join("market");
    let mut options = generate::Options::new(&market);
    options.seed = args.seed;
    options.consumers = args.consumers;
    options.facts = args.facts;
    let last = options.last_day;
    let summary = tokio::task::spawn_blocking(move || generate::run(&options, &|_| {})).await??;
    clock.tell(&format!(
        "generated {} facts of {} brands",
        crate::format::whole(summary.total as i64),
        10
    ));

    let server = mesh::build(&config, &[mesh::Role::All]).await?;
    let channel = server.in_process();
    let plan = import::Plan::of_facts(&market, "Asia/Shanghai", "CNY")?;
    let imported = import::import(std::slice::from_ref(&channel), &plan, &config).await?;
    clock.tell(&format!(
        "imported {} rows through gRPC",
        crate::format::whole(imported.accepted())
    ));

    let brands: Vec<String> = (1..=10).map(|number| format!("brand-{number:02}")).collect();
    let peers: Vec<String> = brands.into_iter().filter(|brand| *brand != args.brand).collect();
    let window = Window::ending(Day::from_date(last), WINDOW_DAYS);
    let spec = diagnose::spec(&args.brand, &peers, window);
    let diagnosis = diagnose::follow(channel, diagnose::Start::New(spec), &config, !common.json).await?;
    clock.tell("diagnosed");
    diagnose::write_report(&diagnosis, args.lang.into(), &args.report)?;
    if common.json {
        output::json("dualwheel.diagnosis.v1.Diagnosis", &diagnosis)?;
    } else {
        output::text(&table::diagnosis(&diagnosis, args.lang.into()))?;
        output::text(&format!("\nreport: {}", args.report.display()))?;
    }
    if args.serve {
        serve::until_signal(&config, server).await?;
    }
    Ok(())
}

/// Tells on standard error how long each step took.
struct Clock {
    started: Instant,
    quiet: bool,
}

impl Clock {
    fn tell(&mut self, step: &str) {
        if !self.quiet {
            eprintln!("{step} ({:.1} s)", self.started.elapsed().as_secs_f64());
        }
        self.started = Instant::now();
    }
}
