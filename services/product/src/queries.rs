//! Which frames a question needs, and the domain's work off the threads that serve calls.

use std::sync::Arc;

use dualwheel_kit::{Call, Question, access::Brands as Seen, work};
use dualwheel_lake::{
    BrandFrame, Reader,
    frames::Orders,
    groups::{Asked, Source},
};
use dualwheel_measure::{Catalogue, Day, Definitions, Window};
use tonic::Status;

use crate::{
    Parameters,
    goods::{BrandFacts, Places, Roster},
    lifecycle::{self, Rule},
    market::{GoodsMarket, GoodsSurvey, Needs},
    markets::{Key, Markets, OfGoods, OfPrices},
    price_market::{PriceMarket, PriceSurvey},
    price_strength::{self, PriceStrength},
    strangers::{Cutter, Days, Runs, Stranger, Terms},
    style_trend::{self, Market, OwnMarket},
    super_::{self, Super},
};

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
    Ok(BrandFacts::new(products, orders, stock, behaviors))
}

/// Where the facts of the metric groups come from: the brand asked about, and the tenant's market.
pub(crate) struct Brands {
    pub markets: Markets,
    pub catalogue: Catalogue<Parameters>,
}

#[tonic::async_trait]
impl Source<Super> for Brands {
    async fn read(&self, asked: &Asked<Parameters>) -> Result<(BrandFacts, super_::Whole), Status> {
        let (case, question) = (self.case(asked), &asked.question);
        let facts = brand_facts(&asked.reader, &question.brand, true).await?;
        let needs = super_::needs(&facts, question.by.as_deref());
        let market = if needs.any() {
            case.goods_market(needs).await?
        } else {
            let terms = Terms::open(question.window, 1);
            Arc::new(GoodsSurvey::new(terms, question.as_of, needs).finish())
        };
        Ok((facts, super_::Whole { market }))
    }
}

#[tonic::async_trait]
impl Source<PriceStrength> for Brands {
    async fn read(&self, asked: &Asked<Parameters>) -> Result<(Arc<Orders>, price_strength::Whole), Status> {
        let orders = asked.reader.orders(&asked.question.brand);
        let (stats, orders) = tokio::try_join!(asked.reader.market_stats(), orders)?;
        let market = self.case(asked).price_market().await?;
        Ok((orders, price_strength::Whole { market, stats }))
    }
}

impl Brands {
    fn case<'a>(&'a self, asked: &'a Asked<Parameters>) -> Case<'a> {
        Case {
            tenant: asked.call.tenant(),
            reader: &asked.reader,
            question: &asked.question,
            definitions: &asked.definitions,
            stranger: self.stranger(&asked.call),
            markets: &self.markets,
        }
    }

    /// Who asks, where they may not see every brand. What they learn of the others goes by the tenant's definitions: by
    /// those of several brands they could learn the same thing in two ways, and more by what these differ by.
    fn stranger(&self, call: &Call) -> Option<Stranger> {
        let Seen::Some(sees) = call.brands().clone() else {
            return None;
        };
        let parameters = &self.catalogue.of(call.tenant(), "").parameters;
        Some(Stranger {
            sees,
            least: parameters.min_brands,
            level: parameters.category_level,
        })
    }
}

/// A question about the market with all that it is answered from.
struct Case<'a> {
    tenant: &'a str,
    reader: &'a Reader,
    question: &'a Question,
    definitions: &'a Definitions<Parameters>,
    /// Who asks, where not all brands may be seen.
    stranger: Option<Stranger>,
    markets: &'a Markets,
}

impl Case<'_> {
    fn key<T>(&self, asked: T) -> Key<T> {
        Key::new(self.tenant, self.reader, self.stranger.as_ref(), asked)
    }

    /// On which terms the market is disclosed. Strangers get whole runs of days, of categories at one depth.
    async fn terms(&self, brands: &[String], level: u32) -> Result<Terms, Status> {
        let window = self.question.window;
        let Some(stranger) = &self.stranger else {
            return Ok(Terms::open(window, level));
        };
        let runs = self.markets.runs.get(self.key(()), self.runs(brands, stranger));
        Ok(Terms {
            days: Days::Runs(runs.await?, window),
            level: stranger.level,
            stranger: Some(stranger.clone()),
        })
    }

    async fn runs(&self, brands: &[String], stranger: &Stranger) -> Result<Runs, Status> {
        let mut cutter = Cutter::new(stranger);
        self.reader.prepare(&[BrandFrame::Orders]).await?;
        for brand in brands.iter().filter(|brand| !stranger.sees.contains(*brand)) {
            let orders = self.reader.orders(brand).await?;
            cutter = blocking(move || {
                cutter.add(&orders);
                cutter
            })
            .await?;
        }
        blocking(move || cutter.finish()).await
    }

    /// Goods of all brands. They are read one after another, so that they need not lie in memory together.
    async fn goods_market(&self, needs: Needs) -> Result<Arc<GoodsMarket>, Status> {
        let brands = self.reader.brands().await?;
        let terms = self
            .terms(&brands, self.definitions.parameters.category_level)
            .await?;
        let (window, as_of) = (self.question.window, self.question.as_of);
        let asked = OfGoods {
            window,
            as_of,
            level: terms.level,
            needs,
        };
        let read = async {
            let mut survey = GoodsSurvey::new(terms, as_of, needs);
            let mut frames = vec![BrandFrame::Orders, BrandFrame::Stock];
            if needs.stars {
                frames.push(BrandFrame::Behaviors);
            }
            self.reader.prepare(&frames).await?;
            for brand in brands.iter() {
                survey = add_goods(self.reader, brand, needs.stars, survey).await?;
            }
            Ok(survey.finish())
        };
        self.markets.goods.get(self.key(asked), read).await
    }

    /// Prices of all brands.
    async fn price_market(&self) -> Result<Arc<PriceMarket>, Status> {
        let brands = self.reader.brands().await?;
        let depth = self
            .question
            .category
            .as_ref()
            .map_or(0, |path| path.split('/').count());
        let level = self.definitions.parameters.category_level.max(depth as u32);
        let terms = self.terms(&brands, level).await?;
        let asked = OfPrices {
            window: self.question.window,
            level: terms.level,
        };
        let read = async {
            let mut survey = PriceSurvey::new(terms);
            self.reader.prepare(&[BrandFrame::Orders]).await?;
            for brand in brands.iter() {
                let orders = self.reader.orders(brand).await?;
                survey = blocking(move || {
                    survey.add(&orders);
                    survey
                })
                .await?;
            }
            Ok(survey.finish())
        };
        self.markets.prices.get(self.key(asked), read).await
    }
}

async fn add_goods(
    reader: &Reader,
    brand: &str,
    with_behaviors: bool,
    mut survey: GoodsSurvey,
) -> Result<GoodsSurvey, Status> {
    let facts = brand_facts(reader, brand, with_behaviors).await?;
    let brand = brand.to_owned();
    blocking(move || {
        survey.add(&brand, &facts);
        survey
    })
    .await
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
        let terms = Terms::open(own.recent(), definitions.parameters.category_level);
        let mut survey = GoodsSurvey::new(terms, as_of, needs);
        for brand in brands.iter() {
            survey = add_goods(reader, brand, false, survey).await?;
        }
        goods = Some(survey.finish());
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
