//! The list of stages: its request, its pages and their tokens.

use std::collections::BTreeMap;

use dualwheel_kit::{
    Reason, Violations,
    page::List,
    question::{check_brand, day_to_proto, read_past_day, read_pin},
};
use dualwheel_measure::Day;
use dualwheel_proto::{
    product::{LifecycleStage, ListLifecycleRequest, ListLifecycleResponse, ProductStage, StageCount},
    types,
};
use tonic::Status;

use crate::{lifecycle::Stage, queries::Placed};

/// A checked request.
pub(super) struct Listing {
    pub brand: String,
    pub day: Day,
    stage: Option<Stage>,
    list: List,
    page_size: usize,
    /// Key of the last product of the page before.
    after: Option<String>,
    pub pin: BTreeMap<String, i64>,
}

impl Listing {
    /// Reads a request; the day may not lie after `today`.
    pub(super) fn read(request: &ListLifecycleRequest, today: Day) -> Result<Self, Status> {
        let mut violations = Violations::new();
        check_brand("brand", &request.brand, &mut violations);
        let day = read_past_day("day", request.day.as_ref(), today, &mut violations);
        let stage = LifecycleStage::try_from(request.stage);
        if stage.is_err() {
            violations.add("stage", "not a stage of life");
        }
        let pin = read_pin("data_version", request.data_version.clone(), &mut violations);
        violations.finish(Reason::InvalidQuestion)?;
        let Some(day) = day else {
            return Err(Status::internal("a request without day passed its checks"));
        };
        let stage = stage.ok().and_then(from_proto);
        let list = List::of(&format!("lifecycle {:?} {day} {stage:?}", request.brand));
        let place = |key: &str| Some(key.to_owned());
        let (page_size, after) = list.page(request.page_size, &request.page_token, place)?;
        Ok(Self {
            brand: request.brand.clone(),
            day,
            stage,
            list,
            page_size,
            after,
            pin,
        })
    }

    /// The page of `placed`, which is sorted by key and holds all products.
    pub(super) fn page(&self, placed: &[Placed], versions: types::DataVersion) -> ListLifecycleResponse {
        let wanted = |placed: &&Placed| self.stage.is_none_or(|stage| placed.rule.stage() == stage);
        let start = match &self.after {
            Some(after) => placed.partition_point(|placed| placed.product <= *after),
            None => 0,
        };
        let rest = placed.get(start..).unwrap_or_default();
        let mut rest = rest.iter().filter(wanted).peekable();
        let products: Vec<ProductStage> = rest.by_ref().take(self.page_size).map(product_stage).collect();
        let next_page_token = match (rest.peek(), products.last()) {
            (Some(_), Some(last)) => self.list.token(&last.product),
            _ => String::new(),
        };
        let count = |stage: Stage| StageCount {
            stage: to_proto(stage).into(),
            products: placed
                .iter()
                .filter(|placed| placed.rule.stage() == stage)
                .count() as i64,
        };
        let counts = Stage::ALL.into_iter().map(count).collect();
        ListLifecycleResponse {
            products,
            next_page_token,
            counts,
            data_version: Some(versions),
        }
    }
}

fn product_stage(placed: &Placed) -> ProductStage {
    ProductStage {
        product: placed.product.clone(),
        stage: to_proto(placed.rule.stage()).into(),
        launch_day: placed.launch.map(day_to_proto),
        rule: placed.rule.to_string(),
    }
}

fn to_proto(stage: Stage) -> LifecycleStage {
    match stage {
        Stage::PreLaunch => LifecycleStage::PreLaunch,
        Stage::New => LifecycleStage::New,
        Stage::Mature => LifecycleStage::Mature,
        Stage::Tail => LifecycleStage::Tail,
        Stage::Delisted => LifecycleStage::Delisted,
    }
}

fn from_proto(stage: LifecycleStage) -> Option<Stage> {
    Stage::ALL.into_iter().find(|own| to_proto(*own) == stage)
}

#[cfg(test)]
mod tests {
    use dualwheel_kit::failure::{reason_of, violations_of};
    use dualwheel_proto::Date;

    use super::*;
    use crate::lifecycle::Rule;

    fn request() -> ListLifecycleRequest {
        let day = Some(Date {
            year: 2026,
            month: 3,
            day: 1,
        });
        ListLifecycleRequest {
            brand: "b".to_owned(),
            day,
            page_size: 2,
            ..Default::default()
        }
    }

    fn today() -> Day {
        Day::parse("2026-03-01").unwrap()
    }

    fn placed() -> Vec<Placed> {
        let rule = |at| {
            if at % 2 == 0 {
                Rule::Young(at)
            } else {
                Rule::LaunchUnknown
            }
        };
        let place = |at| Placed {
            product: format!("货{at}"),
            launch: None,
            rule: rule(at),
        };
        (0..5).map(place).collect()
    }

    #[test]
    fn pages_hold_every_product_once() {
        let mut request = request();
        let mut seen = Vec::new();
        loop {
            let page = Listing::read(&request, today())
                .unwrap()
                .page(&placed(), types::DataVersion::default());
            assert_eq!(page.counts.iter().map(|count| count.products).sum::<i64>(), 5);
            seen.extend(page.products.into_iter().map(|product| product.product));
            if page.next_page_token.is_empty() {
                break;
            }
            request.page_token = page.next_page_token;
        }
        assert_eq!(seen, ["货0", "货1", "货2", "货3", "货4"]);
    }

    #[test]
    fn a_stage_is_picked_and_its_token_fits_no_other_list() {
        let new = ListLifecycleRequest {
            stage: LifecycleStage::New.into(),
            ..request()
        };
        let page = Listing::read(&new, today())
            .unwrap()
            .page(&placed(), types::DataVersion::default());
        assert_eq!(page.products.len(), 2);
        let mixed = ListLifecycleRequest {
            page_token: page.next_page_token.clone(),
            ..request()
        };
        let status = Listing::read(&mixed, today()).err().unwrap();
        assert_eq!(reason_of(&status).as_deref(), Some("INVALID_PAGE"));
        for token in ["x", "é", &page.next_page_token[..17], &page.next_page_token[..16]] {
            let wrong = ListLifecycleRequest {
                page_token: token.to_owned(),
                ..new.clone()
            };
            assert!(Listing::read(&wrong, today()).is_err(), "{token}");
        }
        let rest = ListLifecycleRequest {
            page_token: page.next_page_token,
            ..new
        };
        let page = Listing::read(&rest, today())
            .unwrap()
            .page(&placed(), types::DataVersion::default());
        assert_eq!((page.products.len(), page.next_page_token.as_str()), (1, ""));
    }

    #[test]
    fn every_wrong_field_is_named() {
        let wrong = ListLifecycleRequest {
            day: Some(Date {
                year: 2026,
                month: 3,
                day: 2,
            }),
            stage: 77,
            data_version: Some(types::DataVersion {
                tables: [("products".to_owned(), -1)].into(),
            }),
            ..Default::default()
        };
        let fields = violations_of(&Listing::read(&wrong, today()).err().unwrap());
        let fields: Vec<String> = fields.into_iter().map(|(field, _)| field).collect();
        assert_eq!(
            fields,
            ["brand", "day", "stage", "data_version.tables[\"products\"]"]
        );
        let negative = ListLifecycleRequest {
            page_size: -1,
            ..request()
        };
        let status = Listing::read(&negative, today()).err().unwrap();
        assert_eq!(reason_of(&status).as_deref(), Some("INVALID_PAGE"));
    }
}
