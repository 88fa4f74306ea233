//! What stands in for a plugin that fails: what was given before, and could be given again.

use dualwheel_plugin_host::sha256;
use dualwheel_plugins::signature::SecretKey;
use dualwheel_proto::plugin::{
    ActivatePluginRequest, DeletePublisherRequest, ModelSource, PluginFallback, RollBackPluginRequest,
    ShadowPluginRequest,
};

use crate::{
    activations::sealed_guest,
    guest::Guest,
    house::{BRAND, House, KOC, People, UNTRIED, parts, setting},
    questions::{PEOPLE, activate, sevens, shadowed},
};

/// A weight by which the answers of versions differ.
fn version(factor: &str, version: &str) -> Guest {
    Guest::koc("plain")
        .with("f64.const 0.5", &format!("f64.const {factor}"))
        .named("model", version)
}

/// A house where every question falls back to the last good answer: days, and what each was answered by.
struct Fallbacks {
    house: House,
    bad: String,
}

impl Fallbacks {
    async fn new() -> Self {
        let house = House::new().await;
        let bad = house
            .published(Guest::koc("unreachable").named("model", "9.0.0"))
            .await;
        Self { house, bad }
    }

    /// Has a plugin answer on a day, about as many people as the day has after the hundredth.
    async fn given(&self, plugin: &str, day: i32) {
        activate(&self.house, plugin, PluginFallback::LastGood).await;
        let (_, scored) = self.house.ask(day, people(day)).await.unwrap();
        assert_eq!(
            (scored.by.source(), scored.by.plugin.as_str()),
            (ModelSource::Plugin, plugin)
        );
    }

    /// The plugin and the day of what stands in for the bad one; `None` where that is the built-in model.
    async fn stands_in(&self) -> Option<(String, i32)> {
        activate(&self.house, &self.bad, PluginFallback::LastGood).await;
        self.stands_in_now().await
    }

    async fn stands_in_now(&self) -> Option<(String, i32)> {
        let then = std::cell::Cell::new(0);
        let of_then = async |day: dualwheel_measure::Day, _| {
            then.set(day.0);
            Ok(People(people(day.0).to_vec()))
        };
        let (_, scored) = self.house.ask_again(200, &PEOPLE, of_then).await.unwrap();
        match scored.by.source() {
            ModelSource::LastGood => Some((scored.by.plugin, then.get())),
            source => {
                let found = (source, scored.columns);
                assert_eq!(found, (ModelSource::BuiltInFallback, sevens(3)));
                None
            }
        }
    }

    async fn roll_back(&self) {
        let request = RollBackPluginRequest {
            brand: BRAND.to_owned(),
            world: KOC,
            ..Default::default()
        };
        self.house
            .client
            .clone()
            .activations
            .roll_back_plugin(request)
            .await
            .unwrap();
    }

    async fn distrust(&self, publisher: &str) {
        let name = format!("publishers/{publisher}");
        let request = DeletePublisherRequest { name };
        self.house
            .client
            .clone()
            .publishers
            .delete_publisher(request)
            .await
            .unwrap();
    }
}

fn people(day: i32) -> &'static [(f64, f64)] {
    &PEOPLE[..(day - 100) as usize]
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_answer_is_the_one_that_was_given_last() {
    let fallbacks = Fallbacks::new().await;
    let one = fallbacks.house.published(version("0.5", "1.0.0")).await;
    let two = fallbacks.house.published(version("0.25", "2.0.0")).await;
    assert_eq!(fallbacks.stands_in().await, None);
    fallbacks.given(&one, 101).await;
    assert_eq!(fallbacks.stands_in().await, Some((one.clone(), 101)));
    fallbacks.given(&two, 102).await;
    assert_eq!(fallbacks.stands_in().await, Some((two.clone(), 102)));
    // A kept result counts when it is given again.
    fallbacks.given(&one, 101).await;
    assert_eq!(fallbacks.stands_in().await, Some((one.clone(), 101)));
    // A shadow's answer is given to nobody.
    let shadow = ShadowPluginRequest {
        brand: BRAND.to_owned(),
        world: KOC,
        setting: setting(&two),
        ..Default::default()
    };
    fallbacks
        .house
        .client
        .clone()
        .activations
        .shadow_plugin(shadow)
        .await
        .unwrap();
    fallbacks.given(&one, 103).await;
    shadowed(&fallbacks.house, 1).await;
    assert_eq!(fallbacks.stands_in().await, Some((one, 103)));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_rolled_back_from_does_not_come_back_as_a_fallback() {
    let fallbacks = Fallbacks::new().await;
    let one = fallbacks.house.published(version("0.5", "1.0.0")).await;
    let two = fallbacks.house.published(version("0.25", "2.0.0")).await;
    fallbacks.given(&one, 101).await;
    fallbacks.given(&two, 102).await;
    fallbacks.roll_back().await;
    assert_eq!(fallbacks.stands_in().await, Some((one.clone(), 101)));
    // When it is active again, its answers are what they were.
    fallbacks.given(&two, 103).await;
    assert_eq!(fallbacks.stands_in().await, Some((two, 103)));
    // Back through the bad one's turn, and from the second version.
    fallbacks.roll_back().await;
    fallbacks.roll_back().await;
    assert_eq!(fallbacks.stands_in().await, Some((one, 101)));
}

#[tokio::test(flavor = "multi_thread")]
async fn distrust_ends_what_is_kept_at_once() {
    let fallbacks = Fallbacks::new().await;
    let house = &fallbacks.house;
    let one = house.published(version("0.5", "1.0.0")).await;
    let key = SecretKey::generate().unwrap();
    house.trust("other", &key).await.unwrap();
    let component = Guest::koc("plain").named("another", "1.0.0").build();
    let upload = parts("other", &key.sign(&sha256(&component)), &component);
    let others = house.upload(upload).await.unwrap().name;
    fallbacks.given(&one, 101).await;
    fallbacks.given(&others, 102).await;
    assert_eq!(fallbacks.stands_in().await, Some((others.clone(), 102)));
    fallbacks.distrust("other").await;
    assert_eq!(fallbacks.stands_in_now().await, Some((one, 101)));
    // Another key under the name does not bring them back; its own does.
    house
        .trust("other", &SecretKey::generate().unwrap())
        .await
        .unwrap();
    assert_ne!(fallbacks.stands_in_now().await.unwrap().0, others);
    fallbacks.distrust("other").await;
    house.trust("other", &key).await.unwrap();
    assert_eq!(fallbacks.stands_in_now().await, Some((others.clone(), 102)));

    // Also what is kept of the very question, while the plugin is active.
    fallbacks.given(&others, 102).await;
    fallbacks.distrust("other").await;
    fallbacks.distrust("acme").await;
    let (_, scored) = house.ask(102, people(102)).await.unwrap();
    let failure = scored.by.failure.as_ref().unwrap();
    assert_eq!(
        (scored.by.source(), failure.reason.as_str(), scored.columns),
        (ModelSource::BuiltInFallback, "PLUGIN_UNTRUSTED", sevens(2))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_brands_policy_no_longer_admits_does_not_stand_in() {
    let fallbacks = Fallbacks::new().await;
    let sealed = fallbacks
        .house
        .published(sealed_guest().named("model", "3.0.0"))
        .await;
    let activate = async |plugin: &str, allow_sealed_wasi: bool| {
        let request = ActivatePluginRequest {
            brand: BRAND.to_owned(),
            setting: setting(plugin),
            fallback: PluginFallback::LastGood.into(),
            allow_sealed_wasi,
            force_reason: UNTRIED.to_owned(),
            ..Default::default()
        };
        let mut client = fallbacks.house.client.clone();
        client.activations.activate_plugin(request).await.unwrap();
    };
    activate(&sealed, true).await;
    let (_, scored) = fallbacks.house.ask(101, people(101)).await.unwrap();
    assert_eq!(scored.by.source(), ModelSource::Plugin);
    activate(&fallbacks.bad, true).await;
    assert_eq!(fallbacks.stands_in_now().await, Some((sealed, 101)));
    activate(&fallbacks.bad, false).await;
    assert_eq!(fallbacks.stands_in_now().await, None);
}
