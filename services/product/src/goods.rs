//! The goods of a brand: every product that a product fact, an order line or a stock day names.

use std::sync::Arc;

use dualwheel_lake::frames::{
    Behaviors, NONE, Orders, ProductRow, Products, Purchases, Stock, launches::launch,
};
use dualwheel_measure::{Day, Money, Window};

/// What is read of one brand.
#[derive(Clone, Debug)]
pub struct BrandFacts {
    /// Products.
    pub products: Arc<Products>,
    /// Order lines.
    pub orders: Arc<Orders>,
    /// Stock.
    pub stock: Arc<Stock>,
    /// Behaviours; `None` where the question needs none.
    pub behaviors: Option<Arc<Behaviors>>,
    /// Where purchases come from.
    pub purchases: Purchases,
    purchases_are_behaviors: bool,
}

impl BrandFacts {
    /// The facts of a brand.
    #[must_use]
    pub fn new(
        products: Arc<Products>,
        orders: Arc<Orders>,
        stock: Arc<Stock>,
        behaviors: Option<Arc<Behaviors>>,
    ) -> Self {
        let purchases = Purchases::of(behaviors.as_deref(), &orders);
        Self {
            products,
            orders,
            stock,
            behaviors,
            purchases,
            purchases_are_behaviors: purchases.are_behaviors(),
        }
    }

    /// Whether supplied `PURCHASE` behaviours stand for purchases: only for a brand without any order line.
    #[must_use]
    pub fn purchases_are_behaviors(&self) -> bool {
        self.purchases_are_behaviors
    }

    /// The same facts, of a brand where `PURCHASE` behaviours count or do not.
    #[must_use]
    pub fn where_purchases_are(&self, behaviors: bool) -> Self {
        Self {
            purchases_are_behaviors: behaviors,
            ..self.clone()
        }
    }
}

/// One product of a brand with what the window's order lines say of it.
#[derive(Clone, Debug)]
pub struct Good {
    /// Product.
    pub product: u32,
    /// Category path of its product fact, or [`NONE`].
    pub category: u32,
    /// List price in ten-thousandths.
    pub list_price: Option<i64>,
    /// Star flag.
    pub star: Option<bool>,
    /// Launch as supplied.
    pub launched: Option<Day>,
    /// Day of the first purchase.
    pub first_sale: Option<Day>,
    /// First stock day.
    pub first_stock: Option<Day>,
    /// Day on which delisting was announced.
    pub delisting_announced: Option<Day>,
    /// Day of delisting.
    pub delisted: Option<Day>,
    /// Last day of its season.
    pub season_ends: Option<Day>,
    /// Units of the window's purchases, returned later or not.
    pub bought_units: i64,
    /// Amount paid for them.
    pub bought_paid: Money,
    /// Amount paid on all lines of the window.
    pub paid: Money,
    /// Amount paid back on them.
    pub refund: Money,
}

impl Good {
    fn new(product: u32) -> Self {
        Self {
            product,
            category: NONE,
            list_price: None,
            star: None,
            launched: None,
            first_sale: None,
            first_stock: None,
            delisting_announced: None,
            delisted: None,
            season_ends: None,
            bought_units: 0,
            bought_paid: 0,
            paid: 0,
            refund: 0,
        }
    }

    fn supplied(row: &ProductRow) -> Self {
        Self {
            category: row.category,
            list_price: row.list_price,
            star: row.star,
            launched: row.launched,
            delisting_announced: row.delisting_announced,
            delisted: row.delisted,
            season_ends: row.season_ends,
            ..Self::new(row.product)
        }
    }

    /// Launch: supplied, else the first purchase, else the first stock day.
    #[must_use]
    pub fn launch(&self) -> Option<Day> {
        launch(self.launched, self.first_sale, self.first_stock)
    }

    /// Launched by `day` and not delisted on it.
    #[must_use]
    pub fn is_on_sale(&self, day: Day) -> bool {
        self.launch().is_some_and(|launch| launch <= day)
            && self.delisted.is_none_or(|delisted| delisted > day)
    }

    /// Net GMV of the window.
    #[must_use]
    pub fn gmv(&self) -> Money {
        self.paid - self.refund
    }

    /// Mean unit price of the window's purchases in ten-thousandths, rounded half up; without any the list price.
    #[must_use]
    pub fn price(&self) -> Option<i64> {
        let units = i128::from(self.bought_units);
        if units <= 0 {
            return self.list_price;
        }
        i64::try_from((2 * self.bought_paid + units) / (2 * units)).ok()
    }
}

/// Places of products among a brand's goods, by product ordinal. Reused from brand to brand of a tenant, because
/// products are numbered tenant-wide and there may be thousands of brands.
#[derive(Clone, Debug, Default)]
pub struct Places(Vec<u32>);

impl Places {
    fn get(&self, product: u32) -> Option<usize> {
        self.0
            .get(product as usize)
            .filter(|place| **place != NONE)
            .map(|place| *place as usize)
    }

    fn set(&mut self, product: u32, place: u32) {
        let at = product as usize;
        if at >= self.0.len() {
            self.0.resize(at + 1, NONE);
        }
        if let Some(slot) = self.0.get_mut(at) {
            *slot = place;
        }
    }
}

/// The goods of one brand.
#[derive(Clone, Debug, Default)]
pub struct Roster {
    /// The goods: first those with a product fact, by key.
    pub goods: Vec<Good>,
    places: Places,
}

impl Roster {
    /// The goods of `facts`, their sums over the lines of `window`.
    #[must_use]
    pub fn build(facts: &BrandFacts, window: Window, places: Places) -> Self {
        Self::of_days(facts, |_| Some(window), places)
    }

    /// The goods of `facts`, their sums over the lines of the days that their categories have.
    #[must_use]
    pub fn of_days(facts: &BrandFacts, days: impl Fn(u32) -> Option<Window>, places: Places) -> Self {
        let mut roster = Self {
            goods: Vec::with_capacity(facts.products.rows.len()),
            places,
        };
        for row in &facts.products.rows {
            if let Some(good) = roster.good(row.product) {
                *good = Good::supplied(row);
            }
        }
        for line in &facts.orders.lines {
            let Some(good) = roster.good(line.product) else {
                continue;
            };
            if line.is_purchase() {
                good.first_sale = Some(good.first_sale.map_or(line.day, |first| first.min(line.day)));
            }
            if days(good.category).is_some_and(|days| days.contains(line.day)) {
                good.paid += Money::from(line.paid);
                good.refund += Money::from(line.refund);
                if line.is_purchase() {
                    good.bought_units += line.quantity;
                    good.bought_paid += Money::from(line.paid);
                }
            }
        }
        for row in &facts.stock.rows {
            let Some(good) = roster.good(row.product) else {
                continue;
            };
            good.first_stock = Some(good.first_stock.map_or(row.day, |first| first.min(row.day)));
        }
        roster
    }

    /// Place of a product among the goods.
    #[must_use]
    pub fn place(&self, product: u32) -> Option<usize> {
        self.places.get(product)
    }

    /// The good of a product.
    #[must_use]
    pub fn get(&self, product: u32) -> Option<&Good> {
        self.place(product).and_then(|place| self.goods.get(place))
    }

    /// Gives the emptied places back for the next brand.
    #[must_use]
    pub fn into_places(mut self) -> Places {
        for good in &self.goods {
            self.places.set(good.product, NONE);
        }
        self.places
    }

    fn good(&mut self, product: u32) -> Option<&mut Good> {
        let place = match self.places.get(product) {
            Some(place) => place,
            None => {
                self.places.set(product, self.goods.len() as u32);
                self.goods.push(Good::new(product));
                self.goods.len() - 1
            }
        };
        self.goods.get_mut(place)
    }
}
