//! Faults under load: two replicas of every service over PostgreSQL, Redis and one lake, while facts are appended, metrics
//! asked, audiences saved and diagnoses run; and two over a bucket ([`bucket`]). After each fault nothing acknowledged is lost, nothing is there twice, and every
//! answer is what it was before.
//!
//! Each fault's line goes to the file that `FAULT_TABLE` names. `FAULT_ROUNDS` says how often the whole list is gone through;
//! once when not set. `FAULT` has only the faults gone through whose names contain it.
#![cfg(test)]

mod backup;
mod bucket;
#[path = "../e2e/harness.rs"]
#[allow(dead_code, reason = "the end-to-end tests use the rest")]
mod harness;
mod house;
mod load;
#[path = "../e2e/publisher.rs"]
mod publisher;

use std::{fmt::Write, time::Duration};

use dualwheel_proto::clients;
use dualwheel_proto::consumer::{
    Audience, AudienceDefinition, CreateAudienceRequest, GetPeopleIndexRequest, VerifyPeopleIndexRequest,
    audience_definition::Form,
};
use dualwheel_tests::proxy::Weather;
use house::{House, MODELLED};
use load::{Caller, Load, Seen, Told};
use tokio::time::sleep;
use tonic::transport::Channel;

/// How long the load runs before a fault, and after its end.
const AROUND: Duration = Duration::from_secs(2);

/// Does harm to the house, and mends it.
macro_rules! faults {
    ($house:ident, $load:ident, $($name:literal => $harm:block)+) => {
        const FAULTS: &[&str] = &[$($name),+];

        async fn strike(name: &str, $house: &mut House, $load: &mut Load) {
            match name {
                $($name => $harm)+
                _ => panic!("there is no fault {name}"),
            }
        }
    };
}

faults! { house, load,
    "kill -9 of a process with four services" => {
        house.facts[0].kill();
        sleep(AROUND).await;
        house.start_facts(0);
    }
    "kill -9 of diagnosis" => {
        house.diagnosis[1].kill();
        sleep(AROUND).await;
        house.start_diagnosis(1);
    }
    "kill -9 of PostgreSQL" => {
        house.postgres.kill().unwrap();
        sleep(AROUND).await;
        house.postgres.run().unwrap();
    }
    "kill -9 of Redis" => {
        house.redis.kill().unwrap();
        sleep(AROUND).await;
        house.redis.run().unwrap();
    }
    "network cut between diagnosis and the others" => {
        house.network[0].set(Weather::Cut);
        sleep(AROUND).await;
        house.network[0].set(Weather::Fair);
    }
    "network delay of 200 ms between the services" => {
        house.network[0].set(Weather::Slow(Duration::from_millis(200)));
        house.network[1].set(Weather::Slow(Duration::from_millis(200)));
        sleep(AROUND).await;
        house.network[0].set(Weather::Fair);
        house.network[1].set(Weather::Fair);
    }
    "network that swallows everything" => {
        house.network[1].set(Weather::Deaf);
        sleep(AROUND).await;
        house.network[1].set(Weather::Cut);
        house.network[1].set(Weather::Fair);
    }
    "clock step of an hour forward and back" => {
        house.step_clock("+3600");
        sleep(AROUND).await;
        house.step_clock("-3600");
        sleep(AROUND).await;
        house.step_clock("+0");
    }
    "failover of producers: their streams cut, their processes killed" => {
        load.produce(house);
        // All are at home at the one that the last harm was not done to.
        for (at, kill) in [(0, false), (1, true), (0, true), (1, false)] {
            sleep(AROUND / 2).await;
            if kill {
                house.facts[at].kill();
                sleep(AROUND / 2).await;
                house.start_facts(at);
            } else {
                house.network[at].set(Weather::Cut);
                sleep(AROUND / 2).await;
                house.network[at].set(Weather::Fair);
            }
        }
    }
    "rolling restart" => {
        for at in 0..2 {
            house.restart_facts(at).await;
            house.restart_diagnosis(at).await;
        }
    }
}

/// The fault after which batches must have been sent again.
const FAILOVER: &str = "failover";
/// Faults during which no call may fail that was begun, not even one that is tried again elsewhere.
const UNNOTICED: [&str; 1] = ["rolling restart"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_or_doubled() {
    let rounds = std::env::var("FAULT_ROUNDS").map_or(1, |rounds| rounds.parse().unwrap());
    let mut house = House::new().await;
    let mut table = String::from("fault | in flight | lost | doubled | wrong answers | longest pause\n");
    let asked = std::env::var("FAULT").unwrap_or_default();
    for round in 0..rounds {
        for (at, name) in FAULTS
            .iter()
            .enumerate()
            .filter(|(_, name)| name.contains(&asked))
        {
            let mut load = Load::start(&house, &format!("r{round}-{at}"));
            sleep(AROUND).await;
            strike(name, &mut house, &mut load).await;
            sleep(AROUND).await;
            let told = load.stop().await;
            let seen = told.check(&house).await;
            enter(&mut table, name, &told, &seen);
            assert!(told.worked(), "{name}: the load stood still: {told:?}");
            assert!(
                told.resent > 0 || !name.starts_with(FAILOVER),
                "{name}: nothing was in flight"
            );
            if UNNOTICED.contains(name) {
                assert_eq!(told.failed, 0, "{name}: {:?}", told.failures);
            }
        }
        if bucket::FAULT.contains(&asked) {
            let (told, seen) = bucket::strike(&format!("r{round}-b")).await;
            enter(&mut table, bucket::FAULT, &told, &seen);
        }
    }
    check_index(house.fact_channels()).await;
    check_measurements(&house).await;
    if let Ok(file) = std::env::var("FAULT_TABLE") {
        std::fs::write(file, table).unwrap();
    }
}

/// A line of the table, of a fault after which all must be as it was.
fn enter(table: &mut String, name: &str, told: &Told, seen: &Seen) {
    let (lost, doubled, wrong) = (seen.lost, seen.doubled, told.wrong);
    let line = format!(
        "{name} | {told} | {lost} | {doubled} | {wrong} | {}",
        told.pause()
    );
    eprintln!("{line}");
    writeln!(table, "{line}").unwrap();
    assert_eq!((lost, doubled, wrong), (0, 0, 0), "{name}: {told:?}");
}

/// The people index, which followed the appends through all of it, is what the facts say.
async fn check_index(channels: [Channel; 2]) {
    for channel in channels {
        let mut caller = Caller::new("verify", [channel.clone(), channel]);
        let verified = caller.call(|channel| async move {
            let mut client = clients::Consumer::new(channel);
            client.index.get_people_index(GetPeopleIndexRequest {}).await?;
            let verified = client
                .index
                .verify_people_index(VerifyPeopleIndexRequest {})
                .await?;
            Ok(verified.into_inner())
        });
        let verified = verified.await;
        assert!(verified.bitmaps > 0 && verified.different == 0, "{verified:?}");
    }
}

/// The brand's model still runs as it was last set, and every metric that dashboards and alerts use is there.
async fn check_measurements(house: &House) {
    let question = ["koc", "--json", "--brand", MODELLED, "--as-of", "2026-06-30"];
    let scored = house.ask(&question).json();
    assert_eq!(scored["scored_by"]["source"], "MODEL_SOURCE_PLUGIN", "{scored}");
    // One call that is refused.
    let request = |display_name: &str| CreateAudienceRequest {
        request_id: "8c7a4a0e-5f0b-4f5e-9b53-2f1f8f6c2a11".to_owned(),
        audience: Some(Audience {
            brand: MODELLED.to_owned(),
            display_name: display_name.to_owned(),
            definition: Some(AudienceDefinition {
                form: Some(Form::Text("stage(L)".to_owned())),
            }),
            ..Audience::default()
        }),
        ..CreateAudienceRequest::default()
    };
    let [first, _] = house.fact_channels();
    let mut client = clients::Consumer::new(first);
    client.audiences.create_audience(request("one")).await.unwrap();
    client
        .audiences
        .create_audience(request("another"))
        .await
        .unwrap_err();
    let told = house.measurements().await;
    let list = std::fs::read_to_string(harness::tests_folder().join("../deploy/metrics.yaml")).unwrap();
    let metrics = list.split("\nmetrics:\n").nth(1).unwrap().lines();
    let names = metrics.filter_map(|line| line.strip_prefix("  ")?.strip_suffix(':'));
    let wanted: Vec<_> = names
        .filter(|name| !name.starts_with(' ') && *name != "up")
        .collect();
    assert!(wanted.len() > 8, "{wanted:?}");
    for name in wanted {
        assert!(
            told.contains(&format!("# TYPE {name} ")),
            "{name} is not measured: {told}"
        );
    }
    // Nothing personal, and no path that a caller made up.
    assert!(!told.contains("loaded-") && !told.contains("brand-"), "{told}");
}

impl std::fmt::Display for Told {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            formatter,
            "{} batches, {} sent again, {} answers, {} audiences, {} activations, {} diagnoses",
            self.batches,
            self.resent,
            self.answers,
            self.audiences,
            self.activations(),
            self.runs.len()
        )
    }
}
