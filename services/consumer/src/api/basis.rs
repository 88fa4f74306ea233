//! What audiences are judged by: the facts of a brand on a day, and the audiences that expressions name.

use std::{collections::BTreeMap, sync::Arc};

use dualwheel_kit::{
    Call, Failure, Reason, Violations,
    access::Brands,
    question::{check_brand, read_day},
};
use dualwheel_lake::{Reader, frames::Profiles};
use dualwheel_measure::{Day, Definitions};
use dualwheel_proto::{Date, consumer::AudienceDefinition, types::DataVersion};
use roaring::RoaringBitmap;
use tokio::sync::OnceCell;
use tonic::Status;

use super::{
    Service,
    expression::read_definition,
    saved::{cycle, named},
};
use crate::{
    Parameters,
    audience::{
        Evaluated, Expression, Sight, World, evaluate,
        evaluate::{needs_facts, needs_forecasts, needs_profiles},
        expression::{Predicted, Term},
        sight::{known_to_brand, with_facts},
    },
    facts::Facts,
    index::{Cells, Snapshot},
    queries::{self, compute},
    store::{Kind, StoredAudience},
    value::{
        histories,
        measure::{self, Forecast},
    },
};

/// An expression of a request, and whose facts it is judged by, when.
pub(super) struct Given<'a> {
    /// Field of the expression.
    pub field: &'static str,
    pub brand: &'a str,
    pub definition: Option<&'a AudienceDefinition>,
    pub as_of: Option<&'a Date>,
    pub pin: Option<DataVersion>,
}

/// What audiences of a brand are judged by.
pub(super) struct Basis {
    pub brand: String,
    pub reader: Arc<Reader>,
    pub snapshot: Option<Snapshot>,
    pub definitions: Arc<Definitions<Parameters>>,
    pub as_of: Day,
    /// The brands that who asks may see.
    sees: Brands,
    sight: OnceCell<Sight>,
}

/// The facts that expressions ask for.
pub(super) struct Inputs {
    index: Option<Arc<Cells>>,
    facts: Facts,
    profiles: Option<Arc<Profiles>>,
    forecasts: Vec<Forecast>,
}

impl Inputs {
    /// Everyone of whom the brand has a behaviour, an order line or a role.
    pub(super) fn with_facts(&self) -> RoaringBitmap {
        with_facts(self.index.as_deref(), &self.facts)
    }
}

impl Basis {
    /// A basis of who calls.
    pub(super) fn new(
        call: &Call,
        brand: &str,
        reader: Arc<Reader>,
        snapshot: Option<Snapshot>,
        definitions: Arc<Definitions<Parameters>>,
        as_of: Day,
    ) -> Self {
        Self {
            brand: brand.to_owned(),
            reader,
            snapshot,
            definitions,
            as_of,
            sees: call.brands().clone(),
            sight: OnceCell::new(),
        }
    }

    /// Reads an expression at `field`; `None` where something is wrong with it, which is then noted.
    pub(super) fn read(
        &self,
        field: &str,
        definition: Option<&AudienceDefinition>,
        violations: &mut Violations,
    ) -> Option<Expression> {
        read_definition(
            field,
            definition,
            &self.definitions.parameters,
            self.reader.currency(),
            violations,
        )
    }

    /// Whom and what who asks may see. Every answer about people of an audience is held to it.
    pub(super) async fn sight(&self) -> Result<Sight, Status> {
        let sight = self.sight.get_or_try_init(|| self.look());
        sight.await.cloned()
    }

    async fn look(&self) -> Result<Sight, Status> {
        let Brands::Some(brands) = &self.sees else {
            return Ok(Sight::whole());
        };
        let (inputs, social) = (
            self.inputs(&[]).await?,
            self.reader.social_profiles(&self.brand).await?,
        );
        let (brands, definitions) = (brands.clone(), self.definitions.clone());
        compute(move || {
            let people = known_to_brand(inputs.index.as_deref(), &inputs.facts, &social);
            Sight::narrow(brands, people, &definitions.parameters)
        })
        .await
    }

    /// Reads the facts that any of `expressions` asks for.
    pub(super) async fn inputs(&self, expressions: &[Expression]) -> Result<Inputs, Status> {
        let parameters = &self.definitions.parameters;
        let mut index = None;
        let mut facts = None;
        if let Some(snapshot) = &self.snapshot
            && let Some(indexed) = queries::indexed(&self.reader, &self.brand, snapshot).await?
        {
            (index, facts) = (Some(indexed.cells), Some(indexed.roles));
        }
        let facts = match facts {
            Some(roles) if !expressions.iter().any(|one| needs_facts(one, parameters)) => roles,
            _ => queries::people(&self.reader, &self.brand).await?,
        };
        let profiles = if expressions.iter().any(|one| needs_profiles(one, parameters)) {
            Some(self.reader.profiles().await?)
        } else {
            None
        };
        let forecasts = if expressions.iter().any(needs_forecasts) {
            self.forecasts(expressions).await?
        } else {
            Vec::new()
        };
        Ok(Inputs {
            index,
            facts,
            profiles,
            forecasts,
        })
    }

    /// The values of the brand's customers as of the as-of day, if the models that are asked for apply.
    async fn forecasts(&self, expressions: &[Expression]) -> Result<Vec<Forecast>, Status> {
        let orders = self.reader.orders(&self.brand).await?;
        let (definitions, as_of) = (self.definitions.clone(), self.as_of);
        let valued = queries::model(move || {
            let parameters = &definitions.parameters;
            let weeks = u32::from(parameters.value_weeks.get());
            measure::value(&histories(&orders, as_of), as_of, weeks, parameters)
        })
        .await?;
        let in_money = expressions.iter().flat_map(Expression::terms).any(
            |term| matches!(term, Term::Predicted(predicted) if predicted.value == Predicted::LifetimeValue),
        );
        let refusal = match (&valued.purchases, &valued.spending) {
            (Err(refusal), _) => Some(refusal),
            (_, Err(refusal)) if in_money => Some(refusal),
            _ => None,
        };
        match refusal {
            Some(refusal) => Err(Failure::new(Reason::ModelRefused, refusal.to_string()).into()),
            None => Ok(valued.customers),
        }
    }

    /// The people of each expression; `audiences` has those of every audience that they name.
    async fn judge(
        &self,
        expressions: Vec<Expression>,
        audiences: Arc<BTreeMap<String, RoaringBitmap>>,
    ) -> Result<Vec<Evaluated>, Status> {
        let (inputs, sight) = (self.inputs(&expressions).await?, self.sight().await?);
        let (definitions, as_of) = (self.definitions.clone(), self.as_of);
        compute(move || {
            let world = World {
                index: inputs.index.as_deref(),
                facts: &inputs.facts,
                profiles: inputs.profiles.as_deref(),
                forecasts: &inputs.forecasts,
                audiences: &audiences,
                parameters: &definitions.parameters,
                as_of,
                sight: &sight,
            };
            expressions.iter().map(|one| evaluate(one, &world)).collect()
        })
        .await
    }
}

impl Service {
    /// The people of each expression, and of the audiences that they name, all on the same day and data.
    pub(super) async fn judge(
        &self,
        call: &Call,
        basis: &Basis,
        expressions: Vec<Expression>,
    ) -> Result<Vec<Evaluated>, Status> {
        if let Some(first) = expressions.first() {
            call.notes().brand(&basis.brand);
            call.notes().expression(first);
        }
        let mut people = BTreeMap::new();
        for stored in self.named_by(call, &expressions).await? {
            let found = match &stored.people {
                Some(kept) => {
                    let keys = self.lake.of(call).keys(&kept.keys).await?;
                    let names = basis.reader.names();
                    let intern = move || {
                        let keys: Vec<Option<&str>> = keys.iter().map(|key| Some(key.as_str())).collect();
                        names.consumers.intern_all(&keys).into_iter().collect()
                    };
                    compute(intern).await?
                }
                None => {
                    let own = Basis::new(
                        call,
                        &stored.brand,
                        basis.reader.clone(),
                        basis.snapshot.clone(),
                        self.catalogue.of(call.tenant(), &stored.brand),
                        basis.as_of,
                    );
                    let known = Arc::new(people);
                    let found = own
                        .judge(vec![self.expression_of(&stored)?], known.clone())
                        .await?
                        .pop();
                    people = Arc::unwrap_or_clone(known);
                    found.map(|found| found.people).unwrap_or_default()
                }
            };
            people.insert(stored.id, found);
        }
        basis.judge(expressions, Arc::new(people)).await
    }

    pub(super) async fn judge_one(
        &self,
        call: &Call,
        basis: &Basis,
        expression: Expression,
    ) -> Result<Evaluated, Status> {
        let found = self.judge(call, basis, vec![expression]).await?.pop();
        found.ok_or_else(|| Status::internal("an expression without an answer"))
    }

    /// The audiences that expressions name, through others or not, each behind those that it names itself.
    async fn named_by(&self, call: &Call, expressions: &[Expression]) -> Result<Vec<StoredAudience>, Status> {
        let mut ordered: Vec<StoredAudience> = Vec::new();
        let mut waiting: BTreeMap<String, StoredAudience> = BTreeMap::new();
        let mut open: Vec<(String, Vec<String>)> =
            expressions.iter().flat_map(|one| named(one, &[])).collect();
        while let Some((id, path)) = open.pop() {
            if ordered.iter().any(|one| one.id == id) {
                continue;
            }
            let above = path.split_last().map_or(&[][..], |(_, above)| above);
            if above.contains(&id) {
                return Err(cycle(&id, above));
            }
            // Come back to: all that it names is in order by now.
            if let Some(stored) = waiting.remove(&id) {
                ordered.push(stored);
                continue;
            }
            let stored = self.audiences(call).get(&id).await?;
            open.push((id.clone(), path.clone()));
            if stored.kind == Kind::Live {
                open.extend(named(&self.expression_of(&stored)?, &path));
            }
            waiting.insert(id, stored);
        }
        Ok(ordered)
    }

    /// Opens a brand's facts for a as-of day.
    pub(super) async fn basis(
        &self,
        call: &Call,
        brand: &str,
        as_of: Option<&Date>,
        pin: Option<DataVersion>,
        violations: &mut Violations,
    ) -> Result<Basis, Status> {
        check_brand("brand", brand, violations);
        let given = as_of.map(|_| read_day("as_of", as_of, violations));
        let pin = pin.unwrap_or_default().tables;
        for (table, _) in pin.iter().filter(|(_, version)| **version < 0) {
            violations.add(format!("data_version.tables[{table:?}]"), "not negative");
        }
        let broken = violations.clone();
        broken.finish(Reason::InvalidQuestion)?;
        let (reader, snapshot) = self.open(call, &pin, true).await?;
        let today = reader.today();
        let day = given.flatten().unwrap_or(today);
        if day > today {
            violations.add("as_of", format!("lies in the future; today is {today}"));
        }
        let definitions = self.catalogue.of(call.tenant(), brand);
        Ok(Basis::new(call, brand, reader, snapshot, definitions, day))
    }

    /// A basis with one checked expression.
    pub(super) async fn given(&self, call: &Call, given: Given<'_>) -> Result<(Basis, Expression), Status> {
        let mut violations = Violations::new();
        let basis = self
            .basis(call, given.brand, given.as_of, given.pin, &mut violations)
            .await?;
        let expression = basis.read(given.field, given.definition, &mut violations);
        violations.finish(Reason::InvalidQuestion)?;
        basis.reader.require_brand(&basis.brand).await?;
        match expression {
            Some(expression) => {
                call.notes().expression(&expression);
                Ok((basis, expression))
            }
            None => Err(Status::internal(
                "an expression that is missing passed its checks",
            )),
        }
    }
}
