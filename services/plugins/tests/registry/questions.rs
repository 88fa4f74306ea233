//! Questions: answered by the active plugin, or by what stands in for it, and always said by which.

use std::time::{Duration, Instant};

use dualwheel_plugin_host::World;
use dualwheel_plugin_sdk::Values;
use dualwheel_proto::plugin::{
    ActivatePluginRequest, DeletePublisherRequest, ListPluginRunsRequest, ModelSource, PluginFallback,
    PluginRole, PluginRun, PluginRunState, PluginSetting, ShadowPluginRequest,
};
use tonic::Status;

use crate::{
    guest::Guest,
    house::{BRAND, House, KOC, People, UNTRIED, reason, setting},
};

pub const PEOPLE: [(f64, f64); 3] = [(10.0, 40.0), (50.0, 60.0), (90.0, 20.0)];

/// What `plain` answers with a weight: the first rank, the second times the weight, half their sum.
pub fn plain(people: &[(f64, f64)], weight: f64) -> Vec<Values> {
    let column = |of: fn(f64, f64, f64) -> f64| {
        Values::Numbers(people.iter().map(|(a, b)| of(*a, *b, weight)).collect())
    };
    vec![
        column(|a, _, _| a),
        column(|_, b, weight| b * weight),
        column(|a, b, _| (a + b) * 0.5),
    ]
}

pub fn sevens(rows: usize) -> Vec<Values> {
    [7.0, 8.0, 9.0]
        .map(|number| Values::Numbers(vec![number; rows]))
        .to_vec()
}

pub async fn activate(house: &House, plugin: &str, fallback: PluginFallback) {
    let request = ActivatePluginRequest {
        brand: BRAND.to_owned(),
        setting: setting(plugin),
        fallback: fallback.into(),
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

pub async fn runs(house: &House) -> Vec<PluginRun> {
    let request = ListPluginRunsRequest {
        brand: BRAND.to_owned(),
        world: KOC,
        ..Default::default()
    };
    let listed = house.client.clone().runs.list_plugin_runs(request).await;
    listed.unwrap().into_inner().runs
}

#[tokio::test(flavor = "multi_thread")]
async fn the_built_in_model_answers_until_a_plugin_does() {
    let house = House::new().await;
    let (_, scored) = house.ask(100, &PEOPLE).await.unwrap();
    assert_eq!(scored.columns, sevens(3));
    assert_eq!(
        (
            scored.by.source(),
            scored.by.model.as_str(),
            scored.by.run.as_str()
        ),
        (ModelSource::BuiltIn, "sevens", "")
    );

    let name = house.published(Guest::koc("plain")).await;
    let request = ActivatePluginRequest {
        brand: BRAND.to_owned(),
        setting: Some(PluginSetting {
            plugin: name.clone(),
            parameters: [("weight".to_owned(), 0.25)].into(),
        }),
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
    let (_, scored) = house.ask(100, &PEOPLE).await.unwrap();
    assert_eq!(scored.columns, plain(&PEOPLE, 0.25));
    let by = &scored.by;
    assert_eq!(
        (by.source(), by.plugin.as_str(), by.version.as_str()),
        (ModelSource::Plugin, name.as_str(), "1.2.0")
    );
    assert_eq!(by.parameters["weight"], 0.25);

    let made = runs(&house).await;
    let run = &made[0];
    assert_eq!(
        (made.len(), &run.name, run.role()),
        (1, &by.run, PluginRole::Active)
    );
    assert_eq!(
        (run.state(), run.rows, &run.input_hash),
        (PluginRunState::Succeeded, 3, &by.input_hash)
    );
    assert_eq!(run.data_version.as_ref().unwrap().tables["members"], 100);
    assert!(run.fuel > 0 && run.memory_bytes > 0 && !run.output_hash.is_empty() && !run.replayable);

    // The same question again is known; another one is not.
    let again = house.ask(100, &PEOPLE).await.unwrap().1;
    assert_eq!((&again.columns, &again.by), (&scored.columns, &scored.by));
    assert_eq!(runs(&house).await.len(), 1);
    house.ask(100, &PEOPLE[..2]).await.unwrap();
    assert_eq!(runs(&house).await.len(), 2);
    // Nobody to ask about is no question to a model, and yet answered.
    assert_eq!(
        house.ask(100, &[]).await.unwrap().1.columns,
        vec![Values::Numbers(Vec::new()); 3]
    );
}

/// A process that has just started where nothing compiled is kept: nobody waits for the compiler.
#[tokio::test(flavor = "multi_thread")]
async fn a_plugin_without_machine_code_is_compiled_once_beside_the_calls() {
    let house = House::new().await;
    let plain = house.published(Guest::koc("plain").named("model", "1.0.0")).await;
    activate(&house, &plain, PluginFallback::BuiltIn).await;
    let compiled = || {
        let mut files = house.files("compiled-plugins");
        files.retain(|file| file.extension().is_some_and(|extension| extension == "compiled"));
        files
    };
    // What is kept is found by a process that starts.
    let started = house.beside(&World::ALL, |_| {}).await;
    assert_eq!(
        started.ask(100, &PEOPLE).await.unwrap().1.by.source(),
        ModelSource::Plugin
    );

    compiled()
        .iter()
        .for_each(|file| std::fs::remove_file(file).unwrap());
    let started = house.beside(&World::ALL, |_| {}).await;
    let ask = || started.ask(101, &PEOPLE);
    let (one, two, three) = tokio::join!(ask(), ask(), ask());
    for answered in [one, two, three] {
        let scored = answered.unwrap().1;
        let reason = scored.by.failure.as_ref().map(|failure| failure.reason.as_str());
        // A quick compiler may be ready for the last of them.
        match scored.by.source() {
            ModelSource::Plugin => assert_eq!(reason, None),
            source => assert_eq!(
                (source, reason, scored.columns),
                (ModelSource::BuiltInFallback, Some("PLUGIN_COMPILING"), sevens(3))
            ),
        }
    }
    let begun = Instant::now();
    while started.ask(101, &PEOPLE).await.unwrap().1.by.source() != ModelSource::Plugin {
        assert!(begun.elapsed() < Duration::from_secs(60), "it is never compiled");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(compiled().len(), 1);

    // Where nothing may stand in, the question waits.
    activate(&house, &plain, PluginFallback::None).await;
    compiled()
        .iter()
        .for_each(|file| std::fs::remove_file(file).unwrap());
    let started = house.beside(&World::ALL, |_| {}).await;
    assert_eq!(
        started.ask(102, &PEOPLE).await.unwrap().1.by.source(),
        ModelSource::Plugin
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_fails_where_machine_code_cannot_be_kept() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let place = file.path().display().to_string();
    let house = House::with(|config| config.plugins.cache = Some(place)).await;
    let plain = house.published(Guest::koc("plain").named("model", "1.0.0")).await;
    activate(&house, &plain, PluginFallback::BuiltIn).await;
    assert_eq!(
        house.ask(100, &PEOPLE).await.unwrap().1.by.source(),
        ModelSource::Plugin
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_plugin_falls_back_as_the_policy_says() {
    let house = House::new().await;
    let good = house.published(Guest::koc("plain").named("model", "1.0.0")).await;
    let bad = house
        .published(Guest::koc("unreachable").named("model", "2.0.0"))
        .await;

    activate(&house, &bad, PluginFallback::BuiltIn).await;
    let (_, scored) = house.ask(100, &PEOPLE).await.unwrap();
    let failure = scored.by.failure.clone().unwrap();
    assert_eq!(
        (scored.columns, scored.by.source),
        (sevens(3), ModelSource::BuiltInFallback.into())
    );
    assert_eq!(
        (failure.plugin.as_str(), failure.reason.as_str()),
        (bad.as_str(), "PLUGIN_TRAPPED")
    );
    let run = &runs(&house).await[0];
    assert_eq!(
        (run.state(), run.reason.as_str(), &run.name),
        (PluginRunState::Failed, "PLUGIN_TRAPPED", &failure.run)
    );
    // The same question would end the same: it is not asked again.
    house.ask(100, &PEOPLE).await.unwrap();
    assert_eq!(runs(&house).await.len(), 1);

    activate(&house, &bad, PluginFallback::None).await;
    let refused = house.ask(100, &PEOPLE).await;
    assert_eq!(
        dualwheel_kit::failure::value_of(refused.as_ref().unwrap_err(), "run"),
        Some(failure.run)
    );
    assert_eq!(reason(refused), "PLUGIN_TRAPPED");

    // No result yet: the built-in model stands in for the last good one.
    activate(&house, &bad, PluginFallback::LastGood).await;
    let (_, scored) = house.ask(100, &PEOPLE).await.unwrap();
    assert_eq!(scored.by.source(), ModelSource::BuiltInFallback);

    activate(&house, &good, PluginFallback::LastGood).await;
    let then = PEOPLE[..2].to_vec();
    house.ask(100, &then).await.unwrap();
    activate(&house, &bad, PluginFallback::LastGood).await;
    let of_then = async |day: dualwheel_measure::Day, versions: std::collections::BTreeMap<String, i64>| {
        assert_eq!((day.0, versions["members"]), (100, 100));
        Ok(People(then.clone()))
    };
    let (people, scored) = house.ask_again(101, &PEOPLE, of_then).await.unwrap();
    assert_eq!(
        (people, scored.columns),
        (People(then.clone()), plain(&then, 0.5))
    );
    assert_eq!(
        (scored.by.source(), scored.by.plugin),
        (ModelSource::LastGood, good)
    );
    assert_eq!(scored.by.failure.unwrap().plugin, bad);

    // Facts of then that are others by now, or are gone: the built-in model.
    let others = async |_, _| Ok(People(vec![(1.0, 2.0), (3.0, 4.0)]));
    let (people, scored) = house.ask_again(101, &PEOPLE, others).await.unwrap();
    assert_eq!(
        (people, scored.by.source()),
        (People(PEOPLE.to_vec()), ModelSource::BuiltInFallback)
    );
    let (_, scored) = house.ask(101, &PEOPLE).await.unwrap();
    assert_eq!(scored.by.source(), ModelSource::BuiltInFallback);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_way_to_fail_is_named_and_harms_nobody() {
    let house = House::with(|config| {
        config.plugins.fuel_base = 2_000_000;
        config.plugins.fuel_per_row = 1_000;
        config.plugins.memory_bytes = 8 << 20;
    })
    .await;
    let good = house.published(Guest::koc("plain").named("good", "1.0.0")).await;
    for (at, (fixture, expected)) in [
        ("spin", "PLUGIN_FUEL_EXHAUSTED"),
        ("recurse", "PLUGIN_STACK"),
        ("memory_hog", "PLUGIN_MEMORY"),
        ("panic", "PLUGIN_TRAPPED"),
        ("refuse", "PLUGIN_REFUSED"),
        ("short", "PLUGIN_BAD_OUTPUT"),
    ]
    .into_iter()
    .enumerate()
    {
        let bad = house
            .published(Guest::koc(fixture).named("bad", &format!("{at}.0.0")))
            .await;
        activate(&house, &bad, PluginFallback::None).await;
        assert_eq!(reason(house.ask(100, &PEOPLE).await), expected, "{fixture}");
        activate(&house, &good, PluginFallback::None).await;
        assert_eq!(
            house.ask(100, &PEOPLE).await.unwrap().1.columns,
            plain(&PEOPLE, 0.5)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn with_more_fuel_a_failure_is_not_the_last_word() {
    let house = House::with(|config| {
        config.plugins.fuel_base = 1_000;
        config.plugins.fuel_per_row = 1;
    })
    .await;
    // What it is must be asked with enough.
    let rich = house
        .beside(&World::ALL, |config| config.plugins = Default::default())
        .await;
    let component = Guest::koc("plain").build();
    let signature = house.key.sign(&dualwheel_plugin_host::sha256(&component));
    let name = rich
        .upload(crate::house::parts("acme", &signature, &component))
        .await
        .unwrap()
        .name;
    activate(&rich, &name, PluginFallback::BuiltIn).await;
    let many: Vec<(f64, f64)> = (0..100).map(|at| (f64::from(at), 1.0)).collect();
    let by = house.ask(100, &many).await.unwrap().1.by;
    assert_eq!(by.failure.unwrap().reason, "PLUGIN_FUEL_EXHAUSTED");
    assert_eq!(
        rich.ask(100, &many).await.unwrap().1.by.source(),
        ModelSource::Plugin
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_trusted_no_longer_runs_no_longer() {
    let house = House::new().await;
    let name = house.published(Guest::koc("plain")).await;
    activate(&house, &name, PluginFallback::BuiltIn).await;
    assert_eq!(
        house.ask(100, &PEOPLE).await.unwrap().1.by.source(),
        ModelSource::Plugin
    );
    let publisher = DeletePublisherRequest {
        name: "publishers/acme".to_owned(),
    };
    house
        .client
        .clone()
        .publishers
        .delete_publisher(publisher)
        .await
        .unwrap();
    let by = house.ask(100, &PEOPLE).await.unwrap().1.by;
    assert_eq!(by.source(), ModelSource::BuiltInFallback);
    assert_eq!(by.failure.unwrap().reason, "PLUGIN_UNTRUSTED");
    // Another key under the same name does not make it trusted; its own does.
    let other = dualwheel_plugins::signature::SecretKey::generate().unwrap();
    house.trust("acme", &other).await.unwrap();
    assert_eq!(
        house.ask(100, &PEOPLE).await.unwrap().1.by.source(),
        ModelSource::BuiltInFallback
    );
    let publisher = DeletePublisherRequest {
        name: "publishers/acme".to_owned(),
    };
    house
        .client
        .clone()
        .publishers
        .delete_publisher(publisher)
        .await
        .unwrap();
    house.trust("acme", &house.key).await.unwrap();
    assert_eq!(
        house.ask(100, &PEOPLE).await.unwrap().1.by.source(),
        ModelSource::Plugin
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shadow_is_compared_and_never_answers() {
    let house = House::new().await;
    let good = house.published(Guest::koc("plain").named("model", "1.0.0")).await;
    let other = house
        .published(
            Guest::koc("plain")
                .with("f64.const 0.5", "f64.const 0.25")
                .named("model", "2.0.0"),
        )
        .await;
    let shadow = ShadowPluginRequest {
        brand: BRAND.to_owned(),
        world: KOC,
        setting: setting(&other),
        ..Default::default()
    };
    house
        .client
        .clone()
        .activations
        .shadow_plugin(shadow)
        .await
        .unwrap();
    // Beside the built-in model, whose columns are constant.
    house.ask(100, &PEOPLE).await.unwrap();
    let run = shadowed(&house, 1).await;
    assert_eq!(
        (run.role(), run.comparisons[0].rank_correlation),
        (PluginRole::Shadow, None)
    );
    activate(&house, &good, PluginFallback::BuiltIn).await;
    let (_, scored) = house.ask(101, &PEOPLE[..2]).await.unwrap();
    assert_eq!(scored.columns, plain(&PEOPLE[..2], 0.5));
    let run = shadowed(&house, 2).await;
    let told: Vec<_> = run
        .comparisons
        .iter()
        .map(|one| {
            (
                one.column.as_str(),
                one.rank_correlation,
                one.top_decile_overlap,
                one.largest_difference,
            )
        })
        .collect();
    // Half against a quarter of the sum of ranks: 110 × 0.25 for the second.
    assert_eq!(
        told,
        [
            ("content", Some(1.0), Some(1.0), 0.0),
            ("influence", Some(1.0), Some(1.0), 0.0),
            ("purchasing", Some(1.0), Some(1.0), 27.5),
        ]
    );
}

/// The newest shadow's run, once there are so many and it was compared.
pub async fn shadowed(house: &House, count: usize) -> PluginRun {
    for _ in 0..500 {
        let mut shadows = runs(house).await;
        shadows.retain(|run| run.role() == PluginRole::Shadow);
        if shadows.len() == count && !shadows[0].comparisons.is_empty() {
            return shadows.swap_remove(0);
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("no shadow ran");
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_change_together_and_calls_under_way_end_as_they_began() {
    let house = House::new().await;
    let first = house.published(Guest::koc("plain").named("model", "1.0.0")).await;
    let second = house
        .published(
            Guest::koc("plain")
                .with("f64.const 0.5", "f64.const 0.25")
                .named("model", "2.0.0"),
        )
        .await;
    let replica = house.beside(&World::ALL, |_| {}).await;
    activate(&house, &first, PluginFallback::None).await;
    // The very next question at another replica.
    assert_eq!(replica.ask(100, &PEOPLE).await.unwrap().1.by.plugin, first);
    activate(&replica, &second, PluginFallback::None).await;
    assert_eq!(house.ask(100, &PEOPLE).await.unwrap().1.by.plugin, second);

    let (house, replica) = (std::sync::Arc::new(house), std::sync::Arc::new(replica));
    let asking = (0..64).map(|at| {
        let place = if at % 2 == 0 {
            house.clone()
        } else {
            replica.clone()
        };
        tokio::spawn(async move {
            let people = [(f64::from(at), 50.0)];
            let (_, scored) = place.ask(at, &people).await?;
            Ok::<_, Status>((people, scored))
        })
    });
    let asking: Vec<_> = asking.collect();
    for at in 0..10 {
        let plugin = if at % 2 == 0 { &first } else { &second };
        activate(&house, plugin, PluginFallback::None).await;
    }
    for call in asking {
        let (people, scored) = call.await.unwrap().unwrap();
        let factor = if scored.by.plugin == first { 0.5 } else { 0.25 };
        assert_eq!(
            scored.columns[2],
            Values::Numbers(vec![(people[0].0 + 50.0) * factor])
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_component_that_was_changed_on_disk_does_not_run() {
    let house = House::new().await;
    let name = house.published(Guest::koc("plain")).await;
    activate(&house, &name, PluginFallback::BuiltIn).await;
    let component = house.files("blobs").pop().unwrap();
    let mut bytes = std::fs::read(&component).unwrap();
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(&component, bytes).unwrap();
    // This process still has the plugin that it checked; another one finds out.
    assert_eq!(
        house.ask(100, &PEOPLE).await.unwrap().1.by.source(),
        ModelSource::Plugin
    );
    let replica = house.beside(&World::ALL, |_| {}).await;
    let by = replica.ask(100, &PEOPLE[..1]).await.unwrap().1.by;
    let failure = by.failure.clone().unwrap();
    assert_eq!(
        (by.source(), failure.reason.as_str()),
        (ModelSource::BuiltInFallback, "INTERNAL")
    );
    assert!(
        failure.message.contains("see the server's log"),
        "{}",
        failure.message
    );
}
