//! Looks for all that was acknowledged.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use dualwheel_proto::{
    consumer::{ListAudiencesRequest, audience_service_client::AudienceServiceClient},
    diagnosis::{GetRunRequest, RunState, diagnosis_service_client::DiagnosisServiceClient},
};
use tokio::time::sleep;
use tonic::Code;

use super::{ASKED, Caller, PATIENCE, Told, tables::events};
use crate::house::House;

/// What is there afterwards.
#[derive(Debug, Default)]
pub struct Seen {
    pub lost: usize,
    pub doubled: usize,
}

impl Told {
    /// Counts what is not there, and what is there more than once.
    pub async fn check(&self, house: &House) -> Seen {
        let mut seen = Seen::default();
        let stored = events(&house.data().join("behaviors"));
        for event in &self.events {
            match stored.get(event).copied().unwrap_or(0) {
                0 => seen.lost += 1,
                1 => {}
                more => seen.doubled += more - 1,
            }
        }
        // What was never acknowledged is there once too often: every batch is sent again until it is.
        let first = self.events.first().map_or("", String::as_str);
        let prefix = format!("{}-", first.split('-').take(2).collect::<Vec<_>>().join("-"));
        let unknown = stored
            .keys()
            .filter(|event| event.starts_with(&prefix) && !self.events.contains(*event));
        seen.doubled += unknown.count();
        self.check_audiences(house, &mut seen).await;
        self.check_runs(house, &mut seen).await;
        self.activated.check(house, &mut seen).await;
        seen
    }

    async fn check_audiences(&self, house: &House, seen: &mut Seen) {
        let mut caller = Caller::new("list", house.fact_channels());
        let mut listed = BTreeMap::new();
        let mut token = String::new();
        loop {
            let request = ListAudiencesRequest {
                brand: ASKED.to_owned(),
                page_size: 500,
                page_token: token.clone(),
            };
            let page = caller.call(|channel| {
                let request = request.clone();
                async move {
                    Ok(AudienceServiceClient::new(channel)
                        .list_audiences(request)
                        .await?
                        .into_inner())
                }
            });
            let page = page.await;
            for audience in page.audiences {
                listed
                    .entry(audience.display_name)
                    .or_insert_with(Vec::new)
                    .push(audience.name);
            }
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        for (request, name) in &self.saved {
            let there = listed.get(request).map_or(&[][..], Vec::as_slice);
            seen.lost += usize::from(!there.contains(name));
            seen.doubled += there.len().saturating_sub(1);
        }
    }

    /// Every run that was started is there, and comes to an end: with a result, or, where its process was killed, saying so.
    async fn check_runs(&self, house: &House, seen: &mut Seen) {
        let mut caller = Caller::new("follow", house.diagnosis_channels());
        let begun = Instant::now();
        for name in &self.runs {
            loop {
                let run = caller.call(|channel| {
                    let request = GetRunRequest { name: name.clone() };
                    async move {
                        let client =
                            DiagnosisServiceClient::new(channel).max_decoding_message_size(usize::MAX);
                        match { client }.get_run(request).await {
                            Ok(run) => Ok(run.into_inner().run),
                            Err(status) if status.code() == Code::NotFound => Ok(None),
                            Err(status) => Err(status),
                        }
                    }
                });
                match run.await {
                    None => seen.lost += 1,
                    Some(run) if run.state() == RunState::Running => {
                        assert!(begun.elapsed() < PATIENCE * 2, "{name} does not end");
                        sleep(Duration::from_millis(200)).await;
                        continue;
                    }
                    Some(_) => {}
                }
                break;
            }
        }
    }
}
