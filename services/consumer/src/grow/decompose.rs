//! The decomposition of a change of GMV into Gain, Retain, bOost and Widen.
//!
//! Source: methodology 2.4 (LMDI-I, Ang 2005, for continuing categories).

use dualwheel_measure::{
    Money,
    lmdi::{logarithmic_mean, round_to_total},
};

use super::{
    CENT,
    scan::{Cell, Side},
};

/// Parts of a change, in ten-thousandths and not rounded.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Parts {
    /// Net GMV of period 0.
    pub gmv_base: Money,
    /// Net GMV of period 1.
    pub gmv: Money,
    /// G: more or fewer buyers.
    pub gain: f64,
    /// Of it, new buyers.
    pub gain_new: f64,
    /// Of it, existing buyers.
    pub gain_existing: f64,
    /// R: units per buyer.
    pub retain: f64,
    /// O: net price per unit.
    pub boost: f64,
    /// Of it, list price; `None` where a list price is missing.
    pub list_price: Option<f64>,
    /// Of it, discount.
    pub discount: Option<f64>,
    /// W: categories entered and left.
    pub widen: Money,
    /// U: categories in both periods whose net is not positive in one of them.
    pub unexplained: Money,
}

/// Parts rounded to the cent, in ten-thousandths, which sum to the rounded change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rounded {
    /// G.
    pub gain: Money,
    /// R.
    pub retain: Money,
    /// O.
    pub boost: Money,
    /// W.
    pub widen: Money,
    /// U.
    pub unexplained: Money,
    /// What rounding left over; it is part of the largest of the above.
    pub residual: Money,
}

impl Parts {
    /// Rounds to the cent; what is left over goes to the part of largest size, the first of G, R, O, W, U where
    /// several are.
    #[must_use]
    pub fn to_the_cent(&self) -> Rounded {
        let cent = CENT as f64;
        let parts = [
            self.gain / cent,
            self.retain / cent,
            self.boost / cent,
            self.widen as f64 / cent,
            self.unexplained as f64 / cent,
        ];
        let (rounded, residual) = round_to_total(&parts, nearest_cent(self.gmv - self.gmv_base));
        let money = |at: usize| rounded.get(at).copied().unwrap_or(0) * CENT;
        Rounded {
            gain: money(0),
            retain: money(1),
            boost: money(2),
            widen: money(3),
            unexplained: money(4),
            residual: residual * CENT,
        }
    }
}

/// Whole cents of an amount, halves away from zero.
fn nearest_cent(money: Money) -> i128 {
    money.signum() * ((money.abs() + CENT / 2) / CENT)
}

/// Decomposes the change over `cells`, each a category, in their order.
#[must_use]
pub fn decompose<'a>(cells: impl Iterator<Item = Cell> + 'a) -> Parts {
    let mut parts = Parts {
        list_price: Some(0.0),
        discount: Some(0.0),
        ..Parts::default()
    };
    for Cell { base, now } in cells {
        parts.gmv_base += base.gmv;
        parts.gmv += now.gmv;
        let change = now.gmv - base.gmv;
        if base.present != now.present {
            parts.widen += change;
        } else if base.sells() && now.sells() {
            parts.add_continuing(&base, &now);
        } else {
            parts.unexplained += change;
        }
    }
    parts
}

impl Parts {
    fn add_continuing(&mut self, base: &Side, now: &Side) {
        let mean = logarithmic_mean(base.gmv as f64, now.gmv as f64);
        let (buyers0, buyers1) = (base.buyers as f64, now.buyers as f64);
        let (units0, units1) = (base.units as f64, now.units as f64);
        let (price0, price1) = (base.gmv as f64 / units0, now.gmv as f64 / units1);
        self.gain += mean * (buyers1 / buyers0).ln();
        self.retain += mean * ((units1 / buyers1) / (units0 / buyers0)).ln();
        self.boost += mean * (price1 / price0).ln();
        let per_buyer = mean / logarithmic_mean(buyers0, buyers1);
        self.gain_new += per_buyer * (now.new_buyers - base.new_buyers) as f64;
        let existing = |side: &Side| side.buyers - side.new_buyers;
        self.gain_existing += per_buyer * (existing(now) - existing(base)) as f64;
        let split = base.list_price().zip(now.list_price()).map(|(list0, list1)| {
            (
                mean * (list1 / list0).ln(),
                mean * ((price1 / list1) / (price0 / list0)).ln(),
            )
        });
        self.list_price = self.list_price.zip(split).map(|(sum, (list, _))| sum + list);
        self.discount = self.discount.zip(split).map(|(sum, (_, rate))| sum + rate);
    }
}

impl Side {
    /// Whether net GMV and net units are positive, so that the category has logarithms.
    fn sells(&self) -> bool {
        self.gmv > 0 && self.units > 0 && self.buyers > 0
    }

    /// Mean list price of the units bought; `None` where a purchase has none or they are all zero.
    fn list_price(&self) -> Option<f64> {
        (self.unlisted == 0 && self.listed > 0 && self.bought > 0)
            .then(|| self.listed as f64 / self.bought as f64)
    }
}
