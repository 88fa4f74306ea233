//! Whoever leaves takes the work along: every model ends soon after nobody waits for it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dualwheel_consumer::{
    boosted::{Columns, Examples, Model as Trees},
    clusters::{
        everyone,
        features::Portrayer,
        find,
        kmeans::{centres, silhouette},
    },
    journeys::{
        DIRECT, Journeys, Outcome, Path, Point,
        attribution::{Model, credits},
        journeys,
    },
    value::bgnbd,
};
use dualwheel_kit::work;
use dualwheel_lake::frames::Categories;
use dualwheel_measure::Day;
use ndarray::Array2;
use tokio::time::{sleep, timeout};

use crate::{
    clusters::planted,
    edges::{self, D},
    world::facts,
};

/// Long enough for a job to begin, on a busy machine too.
const SOON: Duration = Duration::from_millis(300);
const LATE: Duration = Duration::from_secs(30);

/// Tells that a thread has left a job.
struct Left(Arc<AtomicBool>);

impl Drop for Left {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// Does `work` again and again as a model, gives it up, and waits until its thread has left it.
async fn is_left<T>(what: &str, work: impl Fn() -> T + Send + 'static) {
    let (begun, left) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
    let (tell, leaving) = (begun.clone(), Left(left.clone()));
    let without_end = move || {
        let _leaving = leaving;
        tell.store(true, Ordering::SeqCst);
        for _ in 0_u64.. {
            work();
        }
    };
    let call = tokio::spawn(work::models(without_end));
    // Its turn may come late: other tests have models too.
    let begins = async {
        while !begun.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LATE * 10, begins).await.expect(what);
    sleep(SOON).await;
    call.abort();
    let leaves = async {
        while !left.load(Ordering::SeqCst) {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(LATE, leaves).await.expect(what);
}

#[tokio::test(flavor = "multi_thread")]
async fn fits_are_left() {
    let timings: Vec<bgnbd::Timing> = (0..20_000)
        .map(|at| bgnbd::Timing {
            repeats: at % 9,
            recency: f64::from(at % 9) * f64::from(at % 50) / 10.0,
            age: 52.0 + f64::from(at % 101) / 7.0,
        })
        .collect();
    is_left("BG/NBD", move || bgnbd::Model::fit(&timings, 50)).await;
    let model = bgnbd::Model {
        r: 0.24,
        alpha: 4.4,
        a: 0.8,
        b: 2.4,
        log_likelihood: 0.0,
    };
    let customer = bgnbd::Timing {
        repeats: 2,
        recency: 30.0,
        age: 38.0,
    };
    is_left("discounting", move || model.discounted(customer, 520, 0.1)).await;
    let columns: Columns = (0..2_000)
        .map(|at| [Some(f64::from(at % 97)), Some(f64::from(at % 13))])
        .collect();
    let kinds: Vec<bool> = (0..2_000).map(|at| at % 97 + at % 5 > 50).collect();
    is_left("trees", move || {
        Trees::fit(&Examples::new(&columns, kinds.clone()))
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_are_left() {
    let row = |at: usize| f64::from(u32::try_from(at * 7_919 % 10_007).unwrap()) / 100.0;
    let rows = Array2::from_shape_fn((20_000, 6), |(at, column)| row(at + column * 31));
    let some = rows.clone();
    is_left("centres", move || centres(&some, 12)).await;
    let of: Vec<usize> = (0..rows.nrows()).map(|at| at % 5).collect();
    is_left("silhouettes", move || silhouette(&rows, &of)).await;
    let frames = edges::world(planted()).frames();
    let facts = facts(&frames);
    is_left("portraits", move || {
        let portrayer = Portrayer {
            facts: &facts,
            profiles: &frames.profiles,
            cuts: &Categories::new(&frames.names, None, 2),
            as_of: Day(D),
        };
        find(&portrayer, &everyone(&facts, Day(D)), None).is_ok()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn attributions_are_left() {
    let path = |at: usize| Path {
        consumer: u32::try_from(at).unwrap(),
        points: (0..20).map(|step| (at * 31 + step * 17) % 900).collect(),
        ages: vec![1; 20],
        outcome: at.is_multiple_of(3).then_some(100),
    };
    let mut points: Vec<String> = (0..899).map(|at| format!("{at:03}")).collect();
    points.push(DIRECT.to_owned());
    let walked = Journeys {
        points,
        paths: (0..5_000).map(path).collect(),
    };
    for model in Model::ALL {
        let walked = walked.clone();
        is_left(model.name(), move || credits(&walked, model)).await;
    }
    let world = edges::world(planted());
    let frames = world.frames();
    let facts = facts(&frames);
    let window = world.window;
    is_left("paths", move || {
        journeys(&facts, window, Outcome::Purchase, Point::Touch, None)
            .points
            .len()
    })
    .await;
}
