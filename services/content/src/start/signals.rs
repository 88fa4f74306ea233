//! What the brand supplies at all: where a kind of fact was never supplied, its metrics have no value.

use dualwheel_lake::frames::{Kind, NONE, Purchases};
use dualwheel_measure::{Day, Extent, Money, Scope};
use serde::{Deserialize, Serialize};

use super::Part;

/// What the whole brand decides, whoever is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub struct Case {
    /// Every view counts as a reach, because none in the window gives its dwell time.
    pub(super) dwell_assumed: bool,
    /// `PURCHASE` behaviours stand for purchases, because the brand has no order line.
    pub(super) purchases_are_behaviors: bool,
}

/// What the facts of some people hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
pub struct Signals {
    /// A view of a content.
    pub(super) views: bool,
    /// A view in the window that gives its dwell time.
    dwell_in_window: bool,
    /// An interaction with a content, or a dwell time.
    interaction: bool,
    /// A browse, favourite, cart or search that names a product.
    interest: bool,
    /// A follow, joining or group joining.
    drawn: bool,
    /// Where purchases come from.
    purchases: Purchases,
}

/// Views of a content up to the as-of day.
#[derive(Clone, Copy, Debug, Default, Deserialize, Serialize)]
pub struct Viewed {
    /// Before the window.
    pub(super) before: i64,
    /// In it.
    pub(super) within: i64,
    /// After it.
    pub(super) after: i64,
}

impl Viewed {
    fn count(&mut self, day: Day, scope: &Scope<'_>) {
        if day < scope.window.first {
            self.before += 1;
        } else if day <= scope.window.last {
            self.within += 1;
        } else if day <= scope.as_of {
            self.after += 1;
        }
    }

    /// Whether there is any.
    pub(super) fn any(self) -> bool {
        self.before + self.within + self.after > 0
    }

    /// Adds the views of other people.
    pub(super) fn merge(&mut self, other: Self) {
        self.before += other.before;
        self.within += other.within;
        self.after += other.after;
    }

    /// The part of an amount that falls on the window, as its views do, rounded half up.
    pub(super) fn share_of(self, amount: Money) -> Money {
        let all = Money::from(self.before + self.within + self.after).max(1);
        (2 * amount * Money::from(self.within) + all).div_euclid(2 * all)
    }
}

impl Signals {
    /// Reads every behaviour once; the views of each content come by its ordinal.
    pub(super) fn read(part: &Part, scope: &Scope<'_>) -> (Self, Vec<Viewed>) {
        let behaviors = &*part.behaviors;
        let mut found = Self {
            purchases: Purchases::of(Some(behaviors), &part.orders),
            ..Self::default()
        };
        let mut views = vec![Viewed::default(); behaviors.names.contents.view().len()];
        let rows = behaviors.kind.iter().zip(&behaviors.day).zip(&behaviors.content);
        let more = behaviors.product.iter().zip(&behaviors.dwell_ms);
        for (((kind, day), content), (product, dwell)) in rows.zip(more) {
            let on_content = *content != NONE;
            if is_view(*kind) && on_content {
                found.views = true;
                found.interaction |= *dwell >= 0;
                found.dwell_in_window |= scope.window.contains(*day) && *dwell >= 0;
                if let Some(viewed) = views.get_mut(*content as usize) {
                    viewed.count(*day, scope);
                }
            }
            found.interaction |= on_content && is_interaction(*kind);
            found.interest |= *product != NONE && is_interest(*kind);
            found.drawn |= is_drawn(*kind);
        }
        (found, views)
    }

    /// What these people and others hold together.
    pub(super) fn merge(self, other: Self) -> Self {
        Self {
            views: self.views | other.views,
            dwell_in_window: self.dwell_in_window | other.dwell_in_window,
            interaction: self.interaction | other.interaction,
            interest: self.interest | other.interest,
            drawn: self.drawn | other.drawn,
            purchases: self.purchases.merge(other.purchases),
        }
    }

    /// What is decided if these are all people of the brand.
    pub(super) fn case(self) -> Case {
        Case {
            dwell_assumed: !self.dwell_in_window,
            purchases_are_behaviors: self.purchases.are_behaviors(),
        }
    }

    /// What may be decided: where there are others, a dwell time or an order line of anyone settles it for all.
    pub(super) fn cases(self, extent: Extent) -> impl Iterator<Item = Case> {
        let dwell: &[bool] = match (extent, self.dwell_in_window) {
            (_, true) => &[false],
            (Extent::Whole, false) => &[true],
            (Extent::Part, false) => &[false, true],
        };
        dwell.iter().flat_map(move |dwell_assumed| {
            let cases = self.purchases.cases(extent).iter();
            cases.map(|purchases_are_behaviors| Case {
                dwell_assumed: *dwell_assumed,
                purchases_are_behaviors: *purchases_are_behaviors,
            })
        })
    }

    /// Where purchases come from.
    pub(super) fn purchases(self) -> Purchases {
        self.purchases
    }

    /// Why interactions have no value.
    pub(super) fn missing_interaction(self) -> Option<&'static str> {
        let detail =
            "no view tells its dwell time, and no LIKE, COMMENT, SHARE, FAVORITE or FOLLOW names a content";
        (!self.interaction).then_some(detail)
    }

    /// Why seeding has no value; `carried` says whether any content names the products that it carries.
    pub(super) fn missing_seeding(self, carried: bool) -> Option<&'static str> {
        let acts = "no BROWSE, FAVORITE, CART or SEARCH names a product";
        missing_carried(carried).or((!self.interest).then_some(acts))
    }

    /// Why traffic has no value.
    pub(super) fn missing_traffic(self) -> Option<&'static str> {
        (!self.drawn).then_some("the brand has no FOLLOW, JOIN or GROUP_JOIN")
    }

    /// Why transactions have no value.
    pub(super) fn missing_purchases(self, carried: bool) -> Option<&'static str> {
        let purchases = "the brand has neither order lines nor PURCHASE behaviours";
        missing_carried(carried).or((!self.purchases.are_supplied()).then_some(purchases))
    }

    /// Why amounts have no value.
    pub(super) fn missing_money(self, carried: bool) -> Option<&'static str> {
        missing_carried(carried).or((!self.purchases.lines).then_some("the brand has no order lines"))
    }
}

fn missing_carried(carried: bool) -> Option<&'static str> {
    (!carried).then_some("no content of the brand names the products that it carries")
}

/// Whether a kind is a view of a content.
pub(super) fn is_view(kind: Kind) -> bool {
    matches!(kind, Kind::ContentView | Kind::LiveWatch)
}

/// Whether a kind, on a content, is a deep interaction.
pub(super) fn is_interaction(kind: Kind) -> bool {
    matches!(
        kind,
        Kind::Like | Kind::Comment | Kind::Share | Kind::Favorite | Kind::Follow
    )
}

/// Whether a kind, on a product, shows interest in it.
pub(super) fn is_interest(kind: Kind) -> bool {
    matches!(kind, Kind::Browse | Kind::Favorite | Kind::Cart | Kind::Search)
}

/// Whether a kind leads into the private domain.
pub(super) fn is_drawn(kind: Kind) -> bool {
    matches!(kind, Kind::Follow | Kind::Join | Kind::GroupJoin)
}
