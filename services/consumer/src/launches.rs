//! Launch days of products.
//!
//! Source: methodology 3.1: the launch is the supplied one, else the first sale, else the first stock day.

use dualwheel_lake::frames::{Line, Orders, Products, Stock};
use dualwheel_measure::Day;
use rayon::prelude::*;

/// Stands for a launch that is not known.
const UNKNOWN: Day = Day(i32::MAX);

/// Launch day of each product.
#[derive(Clone, Debug)]
pub struct Launches {
    by_product: Vec<Day>,
    are_missing: bool,
}

impl Launches {
    /// Launch days as supplied, else the day of the first sale: the first line with a quantity above zero.
    #[must_use]
    pub fn new(products: &Products, orders: &Orders) -> Self {
        let products_known = orders.names.products.view().len();
        let mut launches = Self {
            by_product: vec![UNKNOWN; products_known],
            are_missing: false,
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
