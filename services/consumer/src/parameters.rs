//! Parameters of the consumer metrics, as `definitions.yaml` gives them.

use std::{
    collections::BTreeMap,
    num::{NonZeroU16, NonZeroU32},
    ops::RangeInclusive,
};

use dualwheel_lake::frames::{Kind, Role};
use dualwheel_measure::definitions::Ranged;
use serde::{Deserialize, Serialize};

/// Every parameter, with the values in force.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Depth at which category paths are cut when the question does not say.
    pub category_level: NonZeroU32,
    /// Distinct purchase days that make a loyal consumer.
    pub loyal_purchase_days: NonZeroU16,
    /// Days in which loyalty is judged.
    pub loyal_days: NonZeroU16,
    /// Days for which a purchase counts.
    pub purchase_days: NonZeroU16,
    /// Days for which an active behaviour counts.
    pub interest_days: NonZeroU16,
    /// Days for which a passive behaviour counts.
    pub awareness_days: NonZeroU16,
    /// Whether an open role in the private domain counts as interest.
    pub standing_relation_counts: bool,
    /// Kinds that do not count when the question is about one category.
    pub category_ignores: Vec<Signal>,
    /// The stage model that the metrics use: awareness, interest, purchase, loyalty.
    pub aipl: [StateRule; 4],
    /// Further stage models by name, each shallow to deep.
    pub stage_models: BTreeMap<String, Vec<StateRule>>,
    /// Id of the strategic audience that the state `target` stands for; that state is absent when there is none.
    pub target_audience: Option<String>,
    /// Roles that make a super user, by name.
    pub super_roles: Vec<Role>,
    /// Days in which a super user must have been active.
    pub thriving_days: NonZeroU16,
    /// Days without a purchase of the brand that make a customer new.
    pub new_customer_days: NonZeroU16,
    /// Days after its launch in which a product is new.
    pub novelty_days: u16,
    /// Days to the window's end in which repurchase is judged.
    pub repurchase_days: NonZeroU16,
    /// Purchase days that make a repurchase.
    pub repurchase_purchase_days: NonZeroU16,
    /// Weeks that the value of customers is foreseen for.
    pub value_weeks: NonZeroU16,
    /// Share by which expected value is discounted a year.
    pub value_discount: f64,
    /// Fewest repeat customers that a model of value is fitted on.
    pub value_repeaters: NonZeroU16,
    /// Largest correlation of value and frequency, either way, for which Gamma-Gamma is fitted.
    pub value_correlation: f64,
    /// Share of the pauses between purchases that are usual: who lets pass more has lapsed.
    pub winback_quantile: f64,
    /// Fewest lapsed buyers who came back, and who did not, that a model of return is trained on.
    pub winback_positives: NonZeroU16,
    /// Fewest people of an audience, and fewest others, that a model of likeness is trained on.
    pub expansion_positives: NonZeroU16,
    /// First ages of the bands that people are shown in, ascending; younger people are a band of their own.
    pub age_bands: Vec<u8>,
    /// Fewest people of an audience for whom a trait's value is shown.
    pub min_cell: NonZeroU16,
    /// Start of the profile labels of pioneers; the category follows it.
    pub pioneer_label: String,
    /// The strategic audiences; the first rule that matches wins, several rules may name one audience.
    pub strategic_audiences: Vec<AudienceRule>,
    /// Occupations that count as service, in lower case.
    pub service_occupations: Vec<String>,
}

impl Ranged for Parameters {
    const RANGES: &'static [(&'static str, RangeInclusive<f64>)] = &[
        ("category_level", 1.0..=10.0),
        ("loyal_purchase_days", 1.0..=3_660.0),
        ("loyal_days", 1.0..=3_660.0),
        ("purchase_days", 1.0..=3_660.0),
        ("interest_days", 1.0..=3_660.0),
        ("awareness_days", 1.0..=3_660.0),
        // Days, or a count of behaviours.
        ("aipl.*.any.*.*.*", 1.0..=3_660.0),
        ("stage_models.*.*.any.*.*.*", 1.0..=3_660.0),
        ("thriving_days", 1.0..=3_660.0),
        ("new_customer_days", 1.0..=3_660.0),
        ("novelty_days", 0.0..=3_660.0),
        ("repurchase_days", 1.0..=3_660.0),
        ("repurchase_purchase_days", 1.0..=3_660.0),
        ("value_weeks", 1.0..=520.0),
        ("value_discount", 0.0..=1.0),
        ("value_repeaters", 1.0..=65_535.0),
        ("value_correlation", 0.0..=1.0),
        ("winback_quantile", 0.0..=1.0),
        ("winback_positives", 1.0..=65_535.0),
        ("expansion_positives", 1.0..=65_535.0),
        ("age_bands.*", 0.0..=150.0),
        ("min_cell", 1.0..=65_535.0),
        ("strategic_audiences.*.tiers.*", 1.0..=6.0),
        ("strategic_audiences.*.ages.*", 0.0..=150.0),
        ("strategic_audiences.*.spending_power_from", 0.0..=1.0),
        ("strategic_audiences.*.spending_power_below", 0.0..=1.0),
    ];
}

/// A state of a stage model: who is in it.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct StateRule {
    /// Code in flow cells, for example `A`.
    pub state: String,
    /// Name in English.
    pub en: String,
    /// Name in Chinese.
    pub zh: String,
    /// Alternatives; each is a list of requirements that must all hold.
    pub any: Vec<Vec<Requirement>>,
}

/// One requirement of a state.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Requirement {
    /// Something that holds on the day itself.
    Standing(Standing),
    /// Behaviours in the days that end on the day.
    Behaviors(BehaviorRule),
}

/// What holds on a day without any behaviour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// An open role in the private domain.
    Relation,
    /// Membership of the target audience.
    Target,
}

/// Behaviours that must have happened.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct BehaviorRule {
    /// Kinds and classes; any of them counts.
    pub of: Vec<Signal>,
    /// Length of the window that ends on the day, in days.
    pub within: Amount,
    /// Fewest behaviours; 1 when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<Amount>,
    /// Fewest distinct days; 1 when not said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub days: Option<Amount>,
}

/// A number, or the parameter that holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Amount {
    /// The number itself.
    Number(NonZeroU16),
    /// Another parameter.
    Named(AmountName),
}

/// Parameters that a stage model may refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(
    missing_docs,
    reason = "the names are those of the parameters, which explain them"
)]
pub enum AmountName {
    LoyalPurchaseDays,
    LoyalDays,
    PurchaseDays,
    InterestDays,
    AwarenessDays,
}

impl Parameters {
    /// The number that an amount stands for.
    #[must_use]
    pub fn amount(&self, amount: Amount) -> u16 {
        let number = match amount {
            Amount::Number(number) => number,
            Amount::Named(AmountName::LoyalPurchaseDays) => self.loyal_purchase_days,
            Amount::Named(AmountName::LoyalDays) => self.loyal_days,
            Amount::Named(AmountName::PurchaseDays) => self.purchase_days,
            Amount::Named(AmountName::InterestDays) => self.interest_days,
            Amount::Named(AmountName::AwarenessDays) => self.awareness_days,
        };
        number.get()
    }
}

/// A behaviour kind, or a class of kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Signal {
    /// Passive kinds, and `BROWSE` on one day only in the window.
    Passive,
    /// Active kinds, and `BROWSE` on several days in the window.
    Active,
    /// Loyal kinds.
    Loyal,
    /// One kind.
    Kind(Kind),
}

const CLASSES: [(&str, Signal); 3] = [
    ("passive", Signal::Passive),
    ("active", Signal::Active),
    ("loyal", Signal::Loyal),
];

impl Signal {
    /// Whether `kind` is meant. `BROWSE` is in no class, because its class depends on its days.
    #[must_use]
    pub fn contains(self, kind: Kind) -> bool {
        match self {
            Self::Kind(one) => one == kind,
            Self::Passive => kind.is_passive(),
            Self::Active => kind.is_active(),
            Self::Loyal => kind.is_loyal(),
        }
    }
}

impl TryFrom<String> for Signal {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        let class = CLASSES
            .into_iter()
            .find(|(known, _)| *known == name)
            .map(|(_, signal)| signal);
        class
            .or_else(|| Kind::named(&name).map(Self::Kind))
            .ok_or_else(|| format!("{name:?} is neither a behaviour kind nor passive, active or loyal"))
    }
}

impl From<Signal> for String {
    fn from(signal: Signal) -> Self {
        let class = CLASSES.into_iter().find(|(_, known)| *known == signal);
        let name = match (class, signal) {
            (Some((name, _)), _) => name,
            (None, Signal::Kind(kind)) => kind.name(),
            (None, _) => "",
        };
        name.to_owned()
    }
}

/// One rule of a strategic audience over the profile. A field that is asked for and not known fails the rule.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AudienceRule {
    /// Id in segments.
    pub id: String,
    /// Name in English.
    pub en: String,
    /// Name in Chinese.
    pub zh: String,
    /// City tiers, first and last.
    pub tiers: (i64, i64),
    /// Ages in years, first and last.
    pub ages: (i64, i64),
    /// Whether only women count.
    #[serde(default)]
    pub women: bool,
    /// Whether only people with a child count.
    #[serde(default)]
    pub with_child: bool,
    /// Whether only people with a service occupation count.
    #[serde(default)]
    pub service_occupation: bool,
    /// Whether only people whose occupation is not known count.
    #[serde(default)]
    pub occupation_unknown: bool,
    /// Lowest spending power.
    #[serde(default)]
    pub spending_power_from: Option<f64>,
    /// Spending power that must not be reached.
    #[serde(default)]
    pub spending_power_below: Option<f64>,
}
