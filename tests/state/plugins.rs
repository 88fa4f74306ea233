//! The plugin registry's rows.

use dualwheel_plugins::store::{Activations, Change, Error, Next, Plugins, Publishers, Setting};

use crate::{Place, on_both};

on_both! {
    publishers_are_trusted_with_one_key
    a_name_belongs_to_who_asked_first
    changes_at_once_follow_one_another
    activations_keep_every_bit
}

const WORLD: i32 = 1;

async fn publishers_are_trusted_with_one_key(database: Place) {
    let publishers = Publishers::of(&database, "t");
    let create = |id: &'static str, key: &'static str| {
        let publishers = publishers.clone();
        async move { publishers.create(id, "出版者".to_owned(), key.to_owned()).await }
    };
    let made = create("p", "key").await.unwrap();
    assert_eq!(create("p", "key").await.unwrap(), made);
    assert!(matches!(create("p", "other").await, Err(Error::Exists(_))));
    assert_eq!(publishers.count().await.unwrap(), 1);
    assert_eq!(Publishers::of(&database, "u").count().await.unwrap(), 0);
    publishers.delete("p").await.unwrap();
    assert!(matches!(publishers.delete("p").await, Err(Error::Unknown(_))));
}

async fn a_name_belongs_to_who_asked_first(database: Place) {
    let claim = |publisher: String| {
        let plugins = Plugins::of(&database, "t");
        async move { plugins.claim("model", &publisher).await.unwrap() }
    };
    let owners = futures::future::join_all((0..8).map(|number| claim(format!("p{number}")))).await;
    assert!(owners.iter().all(|owner| *owner == owners[0]), "{owners:?}");
}

fn setting(value: f64) -> Setting {
    Setting {
        id: "model".to_owned(),
        version: "1.0.0".to_owned(),
        parameters: [("p".to_owned(), value)].into(),
    }
}

async fn changes_at_once_follow_one_another(database: Place) {
    let activate = |number: usize| {
        let activations = Activations::of(&database, "t");
        async move {
            activations
                .change::<Error>("b", WORLD, None, |current| {
                    let mut next = current.clone();
                    next.active = Some(setting(number as f64));
                    next.before = Some(current.revision).filter(|before| *before > 0);
                    next.change = Change::Activated;
                    Ok(Next::Changed(Box::new(next)))
                })
                .await
                .unwrap()
        }
    };
    let made = futures::future::join_all((0..6).map(activate)).await;
    let mut revisions: Vec<i64> = made.iter().map(|made| made.revision).collect();
    revisions.sort_unstable();
    assert_eq!(revisions, [1, 2, 3, 4, 5, 6]);
    let activations = Activations::of(&database, "t");
    let current = activations.current("b", WORLD).await.unwrap();
    assert_eq!((current.revision, current.before), (6, Some(5)));
    let stale = activations.change::<Error>("b", WORLD, Some("stale"), |_| Ok(Next::Same));
    assert!(matches!(stale.await, Err(Error::Etag(_))));
    assert_eq!(
        Activations::of(&database, "u")
            .current("b", WORLD)
            .await
            .unwrap()
            .revision,
        0
    );
}

async fn activations_keep_every_bit(database: Place) {
    let activations = Activations::of(&database, "t");
    let value = 0.1 + 0.2;
    let changed = activations.change::<Error>("b", WORLD, None, |current| {
        let mut next = current.clone();
        next.active = Some(setting(value));
        next.shadow = Some(setting(-0.0));
        (next.allow_wasi, next.keep_inputs) = (true, true);
        next.change = Change::Shadowed;
        Ok(Next::Changed(Box::new(next)))
    });
    let changed = changed.await.unwrap();
    let read = activations.current("b", WORLD).await.unwrap();
    assert_eq!(read, changed);
    let bits = |setting: &Setting| setting.parameters["p"].to_bits();
    assert_eq!(bits(&read.active.unwrap()), value.to_bits());
    assert_eq!(bits(&read.shadow.unwrap()), (-0.0_f64).to_bits());
}
