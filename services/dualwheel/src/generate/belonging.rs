//! Membership: roles entered, changed and left, and how KOCs and other members stand on social media.

use dualwheel_lake::frames::{Kind, Role, Venue};

use super::act::Act;
use super::brand::Brand;
use super::catalogue::UNIT;
use super::journey::Journey;
use super::person::Bond;
use super::vocabulary::REACH;

/// A role held now, as its row has it.
#[derive(Clone, Debug)]
pub struct Held {
    /// The role.
    pub role: Role,
    tier: Option<&'static str>,
    joined_at: i64,
    recruited_by: &'static str,
    /// Channels by which the member may be reached; `None` when the brand does not supply them.
    reach: Option<Vec<&'static str>>,
}

impl Bond {
    /// The deepest role held.
    pub fn role(&self) -> Option<Role> {
        self.roles.iter().map(|held| held.role).max()
    }
}

impl Journey<'_> {
    /// A role that was entered before the period, for some bonds.
    pub fn inherit_role(&mut self, bond: &mut Bond, brand: &Brand) -> anyhow::Result<()> {
        let koc = self.market.koc_of(self.person.number).is_some();
        if !koc && !self.dice.chance(0.11 * brand.recruiting) {
            return Ok(());
        }
        let role = match self.dice.unit() {
            _ if koc => Role::Member,
            share if share < 0.42 => Role::Fan,
            share if share < 0.58 => Role::GroupMember,
            share if share < 0.93 => Role::Member,
            _ => Role::PaidMember,
        };
        let day = -(self.dice.between(1, 700) as i32);
        let at = self
            .market
            .calendar
            .instant(day, self.dice.between(30_000, 80_000));
        self.enter(bond, brand, role, at, "tmall")
    }

    /// The consumer enters a role: the row, and for about half of those who held another one its end.
    pub fn enter(
        &mut self,
        bond: &mut Bond,
        brand: &Brand,
        role: Role,
        at: i64,
        channel: &'static str,
    ) -> anyhow::Result<()> {
        if bond.role().is_some_and(|held| held >= role) || at > self.market.calendar.end() {
            return Ok(());
        }
        if self.dice.chance(0.5) {
            self.leave(bond, brand, at)?;
        }
        let tier = match role {
            Role::Member => Some(if bond.bought > 3 { "gold" } else { "silver" }),
            Role::PaidMember => Some("black"),
            Role::Fan | Role::GroupMember => None,
        };
        let held = Held {
            role,
            tier,
            joined_at: at,
            recruited_by: channel,
            reach: self.reach(brand),
        };
        self.member_row(brand, &held, None)?;
        bond.roles.push(held);
        Ok(())
    }

    /// The consumer leaves every role held: each row again, with its end and the next revision.
    pub fn leave(&mut self, bond: &mut Bond, brand: &Brand, at: i64) -> anyhow::Result<()> {
        for held in std::mem::take(&mut bond.roles) {
            self.member_row(brand, &held, Some(at.max(held.joined_at + 1)))?;
        }
        Ok(())
    }

    fn reach(&mut self, brand: &Brand) -> Option<Vec<&'static str>> {
        if !brand.reach_supplied {
            return None;
        }
        if self.dice.chance(0.07) {
            return Some(Vec::new());
        }
        let mut channels: Vec<_> = REACH.iter().copied().filter(|_| self.dice.chance(0.55)).collect();
        if channels.is_empty() {
            channels.push("app");
        }
        Some(channels)
    }

    fn member_row(&mut self, brand: &Brand, held: &Held, left_at: Option<i64>) -> anyhow::Result<()> {
        self.out
            .members
            .text(&self.person.key)
            .text(&brand.key)
            .code(held.role as i8)
            .maybe_text(held.tier)
            .instant(Some(held.joined_at))
            .instant(left_at)
            .text(held.recruited_by)
            .texts(held.reach.as_ref().map(|channels| channels.iter().copied()))
            .whole(Some(i64::from(left_at.is_some())))
            .end()
    }

    /// What a visit may lead to: following, joining a group, the membership, or the paid one.
    pub fn deepen(
        &mut self,
        bond: &mut Bond,
        brand: &Brand,
        at: i64,
        channel: &'static str,
        bought: bool,
    ) -> anyhow::Result<()> {
        let keenness = brand.recruiting * brand.advancing * if bond.close_fan { 2.0 } else { 1.0 };
        let (role, kind, venue, odds) = match bond.role() {
            None if bought => (Role::Member, Kind::Join, Venue::MemberCentre, 0.10),
            None if self.dice.chance(0.5) => (Role::Fan, Kind::Follow, Venue::Store, 0.055),
            None => (Role::Member, Kind::Join, Venue::MemberCentre, 0.03),
            Some(Role::Fan) if self.dice.chance(0.4) => {
                (Role::GroupMember, Kind::GroupJoin, Venue::GroupChat, 0.06)
            }
            Some(Role::Fan | Role::GroupMember) => (Role::Member, Kind::Join, Venue::MemberCentre, 0.07),
            Some(Role::Member) if bond.bought > 1 => {
                (Role::PaidMember, Kind::BenefitClaim, Venue::MemberCentre, 0.03)
            }
            Some(Role::Member | Role::PaidMember) => return Ok(()),
        };
        if !self.dice.chance(odds * keenness) {
            return Ok(());
        }
        if self.act(
            brand,
            Act {
                kind,
                at,
                channel: Some(channel),
                venue,
                ..Act::default()
            },
        )? {
            self.enter(bond, brand, role, at, channel)?;
        }
        Ok(())
    }

    /// Standing on social media: KOCs twice, some other members once.
    pub fn social_profile(&mut self, bond: &Bond, brand: &Brand, koc: bool) -> anyhow::Result<()> {
        let member = bond.role() >= Some(Role::Member);
        if !(koc || member && self.dice.chance(0.08)) {
            return Ok(());
        }
        let last = self.market.calendar.last();
        let days = if koc {
            vec![last / 2, last - 1]
        } else {
            vec![last - self.dice.between(1, 40) as i32]
        };
        for day in days {
            let scale = if koc { 1.0 } else { 0.06 };
            let posts = self.dice.poisson(if koc { 14.0 } else { 1.2 }) as i64;
            let followers = self.dice.lognormal(9_000.0 * scale, 0.6) as i64 + 3;
            let interactions = self.dice.lognormal(1_800.0 * scale * scale, 0.5) as i64 * posts.min(20) / 14;
            let spread = self.dice.lognormal(14_000.0 * scale * scale, 0.5) as i64 * posts.min(20) / 14;
            let shares = self.dice.poisson(if koc { 9.0 } else { 0.5 }) as i64;
            let sold = self.dice.lognormal(5_200.0 * scale * scale, 0.7) as i64 * posts.min(20) / 14;
            let own = (i64::from(bond.bought) * self.dice.between(90, 400)) * UNIT;
            let fit = if koc {
                self.dice.within(0.55, 0.95)
            } else {
                self.dice.within(0.05, 0.6)
            };
            self.out
                .social_profiles
                .text(&self.person.key)
                .text(&brand.key)
                .instant(Some(self.market.calendar.instant(day, 4 * 3_600)))
                .whole(Some(followers))
                .share(Some((fit * 1_000.0).round() / 1_000.0))
                .whole(Some(posts))
                .whole(Some(interactions))
                .whole(Some(spread))
                .whole(Some(shares))
                .money(Some(sold * UNIT))
                .money(Some(own))
                .share(Some((self.dice.within(0.2, 0.9) * 1_000.0).round() / 1_000.0))
                .end()?;
        }
        Ok(())
    }
}
