//! Replays: the same rows to the same plugin give the same answer, bit by bit.

use dualwheel_plugin_host::World;
use dualwheel_proto::plugin::{
    ActivatePluginRequest, GetPluginRunRequest, GetPluginRunRowsRequest, ListPluginRunsRequest,
    ReplayPluginRunRequest, ReplayPluginRunResponse,
};
use tonic::Status;

use crate::{
    guest::Guest,
    house::{BRAND, House, KOC, UNTRIED, field, reason, setting},
    questions::runs,
};

async fn activate(house: &House, plugin: &str, keep_inputs: bool) {
    let request = ActivatePluginRequest {
        brand: BRAND.to_owned(),
        setting: setting(plugin),
        keep_inputs,
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

async fn replay(house: &House, name: &str) -> Result<ReplayPluginRunResponse, Status> {
    let request = ReplayPluginRunRequest {
        name: name.to_owned(),
    };
    Ok(house
        .client
        .clone()
        .runs
        .replay_plugin_run(request)
        .await?
        .into_inner())
}

/// The rows of a run as they are kept.
async fn rows(house: &House, name: &str) -> Result<Vec<u8>, Status> {
    let request = GetPluginRunRowsRequest {
        name: name.to_owned(),
    };
    let mut parts = house
        .client
        .clone()
        .runs
        .get_plugin_run_rows(request)
        .await?
        .into_inner();
    let mut rows = Vec::new();
    while let Some(part) = parts.message().await? {
        rows.extend_from_slice(&part.chunk);
    }
    Ok(rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_repeated_bit_by_bit() {
    let house = House::new().await;
    let name = house.published(Guest::koc("plain").named("model", "1.0.0")).await;
    let people = [(1.0 / 3.0, 0.1 + 0.2), (5e-324, 100.0)];
    activate(&house, &name, false).await;
    house.ask(100, &people).await.unwrap();
    let run = runs(&house).await.swap_remove(0);
    assert_eq!(reason(replay(&house, &run.name).await), "PLUGIN_RUN_NOT_KEPT");
    assert_eq!(reason(rows(&house, &run.name).await), "PLUGIN_RUN_NOT_KEPT");

    // From now on rows are kept, those of known questions too.
    activate(&house, &name, true).await;
    house.ask(100, &people).await.unwrap();
    let run = runs(&house).await.swap_remove(0);
    assert!(run.replayable);
    // In another process, which knows only what is stored.
    let replica = house.beside(&World::ALL, |_| {}).await;
    let replayed = replay(&replica, &run.name).await.unwrap();
    assert!(replayed.same_input && replayed.same_output);
    assert_eq!(
        (&replayed.output_hash, replayed.fuel),
        (&run.output_hash, run.fuel)
    );
    assert_eq!(replayed.run.unwrap(), run);
    // The rows themselves, as they were asked about.
    let rows = rows(&replica, &run.name).await.unwrap();
    let batches = dualwheel_plugins::kept_rows(&rows).unwrap();
    assert_eq!(batches.len(), 1);
    assert_eq!(batches[0].rows, 2);
    let names: Vec<&str> = batches[0]
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["followers_rank", "interactions_30d_rank"]);
    assert_eq!(
        reason(self::rows(&replica, "pluginRuns/none").await),
        "PLUGIN_RUN_UNKNOWN"
    );

    // Rows that were changed are told.
    let kept = house.files("blobs").into_iter().find(|path| {
        let path = path.display().to_string();
        path.contains("plugin-inputs") && path.contains(run.name.trim_start_matches("pluginRuns/"))
    });
    let kept = kept.unwrap();
    std::fs::write(&kept, b"damaged").unwrap();
    assert_eq!(reason(replay(&house, &run.name).await), "INTERNAL");
    std::fs::remove_file(&kept).unwrap();
    assert_eq!(reason(replay(&house, &run.name).await), "PLUGIN_RUN_NOT_KEPT");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_the_generation_before_is_replayed() {
    let house = House::new().await;
    let stored = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../plugins/host/tests/generations/1.0.0/koc-model.wasm"
    );
    let name = house.publish(&std::fs::read(stored).unwrap()).await.unwrap().name;
    activate(&house, &name, true).await;
    house.ask(100, &[(80.0, 20.0), (1.0 / 3.0, 50.0)]).await.unwrap();
    let run = runs(&house).await.swap_remove(0);
    let replica = house.beside(&World::ALL, |_| {}).await;
    let replayed = replay(&replica, &run.name).await.unwrap();
    assert!(replayed.same_input && replayed.same_output);
    assert_eq!(replayed.fuel, run.fuel);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_repeated_too() {
    let house = House::new().await;
    let bad = house.published(Guest::koc("unreachable")).await;
    activate(&house, &bad, true).await;
    house.ask(100, &[(1.0, 2.0)]).await.unwrap();
    let run = runs(&house).await.swap_remove(0);
    let replayed = replay(&house, &run.name).await.unwrap();
    assert!(replayed.same_input && replayed.same_output);
    assert_eq!(replayed.reason, "PLUGIN_TRAPPED");
}

#[tokio::test(flavor = "multi_thread")]
async fn runs_are_found_by_name_and_in_pages_and_by_their_tenant_only() {
    let house = House::new().await;
    let name = house.published(Guest::koc("plain")).await;
    activate(&house, &name, true).await;
    for day in 0..5 {
        house.ask(day, &[(f64::from(day), 2.0)]).await.unwrap();
    }
    let mut client = house.client.clone();
    let request = |token: String| ListPluginRunsRequest {
        brand: BRAND.to_owned(),
        world: KOC,
        page_size: 2,
        page_token: token,
    };
    let (mut days, mut token) = (Vec::new(), String::new());
    loop {
        let page = client
            .runs
            .list_plugin_runs(request(token))
            .await
            .unwrap()
            .into_inner();
        days.extend(page.runs.iter().map(|run| run.as_of.unwrap().day - 1));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(days, [4, 3, 2, 1, 0]);
    let run = runs(&house).await.swap_remove(0);
    let get = |name: &str| GetPluginRunRequest {
        name: name.to_owned(),
    };
    let got = client
        .runs
        .get_plugin_run(get(&run.name))
        .await
        .unwrap()
        .into_inner()
        .run;
    assert_eq!(got.as_ref(), Some(&run));
    assert_eq!(
        reason(client.runs.get_plugin_run(get("pluginRuns/none")).await),
        "PLUGIN_RUN_UNKNOWN"
    );
    assert_eq!(field(client.runs.get_plugin_run(get("none")).await), "name");
    let other = house
        .beside(&World::ALL, |config| config.tenant = "other".to_owned())
        .await;
    let refused = other.client.clone().runs.get_plugin_run(get(&run.name)).await;
    assert_eq!(reason(refused), "PLUGIN_RUN_UNKNOWN");
    assert_eq!(reason(replay(&other, &run.name).await), "PLUGIN_RUN_UNKNOWN");
}
