//! Which frames a question needs, and the domain function that answers it.

use std::sync::Arc;

use dualwheel_kit::{Question, work};
use dualwheel_lake::{
    BrandFrame, Error, Reader,
    frames::{Launches, Profiles},
};
use dualwheel_measure::Definitions;
use tonic::Status;

use crate::{
    Parameters,
    facts::Facts,
    grow::{self, By},
    index::{Cells, Judge, Snapshot},
    sources::{Search, Sources},
    value::group::Part,
};

type InForce = Definitions<Parameters>;

/// The people of a brand by the index: their bitmaps, and of the facts the roles only.
pub(crate) struct Indexed {
    pub(crate) cells: Arc<Cells>,
    pub(crate) roles: Facts,
}

impl Indexed {
    /// The people as stages judge them.
    pub(crate) fn judge(&self) -> Judge<'_> {
        Judge {
            cells: &self.cells,
            members: &self.roles.members,
            target: None,
        }
    }
}

/// The people of a brand by the index; the versions that it stands for go into the answer. `None` when its bitmaps
/// cannot be read, as when another process has numbered the consumers again: then the facts are to be asked.
pub(crate) async fn indexed(
    reader: &Reader,
    brand: &str,
    snapshot: &Snapshot,
) -> Result<Option<Indexed>, Status> {
    // What the facts themselves would be read from: an answer is the same whichever way it was found.
    reader.note(&["behaviors", "order_lines", "products"]).await?;
    let cells = match snapshot.brand(brand).await {
        Ok(cells) => cells,
        Err(error) => {
            tracing::warn!(%error, "the people index is read again; a question is answered by the facts");
            return Ok(None);
        }
    };
    let roles = Facts::of_roles(reader.members(brand).await?)?;
    Ok(Some(Indexed { cells, roles }))
}

/// The facts of the brand's people.
pub(crate) async fn people(reader: &Reader, brand: &str) -> Result<Facts, Error> {
    work::step("reading facts", 0);
    let (behaviors, orders, members) = tokio::try_join!(
        reader.behaviors(brand),
        reader.orders(brand),
        reader.members(brand)
    )?;
    Ok(Facts::new(behaviors, orders, members))
}

/// Who is known, where a question needs it.
pub(crate) async fn profiles(reader: &Reader) -> Result<Arc<Profiles>, Error> {
    reader.profiles().await
}

/// Runs a scan beside the threads that serve calls.
pub(crate) async fn compute<T: Send + 'static>(
    scan: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    Ok(work::metrics(scan).await?)
}

/// Fits a model, or credits journeys, beside the scans.
pub(crate) async fn model<T: Send + 'static>(fit: impl FnOnce() -> T + Send + 'static) -> Result<T, Status> {
    Ok(work::models(fit).await?)
}

/// The facts of GROW; profiles are read only for a cut by audience, stock only where launches are missing.
pub(crate) async fn grow(reader: &Reader, question: &Question) -> Result<(grow::Part, grow::Whole), Status> {
    let brand = &question.brand;
    let (orders, products) = (reader.orders(brand).await?, reader.products(brand).await?);
    let (lines, rows) = (orders.clone(), products.clone());
    let are_missing = compute(move || Launches::new(&rows, &lines).are_missing()).await?;
    let stock = match are_missing {
        true => Some(reader.stock(brand).await?),
        false => None,
    };
    let profiles = match By::named(question.by.as_deref()).needs_profiles() {
        true => Some(reader.profiles().await?),
        false => None,
    };
    let whole = grow::Whole {
        products,
        stock,
        market: reader.market_stats().await?,
    };
    Ok((grow::Part { orders, profiles }, whole))
}

/// What customers bought, and their roles where a question is cut by them.
pub(crate) async fn value(reader: &Reader, question: &Question) -> Result<Part, Error> {
    Ok(Part {
        orders: reader.orders(&question.brand).await?,
        members: match question.by {
            Some(_) => Some(reader.members(&question.brand).await?),
            None => None,
        },
    })
}

/// Where the new buyers of the window came from. The other brands are read one after another, so that they need not lie
/// in memory together.
pub(crate) async fn sources(
    reader: &Reader,
    question: &Question,
    definitions: &Arc<InForce>,
) -> Result<Sources, Status> {
    let orders = reader.orders(&question.brand).await?;
    let (window, definitions) = (question.window, definitions.clone());
    let mut search = compute(move || Search::new(&orders, window, &definitions.parameters)).await?;
    if !search.is_empty() {
        let brands = reader.brands().await?;
        reader.prepare(&[BrandFrame::Orders]).await?;
        for brand in brands.iter().filter(|brand| **brand != question.brand) {
            let (brand, orders) = (brand.clone(), reader.orders(brand).await?);
            search = compute(move || {
                search.add(&brand, &orders);
                search
            })
            .await?;
        }
    }
    Ok(search.found())
}
