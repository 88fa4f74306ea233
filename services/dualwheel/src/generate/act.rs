//! Behaviours: what is done, where, and how it becomes a row.

use std::fmt::Write as _;

use dualwheel_lake::frames::{KeywordClass, Kind, Venue};

use super::brand::Brand;
use super::catalogue::Product;
use super::journey::Journey;
use super::media::Content;

/// One behaviour.
#[derive(Clone, Copy, Debug)]
pub struct Act<'a> {
    /// What was done.
    pub kind: Kind,
    /// When, in UTC microseconds.
    pub at: i64,
    /// Product it was about.
    pub product: Option<&'a Product>,
    /// Content it was on.
    pub content: Option<&'a Content>,
    /// Category, where it is known without a product.
    pub category: Option<&'static str>,
    /// Channel.
    pub channel: Option<&'static str>,
    /// Venue.
    pub venue: Venue,
    /// Search word and its class.
    pub keyword: Option<(&'a str, KeywordClass)>,
    /// Time that the consumer stayed, in milliseconds.
    pub dwell: Option<i64>,
}

impl Default for Act<'_> {
    /// The least that can be: an exposure in the store.
    fn default() -> Self {
        Self {
            kind: Kind::Exposure,
            at: 0,
            product: None,
            content: None,
            category: None,
            channel: None,
            venue: Venue::Store,
            keyword: None,
            dwell: None,
        }
    }
}

impl Journey<'_> {
    /// Writes a behaviour, unless it lies after the period. Answers whether it was written.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn act(&mut self, brand: &Brand, act: Act<'_>) -> anyhow::Result<bool> {
        if act.at > self.market.calendar.end() {
            return Ok(false);
        }
        self.acts += 1;
        self.event_id.clear();
        write!(self.event_id, "{}-{}", self.person.key, self.acts)?;
        let source = match act.kind {
            Kind::Exposure | Kind::AdClick => "ads",
            Kind::ContentView | Kind::LiveWatch | Kind::Like | Kind::Comment | Kind::Share => "media",
            Kind::Join | Kind::CheckIn | Kind::BenefitClaim | Kind::PointsRedeem | Kind::GroupJoin => "crm",
            _ => "shop",
        };
        self.out
            .behaviors
            .text(&self.event_id)
            .text(&self.person.key)
            .text(&brand.key)
            .code(act.kind as i8)
            .instant(Some(act.at))
            .maybe_text(act.product.map(|product| product.key.as_str()))
            .maybe_text(act.content.map(|content| content.key.as_str()))
            .maybe_text(act.category)
            .maybe_text(act.channel)
            .code(act.venue as i8)
            .maybe_text(act.keyword.map(|(word, _)| word))
            .code(act.keyword.map_or(0, |(_, class)| class as i8))
            .whole(act.dwell)
            .text(source)
            .end()?;
        Ok(true)
    }
}
