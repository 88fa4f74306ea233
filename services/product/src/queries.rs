//! Which frames a question needs, and the domain's work off the threads that serve calls.

use std::sync::Arc;

use dualwheel_kit::{Question, work};
use dualwheel_lake::{BrandFrame, Reader};
use dualwheel_measure::{Day, Definitions, Metric, Scope, Window};
use dualwheel_proto::types;
use tonic::Status;

use crate::{
    Parameters,
    goods::{BrandFacts, Places, Roster},
    lifecycle::{self, Rule},
    market::{GoodsMarket, Needs},
    markets::{Key, Markets},
    price_strength::{self, PriceMarket},
    style_trend::{self, Market, OwnMarket},
    super_::{self, Asked, Dimension},
};

/// An answered question.
pub(crate) struct Answered {
    pub metrics: Vec<Metric>,
    pub currency: String,
    pub versions: types::DataVersion,
}

impl Answered {
    fn new(metrics: Vec<Metric>, reader: &Reader) -> Self {
        Self {
            metrics,
            currency: reader.currency().to_owned(),
            versions: reader.versions(),
        }
    }
}

/// Runs `scan` where it may take its time.
pub(crate) async fn blocking<T: Send + 'static>(
    scan: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Status> {
    Ok(work::metrics(scan).await?)
}

async fn brand_facts(reader: &Reader, brand: &str, with_behaviors: bool) -> Result<BrandFacts, Status> {
    let behaviors = async {
        Ok(if with_behaviors {
            Some(reader.behaviors(brand).await?)
        } else {
            None
        })
    };
    let (products, orders, stock, behaviors) = tokio::try_join!(
        reader.products(brand),
        reader.orders(brand),
        reader.stock(brand),
        behaviors
    )?;
    Ok(BrandFacts {
        products,
        orders,
        stock,
        behaviors,
    })
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

fn asked(question: &Question) -> Asked<'_> {
    let by = question
        .by
        .as_deref()
        .and_then(|name| Dimension::named(name, question.category_level));
    Asked {
        category: question.category.as_deref(),
        by,
    }
}

/// Answers SUPER.
pub(crate) async fn super_(
    tenant: &str,
    reader: &Reader,
    question: Question,
    definitions: Arc<Definitions<Parameters>>,
    markets: &Markets,
) -> Result<Answered, Status> {
    let facts = brand_facts(reader, &question.brand, true).await?;
    let needs = super_::needs(&facts, asked(&question));
    let brands = if needs.any() {
        reader.brands().await?
    } else {
        Arc::default()
    };
    let key = Key::new(tenant, reader, &question, &definitions, needs);
    let market = goods_market(reader, &brands, &question, needs, &definitions);
    let market = markets.goods(key, market).await?;
    let metrics = blocking(move || {
        let scope = scope(&question, &definitions);
        super_::metrics(&scope, &facts, &market, asked(&question), &definitions.parameters)
    })
    .await?;
    Ok(Answered::new(metrics, reader))
}

/// Goods of all `brands`. They are read one after another, so that they need not lie in memory together.
async fn goods_market(
    reader: &Reader,
    brands: &[String],
    question: &Question,
    needs: Needs,
    definitions: &Definitions<Parameters>,
) -> Result<GoodsMarket, Status> {
    let mut market = GoodsMarket::new(question.window, question.as_of, needs, &definitions.parameters);
    if !brands.is_empty() {
        let mut frames = vec![BrandFrame::Orders, BrandFrame::Stock];
        if needs.stars {
            frames.push(BrandFrame::Behaviors);
        }
        reader.prepare(&frames).await?;
    }
    for brand in brands {
        let facts = brand_facts(reader, brand, needs.stars).await?;
        market = blocking(move || {
            market.add(&facts);
            market
        })
        .await?;
    }
    Ok(market)
}

/// Answers the price side of NEO.
pub(crate) async fn price_strength(
    tenant: &str,
    reader: &Reader,
    question: Question,
    definitions: Arc<Definitions<Parameters>>,
    markets: &Markets,
) -> Result<Answered, Status> {
    let orders = reader.orders(&question.brand);
    let (stats, orders, brands) = tokio::try_join!(reader.market_stats(), orders, reader.brands())?;
    let key = Key::new(tenant, reader, &question, &definitions, Needs::default());
    let market = price_market(reader, &brands, &question, &definitions);
    let market = markets.prices(key, market).await?;
    let metrics = blocking(move || {
        let scope = scope(&question, &definitions);
        price_strength::metrics(&scope, &orders, &market, &stats, &definitions.parameters)
    })
    .await?;
    Ok(Answered::new(metrics, reader))
}

/// Prices of all `brands`.
async fn price_market(
    reader: &Reader,
    brands: &[String],
    question: &Question,
    definitions: &Definitions<Parameters>,
) -> Result<PriceMarket, Status> {
    let mut market = PriceMarket::new(
        question.window,
        question.category.as_deref(),
        &definitions.parameters,
    );
    reader.prepare(&[BrandFrame::Orders]).await?;
    for brand in brands {
        let orders = reader.orders(brand).await?;
        market = blocking(move || {
            market.add(&orders);
            market
        })
        .await?;
    }
    Ok(market)
}

/// What a question on style trends reads.
pub struct StyleFrames {
    /// The market.
    pub market: Market,
    /// The goods whose prices make the bands, where the tenant's brands stand for the market and the question is by band.
    pub goods: Option<GoodsMarket>,
    /// The brand's facts.
    pub facts: BrandFacts,
}

impl StyleFrames {
    /// Reads the market as of a day, and the brand. All brands of the tenant are read only where no statistics cover the
    /// question.
    ///
    /// # Errors
    /// When a table cannot be read.
    pub async fn read(
        reader: &Reader,
        brand: &str,
        asked: &style_trend::Asked,
        as_of: Day,
        definitions: &Arc<Definitions<Parameters>>,
    ) -> Result<Self, Status> {
        let facts = brand_facts(reader, brand, true).await?;
        let stats = reader.market_stats().await?;
        let (of_stats, parameters) = (asked.clone(), definitions.clone());
        let supplied = move || style_trend::supplied(&stats, &of_stats, as_of, &parameters.parameters);
        let (market, goods) = match blocking(supplied).await? {
            Some(market) => (market, None),
            None => own_styles(reader, asked, as_of, definitions).await?,
        };
        Ok(Self { market, goods, facts })
    }

    /// What the brand has of the market's values.
    #[must_use]
    pub fn rows(&self, asked: &style_trend::Asked, parameters: &Parameters) -> style_trend::Rows {
        style_trend::rows(&self.market, &self.facts, self.goods.as_ref(), asked, parameters)
    }
}

/// The tenant's brands in the market's place, read one after another.
async fn own_styles(
    reader: &Reader,
    asked: &style_trend::Asked,
    as_of: Day,
    definitions: &Arc<Definitions<Parameters>>,
) -> Result<(Market, Option<GoodsMarket>), Status> {
    let mut own = OwnMarket::new(asked, as_of, &definitions.parameters);
    let brands = reader.brands().await?;
    reader.prepare(&[BrandFrame::Orders, BrandFrame::Stock]).await?;
    let mut goods = None;
    if asked.by_price_band {
        let needs = Needs {
            bands: true,
            stars: false,
        };
        let mut all = GoodsMarket::new(own.recent(), as_of, needs, &definitions.parameters);
        for brand in brands.iter() {
            let facts = brand_facts(reader, brand, false).await?;
            all = blocking(move || {
                all.add(&facts);
                all
            })
            .await?;
        }
        goods = Some(all);
    }
    for brand in brands.iter() {
        let facts = brand_facts(reader, brand, false).await?;
        let definitions = definitions.clone();
        (own, goods) = blocking(move || {
            own.add(&facts, goods.as_ref(), &definitions.parameters);
            (own, goods)
        })
        .await?;
    }
    Ok((own.finish(), goods))
}

/// A product's stage with the rule that decided.
pub(crate) struct Placed {
    pub product: String,
    pub launch: Option<Day>,
    pub rule: Rule,
}

/// Stages of all products of a brand, by key.
pub(crate) async fn lifecycle(
    reader: &Reader,
    brand: &str,
    day: Day,
    definitions: Arc<Definitions<Parameters>>,
) -> Result<Vec<Placed>, Status> {
    let facts = brand_facts(reader, brand, false).await?;
    blocking(move || {
        let window = Window::ending(day, 1);
        let roster = Roster::build(&facts, window, Places::default());
        let rules = lifecycle::rules(&roster, &facts.orders, day, &definitions.parameters);
        let keys = facts.products.names.products.view();
        let mut placed: Vec<Placed> = (roster.goods.iter().zip(rules))
            .map(|(good, rule)| Placed {
                product: keys.key(good.product).to_owned(),
                launch: good.launch(),
                rule,
            })
            .collect();
        placed.sort_by(|a, b| a.product.cmp(&b.product));
        placed
    })
    .await
}
