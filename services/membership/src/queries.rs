//! Which frames a question needs.

use std::sync::Arc;

use dualwheel_kit::Question;
use dualwheel_lake::{
    Error, Reader,
    frames::{Behaviors, Members, Orders, Profiles, SocialProfiles},
};
use dualwheel_measure::{Definitions, Metric, Scope};

use crate::{
    Parameters,
    closeness::{self, closeness},
    koc,
    plus::{self, plus},
};

/// The frames of FAST+.
pub(crate) struct PlusFrames {
    behaviors: Arc<Behaviors>,
    orders: Arc<Orders>,
    members: Arc<Members>,
}

impl PlusFrames {
    /// Reads the frames of a brand.
    pub(crate) async fn read(reader: &Reader, brand: &str) -> Result<Self, Error> {
        let (behaviors, orders, members) = tokio::try_join!(
            reader.behaviors(brand),
            reader.orders(brand),
            reader.members(brand)
        )?;
        Ok(Self {
            behaviors,
            orders,
            members,
        })
    }

    /// Answers a question from the frames.
    pub(crate) fn answer(&self, question: &Question, definitions: &Definitions<Parameters>) -> Vec<Metric> {
        let facts = plus::Facts {
            behaviors: &self.behaviors,
            orders: &self.orders,
            members: &self.members,
        };
        let cut = question.by.as_deref().and_then(plus::Cut::named);
        let scope = scope(question, definitions);
        plus(
            facts,
            &definitions.parameters,
            cut,
            question.category.as_deref(),
            &scope,
        )
    }
}

/// The frames of the member side of NEO.
pub(crate) struct ClosenessFrames {
    brand: PlusFrames,
    profiles: Arc<Profiles>,
}

impl ClosenessFrames {
    /// Reads the frames of a brand.
    pub(crate) async fn read(reader: &Reader, brand: &str) -> Result<Self, Error> {
        Ok(Self {
            brand: PlusFrames::read(reader, brand).await?,
            profiles: reader.profiles().await?,
        })
    }

    /// Answers a question from the frames.
    pub(crate) fn answer(&self, question: &Question, definitions: &Definitions<Parameters>) -> Vec<Metric> {
        let facts = closeness::Facts {
            behaviors: &self.brand.behaviors,
            orders: &self.brand.orders,
            members: &self.brand.members,
            profiles: &self.profiles,
        };
        let scope = scope(question, definitions);
        closeness(
            facts,
            &definitions.parameters,
            &question.brand,
            question.category.as_deref(),
            &scope,
        )
    }
}

/// The frames of KOC cultivation.
pub struct KocFrames {
    brand: PlusFrames,
    social: Arc<SocialProfiles>,
}

impl KocFrames {
    /// Reads the frames of a brand.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn read(reader: &Reader, brand: &str) -> Result<Self, Error> {
        let (brand, social) =
            tokio::try_join!(PlusFrames::read(reader, brand), reader.social_profiles(brand))?;
        Ok(Self { brand, social })
    }

    /// The facts that the rules read.
    #[must_use]
    pub fn facts(&self) -> koc::Facts<'_> {
        koc::Facts {
            behaviors: &self.brand.behaviors,
            orders: &self.brand.orders,
            members: &self.brand.members,
            social: &self.social,
        }
    }
}

fn scope<'a>(question: &Question, definitions: &'a Definitions<Parameters>) -> Scope<'a> {
    Scope {
        window: question.window,
        as_of: question.as_of,
        entries: &definitions.metrics,
        version: &definitions.version,
        segments: Vec::new(),
    }
}
