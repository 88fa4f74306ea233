//! What a brand uses: revisions that follow one another, whoever makes them.

use std::collections::BTreeSet;

use dualwheel_plugin_host::World;
use dualwheel_proto::plugin::{
    ActivatePluginRequest, DeactivatePluginRequest, GetPluginActivationRequest, ListPluginActivationsRequest,
    PluginActivation, PluginChange, PluginFallback, PluginSetting, PluginWorld, PromotePluginRequest,
    RollBackPluginRequest, ShadowPluginRequest,
};
use tonic::Status;

use crate::{
    guest::Guest,
    house::{BRAND, House, KOC, UNTRIED, field, reason, setting, start},
};

/// Two versions of a model and one of styles.
struct Published {
    house: House,
    first: String,
    second: String,
}

async fn published() -> Published {
    let house = House::new().await;
    let first = house.published(Guest::koc("plain").named("model", "1.0.0")).await;
    let second = house.published(Guest::koc("plain").named("model", "2.0.0")).await;
    Published { house, first, second }
}

fn activation(plugin: &str) -> ActivatePluginRequest {
    ActivatePluginRequest {
        brand: BRAND.to_owned(),
        setting: setting(plugin),
        force_reason: UNTRIED.to_owned(),
        ..Default::default()
    }
}

impl Published {
    async fn activate(&self, request: ActivatePluginRequest) -> Result<PluginActivation, Status> {
        let answer = self
            .house
            .client
            .clone()
            .activations
            .activate_plugin(request)
            .await?;
        Ok(answer.into_inner().activation.unwrap())
    }

    async fn current(&self) -> PluginActivation {
        let request = GetPluginActivationRequest {
            brand: BRAND.to_owned(),
            world: KOC,
        };
        let answer = self
            .house
            .client
            .clone()
            .activations
            .get_plugin_activation(request)
            .await;
        answer.unwrap().into_inner().activation.unwrap()
    }

    async fn shadow(&self, plugin: Option<PluginSetting>) -> Result<PluginActivation, Status> {
        let request = ShadowPluginRequest {
            brand: BRAND.to_owned(),
            world: KOC,
            setting: plugin,
            ..Default::default()
        };
        let answer = self
            .house
            .client
            .clone()
            .activations
            .shadow_plugin(request)
            .await?;
        Ok(answer.into_inner().activation.unwrap())
    }

    async fn promote(&self) -> Result<PluginActivation, Status> {
        let request = PromotePluginRequest {
            brand: BRAND.to_owned(),
            world: KOC,
            force_reason: UNTRIED.to_owned(),
            ..Default::default()
        };
        let answer = self
            .house
            .client
            .clone()
            .activations
            .promote_plugin(request)
            .await?;
        Ok(answer.into_inner().activation.unwrap())
    }

    async fn roll_back(&self) -> Result<PluginActivation, Status> {
        let request = RollBackPluginRequest {
            brand: BRAND.to_owned(),
            world: KOC,
            ..Default::default()
        };
        let answer = self
            .house
            .client
            .clone()
            .activations
            .roll_back_plugin(request)
            .await?;
        Ok(answer.into_inner().activation.unwrap())
    }

    async fn deactivate(&self) -> PluginActivation {
        let request = DeactivatePluginRequest {
            brand: BRAND.to_owned(),
            world: KOC,
            ..Default::default()
        };
        let answer = self
            .house
            .client
            .clone()
            .activations
            .deactivate_plugin(request)
            .await;
        answer.unwrap().into_inner().activation.unwrap()
    }
}

fn active(activation: &PluginActivation) -> &str {
    activation.active.as_ref().map_or("", |setting| &setting.plugin)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_change_is_a_revision_and_none_is_lost() {
    let published = published().await;
    let (first, second) = (published.first.as_str(), published.second.as_str());
    let nothing = published.current().await;
    assert_eq!(
        (nothing.revision, active(&nothing), nothing.etag.as_str()),
        (0, "", "")
    );

    let one = published.activate(activation(first)).await.unwrap();
    assert_eq!(
        (one.revision, active(&one), one.change()),
        (1, first, PluginChange::Activated)
    );
    assert_eq!(one.fallback(), PluginFallback::BuiltIn);
    // The same again changes nothing.
    assert_eq!(published.activate(activation(first)).await.unwrap(), one);
    // Other settings do.
    let kept = ActivatePluginRequest {
        keep_inputs: true,
        ..activation(first)
    };
    let two = published.activate(kept).await.unwrap();
    assert_eq!((two.revision, two.keep_inputs), (2, true));

    let three = published.shadow(setting(second)).await.unwrap();
    assert_eq!((active(&three), three.change()), (first, PluginChange::Shadowed));
    let four = published.promote().await.unwrap();
    assert_eq!(
        (active(&four), four.shadow.clone(), four.change()),
        (second, None, PluginChange::Promoted)
    );
    assert!(four.keep_inputs, "a promotion keeps the brand's policy");
    assert_eq!(reason(published.promote().await), "PLUGIN_NO_SHADOW");

    // Back to the first version, then to the built-in model, which was before it; then nothing was.
    let five = published.roll_back().await.unwrap();
    assert_eq!((active(&five), five.change()), (first, PluginChange::RolledBack));
    let six = published.roll_back().await.unwrap();
    assert_eq!(active(&six), "");
    assert_eq!(reason(published.roll_back().await), "PLUGIN_NOTHING_BEFORE");

    published.activate(activation(second)).await.unwrap();
    let eight = published.deactivate().await;
    assert_eq!(
        (eight.revision, active(&eight), eight.change()),
        (8, "", PluginChange::Deactivated)
    );
    assert_eq!(published.deactivate().await, eight);
    assert_eq!(active(&published.roll_back().await.unwrap()), second);
    assert_eq!(published.current().await.revision, 9);

    let mut revisions = Vec::new();
    let mut token = String::new();
    loop {
        let request = ListPluginActivationsRequest {
            brand: BRAND.to_owned(),
            world: KOC,
            page_size: 4,
            page_token: token,
        };
        let mut client = published.house.client.clone();
        let page = client
            .activations
            .list_plugin_activations(request)
            .await
            .unwrap()
            .into_inner();
        revisions.extend(page.activations.iter().map(|activation| activation.revision));
        token = page.next_page_token;
        if token.is_empty() {
            break;
        }
    }
    assert_eq!(revisions, (1..=9).rev().collect::<Vec<_>>());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_work_is_not_activated() {
    let published = published().await;
    let first = published.first.as_str();
    let with = |parameters: &[(&str, f64)]| ActivatePluginRequest {
        setting: Some(PluginSetting {
            plugin: first.to_owned(),
            parameters: parameters
                .iter()
                .map(|(name, value)| ((*name).to_owned(), *value))
                .collect(),
        }),
        ..activation(first)
    };
    for wrong in [[("weight", 1.5)], [("weight", f64::NAN)]] {
        let refused = published.activate(with(&wrong)).await;
        assert_eq!(field(refused), "setting.parameters[\"weight\"]");
    }
    let refused = published.activate(with(&[("height", 1.0)])).await;
    assert_eq!(field(refused), "setting.parameters[\"height\"]");
    let unknown = activation("plugins/model/versions/9.0.0");
    assert_eq!(reason(published.activate(unknown).await), "PLUGIN_UNKNOWN");
    assert_eq!(
        field(published.activate(activation("model")).await),
        "setting.plugin"
    );
    let brand = ActivatePluginRequest {
        brand: "nobody".to_owned(),
        ..activation(first)
    };
    assert_eq!(reason(published.activate(brand).await), "BRAND_UNKNOWN");
    let fallback = ActivatePluginRequest {
        fallback: 17,
        ..activation(first)
    };
    assert_eq!(field(published.activate(fallback).await), "fallback");

    // A sealed WASI must be allowed.
    let sealed = sealed_guest();
    let sealed = published.house.published(sealed.named("sealed", "1.0.0")).await;
    assert_eq!(
        reason(published.activate(activation(&sealed)).await),
        "PLUGIN_WASI_REFUSED"
    );
    let allowed = ActivatePluginRequest {
        allow_sealed_wasi: true,
        ..activation(&sealed)
    };
    assert_eq!(active(&published.activate(allowed).await.unwrap()), sealed);

    // A model of the other world is no shadow here.
    let styles = published
        .house
        .published(Guest::style("trend").named("styles", "1.0.0"))
        .await;
    assert_eq!(field(published.shadow(setting(&styles)).await), "setting.plugin");
    let request = GetPluginActivationRequest {
        brand: BRAND.to_owned(),
        world: 0,
    };
    let refused = published
        .house
        .client
        .clone()
        .activations
        .get_plugin_activation(request)
        .await;
    assert_eq!(field(refused), "world");
    let request = activation(&styles);
    let of_styles = published.activate(request).await.unwrap();
    assert_eq!(
        (of_styles.world(), of_styles.revision),
        (PluginWorld::StyleTrendModel, 1)
    );
}

/// A model that asks a sealed WASI for its clock.
pub fn sealed_guest() -> Guest {
    Guest::koc("plain")
        .contract(
            "world koc-model {",
            "world koc-model {\n    import wasi:clocks/monotonic-clock@0.2.0;",
        )
        .packages(
            "package wasi:clocks@0.2.0 {\n    interface monotonic-clock { type instant = u64; now: func() -> instant; }\n}\n",
        )
        .importing(r#"(import "wasi:clocks/monotonic-clock@0.2.0" "now" (func (result i64)))"#)
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_activations_with_one_etag_one_wins() {
    let published = published().await;
    let start = published.activate(activation(&published.first)).await.unwrap();
    let racing = (0..8).map(|at| {
        let mut client = published.house.client.clone();
        let request = ActivatePluginRequest {
            etag: start.etag.clone(),
            setting: Some(PluginSetting {
                plugin: published.second.clone(),
                parameters: [("weight".to_owned(), f64::from(at) / 10.0)].into(),
            }),
            ..activation(&published.second)
        };
        tokio::spawn(async move { client.activations.activate_plugin(request).await })
    });
    let racing: Vec<_> = racing.collect();
    let (mut won, mut lost) = (Vec::new(), 0);
    for call in racing {
        match call.await.unwrap() {
            Ok(answer) => won.push(answer.into_inner().activation.unwrap()),
            Err(refused) => {
                assert_eq!(reason(Err::<(), _>(refused)), "ETAG_MISMATCH");
                lost += 1;
            }
        }
    }
    assert_eq!((won.len(), lost), (1, 7));
    assert_eq!(published.current().await, won[0]);
}

/// More of them than a database lets by in their order.
#[tokio::test(flavor = "multi_thread")]
async fn racing_activations_without_etags_follow_one_another() {
    let published = published().await;
    let racing = (0..48).map(|at| {
        let mut client = published.house.client.clone();
        let request = ActivatePluginRequest {
            setting: Some(PluginSetting {
                plugin: published.first.clone(),
                parameters: [("weight".to_owned(), f64::from(at) / 50.0)].into(),
            }),
            ..activation(&published.first)
        };
        tokio::spawn(async move { client.activations.activate_plugin(request).await })
    });
    let racing: Vec<_> = racing.collect();
    let mut revisions = BTreeSet::new();
    for call in racing {
        let made = call.await.unwrap().unwrap().into_inner().activation.unwrap();
        revisions.insert(made.revision);
    }
    assert_eq!(revisions, (1..=48).collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn rolling_back_without_an_etag_waits_for_other_changes() {
    let published = published().await;
    for plugin in [&published.first, &published.second].repeat(12) {
        published.activate(activation(plugin)).await.unwrap();
    }
    let racing = (0..24).map(|_| {
        let mut client = published.house.client.clone();
        let request = RollBackPluginRequest {
            brand: BRAND.to_owned(),
            world: KOC,
            ..Default::default()
        };
        tokio::spawn(async move { client.activations.roll_back_plugin(request).await })
    });
    // Each goes one back, to the built-in model at last.
    for call in racing.collect::<Vec<_>>() {
        call.await.unwrap().unwrap();
    }
    assert_eq!(active(&published.current().await), "");
    assert_eq!(reason(published.roll_back().await), "PLUGIN_NOTHING_BEFORE");
}

#[tokio::test(flavor = "multi_thread")]
async fn processes_that_start_together_share_a_registry() {
    let folder = tempfile::tempdir().unwrap();
    let config = dualwheel_kit::Config {
        data: folder.path().display().to_string(),
        ..Default::default()
    };
    let starting = (0..8).map(|_| {
        let config = config.clone();
        tokio::spawn(async move { start(&config, &World::ALL).await.map(drop) })
    });
    for process in starting.collect::<Vec<_>>() {
        process.await.unwrap().unwrap();
    }
}
