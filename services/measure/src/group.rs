//! A metric group: one rule that makes several metrics, of any part of the people or products at a time.
//!
//! A group says what it [needs](MetricGroup::needs), works out a [`partial`](MetricGroup::partial) result of any part of
//! a brand's consumers or products, [`merge`](MetricGroup::merge)s such results, and [`finish`](MetricGroup::finish)es
//! them into metrics. Merging is associative, commutative and exact: partial results hold whole numbers, decimals, sets and
//! keys, never ordinals or sums of binary fractions. So neither the cut into parts nor the order of merging shows, and
//! the same rule answers from frames in memory, slice by slice, or on several machines. In DataFusion's words these are
//! accumulate, state, `merge_batch` and evaluate.
//!
//! Where only the whole can decide a question (has the brand any order line?), a part is counted in every case that is
//! still [possible](Cases).

mod cases;
pub mod law;

use serde::{Serialize, de::DeserializeOwned};

pub use cases::Cases;

use crate::{Metric, Scope, Window};

/// What a group is asked.
#[derive(Clone, Debug)]
pub struct Ask<'a, P> {
    /// Brand key.
    pub brand: &'a str,
    /// Dimension to cut by besides the whole; one of [`MetricGroup::cuts`].
    pub by: Option<&'a str>,
    /// Category path that the question is restricted to.
    pub category: Option<&'a str>,
    /// Depth at which category paths are cut; `None` for the definition's.
    pub category_level: Option<u32>,
    /// Parameters of the definitions in force.
    pub parameters: &'a P,
    /// Window, as-of day and definitions of the metrics.
    pub scope: Scope<'a>,
}

/// How much of a brand the facts at hand are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// All of it: what only the whole can decide is decided. The partial result is merged with no other.
    Whole,
    /// Some of its consumers or products; others follow.
    Part,
}

/// How a fact comes to a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// All rows of the consumers of the part.
    Consumer,
    /// All rows of the products of the part.
    Product,
    /// All rows there are.
    Whole,
}

/// Facts that a group reads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Need {
    /// Table of the lake.
    pub table: &'static str,
    /// Columns, besides those that make a fact what it is: keys, instants and revisions.
    pub columns: &'static [&'static str],
    /// Days whose rows count; `None` for all. Of tables without days all rows count.
    pub days: Option<Window>,
    /// Whether it matters too that there is a row at all, on whatever day.
    pub ever: bool,
    /// How it comes to a part.
    pub by: By,
    /// Whether rows of all brands of the tenant are read, not of the one asked about.
    pub of_all_brands: bool,
}

impl Need {
    /// The rows of a table on all days, of the brand, by consumer.
    #[must_use]
    pub fn of(table: &'static str, columns: &'static [&'static str]) -> Self {
        Self {
            table,
            columns,
            days: None,
            ever: false,
            by: By::Consumer,
            of_all_brands: false,
        }
    }

    /// The same, of which only rows of `days` count, but for whether there is any.
    #[must_use]
    pub fn within(self, days: Window) -> Self {
        Self {
            days: Some(days),
            ever: true,
            ..self
        }
    }

    /// The same, whole for every part.
    #[must_use]
    pub fn whole(self) -> Self {
        Self {
            by: By::Whole,
            ..self
        }
    }

    /// The same, by product.
    #[must_use]
    pub fn by_product(self) -> Self {
        Self {
            by: By::Product,
            ..self
        }
    }

    /// The same, of all brands of the tenant, whole for every part.
    #[must_use]
    pub fn of_all_brands(self) -> Self {
        Self {
            of_all_brands: true,
            ..self.whole()
        }
    }
}

/// One rule that makes several metrics.
pub trait MetricGroup: Send + Sync {
    /// Parameters of the definitions that it reads.
    type Parameters;
    /// Facts that come by consumer or by product.
    type Part: Send + Sync;
    /// Facts that every part has whole.
    type Whole: Send + Sync;
    /// What is known of a part.
    type Partial: Serialize + DeserializeOwned + Send;

    /// Name, by which the registry has it: `start`.
    fn name(&self) -> &'static str;

    /// Ids of its metrics, in the order of an answer.
    fn ids(&self) -> &'static [&'static str];

    /// Dimensions that it may be cut by, as questions spell them.
    fn cuts(&self) -> &'static [&'static str];

    /// Facts that it reads for a question.
    fn needs(&self, ask: &Ask<'_, Self::Parameters>) -> Vec<Need>;

    /// What is known of the consumers or products of `part`.
    fn partial(
        &self,
        part: &Self::Part,
        whole: &Self::Whole,
        extent: Extent,
        ask: &Ask<'_, Self::Parameters>,
    ) -> Self::Partial;

    /// What is known of two parts together, in whatever order.
    fn merge(&self, one: Self::Partial, other: Self::Partial) -> Self::Partial;

    /// The metrics of all parts together.
    fn finish(
        &self,
        partial: Self::Partial,
        whole: &Self::Whole,
        ask: &Ask<'_, Self::Parameters>,
    ) -> Vec<Metric>;

    /// The metrics of a brand whose facts are all at hand.
    fn measure(
        &self,
        part: &Self::Part,
        whole: &Self::Whole,
        ask: &Ask<'_, Self::Parameters>,
    ) -> Vec<Metric> {
        self.finish(self.partial(part, whole, Extent::Whole, ask), whole, ask)
    }
}

/// Why a partial result cannot be written or read.
#[derive(Debug, thiserror::Error)]
#[error("a partial result is damaged, or of another version: {0}")]
pub struct Damaged(#[from] postcard::Error);

/// A partial result as bytes, the same on every machine.
///
/// # Errors
/// When a type in it cannot be written.
pub fn to_bytes<T: Serialize>(partial: &T) -> Result<Vec<u8>, Damaged> {
    Ok(postcard::to_allocvec(partial)?)
}

/// The partial result of [`to_bytes`].
///
/// # Errors
/// When the bytes are not those of a partial result of the group.
pub fn from_bytes<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Damaged> {
    Ok(postcard::from_bytes(bytes)?)
}
