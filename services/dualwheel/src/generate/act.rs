//! Behaviours: what is done, where, and how it becomes a row.

use std::fmt::Write as _;

use super::brand::Brand;
use super::catalogue::Product;
use super::journey::Journey;
use super::media::Content;

/// Kind of a behaviour, by number of the contract's enum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i8)]
pub enum Kind {
    #[default]
    Exposure = 1,
    AdClick = 2,
    ContentView = 3,
    LiveWatch = 4,
    Browse = 5,
    Search = 6,
    Favorite = 7,
    Cart = 8,
    Follow = 9,
    Join = 10,
    SampleClaim = 11,
    BenefitClaim = 12,
    PointsRedeem = 13,
    CheckIn = 14,
    Like = 15,
    Comment = 16,
    Share = 17,
    Consult = 18,
    GroupJoin = 19,
    Purchase = 20,
    PositiveReview = 21,
    Recommend = 22,
    NegativeReview = 23,
}

/// Venue of a behaviour, by number of the contract's enum.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(i8)]
pub enum Venue {
    #[default]
    Store = 1,
    MemberCentre = 2,
    GroupChat = 3,
    LiveRoom = 4,
    MiniProgram = 5,
    Sms = 6,
    Content = 7,
    Offline = 8,
    Other = 9,
}

/// One behaviour.
#[derive(Clone, Copy, Debug, Default)]
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
    pub keyword: Option<(&'a str, i8)>,
    /// Time that the consumer stayed, in milliseconds.
    pub dwell: Option<i64>,
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
            .code(act.keyword.map_or(0, |(_, class)| class))
            .whole(act.dwell)
            .text(source)
            .end()?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_and_venues_have_the_numbers_of_the_contract() {
        use dualwheel_lake::fact::{KINDS, VENUES};
        assert_eq!(KINDS[Kind::NegativeReview as usize], "NEGATIVE_REVIEW");
        assert_eq!(KINDS[Kind::Favorite as usize], "FAVORITE");
        assert_eq!(KINDS[Kind::GroupJoin as usize], "GROUP_JOIN");
        assert_eq!(VENUES[Venue::Sms as usize], "SMS");
        assert_eq!(VENUES[Venue::Other as usize], "OTHER");
    }
}
