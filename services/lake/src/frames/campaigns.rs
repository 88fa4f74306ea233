//! Campaigns of a brand, the latest row of each.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use arrow::array::RecordBatch;
use dualwheel_measure::{Day, Window};

use super::{NONE, Names};
use crate::Error;
use crate::view::{View, at, list_texts};

/// One campaign as last known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CampaignRow {
    /// Campaign, a word.
    pub campaign: u32,
    /// Channel, a word, or [`NONE`].
    pub channel: u32,
    /// First day.
    pub starts: Day,
    /// Last day; `None` when not supplied: it still runs.
    pub ends: Option<Day>,
    /// Products that it promotes, sorted; none where it names none.
    pub products: Vec<u32>,
    /// Spend in ten-thousandths; `None` when not supplied.
    pub spend: Option<i64>,
}

impl CampaignRow {
    /// Its days as far as they are known on `day`: one that still runs lasts until then. `None` where it starts later,
    /// or ends before it starts.
    #[must_use]
    pub fn days(&self, day: Day) -> Option<Window> {
        Window::new(self.starts, self.ends.unwrap_or(day))
    }
}

/// What a row says: channel, first and last day, spend, products.
type Content = (Option<String>, Day, Option<Day>, Option<i64>, Option<Vec<String>>);

/// Campaigns of a brand, sorted by key.
#[derive(Clone, Debug)]
pub struct Campaigns {
    /// The tenant's names.
    pub names: Arc<Names>,
    /// The campaigns.
    pub rows: Vec<CampaignRow>,
}

impl Campaigns {
    /// Columns of the table that the frame reads.
    pub const COLUMNS: [&'static str; 7] = [
        "campaign",
        "updated_at",
        "channel",
        "starts_day",
        "ends_day",
        "spend",
        "products",
    ];

    /// Builds the frame. The row with the latest `updated_at` wins; of equal ones the one with the smallest content.
    ///
    /// # Errors
    /// When a batch lacks a column or has it in another type.
    pub fn build(names: &Arc<Names>, batches: &[RecordBatch]) -> Result<Self, Error> {
        let mut latest: BTreeMap<String, (i64, Reverse<Content>)> = BTreeMap::new();
        for batch in batches {
            let view = View(batch);
            let (campaign, updated, channel) = (
                view.text("campaign")?,
                view.instant("updated_at")?,
                view.text("channel")?,
            );
            let (starts, ends) = (view.day("starts_day")?, view.day("ends_day")?);
            let (spend, products) = (view.money("spend")?, view.list("products")?);
            for row in 0..batch.num_rows() {
                let (Some(key), Some(starts)) = (campaign.get(row), at(starts, row)) else {
                    continue;
                };
                let content = (
                    channel.get(row).map(str::to_owned),
                    Day(starts),
                    at(ends, row).map(Day),
                    at(spend, row).and_then(|value| i64::try_from(value).ok()),
                    list_texts(products, row),
                );
                let rank = (at(updated, row).unwrap_or(i64::MIN), Reverse(content));
                match latest.get_mut(key) {
                    Some(kept) if *kept < rank => *kept = rank,
                    Some(_) => {}
                    None => {
                        latest.insert(key.to_owned(), rank);
                    }
                }
            }
        }
        Ok(Self {
            names: names.clone(),
            rows: latest
                .into_iter()
                .map(|(key, (_, Reverse(said)))| parsed(names, &key, said))
                .collect(),
        })
    }
}

fn parsed(names: &Names, key: &str, (channel, starts, ends, spend, products): Content) -> CampaignRow {
    let mut products: Vec<u32> = products
        .unwrap_or_default()
        .iter()
        .map(|product| names.products.intern(product))
        .collect();
    products.sort_unstable();
    products.dedup();
    CampaignRow {
        campaign: names.words.intern(key),
        channel: channel.map_or(NONE, |channel| names.words.intern(&channel)),
        starts,
        ends,
        products,
        spend,
    }
}

#[cfg(test)]
mod tests {
    use dualwheel_proto::facts::{Campaign, FactRows};
    use prost_types::Timestamp;

    use super::*;
    use crate::memory::Frames;

    fn instant(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    fn campaign(key: &str, updated: &str, spend: Option<&str>) -> Campaign {
        Campaign {
            campaign: key.to_owned(),
            brand: "b".to_owned(),
            updated_at: instant(updated),
            starts_at: instant("2024-03-01T00:00:00Z"),
            spend: spend.map(str::to_owned),
            ..Campaign::default()
        }
    }

    fn frame(campaigns: Vec<Campaign>) -> Arc<Campaigns> {
        let rows = FactRows {
            campaigns,
            ..FactRows::default()
        };
        let zone = chrono_tz::Tz::Asia__Shanghai;
        Frames::from_rows(zone, &rows, "b").unwrap().campaigns
    }

    fn spends(frame: &Campaigns) -> Vec<(String, Option<i64>)> {
        let words = frame.names.words.view();
        let row = |row: &CampaignRow| (words.key(row.campaign).to_owned(), row.spend);
        frame.rows.iter().map(row).collect()
    }

    #[test]
    fn the_latest_row_of_the_brand_wins_whatever_the_order() {
        let mut rows = vec![
            campaign("x", "2024-03-02T00:00:00Z", Some("7")),
            campaign("x", "2024-03-05T00:00:00Z", None),
            campaign("a", "2024-03-05T00:00:00Z", Some("1.5")),
            campaign("a", "2024-03-05T00:00:00Z", Some("2.25")),
            campaign("a", "2024-03-04T00:00:00Z", Some("99")),
        ];
        rows.push(Campaign {
            brand: "other".to_owned(),
            ..campaign("c", "2024-03-05T00:00:00Z", Some("1"))
        });
        // x was last said to have no known spend; of the two rows of a that are as late the smaller one counts.
        let expected = [("a".to_owned(), Some(15_000)), ("x".to_owned(), None)];
        assert_eq!(spends(&frame(rows.clone())), expected);
        rows.reverse();
        assert_eq!(spends(&frame(rows)), expected);
    }

    #[test]
    fn a_campaign_keeps_its_days_in_the_zone_its_channel_and_its_products() {
        let row = Campaign {
            channel: Some("douyin".to_owned()),
            // 16:30 UTC is the next day in Shanghai.
            starts_at: instant("2024-03-01T16:30:00Z"),
            ends_at: instant("2024-03-04T12:00:00Z"),
            products: ["p2", "p1", "p2"].map(str::to_owned).to_vec(),
            ..campaign("x", "2024-03-05T00:00:00Z", None)
        };
        let open = campaign("y", "2024-03-05T00:00:00Z", None);
        let frame = frame(vec![row, open]);
        let day = |text: &str| Day::parse(text).unwrap();
        let (first, second) = (&frame.rows[0], &frame.rows[1]);
        assert_eq!(first.channel, frame.names.words.find("douyin").unwrap());
        assert_eq!(first.products.len(), 2);
        let days = Window::new(day("2024-03-02"), day("2024-03-04"));
        assert_eq!(first.days(day("2024-12-31")), days);
        assert_eq!((second.channel, second.products.len()), (NONE, 0));
        let days = Window::new(day("2024-03-01"), day("2024-03-09"));
        assert_eq!(second.days(day("2024-03-09")), days);
        assert_eq!(second.days(day("2024-02-28")), None);
    }
}
