//! Calls that take long beside calls of others, and callers who leave. Spinners have fuel and time without end in these
//! tests: whatever waits for one to end by itself waits for ever.

use std::{ops::Range, sync::Arc, time::Duration};

use dualwheel_plugin_host::{World, sha256};
use dualwheel_proto::plugin::{
    ActivatePluginRequest, CheckPluginRequest, CheckPluginResponse, ModelSource, PluginFallback,
    ShadowPluginRequest,
};
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tonic::Status;

use crate::{
    guest::Guest,
    house::{BRAND, House, KOC, OTHER, UNTRIED, parts, setting},
    questions::{PEOPLE, activate, plain, runs},
};

/// Time after which somebody has left.
const SHORT: Duration = Duration::from_millis(100);
/// Longest time for what must happen soon.
const SOON: Duration = Duration::from_secs(60);

/// A house in which nothing but leaving ends a spinner, with a spinner and a good plugin, which answers for the other brand.
async fn house(runs: u32) -> (Arc<House>, String, String) {
    let house = House::with(|config| {
        config.plugins.fuel_base = u64::MAX;
        config.plugins.deadline_ms = 3_600_000;
        config.plugins.runs = runs;
        config.plugins.checks = 1;
    })
    .await;
    let spinner = published(&house, Guest::koc("spin").named("spinner", "1.0.0")).await;
    let good = house.published(Guest::koc("plain").named("good", "1.0.0")).await;
    activate_for(&house, OTHER, &good).await;
    (Arc::new(house), spinner, good)
}

/// Publishes what spins, by a process whose limits end the check that this takes.
async fn published(house: &House, guest: Guest) -> String {
    let strict = house
        .beside(&[World::KocModel], |config| {
            config.plugins.fuel_base = 1_000_000;
            config.plugins.fuel_per_row = 1_000;
        })
        .await;
    let component = guest.build();
    let signature = house.key.sign(&sha256(&component));
    let upload = parts("acme", &signature, &component);
    strict.upload(upload).await.unwrap().name
}

async fn activate_for(house: &House, brand: &str, plugin: &str) {
    let request = ActivatePluginRequest {
        brand: brand.to_owned(),
        setting: setting(plugin),
        fallback: PluginFallback::BuiltIn.into(),
        force_reason: UNTRIED.to_owned(),
        ..Default::default()
    };
    house
        .client
        .clone()
        .activations
        .activate_plugin(request)
        .await
        .unwrap();
}

async fn check(house: &House, plugin: &str) -> Result<CheckPluginResponse, Status> {
    let request = CheckPluginRequest {
        name: plugin.to_owned(),
        rows: 100,
    };
    Ok(house
        .client
        .clone()
        .plugins
        .check_plugin(request)
        .await?
        .into_inner())
}

/// Questions of a brand, whose answers are all the good plugin's and right.
async fn the_good_plugin_answers(house: &House, brand: &str, questions: Range<i32>) {
    for at in questions {
        let people = [(f64::from(at), 50.0), (1.0, 2.0)];
        let scored = timeout(SOON, house.ask_of(brand, at, &people)).await;
        let scored = scored.expect("its question waits").unwrap();
        let by = scored.by.source();
        assert_eq!((by, scored.columns), (ModelSource::Plugin, plain(&people, 0.5)));
    }
}

/// So many callers at once who leave.
fn leaving<T, F>(callers: usize, mut call: impl FnMut(usize) -> F) -> Vec<JoinHandle<bool>>
where
    F: Future<Output = T> + Send + 'static,
    T: Send + 'static,
{
    (0..callers)
        .map(|at| {
            let call = call(at);
            tokio::spawn(async { timeout(SHORT, call).await.is_err() })
        })
        .collect()
}

async fn all_left(leaving: Vec<JoinHandle<bool>>) {
    for caller in leaving {
        assert!(caller.await.unwrap(), "a spinner answered");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn abandoned_checks_of_a_spinner_leave_their_place_and_others_questions_alone() {
    let (house, spinner, good) = house(2).await;
    let checks = leaving(8, |_| {
        let (house, spinner) = (house.clone(), spinner.clone());
        async move { check(&house, &spinner).await }
    });
    the_good_plugin_answers(&house, OTHER, 0..40).await;
    all_left(checks).await;
    // The only place for checks is free.
    let checked = timeout(SOON, check(&house, &good)).await;
    let checked = checked.expect("the place is not free").unwrap();
    let told = checked.findings.iter().map(|finding| finding.found.as_str());
    assert!(told.clone().any(|found| found == "answered"));
    assert!(!told.clone().any(|found| found.contains("CANCELLED")));
    the_good_plugin_answers(&house, OTHER, 40..45).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spinner_has_its_share_and_other_brands_theirs() {
    let (house, spinner, good) = house(2).await;
    activate_for(&house, BRAND, &spinner).await;
    let asking = |house: &Arc<House>, at: i32| {
        let house = house.clone();
        async move { house.ask_of(BRAND, at, &PEOPLE).await }
    };
    // Three who wait on, and eight who leave.
    let patient: Vec<_> = (0..3).map(|at| tokio::spawn(asking(&house, at))).collect();
    let impatient = leaving(8, |at| asking(&house, 100 + at as i32));
    the_good_plugin_answers(&house, OTHER, 0..40).await;
    all_left(impatient).await;
    the_good_plugin_answers(&house, OTHER, 40..60).await;
    assert!(patient.iter().all(|call| !call.is_finished()));
    for call in &patient {
        call.abort();
    }
    // Who left is no failure and no answer; and the share is the brand's again.
    activate_for(&house, BRAND, &good).await;
    the_good_plugin_answers(&house, BRAND, 0..5).await;
    let made = runs(&house).await;
    assert_eq!(made.len(), 5);
    assert!(
        made.iter()
            .all(|run| run.setting.as_ref().unwrap().plugin == good)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_without_end_takes_no_place_of_questions_and_checks() {
    let (house, spinner, good) = house(1).await;
    let shadow = ShadowPluginRequest {
        brand: OTHER.to_owned(),
        world: KOC,
        setting: setting(&spinner),
        ..Default::default()
    };
    house
        .client
        .clone()
        .activations
        .shadow_plugin(shadow)
        .await
        .unwrap();
    the_good_plugin_answers(&house, OTHER, 0..10).await;
    let checked = timeout(SOON, check(&house, &good)).await;
    checked.expect("the check waits").unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn who_finds_no_place_is_told_so_and_falls_back() {
    let house = House::with(|config| {
        config.plugins.fuel_base = u64::MAX;
        config.plugins.deadline_ms = 1_000;
        config.plugins.runs = 1;
    })
    .await;
    let spinner = house.published(Guest::koc("spin")).await;
    activate(&house, &spinner, PluginFallback::BuiltIn).await;
    let ask = |day| house.ask(day, &PEOPLE);
    let (one, two, three) = tokio::join!(ask(1), ask(2), ask(3));
    let mut reasons: Vec<String> = [one, two, three]
        .map(|answered| answered.unwrap().1.by.failure.unwrap().reason)
        .into();
    reasons.sort();
    // One runs to its deadline; of those who waited as long, one may just have got the place.
    assert_eq!(reasons[0], "PLUGIN_BUSY");
    assert_eq!(reasons[2], "PLUGIN_DEADLINE");
    let busy = reasons.iter().filter(|reason| *reason == "PLUGIN_BUSY").count();
    // Only what ran is on record.
    assert_eq!(runs(&house).await.len(), 3 - busy);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_whose_caller_left_runs_anew() {
    let house = House::with(|config| config.plugins.fuel_base = u64::MAX).await;
    let count_down = "(local.set $at (i32.const 1000000000))
        (loop $wait (br_if $wait (local.tee $at (i32.sub (local.get $at) (i32.const 1)))))
        (block $done";
    let slow = house
        .published(Guest::koc("plain").with("(block $done", count_down))
        .await;
    activate(&house, &slow, PluginFallback::None).await;
    house.ask(100, &PEOPLE[..1]).await.unwrap();
    // Loaded by now, it runs for longer than that.
    let left = timeout(SHORT, house.ask(100, &PEOPLE)).await;
    assert!(left.is_err());
    let (_, scored) = house.ask(100, &PEOPLE).await.unwrap();
    assert_eq!(scored.columns, plain(&PEOPLE, 0.5));
    sleep(SHORT).await;
    assert_eq!(runs(&house).await.len(), 2);
}
