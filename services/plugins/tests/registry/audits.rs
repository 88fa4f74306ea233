//! What the audit log says of publishers and plugins.

use std::{collections::BTreeSet, sync::Arc};

use dualwheel_plugin_host::sha256;
use dualwheel_proto::plugin::{
    ActivatePluginRequest, CheckPluginRequest, DeactivatePluginRequest, DeletePluginRequest,
    PromotePluginRequest, RetirePluginRequest, RollBackPluginRequest, ShadowPluginRequest,
};
use serde_json::Value;

use crate::{
    guest::Guest,
    house::{BRAND, House, KOC, UNTRIED, setting},
};

/// On one thread, so that the lines are those of this test. Other tests' threads have a subscriber too, lest they settle for the
/// whole process that nobody takes lines.
#[tokio::test]
async fn lines_name_plugin_brand_publisher_and_key() {
    tracing::subscriber::set_global_default(tracing_subscriber::registry()).unwrap();
    let log = tempfile::NamedTempFile::new().unwrap();
    let subscriber = tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_env_filter(dualwheel_kit::telemetry::AUDIT)
        .with_writer(Arc::new(log.reopen().unwrap()))
        .finish();
    let _guard = tracing::subscriber::set_default(subscriber);
    let house = House::new().await;
    let component = Guest::koc("plain").named("model", "1.0.0").build();
    let first = house.publish(&component).await.unwrap().name;
    let second = house.published(Guest::koc("plain").named("model", "2.0.0")).await;
    let (brand, world) = (BRAND.to_owned(), KOC);
    let mut client = house.client.clone();
    let request = ActivatePluginRequest {
        brand: brand.clone(),
        setting: setting(&first),
        force_reason: UNTRIED.to_owned(),
        ..Default::default()
    };
    client.activations.activate_plugin(request).await.unwrap();
    let request = ShadowPluginRequest {
        brand: brand.clone(),
        world,
        setting: setting(&second),
        ..Default::default()
    };
    client.activations.shadow_plugin(request).await.unwrap();
    let request = PromotePluginRequest {
        brand: brand.clone(),
        world,
        force_reason: UNTRIED.to_owned(),
        ..Default::default()
    };
    client.activations.promote_plugin(request).await.unwrap();
    let request = RollBackPluginRequest {
        brand: brand.clone(),
        world,
        ..Default::default()
    };
    client.activations.roll_back_plugin(request).await.unwrap();
    let request = DeactivatePluginRequest {
        brand,
        world,
        ..Default::default()
    };
    client.activations.deactivate_plugin(request).await.unwrap();
    let request = CheckPluginRequest {
        name: second.clone(),
        rows: 50,
    };
    client.plugins.check_plugin(request).await.unwrap();
    let request = RetirePluginRequest {
        name: first.clone(),
        undo: false,
    };
    client.plugins.retire_plugin(request).await.unwrap();
    client
        .plugins
        .delete_plugin(DeletePluginRequest { name: first.clone() })
        .await
        .unwrap();

    let text = std::fs::read_to_string(log.path()).unwrap();
    let lines: Vec<Value> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let line = |method: &str| {
        let is_of = |line: &&Value| {
            let of = line["method"].as_str().unwrap_or_default();
            line["message"] == "audit" && of.ends_with(&format!("/{method}"))
        };
        let line = lines
            .iter()
            .find(is_of)
            .unwrap_or_else(|| panic!("{method}: {text}"));
        let named = line["resource"].as_str().unwrap_or_default();
        let named: BTreeSet<String> = named.split(' ').map(str::to_owned).collect();
        (line["brand"].as_str(), named)
    };
    let publication = format!("publishers/acme/publications/{}", sha256(&component));
    let key = format!(
        "publishers/acme/keys/{}",
        house.key.public().fingerprint().unwrap()
    );
    let names = |more: &[&String]| -> BTreeSet<String> {
        let publishers = ["publishers/acme".to_owned(), key.clone()];
        more.iter()
            .map(|name| (*name).clone())
            .chain(publishers)
            .collect()
    };
    assert_eq!(line("CreatePublisher"), (None, names(&[])));
    assert_eq!(line("PublishPlugin"), (None, names(&[&publication, &first])));
    assert_eq!(line("ActivatePlugin"), (Some(BRAND), names(&[&first])));
    assert_eq!(line("ShadowPlugin"), (Some(BRAND), names(&[&second])));
    assert_eq!(line("PromotePlugin"), (Some(BRAND), names(&[&second])));
    assert_eq!(line("RollBackPlugin"), (Some(BRAND), names(&[&first, &second])));
    assert_eq!(line("DeactivatePlugin"), (Some(BRAND), names(&[&first])));
    assert_eq!(line("CheckPlugin"), (None, names(&[&second])));
    assert_eq!(line("RetirePlugin"), (None, names(&[&first])));
    assert_eq!(line("DeletePlugin"), (None, names(&[&first])));
}
