//! Those who had lapsed on a day, what was known of them then, and who of them came back.

use dualwheel_lake::frames::Categories;
use dualwheel_measure::{Day, Window, draw::sample};
use roaring::RoaringBitmap;

use super::{features::Portrayer, lapsed::Rhythm};
use crate::{
    boosted::{Columns, Examples},
    facts::Facts,
    parameters::Parameters,
};

/// Those who had lapsed on a day. What is known of them depends on the day alone; whether they came back also on the days
/// and the channel that are asked for.
#[derive(Clone, Debug)]
pub struct Cohort {
    /// The day.
    pub day: Day,
    /// The people, in the order of their keys.
    pub people: Vec<u32>,
    /// What is known of each by the day.
    pub columns: Columns,
}

impl Cohort {
    /// Those who had lapsed on `day`; of more than `most` as many, drawn by a hash of their keys.
    #[must_use]
    pub fn on(
        day: Day,
        most: usize,
        facts: &Facts,
        portrayer: &Portrayer<'_>,
        cuts: &Categories,
        parameters: &Parameters,
    ) -> Self {
        let rhythm = Rhythm::new(&facts.orders, cuts, day, parameters.winback_quantile);
        let lapsed: RoaringBitmap = facts
            .orders
            .groups
            .consumers()
            .filter(|consumer| rhythm.has_lapsed(facts.orders.of(*consumer), cuts, day))
            .collect();
        let keys = facts.orders.names.consumers.view();
        let people = sample(&lapsed, most, |one| keys.key(one));
        let columns = portrayer.rows(facts, &people, &rhythm, cuts, day);
        Self { day, people, columns }
    }

    /// Them with whether each bought in the `horizon` days after, in `channel` where one is asked for.
    #[must_use]
    pub fn examples(&self, facts: &Facts, horizon: i32, channel: Option<u32>) -> Examples<'_> {
        let after = Window {
            first: self.day.plus(1),
            last: self.day.plus(horizon),
        };
        let came_back = self.people.iter().map(|consumer| {
            facts.orders.of(*consumer).iter().any(|line| {
                line.is_purchase()
                    && after.contains(line.day)
                    && channel.is_none_or(|channel| line.channel == channel)
            })
        });
        Examples::new(&self.columns, came_back.collect())
    }
}
