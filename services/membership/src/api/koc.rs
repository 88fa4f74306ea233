//! KOC cultivation: a day's candidates, scored by the model that is active for the brand.

use std::{collections::BTreeMap, sync::Arc};

use dualwheel_kit::{
    Call, Failure, Question, Reason, Violations, answer,
    metrics::{Group, InForce, Measured},
    page::Slice,
    question::{check_brand, day_to_proto, read_past_day, read_pin},
};
use dualwheel_lake::{Lake, Reader};
use dualwheel_measure::{Catalogue, Day, Definitions, Metric, Scope, Window};
use dualwheel_plugin_host::{Features, Plugin, scores};
use dualwheel_plugins::{Asked, Plugins, Rows, Scored};
use dualwheel_proto::{
    membership::{
        GetKocBoardResponse, KocCandidate, KocCategory, KocCell, KocClass, KocQuadrant, KocQuadrantCount,
        KocSuggestion, ListKocCandidatesRequest, ListKocCandidatesResponse,
    },
    types,
};
use tonic::Status;

use super::compute;
use crate::{
    Parameters,
    koc::{self, Board, Candidate, Cell, Class, DefaultKoc, Quadrant, Rating},
    parameters::Suggestion,
    queries::KocFrames,
};

/// The candidates of a day, and what they were read from.
pub(super) struct Sheet {
    day: Day,
    reader: Reader,
    frames: KocFrames,
    candidates: Vec<Candidate>,
    table: Arc<Features>,
}

impl Rows for Sheet {
    fn table(&self) -> Arc<Features> {
        self.table.clone()
    }
}

/// The board of a day, and the model that scored it.
pub(super) struct Scoreboard {
    day: Day,
    reader: Reader,
    board: Board,
    definitions: Arc<Definitions<Parameters>>,
    scored: Scored,
}

/// What all questions about a day's candidates have in common.
pub(super) struct OfDay {
    brand: String,
    day: Day,
    pin: BTreeMap<String, i64>,
}

impl OfDay {
    /// Brand, day and versions of a question about metrics.
    pub(super) fn new(question: Question) -> Self {
        Self {
            brand: question.brand,
            day: question.as_of,
            pin: question.pin,
        }
    }

    /// Reads brand, day and versions; the day may not lie after `today`. Other wrong fields are in `violations` already.
    pub(super) fn read(
        brand: &str,
        as_of: Option<&dualwheel_proto::Date>,
        version: Option<types::DataVersion>,
        today: Day,
        mut violations: Violations,
    ) -> Result<Self, Status> {
        check_brand("brand", brand, &mut violations);
        let day = read_past_day("as_of", as_of, today, &mut violations);
        let pin = read_pin("data_version", version, &mut violations);
        violations.finish(Reason::InvalidQuestion)?;
        Ok(Self {
            brand: brand.to_owned(),
            day: day.ok_or_else(|| Status::internal("a question without day passed its checks"))?,
            pin,
        })
    }
}

/// KOC cultivation: its facts, its definitions, and the models that may be active for a brand.
#[derive(Clone, Debug)]
pub(super) struct Cultivation {
    lake: Lake,
    catalogue: Catalogue<Parameters>,
    plugins: Plugins,
    built_in: Plugin,
}

/// KOC in numbers, as of a question's day. Neither window nor category restricts them.
#[tonic::async_trait]
impl Group for Cultivation {
    fn name(&self) -> &'static str {
        "koc"
    }

    fn ids(&self) -> &'static [&'static str] {
        &koc::METRICS
    }

    fn cuts(&self) -> &'static [&'static str] {
        &[]
    }

    fn in_force(&self, tenant: &str, brand: &str) -> Arc<dyn InForce> {
        self.catalogue.of(tenant, brand)
    }

    async fn measure(&self, call: &Call, query: Option<types::MetricQuery>) -> Result<Measured, Status> {
        let question = Question::read(query, &[], self.today(call).await?)?;
        let scoreboard = self.scoreboard(call, OfDay::new(question)).await?;
        Ok(Measured {
            metrics: scoreboard.metrics(),
            currency: scoreboard.reader.currency().to_owned(),
            versions: scoreboard.reader.versions(),
        })
    }
}

impl Cultivation {
    pub(super) fn new(lake: Lake, catalogue: Catalogue<Parameters>, plugins: Plugins) -> Self {
        Self {
            lake,
            catalogue,
            plugins,
            built_in: Plugin::native_koc(DefaultKoc),
        }
    }

    /// The tenant's current day.
    pub(super) async fn today(&self, call: &Call) -> Result<Day, Status> {
        let settings = self.lake.of(call).reader(&BTreeMap::new()).await?;
        Ok(settings.today())
    }

    pub(super) async fn scoreboard(&self, call: &Call, question: OfDay) -> Result<Scoreboard, Status> {
        let OfDay { brand, day, pin } = question;
        let definitions = self.catalogue.of(call.tenant(), &brand);
        let sheet = self.sheet(call, &brand, day, &pin, &definitions).await?;
        let asked = Asked {
            call: call.clone(),
            brand: brand.clone(),
            day,
            versions: sheet.reader.versions().tables,
            subject: String::new(),
            built_in: self.built_in.clone(),
        };
        let then = async |day, pin| self.sheet(call, &brand, day, &pin, &definitions).await;
        let (sheet, scored) = self.plugins.score(asked, sheet, then).await?;
        let Sheet {
            day,
            reader,
            frames,
            candidates,
            ..
        } = sheet;
        let scores = scores(scored.columns.clone()).map_err(|error| Failure::internal(&error))?;
        let parameters = definitions.clone();
        let board =
            compute(move || koc::board(frames.facts(), &parameters.parameters, day, candidates, &scores))
                .await?;
        Ok(Scoreboard {
            day,
            reader,
            board,
            definitions,
            scored,
        })
    }

    async fn sheet(
        &self,
        call: &Call,
        brand: &str,
        day: Day,
        pin: &BTreeMap<String, i64>,
        definitions: &Arc<Definitions<Parameters>>,
    ) -> Result<Sheet, Status> {
        let reader = self.lake.of(call).reader(pin).await?;
        reader.require_brand(brand).await?;
        let frames = KocFrames::read(&reader, brand).await?;
        let parameters = definitions.clone();
        let (frames, candidates, table) = compute(move || {
            let candidates = koc::candidates(frames.facts(), &parameters.parameters, day);
            let table = koc::features(&candidates);
            (frames, candidates, table)
        })
        .await?;
        let table = table.map_err(|error| Failure::internal(&error))?;
        Ok(Sheet {
            day,
            reader,
            frames,
            candidates,
            table: Arc::new(table),
        })
    }
}

impl Scoreboard {
    /// The board in numbers.
    pub(super) fn metrics(&self) -> Vec<Metric> {
        let scope = Scope {
            window: Window::ending(self.day, 1),
            as_of: self.day,
            entries: &self.definitions.metrics,
            version: &self.definitions.version,
            segments: Vec::new(),
        };
        koc::metrics(&self.board, &scope)
    }

    pub(super) fn to_proto(&self) -> GetKocBoardResponse {
        let versions = self.reader.versions();
        let unclassed = Quadrant::ALL.into_iter().zip(self.board.unclassed);
        GetKocBoardResponse {
            metrics: answer::metrics_to_proto(&self.metrics(), self.reader.currency(), &versions),
            cells: self.board.cells.iter().map(cell).collect(),
            unclassed: unclassed
                .map(|(quadrant, people)| KocQuadrantCount {
                    quadrant: of_quadrant(quadrant).into(),
                    people: people as i64,
                })
                .collect(),
            scored_by: Some(self.scored.by.clone()),
            as_of: Some(day_to_proto(self.day)),
            data_version: Some(versions),
        }
    }

    pub(super) fn page(&self, call: &Call, listing: &Listing) -> ListKocCandidatesResponse {
        let rated = self.board.candidates.iter().zip(&self.board.ratings);
        let mut rated: Vec<_> = rated.filter(|(_, rating)| listing.wants(rating)).collect();
        let opinion = |rating: &Rating| rating.content + rating.influence;
        // Stable: equal ones stay in the order of their keys.
        rated.sort_by(|(_, a), (_, b)| {
            let opinions = opinion(b).total_cmp(&opinion(a));
            opinions.then(b.purchasing.total_cmp(&a.purchasing))
        });
        let (page, next_page_token) = listing.slice.of(&rated);
        call.notes().people(page.len());
        ListKocCandidatesResponse {
            candidates: page
                .iter()
                .map(|(person, rating)| candidate(person, rating))
                .collect(),
            next_page_token,
            total_size: rated.len() as i64,
            scored_by: Some(self.scored.by.clone()),
            as_of: Some(day_to_proto(self.day)),
            data_version: Some(self.reader.versions()),
        }
    }
}

/// Which candidates are listed.
pub(super) struct Listing {
    class: Option<Class>,
    quadrant: Option<Quadrant>,
    slice: Slice,
}

impl Listing {
    /// Reads class, quadrant and page.
    pub(super) fn read(
        request: &ListKocCandidatesRequest,
        violations: &mut Violations,
    ) -> Result<Self, Status> {
        let class = KocClass::try_from(request.koc_class);
        if class.is_err() {
            violations.add("koc_class", "one of KocClass");
        }
        let quadrant = KocQuadrant::try_from(request.quadrant);
        if quadrant.is_err() {
            violations.add("quadrant", "one of KocQuadrant");
        }
        let question = format!(
            "{}\n{:?}\n{}\n{}",
            request.brand, request.as_of, request.koc_class, request.quadrant
        );
        let all = Class::CULTIVATED.into_iter().chain([Class::Unclassed]);
        Ok(Self {
            class: all.into_iter().find(|own| Ok(of_class(*own)) == class),
            quadrant: Quadrant::ALL
                .into_iter()
                .find(|own| Ok(of_quadrant(*own)) == quadrant),
            slice: Slice::read(request.page_size, &request.page_token, &question)?,
        })
    }

    fn wants(&self, rating: &Rating) -> bool {
        self.class.is_none_or(|class| rating.class == class)
            && self.quadrant.is_none_or(|quadrant| rating.quadrant == quadrant)
    }
}

fn of_class(class: Class) -> KocClass {
    match class {
        Class::StandardKoc => KocClass::StandardKoc,
        Class::Sharer => KocClass::Sharer,
        Class::QualityBuyer => KocClass::QualityBuyer,
        Class::Unclassed => KocClass::None,
    }
}

fn of_quadrant(quadrant: Quadrant) -> KocQuadrant {
    match (quadrant.influence, quadrant.purchasing) {
        (true, true) => KocQuadrant::Both,
        (true, false) => KocQuadrant::Influence,
        (false, true) => KocQuadrant::Purchasing,
        (false, false) => KocQuadrant::Neither,
    }
}

fn cell(cell: &Cell) -> KocCell {
    let categories = cell.categories.iter().map(|category| KocCategory {
        category: category.category.clone(),
        buyers: category.buyers,
        all_buyers: category.all_buyers,
        lift: category.lift,
        interval: Some(types::Interval {
            low: category.interval.0,
            high: category.interval.1,
            method: types::IntervalMethod::Wilson.into(),
        }),
    });
    KocCell {
        koc_class: of_class(cell.class).into(),
        quadrant: of_quadrant(cell.quadrant).into(),
        people: cell.people.len() as i64,
        categories: categories.collect(),
        withheld: cell.withheld as i64,
        scene: Some(suggestion(&cell.scene)),
        lever: Some(suggestion(&cell.lever)),
    }
}

fn suggestion(suggestion: &Suggestion) -> KocSuggestion {
    KocSuggestion {
        id: suggestion.id.clone(),
        text_en: suggestion.en.clone(),
        text_zh: suggestion.zh.clone(),
    }
}

fn candidate(person: &Candidate, rating: &Rating) -> KocCandidate {
    let inputs = &person.inputs;
    KocCandidate {
        consumer: person.key.clone(),
        koc_class: of_class(rating.class).into(),
        quadrant: of_quadrant(rating.quadrant).into(),
        content: rating.content,
        influence: rating.influence,
        purchasing: rating.purchasing,
        followers: inputs.followers,
        follower_match: inputs.follower_match,
        interactions_30d: inputs.interactions,
        spread_30d: inputs.spread,
        shares_30d: inputs.shares,
        attributed_gmv_30d: inputs.attributed_gmv,
        own_gmv_365d: inputs.own_gmv,
        follower_spending_power: inputs.follower_spending_power,
    }
}
