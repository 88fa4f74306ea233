//! Which frames a question needs.

use std::sync::Arc;

use dualwheel_lake::{Error, Reader, frames::SocialProfiles};

use crate::{closeness, koc, plus};

/// Reads the frames of FAST+ of a brand.
pub(crate) async fn plus(reader: &Reader, brand: &str) -> Result<plus::Facts, Error> {
    let (behaviors, orders, members) = tokio::try_join!(
        reader.behaviors(brand),
        reader.orders(brand),
        reader.members(brand)
    )?;
    Ok(plus::Facts {
        behaviors,
        orders,
        members,
    })
}

/// Reads the frames of the member side of NEO of a brand.
pub(crate) async fn closeness(reader: &Reader, brand: &str) -> Result<closeness::Facts, Error> {
    Ok(closeness::Facts {
        brand: plus(reader, brand).await?,
        profiles: reader.profiles().await?,
    })
}

/// The frames of KOC cultivation.
#[derive(Clone, Debug)]
pub struct KocFrames {
    /// What people did for the brand.
    pub brand: plus::Facts,
    /// How they stand on social media.
    pub social: Arc<SocialProfiles>,
}

impl KocFrames {
    /// Reads the frames of a brand.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn read(reader: &Reader, brand: &str) -> Result<Self, Error> {
        let (brand, social) = tokio::try_join!(plus(reader, brand), reader.social_profiles(brand))?;
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
