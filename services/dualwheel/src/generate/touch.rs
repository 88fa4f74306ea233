//! First touches: how a visit starts, and where it leads.

use dualwheel_lake::frames::{Format, KeywordClass, Kind, Role, Venue};

use super::act::Act;
use super::brand::Brand;
use super::calendar::SECOND;
use super::catalogue::Product;
use super::journey::{Journey, odds};
use super::media::Content;
use super::person::Bond;
use super::vocabulary::{MEDIA, SELLING_POINTS};

/// Odds ratio of interactions with contents that have the planted element.
pub const ELEMENT_INTERACTION_ODDS: f64 = 2.6;
/// Odds ratio of their seeding.
pub const ELEMENT_SEEDING_ODDS: f64 = 2.0;

/// What a visit started with, and where it leads.
#[derive(Clone, Copy, Debug)]
pub struct Lead<'a> {
    /// Product that it leads to, if any.
    pub product: Option<&'a Product>,
    /// Odds with which it goes on, against an ordinary visit.
    pub odds: f64,
    /// When the touch was over, in UTC microseconds.
    pub at: i64,
    /// Channel of the touch.
    pub channel: &'static str,
}

impl<'a> Journey<'a> {
    /// How the visit starts.
    pub fn first_touch(
        &mut self,
        bond: &Bond,
        brand: &'a Brand,
        day: i32,
        at: i64,
    ) -> anyhow::Result<Lead<'a>> {
        let member = if bond.roles.is_empty() { 0.0 } else { 0.9 };
        let (ad, content, search) = (0.85, 1.0 * brand.media, 0.55 * brand.search * brand.advancing);
        let mut mark = self.dice.unit() * (ad + content + search + member + 0.5);
        let mut falls = |weight: f64| {
            mark -= weight;
            mark < 0.0
        };
        let period = self.market.calendar.period_of(day);
        if falls(ad) {
            return self.see_ad(brand, day, at);
        }
        if falls(content) {
            let seen = brand.contents.draw(period, &mut self.dice);
            let seen = seen.and_then(|content| self.market.contents.get(content));
            if let Some(content) = seen.filter(|content| content.published < day) {
                return self.view(brand, content, at);
            }
        }
        if falls(search) {
            return self.search(brand, day, at);
        }
        if falls(member) {
            return self.take_part(bond, brand, day, at);
        }
        let channel = self.store();
        Ok(Lead {
            product: self.product(brand, day),
            odds: 0.8,
            at,
            channel,
        })
    }

    fn see_ad(&mut self, brand: &'a Brand, day: i32, at: i64) -> anyhow::Result<Lead<'a>> {
        let channel = self.dice.word(&MEDIA);
        let product = self.product(brand, day);
        let mut at = at;
        for _ in 0..=self.dice.below(3) {
            let shown = product.filter(|_| self.dice.chance(0.7));
            let (channel, venue) = (Some(channel), Venue::Other);
            self.act(
                brand,
                Act {
                    kind: Kind::Exposure,
                    at,
                    product: shown,
                    channel,
                    venue,
                    ..Act::default()
                },
            )?;
            at += self.dice.between(40, 4_000) * SECOND;
        }
        if !self.dice.chance(0.3) {
            return Ok(Lead {
                product: None,
                odds: 0.0,
                at,
                channel,
            });
        }
        let (channel_of_ad, venue) = (Some(channel), Venue::Other);
        let click = Act {
            kind: Kind::AdClick,
            at,
            product,
            channel: channel_of_ad,
            venue,
            ..Act::default()
        };
        self.act(brand, click)?;
        Ok(Lead {
            product,
            odds: 0.6,
            at: at + 5 * SECOND,
            channel,
        })
    }

    /// A content is viewed or watched, perhaps answered, and perhaps leads to a product that it carries.
    pub fn view(&mut self, brand: &'a Brand, content: &'a Content, at: i64) -> anyhow::Result<Lead<'a>> {
        let (kind, venue, mean) = match content.format {
            Format::Live => (Kind::LiveWatch, Venue::LiveRoom, 140.0),
            Format::ShortVideo => (Kind::ContentView, Venue::Content, 17.0),
            Format::ImageText | Format::Article => (Kind::ContentView, Venue::Content, 12.0),
        };
        let most = content.length.unwrap_or(600) * 1_000;
        let dwell = ((self.dice.exponential(mean) * 1_000.0) as i64).min(most);
        let base = Act {
            content: Some(content),
            channel: Some(content.channel),
            venue,
            ..Act::default()
        };
        let known = (!self.dice.chance(0.02)).then_some(dwell);
        self.act(
            brand,
            Act {
                kind,
                at,
                dwell: known,
                ..base
            },
        )?;
        let mut at = at + dwell * 1_000;
        let nothing = Lead {
            product: None,
            odds: 0.0,
            at,
            channel: content.channel,
        };
        if dwell < 3_000 {
            return Ok(nothing);
        }
        let ratio = if content.works {
            ELEMENT_INTERACTION_ODDS
        } else {
            1.0
        };
        let answers = [
            (Kind::Like, 0.10),
            (Kind::Comment, 0.022),
            (Kind::Share, 0.020),
            (Kind::Favorite, 0.025),
        ];
        for (kind, chance) in answers {
            if self.dice.chance(odds(chance, ratio)) {
                at += self.dice.between(1, 20) * SECOND;
                self.act(brand, Act { kind, at, ..base })?;
            }
        }
        let ratio = brand.seeding * if content.works { ELEMENT_SEEDING_ODDS } else { 1.0 };
        if !self.dice.chance(odds(0.30, ratio)) {
            return Ok(nothing);
        }
        // half go on at once, the others some days later
        let delay = if self.dice.chance(0.5) {
            60.0
        } else {
            self.dice.exponential(260_000.0)
        };
        let at = at + (delay as i64 + 10) * SECOND;
        let day = self.market.calendar.day_of(at);
        let carried = self
            .dice
            .pick(&content.products)
            .and_then(|&product| self.market.products.get(product));
        let product = carried.filter(|product| product.on_sale(day));
        Ok(Lead {
            product,
            odds: 1.2,
            at,
            channel: content.channel,
        })
    }

    fn search(&mut self, brand: &'a Brand, day: i32, at: i64) -> anyhow::Result<Lead<'a>> {
        let product = self.product(brand, day);
        let class = match self.dice.unit() {
            share if share < brand.name_search => KeywordClass::Brand,
            share if share < brand.name_search + 0.20 => KeywordClass::SellingPoint,
            share if share < brand.name_search + 0.40 => KeywordClass::Category,
            _ => KeywordClass::Other,
        };
        let word = match (class, product) {
            (KeywordClass::Brand, _) => brand.key.as_str(),
            (KeywordClass::SellingPoint, _) => self.dice.word(&SELLING_POINTS),
            (KeywordClass::Category, Some(product)) => product.leaf().leaf(),
            _ => "gift",
        };
        let category = product
            .filter(|_| class == KeywordClass::Category)
            .map(|product| product.leaf().path);
        let channel = self.store();
        let venue = if self.dice.chance(0.9) {
            Venue::Store
        } else {
            Venue::MiniProgram
        };
        let keyword = Some((word, class));
        let act = Act {
            kind: Kind::Search,
            at,
            category,
            channel: Some(channel),
            venue,
            keyword,
            ..Act::default()
        };
        self.act(brand, act)?;
        Ok(Lead {
            product,
            odds: 1.3,
            at: at + self.dice.between(5, 90) * SECOND,
            channel,
        })
    }

    /// A member takes part in what the private domain offers.
    fn take_part(&mut self, bond: &Bond, brand: &'a Brand, day: i32, at: i64) -> anyhow::Result<Lead<'a>> {
        let group = bond.roles.iter().any(|held| held.role == Role::GroupMember);
        let member = bond.role() >= Some(Role::Member);
        let (kind, venue) = match self.dice.below(10) {
            0..=3 if group => (Kind::Comment, Venue::GroupChat),
            4 if group => (Kind::Share, Venue::GroupChat),
            0..=2 if member => (Kind::CheckIn, Venue::MemberCentre),
            3 | 4 if member => (Kind::BenefitClaim, Venue::MemberCentre),
            5 if member => (Kind::PointsRedeem, Venue::MemberCentre),
            6 => (Kind::CheckIn, Venue::MiniProgram),
            7 => (Kind::Consult, Venue::Sms),
            8 => (Kind::SampleClaim, Venue::Offline),
            _ => (Kind::Like, Venue::MiniProgram),
        };
        let product = self.product(brand, day);
        let about = product.filter(|_| kind == Kind::SampleClaim);
        self.act(
            brand,
            Act {
                kind,
                at,
                product: about,
                channel: Some("wechat"),
                venue,
                ..Act::default()
            },
        )?;
        let at = at + self.dice.between(30, 600) * SECOND;
        Ok(Lead {
            product,
            odds: if member { 1.2 } else { 0.9 },
            at,
            channel: "wechat",
        })
    }

    /// A KOC shares what they published, and recommends the brand.
    pub fn spread(&mut self, brand: &'a Brand, content: &'a Content) -> anyhow::Result<()> {
        let published = self.market.calendar.instant(content.published, content.second);
        for _ in 0..self.dice.between(3, 7) {
            let at = published + self.dice.between(600, 8 * 86_400) * SECOND;
            let group = self.dice.chance(0.5);
            let venue = if group { Venue::GroupChat } else { Venue::Content };
            let (content, channel) = (Some(content), Some(content.channel));
            self.act(
                brand,
                Act {
                    kind: Kind::Share,
                    at,
                    content,
                    channel,
                    venue,
                    ..Act::default()
                },
            )?;
        }
        let at = published + self.dice.between(3_600, 86_400) * SECOND;
        let (content, channel) = (Some(content), Some(content.channel));
        let venue = Venue::Content;
        self.act(
            brand,
            Act {
                kind: Kind::Recommend,
                at,
                content,
                channel,
                venue,
                ..Act::default()
            },
        )?;
        Ok(())
    }
}
