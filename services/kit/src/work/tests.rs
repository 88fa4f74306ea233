use std::{sync::atomic::AtomicUsize, time::Duration};

use rayon::prelude::*;
use tokio::{
    sync::Mutex as Turn,
    time::{sleep, timeout},
};

use super::*;

/// The pools are the process's: one test at a time counts what runs in them.
static TURN: Turn<()> = Turn::const_new(());

const SHORT: Duration = Duration::from_millis(30);
const LONG: Duration = Duration::from_secs(20);

fn without_end() {
    loop {
        look();
        std::thread::yield_now();
    }
}

/// Waits until no job holds a place or waits for one.
async fn idle() {
    let busy = || load().iter().any(|pool| pool.running() + pool.waiting > 0);
    let quiet = async {
        while busy() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LONG, quiet).await.expect("jobs still run");
}

#[tokio::test(flavor = "multi_thread")]
async fn jobs_answer_and_panics_are_told() {
    let _turn = TURN.lock().await;
    assert_eq!(metrics(|| 6 * 7).await.unwrap(), 42);
    let in_parallel = models(|| (0..1_000u64).into_par_iter().sum::<u64>());
    assert_eq!(in_parallel.await.unwrap(), 499_500);
    let broken = || {
        assert_eq!(1, 2, "so it goes");
    };
    for told in [metrics(broken).await, models(broken).await] {
        assert!(matches!(told, Err(Error::Panicked(said)) if said.contains("so it goes")));
    }
    idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_takes_the_job_along() {
    let _turn = TURN.lock().await;
    let before = load().map(|pool| pool.finished);
    let calls: Vec<_> = (0..24)
        .map(|at| {
            tokio::spawn(async move {
                match at % 3 {
                    0 => timeout(SHORT, metrics(without_end)).await.is_err(),
                    1 => timeout(SHORT, models(without_end)).await.is_err(),
                    // Also what it does on the other threads that it has.
                    _ => {
                        let everywhere = || (0..64).into_par_iter().for_each(|_| without_end());
                        timeout(SHORT, models(everywhere)).await.is_err()
                    }
                }
            })
        })
        .collect();
    for call in calls {
        assert!(call.await.unwrap());
    }
    idle().await;
    let after = load().map(|pool| pool.finished);
    assert!(after[0] > before[0] && after[1] > before[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_holds_its_place_until_its_thread_has_left_it() {
    let _turn = TURN.lock().await;
    let (release, held) = std::sync::mpsc::channel::<()>();
    // It never looks: a part of a library's that cannot be stopped.
    let stubborn = models(move || held.recv().ok());
    assert!(timeout(SHORT, stubborn).await.is_err());
    assert_eq!(load()[1].running(), 1);
    sleep(SHORT).await;
    assert_eq!(load()[1].running(), 1);
    release.send(()).unwrap();
    idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn questions_are_answered_beside_models_that_take_all_their_places() {
    let _turn = TURN.lock().await;
    let begun: Arc<AtomicUsize> = Arc::default();
    let asked: Vec<_> = (0..8)
        .map(|_| {
            let begun = Arc::clone(&begun);
            tokio::spawn(models(move || {
                begun.fetch_add(1, Ordering::SeqCst);
                without_end();
            }))
        })
        .collect();
    while begun.load(Ordering::SeqCst) < MODELS {
        sleep(Duration::from_millis(1)).await;
    }
    for at in 0..100 {
        let scan = metrics(move || (0..1_000).into_par_iter().map(|one| one * at).sum::<u64>());
        assert_eq!(
            timeout(LONG, scan)
                .await
                .expect("it waits for the models")
                .unwrap(),
            499_500 * at
        );
    }
    // No model has ended meanwhile, and none beyond the places has begun.
    assert_eq!(begun.load(Ordering::SeqCst), MODELS);
    asked.iter().for_each(tokio::task::JoinHandle::abort);
    idle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_follows_is_told_how_far_work_has_come_on_whatever_thread_it_is_done() {
    let _turn = TURN.lock().await;
    let progress = Arc::<Progress>::default();
    let steps = async {
        step("reading", 0);
        let read = progress.told();
        metrics(|| {
            step("counting", 3);
            advance(2);
        })
        .await
        .unwrap();
        let counted = progress.told();
        models(|| {
            step("fitting", 64);
            let stop = Stop::current();
            (0..64).into_par_iter().for_each(|_| stop.during(|| advance(1)));
        })
        .await
        .unwrap();
        (read, counted)
    };
    let told = followed(Arc::clone(&progress), steps).await;
    assert_eq!(told, (("reading", 0, 0), ("counting", 2, 3)));
    assert_eq!(progress.told(), ("fitting", 64, 64));
    // Work that nobody follows tells nobody, on the same threads.
    models(|| step("alone", 1)).await.unwrap();
    assert_eq!(progress.told(), ("fitting", 64, 64));
}
