//! RFM and customer value as metric groups. Both rank or fit all customers, so that what is known of some is as large as
//! they are.

use std::{collections::BTreeMap, sync::Arc};

use dualwheel_lake::frames::{Members, Orders};
use dualwheel_measure::{Ask, Extent, Metric, MetricGroup, Need};
use serde::{Deserialize, Serialize};

use super::{
    History, histories,
    measure::{self, Standing, Valued},
    rfm::Buyer,
};
use crate::{categories, parameters::Parameters};

/// The RFM groups of those who bought in the scope's window, as a metric group.
#[derive(Clone, Copy, Debug)]
pub struct Rfm;

impl MetricGroup for Rfm {
    type Parameters = Parameters;
    type Part = Arc<Orders>;
    type Whole = ();
    /// Every buyer, by key.
    type Partial = BTreeMap<String, Buyer>;

    fn name(&self) -> &'static str {
        "rfm"
    }

    fn ids(&self) -> &'static [&'static str] {
        &["rfm.customers", "rfm.net_gmv", "rfm.net_gmv_share"]
    }

    fn cuts(&self) -> &'static [&'static str] {
        &[]
    }

    fn needs(&self, ask: &Ask<'_, Parameters>) -> Vec<Need> {
        let lines = Need::of(
            "order_lines",
            &["category", "quantity", "paid_amount", "refund_amount"],
        );
        vec![
            Need {
                ever: false,
                ..lines.within(ask.scope.window)
            },
            Need::of("products", &["category"]).whole(),
        ]
    }

    fn partial(
        &self,
        orders: &Arc<Orders>,
        (): &(),
        _: Extent,
        ask: &Ask<'_, Parameters>,
    ) -> BTreeMap<String, Buyer> {
        let category = categories::restriction(ask, &orders.names);
        measure::buyers(orders, ask.scope.window, category.as_ref())
    }

    fn merge(
        &self,
        mut one: BTreeMap<String, Buyer>,
        mut other: BTreeMap<String, Buyer>,
    ) -> BTreeMap<String, Buyer> {
        one.append(&mut other);
        one
    }

    fn finish(&self, buyers: BTreeMap<String, Buyer>, (): &(), ask: &Ask<'_, Parameters>) -> Vec<Metric> {
        measure::rfm(&buyers, &ask.scope.over(ask.scope.window))
    }
}

/// The value of everyone who bought by the window's last day, as a metric group.
#[derive(Clone, Copy, Debug, Default)]
pub struct Value {
    /// Weeks foreseen; `None` for the definition's.
    pub weeks: Option<u32>,
}

/// What some people bought, and their roles.
#[derive(Clone, Debug)]
pub struct Part {
    /// Order lines.
    pub orders: Arc<Orders>,
    /// Roles; `None` where no cut asks for them.
    pub members: Option<Arc<Members>>,
}

/// A customer.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize, Serialize)]
pub struct Customer {
    history: History,
    /// Where the customer stands, where that is asked for.
    standing: Option<Standing>,
}

impl MetricGroup for Value {
    type Parameters = Parameters;
    type Part = Part;
    type Whole = ();
    /// Every customer, by key.
    type Partial = BTreeMap<String, Customer>;

    fn name(&self) -> &'static str {
        "value"
    }

    fn ids(&self) -> &'static [&'static str] {
        &METRICS
    }

    fn cuts(&self) -> &'static [&'static str] {
        &["role"]
    }

    fn needs(&self, ask: &Ask<'_, Parameters>) -> Vec<Need> {
        // The whole history up to the window's end.
        let mut needs = vec![Need::of(
            "order_lines",
            &["quantity", "paid_amount", "refund_amount"],
        )];
        if ask.by.is_some() {
            needs.push(Need::of(
                "members",
                &["role", "joined_day", "left_day", "reachable_by"],
            ));
        }
        needs
    }

    fn partial(
        &self,
        part: &Part,
        (): &(),
        _: Extent,
        ask: &Ask<'_, Parameters>,
    ) -> BTreeMap<String, Customer> {
        let day = ask.scope.window.last;
        let members = part.members.as_ref().filter(|_| ask.by.is_some());
        let keys = part.orders.names.consumers.view();
        let customer = |history: History| {
            let standing = members.and_then(|members| Standing::of(members, history.consumer, day));
            (
                keys.key(history.consumer).to_owned(),
                Customer { history, standing },
            )
        };
        histories(&part.orders, day).into_iter().map(customer).collect()
    }

    fn merge(
        &self,
        mut one: BTreeMap<String, Customer>,
        mut other: BTreeMap<String, Customer>,
    ) -> BTreeMap<String, Customer> {
        one.append(&mut other);
        one
    }

    fn finish(
        &self,
        customers: BTreeMap<String, Customer>,
        (): &(),
        ask: &Ask<'_, Parameters>,
    ) -> Vec<Metric> {
        self.answer(&customers, ask).0
    }
}

impl Value {
    /// The metrics, and the models that they come from with every customer in the order of the keys.
    #[must_use]
    pub fn answer(
        &self,
        customers: &BTreeMap<String, Customer>,
        ask: &Ask<'_, Parameters>,
    ) -> (Vec<Metric>, Valued) {
        let histories: Vec<History> = customers.values().map(|customer| customer.history).collect();
        let weeks = self.weeks.unwrap_or(u32::from(ask.parameters.value_weeks.get()));
        let valued = measure::value(&histories, ask.scope.window.last, weeks, ask.parameters);
        let scope = ask.scope.over(ask.scope.window);
        let mut metrics = valued.metrics(&scope);
        if ask.by.is_some() {
            let standings: Vec<Option<Standing>> =
                customers.values().map(|customer| customer.standing).collect();
            metrics.extend(valued.by_role(&standings, &scope));
        }
        (metrics, valued)
    }
}

/// Metric ids of value, in the order of an answer.
pub const METRICS: [&str; 7] = [
    "value.customers",
    "value.repeaters",
    "value.alive",
    "value.expected_purchases",
    "value.purchase_value",
    "value.unvalued",
    "value.lifetime_value",
];
