//! Which frames a question needs.

use dualwheel_lake::{Error, Reader};

use crate::start::{Part, Whole};

/// Reads the frames of START of a brand.
pub(crate) async fn start(reader: &Reader, brand: &str) -> Result<(Part, Whole), Error> {
    let (products, contents, behaviors, orders) = tokio::try_join!(
        reader.products(brand),
        reader.contents(brand),
        reader.behaviors(brand),
        reader.orders(brand)
    )?;
    Ok((Part { behaviors, orders }, Whole { products, contents }))
}
