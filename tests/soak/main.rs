//! Everything at once for a while: facts are appended, every method asked, consumers deleted, the people index and the
//! tables kept in order, a plugin set anew. Every call ends in its time, health tells the truth, what the process holds
//! levels off, and when nobody asks any more it rests, and answers as another process does that only reads the facts.
//!
//! `SOAK_SECONDS` says for how long; two minutes when not set.
#![cfg(test)]

#[path = "../e2e/harness.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod harness;
mod load;
#[path = "../e2e/publisher.rs"]
mod publisher;
#[path = "../e2e/requests.rs"]
mod requests;
mod vitals;

use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use dualwheel_kit::access::Effect;
use harness::{Server, market, run};
use load::Told;
use publisher::Publisher;
use tokio::time::sleep;
use vitals::{Vitals, worked};

/// How many ask at the same time.
const ASKING: usize = 5;
/// Memory for what is kept: little, so that it is full before the second quarter.
const KEPT: [&str; 2] = [
    "limits.frame_cache_bytes=33554432",
    "limits.index_cache_bytes=8388608",
];
/// Time after the last call in which what was begun may come to its end, and threads that waited ten seconds for nothing.
const UNTIL_REST: Duration = Duration::from_secs(12);
/// Threads that there never are: many reads at once begin some, which stay as long as there is something to do every ten
/// seconds.
const THREADS: usize = 256;
/// Files that an acknowledged batch may leave until former ones are removed: one of each of four brands, its commit, and those
/// of the people index, of joining and of erasing.
const FILES_A_BATCH: usize = 8;
/// Batches after which files have been joined, whatever else is done: they are every 64 commits.
const UNTIL_JOINED: usize = 400;
/// Descriptors that are never all in use: a process has 1024 where nobody gave it more.
const DESCRIPTORS: usize = 512;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_at_once_ends_in_time_levels_off_and_rests() {
    let seconds = std::env::var("SOAK_SECONDS").map_or(120, |seconds| seconds.parse().unwrap());
    let data = market().copy();
    let server = Server::start(data.path(), &["all"], &KEPT.map(str::to_owned));
    let (told, samples) = soak(&server, data.path(), Duration::from_secs(seconds)).await;
    eprintln!("batches {}, calls {:?}", told.batches, told.ended);
    assert!(told.wrong.is_empty(), "{:#?}", told.wrong);
    let asked = load::questions().len();
    assert!(
        told.answered.len() * 2 > asked,
        "hardly anything was answered: {told:?}"
    );
    rests(server.pid()).await;
    let rested = Vitals::read(server.pid(), data.path());
    levels_off(&samples, &rested, told.batches);
    is_kept_in_order(data.path(), told.batches);
    answers_as_another(&server, data.path()).await;
}

/// What was told, and a sample of what the process held for every second.
async fn soak(server: &Server, data: &Path, time: Duration) -> (Told, Vec<Vitals>) {
    let url = server.url();
    let plugin = |args: &[&str]| run(["plugin"].iter().chain(args).chain(&["--endpoint", url.as_str()]));
    let component = Publisher::trusted(plugin).publish("koc-affinity", plugin);
    let stop = Arc::new(AtomicBool::new(false));
    let channel = || server.channel();
    let mut tasks = vec![
        tokio::spawn(load::append(channel(), stop.clone())),
        tokio::spawn(load::delete(channel(), stop.clone())),
        tokio::spawn(load::activate(channel(), component, stop.clone())),
        tokio::spawn(load::look_after(channel(), stop.clone())),
    ];
    let questions = load::questions().len();
    tasks.extend((0..ASKING).map(|number| {
        let first = number * questions / ASKING;
        tokio::spawn(load::ask(channel(), first, stop.clone()))
    }));
    let (begun, mut samples) = (Instant::now(), Vec::new());
    while begun.elapsed() < time {
        sleep(Duration::from_secs(1)).await;
        samples.push(Vitals::read(server.pid(), data));
    }
    stop.store(true, Ordering::Relaxed);
    let mut told = Told::default();
    for task in tasks {
        told.add(task.await.unwrap());
    }
    (told, samples)
}

/// The process does next to nothing soon after the last call.
async fn rests(pid: u32) {
    sleep(UNTIL_REST).await;
    let before = worked(pid);
    let time = Duration::from_secs(5);
    sleep(time).await;
    let share = (worked(pid) - before).as_secs_f64() / time.as_secs_f64();
    assert!(
        share < 0.2,
        "{:.0} % of a core, though nobody asks",
        share * 100.0
    );
}

/// The last quarter holds no more than the second one, when what is kept in memory was full; but for files, which are
/// removed after days only, and for threads, which a burst leaves for a while.
fn levels_off(samples: &[Vitals], rested: &Vitals, batches: usize) {
    let quarter = samples.len() / 4;
    let (then, now) = (
        Vitals::usual(&samples[quarter..2 * quarter]),
        Vitals::usual(&samples[3 * quarter..]),
    );
    let most = Vitals::most(samples);
    eprintln!("second quarter {then:?}, last {now:?}, most {most:?}, at rest {rested:?}");
    assert!(
        now.memory < then.memory + then.memory / 4,
        "memory grows: {then:?} {now:?}"
    );
    assert!(
        rested.threads <= then.threads + 64 && most.threads <= THREADS,
        "threads grow: {then:?} {most:?} {rested:?}"
    );
    assert!(
        now.descriptors <= then.descriptors + 16 && most.descriptors <= DESCRIPTORS,
        "descriptors grow: {then:?} {now:?} {most:?}"
    );
    let files = most.files - samples[0].files;
    assert!(
        files <= FILES_A_BATCH * batches,
        "{files} files for {batches} batches"
    );
}

/// Small files were joined meanwhile, and facts of consumers removed.
fn is_kept_in_order(data: &Path, batches: usize) {
    let log = std::fs::read_dir(data.join("order_lines/_delta_log")).unwrap();
    let commits = log.filter_map(|entry| std::fs::read_to_string(entry.unwrap().path()).ok());
    let commits: Vec<String> = commits.collect();
    let committed = |operation: &str| {
        let named = format!("\"operation\":\"{operation}\"");
        commits.iter().any(|commit| commit.contains(&named))
    };
    assert!(committed("DELETE"), "nobody was erased");
    assert!(
        batches < UNTIL_JOINED || committed("OPTIMIZE"),
        "no files were joined"
    );
}

/// Every number is what a process says that has seen nothing of it all but the facts.
async fn answers_as_another(server: &Server, data: &Path) {
    let copy = tempfile::tempdir().unwrap();
    let copied = std::process::Command::new("cp")
        .arg("-r")
        .arg(data.join("."))
        .arg(copy.path())
        .status()
        .unwrap();
    assert!(copied.success());
    let other = Server::all(copy.path());
    let (here, there) = (server.channel(), other.channel());
    for (method, request) in load::questions() {
        if method.effect != Effect::Measure {
            continue;
        }
        let ask = async |channel| {
            let answer = requests::call(channel, ("x-soak", "1"), method.path, &request).await;
            answer.map_err(|status| (status.code(), status.message().to_owned()))
        };
        assert_eq!(ask(&here).await, ask(&there).await, "{}", method.path);
    }
}
