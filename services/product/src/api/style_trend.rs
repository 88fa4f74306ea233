//! Style trends: the market's values on a day, ranked by the model that is active for the brand.

use std::{collections::BTreeMap, sync::Arc};

use dualwheel_kit::{
    Call, Failure, Reason, Violations, answer,
    page::Slice,
    question::{check_brand, day_to_proto, read_category, read_past_day, read_pin, window_to_proto},
};
use dualwheel_lake::Reader;
use dualwheel_measure::{Day, Definitions};
use dualwheel_plugin_host::{Features, scores};
use dualwheel_plugins::{self as plugins, Scored};
use dualwheel_proto::product::{
    ListStyleTrendsRequest, ListStyleTrendsResponse, StyleAttribute, StylePriority, StyleTrend,
};
use tonic::Status;

use super::Service;
use crate::{
    Parameters,
    queries::{StyleFrames, blocking},
    style_trend::{self, Asked, Attribute, Priority, Rows, Trend},
};

/// A checked request.
pub(super) struct Listing {
    brand: String,
    day: Day,
    asked: Asked,
    pin: BTreeMap<String, i64>,
    slice: Slice,
}

/// The rows of a day, and what they were read from.
struct Sheet {
    day: Day,
    reader: Reader,
    rows: Rows,
    table: Arc<Features>,
}

impl plugins::Rows for Sheet {
    fn table(&self) -> Arc<Features> {
        self.table.clone()
    }
}

impl Listing {
    /// Reads a request; the day may not lie after `today`.
    pub(super) fn read(request: ListStyleTrendsRequest, today: Day) -> Result<Self, Status> {
        let mut violations = Violations::new();
        check_brand("brand", &request.brand, &mut violations);
        let attribute = StyleAttribute::try_from(request.attribute).ok();
        let attribute = Attribute::ALL
            .into_iter()
            .find(|own| Some(of_attribute(*own)) == attribute);
        if attribute.is_none() {
            violations.add(
                "attribute",
                "STYLE, FUNCTION, CRAFT, MATERIAL or COLOUR of StyleAttribute",
            );
        }
        let category = read_category("category", request.category, &mut violations);
        let day = read_past_day("as_of", request.as_of.as_ref(), today, &mut violations);
        let pin = read_pin("data_version", request.data_version, &mut violations);
        violations.finish(Reason::InvalidQuestion)?;
        let (Some(attribute), Some(day)) = (attribute, day) else {
            return Err(Status::internal(
                "a request without attribute or day passed its checks",
            ));
        };
        let asked = Asked {
            attribute,
            by_price_band: request.by_price_band,
            category,
        };
        let question = format!("{}\n{day}\n{}", request.brand, subject(&asked));
        Ok(Self {
            slice: Slice::read(request.page_size, &request.page_token, &question)?,
            brand: request.brand,
            day,
            asked,
            pin,
        })
    }
}

/// A question but for brand, day and facts, in the same words each time.
fn subject(asked: &Asked) -> String {
    format!(
        "attribute={}&by_price_band={}&category={}",
        asked.attribute.name(),
        asked.by_price_band,
        asked.category.as_deref().unwrap_or_default()
    )
}

impl Service {
    pub(super) async fn style_trends(
        &self,
        call: &Call,
        listing: Listing,
    ) -> Result<ListStyleTrendsResponse, Status> {
        let Listing {
            brand,
            day,
            asked,
            pin,
            slice,
        } = listing;
        let definitions = self.catalogue.of(call.tenant(), &brand);
        let sheet = self.sheet(call, &brand, &asked, day, &pin, &definitions).await?;
        let question = plugins::Asked {
            call: call.clone(),
            brand: brand.clone(),
            day,
            versions: sheet.reader.versions().tables,
            subject: subject(&asked),
            built_in: self.built_in.clone(),
        };
        let then = async |day, pin| self.sheet(call, &brand, &asked, day, &pin, &definitions).await;
        let (sheet, scored) = self.plugins.score(question, sheet, then).await?;
        answered(sheet, scored, slice, definitions).await
    }

    async fn sheet(
        &self,
        call: &Call,
        brand: &str,
        asked: &Asked,
        day: Day,
        pin: &BTreeMap<String, i64>,
        definitions: &Arc<Definitions<Parameters>>,
    ) -> Result<Sheet, Status> {
        let reader = self.reader(call, pin).await?;
        reader.require_brand(brand).await?;
        let frames = StyleFrames::read(&reader, brand, asked, day, definitions).await?;
        let (asked, parameters) = (asked.clone(), definitions.clone());
        let (rows, table) = blocking(move || {
            let rows = frames.rows(&asked, &parameters.parameters);
            let table = style_trend::features(&rows.rows);
            (rows, table)
        })
        .await?;
        let table = table.map_err(|error| Failure::internal(&error))?;
        Ok(Sheet {
            day,
            reader,
            rows,
            table: Arc::new(table),
        })
    }
}

async fn answered(
    sheet: Sheet,
    scored: Scored,
    slice: Slice,
    definitions: Arc<Definitions<Parameters>>,
) -> Result<ListStyleTrendsResponse, Status> {
    let Sheet {
        day, reader, rows, ..
    } = sheet;
    let Rows {
        rows,
        skipped,
        labels,
    } = rows;
    let scores = scores(scored.columns).map_err(|error| Failure::internal(&error))?;
    let definition_version = definitions.version.clone();
    let trends = blocking(move || style_trend::trends(rows, &scores, &definitions.parameters)).await?;
    let (page, next_page_token) = slice.of(&trends);
    Ok(ListStyleTrendsResponse {
        trends: page
            .iter()
            .map(|trend| to_proto(trend, reader.currency()))
            .collect(),
        next_page_token,
        total_size: trends.len() as i64,
        skipped: skipped as i64,
        labels: labels.iter().map(|label| label.name().to_owned()).collect(),
        scored_by: Some(scored.by),
        definition_version,
        as_of: Some(day_to_proto(day)),
        data_version: Some(reader.versions()),
    })
}

fn of_attribute(attribute: Attribute) -> StyleAttribute {
    match attribute {
        Attribute::Style => StyleAttribute::Style,
        Attribute::Function => StyleAttribute::Function,
        Attribute::Craft => StyleAttribute::Craft,
        Attribute::Material => StyleAttribute::Material,
        Attribute::Colour => StyleAttribute::Colour,
    }
}

fn of_priority(priority: Option<Priority>) -> StylePriority {
    match priority {
        None => StylePriority::Unspecified,
        Some(Priority::Lead) => StylePriority::Lead,
        Some(Priority::Build) => StylePriority::Build,
        Some(Priority::Keep) => StylePriority::Keep,
        Some(Priority::Watch) => StylePriority::Watch,
    }
}

fn to_proto(trend: &Trend, currency: &str) -> StyleTrend {
    let (row, style) = (&trend.row, &trend.row.style);
    StyleTrend {
        category: style.category.clone(),
        price_band: style.price_band.clone(),
        value: style.value.clone(),
        rank: trend.rank as i64,
        category_rank: trend.category_rank as i64,
        growth: trend.growth,
        score: trend.score,
        fit: trend.fit,
        priority: of_priority(trend.priority).into(),
        market_gmv: Some(answer::money_to_proto(style.recent_gmv, currency)),
        recent: Some(window_to_proto(style.recent)),
        period_days: style.period_days,
        periods: i32::try_from(style.gmv.len()).unwrap_or(i32::MAX),
        demand_supply: style.demand_supply,
        penetration: style.penetration,
        brand_share: row.brand_share,
        brand_tgi: row.brand_tgi,
        brand_conversion: row.brand_conversion,
    }
}
