//! Launch days of products (methodology 3.1): the supplied one, else the first sale, else the first stock day; and
//! whether a sale falls in the novelty window after it.

use dualwheel_measure::Day;
use rayon::prelude::*;

use super::{Line, Orders, Products, Stock};

/// Stands for a launch that is not known.
const UNKNOWN: Day = Day(i32::MAX);

/// The launch that these days make.
#[must_use]
pub fn launch(supplied: Option<Day>, first_sale: Option<Day>, first_stock: Option<Day>) -> Option<Day> {
    supplied.or(first_sale).or(first_stock)
}

/// Whether a sale on `day` falls in the novelty window of a product: up to `novelty_days` after its launch, or before it.
#[must_use]
pub fn is_novel(day: Day, launched: Option<Day>, novelty_days: u16) -> bool {
    launched.is_some_and(|launched| i64::from(day.0) - i64::from(launched.0) <= i64::from(novelty_days))
}

/// Launch day of each product.
#[derive(Clone, Debug)]
pub struct Launches {
    by_product: Vec<Day>,
    are_missing: bool,
    /// Whether sales may be missing, so that a product without a supplied launch may have an earlier one.
    are_open: bool,
}

impl Launches {
    /// Launch days as supplied, else the day of the first sale: the first line with a quantity above zero.
    #[must_use]
    pub fn new(products: &Products, orders: &Orders) -> Self {
        let products_known = orders.names.products.view().len();
        let mut launches = Self {
            by_product: vec![UNKNOWN; products_known],
            are_missing: false,
            are_open: false,
        };
        for row in &products.rows {
            launches.set(row.product, row.launched);
        }
        let unlaunched: Vec<&Line> = orders
            .lines
            .par_iter()
            .filter(|line| launches.day(line.product).is_none())
            .collect();
        let sales = unlaunched.iter().filter(|line| line.is_purchase());
        launches.set_first(sales.map(|line| (line.product, line.day)));
        let mut named = unlaunched
            .iter()
            .map(|line| line.product)
            .chain(products.rows.iter().map(|row| row.product));
        launches.are_missing = named.any(|product| launches.day(product).is_none());
        launches
    }

    /// Launch days as supplied, and nothing else: what was sold is not all at hand.
    #[must_use]
    pub fn supplied(products: &Products) -> Self {
        let mut launches = Self {
            by_product: vec![UNKNOWN; products.names.products.view().len()],
            are_missing: true,
            are_open: true,
        };
        for row in &products.rows {
            launches.set(row.product, row.launched);
        }
        launches
    }

    /// Whether a product's launch was not supplied, and its first sale may be one that is not at hand.
    #[must_use]
    pub fn is_open(&self, product: u32) -> bool {
        self.are_open && self.day(product).is_none()
    }

    /// Whether a product of the facts has neither a supplied launch nor a sale.
    #[must_use]
    pub fn are_missing(&self) -> bool {
        self.are_missing
    }

    /// Fills what is missing by the first stock day.
    pub fn add_stock(&mut self, stock: &Stock) {
        let days: Vec<(u32, Day)> = stock
            .rows
            .iter()
            .filter(|row| self.day(row.product).is_none())
            .map(|row| (row.product, row.day))
            .collect();
        self.set_first(days.into_iter());
    }

    /// Launch day of a product.
    #[must_use]
    pub fn day(&self, product: u32) -> Option<Day> {
        self.by_product
            .get(product as usize)
            .copied()
            .filter(|day| *day != UNKNOWN)
    }

    /// The first sale of every product without a supplied launch.
    #[must_use]
    pub fn first_sales(products: &Products, orders: &Orders) -> Vec<(u32, Day)> {
        let supplied = Self::supplied(products);
        let mut sold = supplied.clone();
        let sales = orders.lines.iter().filter(|line| line.is_purchase());
        sold.set_first(
            sales
                .filter(|line| supplied.day(line.product).is_none())
                .map(|line| (line.product, line.day)),
        );
        let known = sold.by_product.into_iter().zip(supplied.by_product).zip(0..);
        known
            .filter(|((day, supplied), _)| *day != UNKNOWN && *supplied == UNKNOWN)
            .map(|((day, _), product)| (product, day))
            .collect()
    }

    fn set(&mut self, product: u32, day: Option<Day>) {
        if let (Some(slot), Some(day)) = (self.by_product.get_mut(product as usize), day) {
            *slot = day;
        }
    }

    fn set_first(&mut self, days: impl Iterator<Item = (u32, Day)>) {
        for (product, day) in days {
            let first = self.day(product).map_or(day, |known| known.min(day));
            self.set(product, Some(first));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sale_is_novel_up_to_the_last_day_of_the_window_and_before_the_launch() {
        let launched = launch(None, Some(Day(100)), Some(Day(40)));
        assert_eq!(launched, Some(Day(100)));
        assert_eq!(launch(Some(Day(120)), launched, None), Some(Day(120)));
        assert_eq!(launch(None, None, Some(Day(40))), Some(Day(40)));
        let novel = |day: i32| is_novel(Day(day), launched, 90);
        assert_eq!([99, 100, 190, 191].map(novel), [true, true, true, false]);
        assert!(!is_novel(Day(100), None, 90));
        // Days at the ends of what a day can be do not overflow.
        assert!(!is_novel(Day(i32::MAX), Some(Day(i32::MIN)), 90));
    }
}
