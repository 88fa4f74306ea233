//! KOC cultivation: random facts against a naive reference, facts worked out by hand, and planted KOCs.

mod by_hand;
mod naive;
mod planted;
mod properties;

use chrono::NaiveDate;
use chrono_tz::Tz;
use dualwheel_lake::memory::Frames;
use dualwheel_measure::{Day, Definitions};
use dualwheel_membership::{
    DEFINITIONS, Parameters,
    koc::{Board, DefaultKoc, Facts, koc},
};
use dualwheel_plugin_host::Plugin;
use dualwheel_plugin_sdk::Parameters as ModelParameters;
use dualwheel_proto::facts::{FactRows, SocialProfile};
use prost_types::Timestamp;

use crate::facts::BRAND;

pub fn parameters() -> Parameters {
    let definitions: Definitions<Parameters> = Definitions::shipped(DEFINITIONS).unwrap();
    definitions.parameters
}

pub fn facts(frames: &Frames) -> Facts<'_> {
    Facts {
        behaviors: &frames.behaviors,
        orders: &frames.orders,
        members: &frames.members,
        social: &frames.social,
    }
}

/// The board of the built-in model.
pub fn engine(rows: &FactRows, parameters: &Parameters, zone: Tz, day: NaiveDate) -> Board {
    let frames = Frames::from_rows(zone, rows, BRAND).unwrap();
    let day = Day::from_date(day);
    koc(
        facts(&frames),
        parameters,
        day,
        &Plugin::native_koc(DefaultKoc),
        &ModelParameters::new(),
    )
    .unwrap()
}

/// An empty profile.
pub fn social(consumer: &str, updated_at: Option<Timestamp>) -> SocialProfile {
    SocialProfile {
        consumer: consumer.to_owned(),
        brand: BRAND.to_owned(),
        updated_at,
        ..Default::default()
    }
}
