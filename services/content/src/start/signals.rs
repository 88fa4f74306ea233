//! What the brand supplies at all: where a kind of fact was never supplied, its metrics have no value.

use dualwheel_lake::frames::{Kind, NONE};
use dualwheel_measure::{Day, Money, Scope};

use super::Facts;

/// Where purchases come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purchases {
    /// Order lines.
    Orders,
    /// `PURCHASE` behaviours, for want of order lines.
    Behaviors,
    /// Nowhere.
    None,
}

/// What the brand's facts hold.
#[derive(Clone, Debug)]
pub(super) struct Signals {
    /// A view of a content.
    pub views: bool,
    /// A view in the window that tells its dwell time.
    dwell_in_window: bool,
    /// An interaction with a content, or a dwell time.
    interaction: bool,
    /// A browse, favourite, cart or search that names a product.
    interest: bool,
    /// A follow, joining or group joining.
    drawn: bool,
    /// Whether any content names the products that it carries.
    carried: bool,
    /// Where purchases come from.
    pub purchases: Purchases,
    /// Views of each content, by its ordinal.
    pub viewed: Vec<Viewed>,
}

/// Views of a content up to the as-of day.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Viewed {
    /// Before the window.
    pub before: i64,
    /// In it.
    pub within: i64,
    /// After it.
    pub after: i64,
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

    /// The part of an amount that falls on the window, as its views do, rounded half up.
    pub(super) fn share_of(self, amount: Money) -> Money {
        let all = Money::from(self.before + self.within + self.after).max(1);
        (2 * amount * Money::from(self.within) + all).div_euclid(2 * all)
    }
}

impl Signals {
    /// Reads every behaviour once.
    pub(super) fn read(facts: Facts<'_>, scope: &Scope<'_>) -> Self {
        let behaviors = facts.behaviors;
        let mut found = Self {
            views: false,
            dwell_in_window: false,
            interaction: false,
            interest: false,
            drawn: false,
            carried: facts.contents.rows.iter().any(|row| !row.products.is_empty()),
            purchases: if facts.orders.lines.is_empty() {
                Purchases::None
            } else {
                Purchases::Orders
            },
            viewed: vec![Viewed::default(); behaviors.names.contents.view().len()],
        };
        let rows = behaviors.kind.iter().zip(&behaviors.day).zip(&behaviors.content);
        let more = behaviors.product.iter().zip(&behaviors.dwell_ms);
        for (((kind, day), content), (product, dwell)) in rows.zip(more) {
            let on_content = *content != NONE;
            if is_view(*kind) && on_content {
                found.views = true;
                found.interaction |= *dwell >= 0;
                found.dwell_in_window |= scope.window.contains(*day) && *dwell >= 0;
                if let Some(viewed) = found.viewed.get_mut(*content as usize) {
                    viewed.count(*day, scope);
                }
            }
            found.interaction |= on_content && is_interaction(*kind);
            found.interest |= *product != NONE && is_interest(*kind);
            found.drawn |= is_drawn(*kind);
            if *kind == Kind::Purchase && found.purchases == Purchases::None {
                found.purchases = Purchases::Behaviors;
            }
        }
        found
    }

    /// Whether every view counts as a reach because none in the window tells its dwell time.
    pub(super) fn dwell_assumed(&self) -> bool {
        !self.dwell_in_window
    }

    /// Why interactions have no value.
    pub(super) fn missing_interaction(&self) -> Option<&'static str> {
        let detail =
            "no view tells its dwell time, and no LIKE, COMMENT, SHARE, FAVORITE or FOLLOW names a content";
        (!self.interaction).then_some(detail)
    }

    /// Why seeding has no value.
    pub(super) fn missing_seeding(&self) -> Option<&'static str> {
        let acts = "no BROWSE, FAVORITE, CART or SEARCH names a product";
        self.missing_carried().or((!self.interest).then_some(acts))
    }

    /// Why traffic has no value.
    pub(super) fn missing_traffic(&self) -> Option<&'static str> {
        (!self.drawn).then_some("the brand has no FOLLOW, JOIN or GROUP_JOIN")
    }

    /// Why transactions have no value.
    pub(super) fn missing_purchases(&self) -> Option<&'static str> {
        let purchases = "the brand has neither order lines nor PURCHASE behaviours";
        self.missing_carried()
            .or((self.purchases == Purchases::None).then_some(purchases))
    }

    /// Why amounts have no value.
    pub(super) fn missing_money(&self) -> Option<&'static str> {
        self.missing_carried()
            .or((self.purchases != Purchases::Orders).then_some("the brand has no order lines"))
    }

    fn missing_carried(&self) -> Option<&'static str> {
        (!self.carried).then_some("no content of the brand names the products that it carries")
    }
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
