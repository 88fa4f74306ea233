//! What `FactService` tells of the facts at hand: brands, coverage, values of dimensions, versions.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use dualwheel_kit::{Call, Reason, Violations, page::List, question::day_to_proto, work};
use dualwheel_proto::{
    facts::{
        BrandFacts, Coverage, Dimension, FactKind, ListBrandsRequest, ListBrandsResponse,
        ListCoverageRequest, ListCoverageResponse, ListDimensionValuesRequest, ListDimensionValuesResponse,
        WatchDataVersionsResponse,
    },
    types::DataVersion,
};
use futures::StreamExt;
use prost_types::Timestamp;
use tokio::time::sleep;
use tokio_stream::Stream;
use tonic::Status;

use crate::{
    Error, Lake, Reader,
    fact::{FACTS, Fact},
    frames::is_shown,
};

/// How long versions are watched for a call: a watch takes the place of another stream.
const WATCHED: Duration = Duration::from_secs(600);
/// How often versions are looked at.
const LOOKED_EVERY: Duration = Duration::from_secs(1);

/// Discovery among the facts that an endpoint owns.
pub(crate) struct Discovery<'a> {
    pub(crate) call: &'a Call,
    pub(crate) reader: Reader,
    pub(crate) owned: &'a [FactKind],
}

impl Discovery<'_> {
    fn facts(&self) -> impl Iterator<Item = &'static Fact> {
        FACTS.iter().filter(|fact| self.owned.contains(&fact.kind))
    }

    /// Whether the caller is shown facts about a brand; the tenant's own facts are for everybody.
    fn shows(&self, brand: &str) -> bool {
        brand.is_empty() || self.call.may_see(brand)
    }

    /// A page of items that are sorted by `key`, and the token of the next one: it goes on behind the last key, whatever is
    /// appended meanwhile.
    fn page<T: Clone>(
        &self,
        (size, token): (i32, &str),
        list: &str,
        items: &[T],
        key: impl Fn(&T) -> String,
    ) -> Result<(Vec<T>, String), Status> {
        let list = List::of(&format!("{list} {:?}", self.call.brands()));
        let (size, after) = list.page(size, token, |place| Some(place.to_owned()))?;
        let first = after.map_or(0, |after| items.partition_point(|item| key(item) <= after));
        let rest = items.get(first..).unwrap_or_default();
        let (page, more) = rest.split_at(size.min(rest.len()));
        let next = page
            .last()
            .filter(|_| !more.is_empty())
            .map(|last| list.token(key(last)));
        Ok((page.to_vec(), next.unwrap_or_default()))
    }

    pub(crate) async fn brands(&self, asked: &ListBrandsRequest) -> Result<ListBrandsResponse, Status> {
        let mut found: BTreeMap<String, Vec<i32>> = BTreeMap::new();
        for fact in self.facts().filter(|fact| fact.has_brand()) {
            for covered in &self.reader.coverage(fact).await?.brands {
                if self.shows(&covered.brand) {
                    found
                        .entry(covered.brand.clone())
                        .or_default()
                        .push(fact.kind.into());
                }
            }
        }
        let brands: Vec<BrandFacts> = found
            .into_iter()
            .map(|(brand, kinds)| BrandFacts { brand, kinds })
            .collect();
        let page = (asked.page_size, asked.page_token.as_str());
        let (brands, next_page_token) = self.page(page, "brands", &brands, |one| one.brand.clone())?;
        Ok(ListBrandsResponse {
            brands,
            next_page_token,
            data_version: Some(self.reader.versions()),
        })
    }

    pub(crate) async fn coverage(&self, asked: &ListCoverageRequest) -> Result<ListCoverageResponse, Status> {
        let mut found = Vec::new();
        let wanted = asked.kind();
        for fact in self.facts() {
            if wanted != FactKind::Unspecified && wanted != fact.kind {
                continue;
            }
            let covered = self.reader.coverage(fact).await?;
            let mut shown = covered
                .brands
                .iter()
                .filter(|covered| self.shows(&covered.brand))
                .peekable();
            if shown.peek().is_none() {
                continue;
            }
            // Whoever sees some brands is not shown when others were busy.
            let last_append = covered.last_append.filter(|_| self.call.sees_all());
            let last_append_time = last_append.map(instant);
            found.extend(shown.map(|covered| Coverage {
                kind: fact.kind.into(),
                brand: covered.brand.clone(),
                rows: covered.rows,
                first_day: covered.days.map(|days| day_to_proto(days.first)),
                last_day: covered.days.map(|days| day_to_proto(days.last)),
                last_append_time,
            }));
        }
        let list = format!("coverage {}", asked.kind);
        let page = (asked.page_size, asked.page_token.as_str());
        let key = |one: &Coverage| format!("{:03} {}", one.kind, one.brand);
        let (coverage, next_page_token) = self.page(page, &list, &found, key)?;
        Ok(ListCoverageResponse {
            coverage,
            next_page_token,
            data_version: Some(self.reader.versions()),
        })
    }

    pub(crate) async fn values(
        &self,
        asked: &ListDimensionValuesRequest,
    ) -> Result<ListDimensionValuesResponse, Status> {
        let dimension = asked.dimension();
        let mut violations = Violations::new();
        if asked.brand.is_empty() {
            violations.add("brand", "name a brand");
        }
        if dimension == Dimension::Unspecified {
            violations.add(
                "dimension",
                "DIMENSION_CATEGORY, DIMENSION_CHANNEL or DIMENSION_LABEL",
            );
        }
        violations.finish(Reason::InvalidQuestion)?;
        self.reader.require_brand(&asked.brand).await?;
        let found = match dimension {
            Dimension::Category => self.texts("category", &asked.brand).await?,
            Dimension::Channel => self.texts("channel", &asked.brand).await?,
            Dimension::Label | Dimension::Unspecified => self.labels().await?,
        };
        let found: Vec<String> = found.into_iter().collect();
        let list = format!("values {} {}", asked.brand, asked.dimension);
        let page = (asked.page_size, asked.page_token.as_str());
        let (values, next_page_token) = self.page(page, &list, &found, String::clone)?;
        Ok(ListDimensionValuesResponse {
            values,
            next_page_token,
            data_version: Some(self.reader.versions()),
        })
    }

    async fn texts(&self, column: &'static str, brand: &str) -> Result<BTreeSet<String>, Error> {
        let mut found = BTreeSet::new();
        let has = |fact: &&Fact| fact.has_brand() && fact.columns.iter().any(|one| one.name == column);
        for fact in self.facts().filter(has) {
            found.extend(self.reader.texts(fact, column, brand).await?.iter().cloned());
        }
        Ok(found)
    }

    /// The labels of consumers, without those of brands that the caller may not see.
    async fn labels(&self) -> Result<BTreeSet<String>, Status> {
        if !self.owned.contains(&FactKind::ConsumerProfile) {
            return Ok(BTreeSet::new());
        }
        let profiles = self.reader.profiles().await?;
        let distinct = work::metrics(move || -> BTreeSet<String> {
            let labels: BTreeSet<&String> = profiles.rows.iter().flat_map(|row| &row.labels).collect();
            labels.into_iter().cloned().collect()
        });
        let mut labels = distinct.await?;
        labels.retain(|label| self.call.sees_all() || is_shown(label, |brand| self.call.may_see(brand)));
        Ok(labels)
    }
}

/// The versions of the tables of `owned` facts, at once and whenever one has changed, for some time.
pub(crate) fn versions(
    lake: Lake,
    owned: Vec<FactKind>,
) -> impl Stream<Item = Result<WatchDataVersionsResponse, Status>> + Send {
    let changes = futures::stream::unfold(Some(None), move |last: Option<Option<DataVersion>>| {
        let (lake, owned) = (lake.clone(), owned.clone());
        async move {
            let last = last?;
            loop {
                if last.is_some() {
                    sleep(LOOKED_EVERY).await;
                }
                let now = match lake.table_versions(&owned).await {
                    Ok(tables) => DataVersion { tables },
                    Err(error) => return Some((Err(error.into()), None)),
                };
                if last.as_ref() != Some(&now) {
                    let told = WatchDataVersionsResponse {
                        data_version: Some(now.clone()),
                    };
                    return Some((Ok(told), Some(Some(now))));
                }
            }
        }
    });
    changes.take_until(Box::pin(sleep(WATCHED)))
}

fn instant(milliseconds: i64) -> Timestamp {
    Timestamp {
        seconds: milliseconds.div_euclid(1_000),
        nanos: i32::try_from(milliseconds.rem_euclid(1_000) * 1_000_000).unwrap_or_default(),
    }
}
