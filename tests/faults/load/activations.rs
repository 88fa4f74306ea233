//! A partner's model that a brand uses, set anew again and again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use dualwheel_proto::plugin::{
    ActivatePluginRequest, GetPluginActivationRequest, PluginActivation, PluginSetting, PluginWorld,
    activation_service_client::ActivationServiceClient,
};
use tokio::time::sleep;

use super::{Caller, Told, check::Seen};
use crate::house::{House, MODELLED};

/// Activations that were acknowledged.
#[derive(Debug, Default)]
pub struct Activated {
    pub times: usize,
    /// Revision before the first of them, and what the last one answered.
    first: i64,
    last: Option<PluginActivation>,
}

pub async fn activate(mut caller: Caller, plugin: String, stop: Arc<AtomicBool>) -> Told {
    caller.told.activated.first = current(&mut caller).await.revision;
    while !stop.load(Ordering::Relaxed) {
        let parameter = f64::from(rand::random::<u32>()) / f64::from(u32::MAX);
        let request = ActivatePluginRequest {
            brand: MODELLED.to_owned(),
            setting: Some(PluginSetting {
                plugin: plugin.clone(),
                parameters: [("missing_decay".to_owned(), parameter)].into(),
            }),
            ..ActivatePluginRequest::default()
        };
        let made = caller.call(|channel| {
            let request = request.clone();
            async move {
                let made = ActivationServiceClient::new(channel)
                    .activate_plugin(request)
                    .await?;
                Ok(made.into_inner().activation.unwrap())
            }
        });
        let made = made.await;
        // Most often at the other replica.
        let there = current(&mut caller).await;
        caller.told.wrong += usize::from(there != made);
        caller.told.activated.times += 1;
        caller.told.activated.last = Some(made);
        sleep(Duration::from_millis(30)).await;
    }
    caller.told
}

async fn current(caller: &mut Caller) -> PluginActivation {
    let current = caller.call(|channel| async move {
        let request = GetPluginActivationRequest {
            brand: MODELLED.to_owned(),
            world: PluginWorld::KocModel.into(),
        };
        let current = ActivationServiceClient::new(channel)
            .get_plugin_activation(request)
            .await?;
        Ok(current.into_inner().activation.unwrap())
    });
    current.await
}

impl Activated {
    /// Only one of the load's tasks activates.
    pub fn add(&mut self, other: Self) {
        if other.last.is_some() {
            *self = other;
        }
    }

    /// Each is one revision, and the last one is in force.
    pub async fn check(&self, house: &House, seen: &mut Seen) {
        let Some(last) = &self.last else { return };
        let current = current(&mut Caller::new("activation", house.fact_channels())).await;
        let revisions = usize::try_from(current.revision - self.first).unwrap_or(0);
        seen.lost += self.times.saturating_sub(revisions) + usize::from(current != *last);
        seen.doubled += revisions.saturating_sub(self.times);
    }
}
