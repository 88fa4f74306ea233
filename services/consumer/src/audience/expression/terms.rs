//! The conditions of audience expressions.

use dualwheel_lake::frames::{KeywordClass, Role};
use dualwheel_measure::{Day, Money};

use super::{Days, Range};
use crate::parameters::Signal;

/// Everyone in a state of a stage model on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StageTerm {
    /// Name of the model; AIPL where `None`.
    pub model: Option<String>,
    /// Code of the state.
    pub state: String,
    /// Category that the stage is judged in; the whole brand where `None`.
    pub category: Option<String>,
    /// The day; the as-of day where `None`.
    pub day: Option<Day>,
}

/// Everyone who was in one state the day before a window and in another on its last day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowTerm {
    /// Name of the model; AIPL where `None`.
    pub model: Option<String>,
    /// Code of the state before, or `OUT`.
    pub from: String,
    /// Code of the state after, or `OUT`.
    pub to: String,
    /// The window.
    pub days: Days,
    /// Category that the stages are judged in; the whole brand where `None`.
    pub category: Option<String>,
}

/// What facts must be about; nothing where `None`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Product.
    pub product: Option<String>,
    /// Category path, with what lies below it.
    pub category: Option<String>,
    /// Content.
    pub content: Option<String>,
    /// Channel.
    pub channel: Option<String>,
    /// Class of the search word.
    pub keyword_class: Option<KeywordClass>,
}

/// What of behaviours is compared with the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BehaviorMeasure {
    /// Their number.
    Count,
    /// Their distinct days.
    Days,
    /// Days from the last one to the as-of day.
    Recency,
}

impl BehaviorMeasure {
    /// Every measure.
    pub const ALL: [Self; 3] = [Self::Count, Self::Days, Self::Recency];

    /// The name in texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Days => "days",
            Self::Recency => "recency",
        }
    }
}

/// Everyone by their behaviours.
#[derive(Clone, Debug, PartialEq)]
pub struct BehaviorTerm {
    /// Kinds and classes; all kinds where empty. `BROWSE` is in no class here, because its class depends on its days.
    /// Purchases are those of the order lines where the brand has any.
    pub kinds: Vec<Signal>,
    /// What the behaviours must be about.
    pub filter: Filter,
    /// The days.
    pub days: Days,
    /// What is measured.
    pub measure: BehaviorMeasure,
    /// What belongs.
    pub range: Range<i64>,
}

impl BehaviorTerm {
    /// The term; a count or days without a range must be at least 1.
    #[must_use]
    pub fn new(
        kinds: Vec<Signal>,
        filter: Filter,
        days: Days,
        measure: BehaviorMeasure,
        range: Range<i64>,
    ) -> Self {
        let some = range.is_open() && measure != BehaviorMeasure::Recency;
        Self {
            kinds,
            filter,
            days,
            measure,
            range: if some { Range::from(1) } else { range },
        }
    }
}

/// What of purchases is compared with the range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PurchaseMeasure {
    /// Net GMV, return-only rows included.
    NetGmv,
    /// Distinct orders with a purchase.
    Orders,
    /// Units bought.
    Units,
    /// Net GMV ÷ units bought.
    AveragePrice,
    /// Distinct days with a purchase.
    Days,
    /// Days from the last purchase to the as-of day.
    Recency,
}

impl PurchaseMeasure {
    /// Every measure.
    pub const ALL: [Self; 6] = [
        Self::NetGmv,
        Self::Orders,
        Self::Units,
        Self::AveragePrice,
        Self::Days,
        Self::Recency,
    ];

    /// The name in texts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::NetGmv => "net_gmv",
            Self::Orders => "orders",
            Self::Units => "units",
            Self::AveragePrice => "average_price",
            Self::Days => "days",
            Self::Recency => "recency",
        }
    }

    /// Whether it is an amount of money.
    #[must_use]
    pub fn is_money(self) -> bool {
        matches!(self, Self::NetGmv | Self::AveragePrice)
    }
}

/// Everyone by their purchases.
#[derive(Clone, Debug, PartialEq)]
pub struct PurchaseTerm {
    /// What is measured.
    pub measure: PurchaseMeasure,
    /// What the order lines must be about: product, category, channel.
    pub filter: Filter,
    /// The days.
    pub days: Days,
    /// What belongs: a number, or money in ten-thousandths.
    pub range: Range<Money>,
}

impl PurchaseTerm {
    /// The term; orders, units and days without a range must be at least 1.
    #[must_use]
    pub fn new(measure: PurchaseMeasure, filter: Filter, days: Days, range: Range<Money>) -> Self {
        let counts = matches!(
            measure,
            PurchaseMeasure::Orders | PurchaseMeasure::Units | PurchaseMeasure::Days
        );
        Self {
            measure,
            filter,
            days,
            range: if range.is_open() && counts {
                Range::from(1)
            } else {
                range
            },
        }
    }
}

/// A field of the profile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// Age in years.
    Age,
    /// `female`, `male`, `other`.
    Gender,
    /// City tier, 1 to 6.
    CityTier,
    /// `true`, `false`.
    HasChild,
    /// Month in which the youngest child was born, as the number year · 100 + month.
    ChildBirthMonth,
    /// Spending power, 0 to 1.
    SpendingPower,
    /// Occupation, whatever its case.
    Occupation,
    /// Id of a strategic audience.
    StrategicAudience,
}

impl Field {
    /// Every field.
    pub const ALL: [Self; 8] = [
        Self::Age,
        Self::Gender,
        Self::CityTier,
        Self::HasChild,
        Self::ChildBirthMonth,
        Self::SpendingPower,
        Self::Occupation,
        Self::StrategicAudience,
    ];

    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Age => "age",
            Self::Gender => "gender",
            Self::CityTier => "city_tier",
            Self::HasChild => "has_child",
            Self::ChildBirthMonth => "child_birth_month",
            Self::SpendingPower => "spending_power",
            Self::Occupation => "occupation",
            Self::StrategicAudience => "strategic_audience",
        }
    }

    /// Whether its values are numbers.
    #[must_use]
    pub fn is_number(self) -> bool {
        matches!(
            self,
            Self::Age | Self::CityTier | Self::ChildBirthMonth | Self::SpendingPower
        )
    }
}

/// What of a profile field belongs.
#[derive(Clone, Debug, PartialEq)]
pub enum Accepted {
    /// Any of these words.
    Words(Vec<String>),
    /// Numbers of a range.
    Numbers(Range<f64>),
}

/// Everyone by a field of their profile; who has none does not belong.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileTerm {
    /// The field.
    pub field: Field,
    /// What belongs.
    pub accepted: Accepted,
}

/// Everyone whose deepest open role is one of these on a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoleTerm {
    /// The roles; any where empty.
    pub roles: Vec<Role>,
    /// Tier of that role; any where `None`.
    pub tier: Option<String>,
    /// The day; the as-of day where `None`.
    pub day: Option<Day>,
}

/// A value that a model foresees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Predicted {
    /// Probability of being alive (BG/NBD).
    AliveProbability,
    /// Expected purchases within the definition's weeks (BG/NBD).
    ExpectedPurchases,
    /// Discounted expected value within the definition's weeks (BG/NBD and Gamma-Gamma).
    LifetimeValue,
}

impl Predicted {
    /// Every value.
    pub const ALL: [Self; 3] = [
        Self::AliveProbability,
        Self::ExpectedPurchases,
        Self::LifetimeValue,
    ];

    /// The name in the contract.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AliveProbability => "alive_probability",
            Self::ExpectedPurchases => "expected_purchases",
            Self::LifetimeValue => "lifetime_value",
        }
    }
}

/// Everyone by a predicted value; customers only.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PredictedTerm {
    /// The value.
    pub value: Predicted,
    /// What belongs.
    pub range: Range<f64>,
}
