//! Which frames a question needs, and the domain function that answers it.

use std::sync::Arc;

use dualwheel_kit::{Question, work};
use dualwheel_lake::{
    BrandFrame, Error, Reader,
    frames::{Members, Orders, Profiles},
};
use dualwheel_measure::{Definitions, Metric, Scope, Window};
use tonic::Status;

use crate::{
    Parameters, aipl,
    categories::Categories,
    facts::Facts,
    fast, flow,
    grow::{self, By, GrowFacts},
    index::{Cells, Judge, Snapshot},
    launches::Launches,
    signals::{self, Pioneers},
    sources::{Search, Sources},
    strategic::Strategic,
    trend::Steps,
    value::{
        histories,
        measure::{self, Valued},
    },
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
/// cannot be read, as when another process has numbered the consumers anew: then the facts are to be asked.
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
    Ok(Facts {
        behaviors,
        orders,
        members,
    })
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
pub(crate) async fn grow_facts(
    reader: &Reader,
    brand: &str,
    by: By,
    definitions: &Arc<InForce>,
) -> Result<GrowFacts, Status> {
    let (orders, products) = (reader.orders(brand).await?, reader.products(brand).await?);
    let (lines, rows) = (orders.clone(), products.clone());
    let mut launches = compute(move || Launches::new(&rows, &lines)).await?;
    if launches.are_missing() {
        let stock = reader.stock(brand).await?;
        launches = compute(move || {
            launches.add_stock(&stock);
            launches
        })
        .await?;
    }
    let audiences = match by {
        By::Audience | By::CategoryAudience => {
            let (profiles, definitions) = (reader.profiles().await?, definitions.clone());
            compute(move || Strategic::assign(&profiles, &definitions.parameters)).await?
        }
        By::Whole | By::Category | By::Month => Strategic::everyone(),
    };
    Ok(GrowFacts {
        orders,
        products,
        launches,
        market: reader.market_stats().await?,
        audiences,
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

/// People per stage on the as-of day.
pub(crate) fn aipl(facts: &Facts, question: &Question, definitions: &InForce) -> Vec<Metric> {
    let cuts = question
        .by
        .as_ref()
        .map(|_| categories(facts, question, definitions));
    let scope = Scope {
        as_of: question.as_of,
        ..scope(question, definitions)
    };
    let restricted = restriction(facts, question, definitions);
    aipl::measure(
        facts,
        &definitions.parameters,
        &scope,
        restricted.as_ref(),
        cuts.as_ref(),
    )
}

/// The same by the index.
pub(crate) fn aipl_by_index(people: &Indexed, question: &Question, definitions: &InForce) -> Vec<Metric> {
    let scope = Scope {
        as_of: question.as_of,
        ..scope(question, definitions)
    };
    aipl::measure_by_index(&people.judge(), &definitions.parameters, &scope)
}

/// Flow over the window.
pub(crate) fn flow(facts: &Facts, question: &Question, definitions: &InForce) -> (Vec<Metric>, flow::Matrix) {
    let restricted = restriction(facts, question, definitions);
    flow::measure(
        facts,
        &definitions.parameters,
        &scope(question, definitions),
        restricted.as_ref(),
    )
}

/// The same by the index.
pub(crate) fn flow_by_index(
    people: &Indexed,
    question: &Question,
    definitions: &InForce,
) -> (Vec<Metric>, flow::Matrix) {
    let scope = scope(question, definitions);
    flow::measure_by_index(&people.judge(), &definitions.parameters, &scope)
}

/// FAST of the window by the index.
pub(crate) fn fast_by_index(people: &Indexed, question: &Question, definitions: &InForce) -> Vec<Metric> {
    let scope = scope(question, definitions);
    fast::measure_by_index(&people.judge(), &definitions.parameters, &scope)
}

/// FAST of the window, and of each step.
pub(crate) fn fast(
    facts: &Facts,
    question: &Question,
    definitions: &InForce,
    steps: Option<&Steps>,
) -> (Vec<Metric>, Vec<Metric>) {
    let scope = scope(question, definitions);
    let restricted = restriction(facts, question, definitions);
    let parameters = &definitions.parameters;
    let trend = steps.map(|steps| fast::measure_trend(facts, parameters, &scope, restricted.as_ref(), steps));
    (
        fast::measure(facts, parameters, &scope, restricted.as_ref()),
        trend.unwrap_or_default(),
    )
}

/// GROW of the window against the base.
pub(crate) fn grow(
    facts: &GrowFacts,
    question: &Question,
    base: Window,
    by: By,
    definitions: &InForce,
) -> Vec<Metric> {
    let level = question
        .category_level
        .unwrap_or(definitions.parameters.category_level.get());
    let categories = Categories::new(&facts.orders.names, question.category.as_deref(), level);
    let ask = grow::Question {
        base,
        category: question.category.as_deref(),
        categories: &categories,
        by,
    };
    grow::measure(
        facts,
        &definitions.parameters,
        &scope(question, definitions),
        &ask,
    )
}

/// The people side of NEO.
pub(crate) fn brand_signals(
    facts: &Facts,
    profiles: &Profiles,
    question: &Question,
    definitions: &InForce,
) -> Vec<Metric> {
    let parameters = &definitions.parameters;
    let pioneers = Pioneers::find(profiles, parameters, question.category.as_deref());
    let restricted = restriction(facts, question, definitions);
    signals::measure(
        facts,
        &pioneers,
        parameters,
        &scope(question, definitions),
        restricted.as_ref(),
    )
}

/// The RFM groups of those who bought in the window.
pub(crate) fn rfm(orders: &Orders, question: &Question, definitions: &InForce) -> Vec<Metric> {
    let level = question
        .category_level
        .unwrap_or(definitions.parameters.category_level.get());
    let category = question.category.as_deref();
    let restricted = category.map(|path| Categories::new(&orders.names, Some(path), level));
    let buyers = measure::buyers(orders, question.window, restricted.as_ref());
    measure::rfm(&buyers, &orders.names, &scope(question, definitions))
}

/// The value of everyone who bought by the window's last day, `weeks` ahead; with `members` also by role.
pub(crate) fn value(
    orders: &Orders,
    members: Option<&Members>,
    question: &Question,
    weeks: u32,
    definitions: &InForce,
) -> (Vec<Metric>, Valued) {
    let end = question.window.last;
    let valued = measure::value(&histories(orders, end), end, weeks, &definitions.parameters);
    let scope = scope(question, definitions);
    let mut metrics = valued.metrics(&scope);
    if let Some(members) = members {
        metrics.extend(valued.by_role(members, &scope));
    }
    (metrics, valued)
}

fn categories(facts: &Facts, question: &Question, definitions: &InForce) -> Categories {
    let level = question
        .category_level
        .unwrap_or(definitions.parameters.category_level.get());
    Categories::new(&facts.orders.names, question.category.as_deref(), level)
}

/// The categories that a question is restricted to; `None` for the whole brand.
fn restriction(facts: &Facts, question: &Question, definitions: &InForce) -> Option<Categories> {
    question
        .category
        .as_ref()
        .map(|_| categories(facts, question, definitions))
}

/// The question's window, judged on its last day.
fn scope<'a>(question: &Question, definitions: &'a InForce) -> Scope<'a> {
    Scope {
        window: question.window,
        as_of: question.window.last,
        entries: &definitions.metrics,
        version: &definitions.version,
        segments: Vec::new(),
    }
}
