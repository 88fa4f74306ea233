//! The market before anybody acts: brands, products, contents, campaigns, KOCs and what is planted into them.
//!
//! It is small (its size does not grow with the consumers) and is shared by all threads.

use std::collections::{BTreeMap, BTreeSet};

use super::Options;
use super::brand::{Brand, Track};
use super::calendar::Calendar;
use super::catalogue::{self, Hit, Product};
use super::dice::{Dice, Purpose, cumulative};
use super::media::{Campaign, Content, ELEMENTS, WorkingElement};
use super::shelf::Shelf;
use super::vocabulary::{CATEGORIES, LOCATIONS};

/// Category in which a style rises: one that every brand sells.
pub const RISING_CATEGORY: usize = 0;
/// Monthly growth of demand for products of the rising style.
const RISING_DEMAND: f64 = 0.11;
/// Number of planted hits.
const HITS: usize = 3;

/// A planted KOC.
#[derive(Debug)]
pub struct Koc {
    /// Number of the consumer.
    pub consumer: u32,
    /// Number of the brand.
    pub brand: usize,
    /// Contents they published.
    pub contents: Vec<usize>,
}

/// The plan of a market.
#[derive(Debug)]
pub struct Market {
    /// Seed.
    pub seed: u64,
    /// Days.
    pub calendar: Calendar,
    /// Brands.
    pub brands: Vec<Brand>,
    /// Cumulative fame of the brands.
    pub fame: Vec<f32>,
    /// Products of all brands.
    pub products: Vec<Product>,
    /// SKUs of all products.
    pub skus: usize,
    /// Number of locations that hold stock.
    pub locations: usize,
    /// Contents of all brands and KOCs.
    pub contents: Vec<Content>,
    /// Campaigns of all brands.
    pub campaigns: Vec<Campaign>,
    /// KOCs, by consumer.
    pub kocs: Vec<Koc>,
    /// The style that rises.
    pub rising_style: &'static str,
    /// The element that works.
    pub working: WorkingElement,
    /// The material that makes goods come back.
    pub bad_material: &'static str,
}

/// Sizes that grow with the number of facts asked for.
struct Sizes {
    products: usize,
    contents: usize,
    locations: usize,
    kocs: usize,
}

impl Sizes {
    fn of(options: &Options) -> Self {
        let scale = options.facts as f64 / 100_000.0;
        let consumers = options.consumers as usize;
        Self {
            products: (8.0 * scale.powf(0.45)).clamp(7.0, 150.0) as usize,
            contents: (14.0 * scale.sqrt()).clamp(10.0, 600.0) as usize,
            locations: if options.facts < 500_000 {
                1
            } else {
                2.min(LOCATIONS.len())
            },
            kocs: (consumers / 1_500).clamp(3, 2_000).min(consumers),
        }
    }
}

impl Market {
    /// Plans the market of some options.
    ///
    /// # Errors
    /// When the period is not usable.
    pub fn plan(options: &Options) -> anyhow::Result<Self> {
        let calendar = Calendar::new(options.first_day, options.last_day, options.time_zone)?;
        let sizes = Sizes::of(options);
        let mut dice = Dice::new(options.seed, Purpose::Market, 0);
        let (mut brands, mut streams) = draw_brands(options, &calendar, &mut dice);
        let mut products = Vec::new();
        for (brand, stream) in brands.iter().zip(&mut streams) {
            let first_sku = next_sku(&products);
            products.extend(catalogue::draw(
                brand,
                sizes.products,
                &calendar,
                first_sku,
                stream,
            ));
        }
        let rising_style = plant_rising_style(&brands, &mut products, &mut dice);
        plant_hits(&brands, &mut products, &calendar, &mut dice);
        let mut market = Self {
            seed: options.seed,
            fame: cumulative(brands.iter().map(|brand| brand.fame)),
            skus: next_sku(&products),
            locations: sizes.locations,
            contents: Vec::new(),
            campaigns: Vec::new(),
            kocs: Vec::new(),
            rising_style,
            working: draw_element(&mut dice),
            bad_material: worst_material(&products),
            calendar,
            brands: Vec::new(),
            products,
        };
        market.publish(&brands, sizes.contents, &mut streams);
        market.plant_kocs(&mut brands, options.consumers, sizes.kocs, &mut dice);
        market.stock_shelves(&mut brands);
        market.brands = brands;
        Ok(market)
    }

    /// Contents and campaigns of every brand.
    fn publish(&mut self, brands: &[Brand], contents: usize, streams: &mut [Dice]) {
        for (brand, dice) in brands.iter().zip(streams) {
            let own = self.products_of(brand.index);
            for number in 0..contents {
                // a few were published before the period, so that its first days have something to see
                let published = dice.between(-20, i64::from(self.calendar.last())) as i32;
                let key = format!("k{:02}-{:05}", brand.index + 1, number + 1);
                let market = (self.products.as_slice(), self.working);
                let content = Content::draw((brand.index, key), None, published, &own, market, dice);
                self.contents.push(content);
            }
            self.campaigns
                .extend(Campaign::draw(brand.index, &own, &self.calendar, dice));
        }
    }

    /// Chooses the KOCs and lets each of them publish.
    fn plant_kocs(&mut self, brands: &mut [Brand], consumers: u32, count: usize, dice: &mut Dice) {
        let mut chosen = BTreeSet::new();
        while chosen.len() < count {
            chosen.insert(dice.below(consumers as usize) as u32);
        }
        let brand_count = brands.len();
        for (number, consumer) in chosen.into_iter().enumerate() {
            let Some(brand) = brands.get_mut(number % brand_count) else {
                continue;
            };
            brand.kocs.push(number);
            let own = self.products_of(brand.index);
            let first = self.contents.len();
            for piece in 0..dice.between(2, 4) {
                let published = dice.between(5, i64::from(self.calendar.last() - 10)) as i32;
                let key = format!("k{:02}-{}-{}", brand.index + 1, consumer_key(consumer), piece + 1);
                let author = Some(consumer_key(consumer));
                let market = (self.products.as_slice(), self.working);
                let content = Content::draw((brand.index, key), author, published, &own, market, dice);
                self.contents.push(content);
            }
            let contents = (first..self.contents.len()).collect();
            self.kocs.push(Koc {
                consumer,
                brand: brand.index,
                contents,
            });
        }
    }

    /// Fills the brands' shelves with what there is to sell and to see in each period.
    fn stock_shelves(&self, brands: &mut [Brand]) {
        let counts = self.calendar.counts();
        let periods = counts.len();
        // a period is judged by its fifth day, when what is launched in it has mostly arrived
        let middle = |period: usize| {
            counts
                .get(period)
                .map_or(0, |&day| (day + 4).min(self.calendar.last()))
        };
        for brand in brands {
            let own = self.products_of(brand.index);
            let in_category = |category: usize| {
                let fits = |&item: &usize| self.products.get(item).is_some_and(|p| p.category == category);
                own.iter().copied().filter(fits).collect()
            };
            let demand = |item: usize, period: usize| {
                self.products
                    .get(item)
                    .map_or(0.0, |product| product.demand(middle(period), &self.calendar))
            };
            let shelves = brand
                .categories
                .iter()
                .map(|&category| Shelf::new(in_category(category), periods, demand));
            brand.shelves = shelves.collect();
            let seen = self
                .contents
                .iter()
                .enumerate()
                .filter(|(_, content)| content.brand == brand.index);
            brand.contents = Shelf::new(seen.map(|(item, _)| item).collect(), periods, |item, period| {
                self.contents
                    .get(item)
                    .map_or(0.0, |content| content.attention(middle(period)))
            });
        }
    }

    /// Products of a brand.
    fn products_of(&self, brand: usize) -> Vec<usize> {
        let own = self
            .products
            .iter()
            .enumerate()
            .filter(|(_, product)| product.brand == brand);
        own.map(|(item, _)| item).collect()
    }

    /// The KOC that a consumer is, if any.
    pub fn koc_of(&self, consumer: u32) -> Option<usize> {
        self.kocs.binary_search_by_key(&consumer, |koc| koc.consumer).ok()
    }
}

/// Key of a consumer by number.
pub fn consumer_key(consumer: u32) -> String {
    format!("c{:07}", u64::from(consumer) + 1)
}

/// Draws the brands, each from its own stream; the streams go on to their products and contents.
fn draw_brands(options: &Options, calendar: &Calendar, dice: &mut Dice) -> (Vec<Brand>, Vec<Dice>) {
    let count = options.brands as usize;
    let mut order: Vec<usize> = (0..count).collect();
    for place in (1..count).rev() {
        order.swap(place, dice.below(place + 1));
    }
    let weaknesses: BTreeMap<usize, Track> = order.into_iter().zip(Track::ALL).collect();
    (0..count)
        .map(|index| {
            let mut stream = Dice::new(options.seed, Purpose::Brand, index as u64);
            let last = count > 1 && index + 1 == count;
            let brand = Brand::draw(
                index,
                last,
                weaknesses.get(&index).copied(),
                calendar,
                &mut stream,
            );
            (brand, stream)
        })
        .unzip()
}

fn next_sku(products: &[Product]) -> usize {
    products
        .last()
        .map_or(0, |product| product.first_sku + product.skus)
}

/// Gives every second brand at least one product of the style, and all products of it their growth.
fn plant_rising_style(brands: &[Brand], products: &mut [Product], dice: &mut Dice) -> &'static str {
    let style = CATEGORIES
        .get(RISING_CATEGORY)
        .map_or("", |category| dice.word(category.words.styles));
    for brand in brands.iter().step_by(2) {
        let mut own = products
            .iter_mut()
            .filter(|p| p.brand == brand.index && p.category == RISING_CATEGORY);
        if let Some(first) = own.next()
            && !first.styles.contains(&style)
        {
            first.styles.push(style);
        }
    }
    for product in products.iter_mut() {
        if product.category == RISING_CATEGORY && product.styles.contains(&style) {
            product.rising = RISING_DEMAND;
            product.fades = false;
        }
    }
    style
}

/// Adds the future hits, in different brands as far as there are enough.
fn plant_hits(brands: &[Brand], products: &mut Vec<Product>, calendar: &Calendar, dice: &mut Dice) {
    let start = dice.below(brands.len());
    for number in 0..HITS {
        let Some(brand) = brands.get((start + number * 3) % brands.len().max(1)) else {
            continue;
        };
        // not where a style is planted as well, nor where the season would hide the growth
        let steady = |category: &usize| {
            let season = CATEGORIES.get(*category).and_then(|category| category.season);
            *category != RISING_CATEGORY && season.is_none_or(|(_, swing)| swing < 0.3)
        };
        let fitting: Vec<usize> = brand.categories.iter().copied().filter(steady).collect();
        let Some(&category) = fitting.get(number % fitting.len().max(1)) else {
            continue;
        };
        let last = calendar.last();
        let launched = (last - 150 - dice.between(0, 20) as i32).max(last / 4);
        let key_number = products
            .iter()
            .filter(|product| product.brand == brand.index)
            .count();
        let first_sku = next_sku(products);
        let product = catalogue::one(brand, key_number, category, launched, calendar, dice);
        let takes_off = launched + ((last - launched) / 3).min(50);
        let hit = Some(Hit {
            takes_off,
            multiple: 9.0,
        });
        products.push(Product {
            first_sku,
            hit,
            delisting: None,
            season: None,
            conversion: 1.25,
            fades: false,
            rising: 0.0,
            ..product
        });
    }
}

fn draw_element(dice: &mut Dice) -> WorkingElement {
    // host and type of video are missing from still contents: the first five elements are everywhere
    let element = dice.below(5);
    let value = ELEMENTS.get(element).map_or("", |(_, values)| dice.word(values));
    WorkingElement { element, value }
}

/// The material under which most returns are to be expected: the one whose driver shows soonest.
fn worst_material(products: &[Product]) -> &'static str {
    let mut weights = BTreeMap::<&str, f64>::new();
    for product in products {
        *weights.entry(product.material()).or_default() += product.leaf().return_odds * product.appeal;
    }
    weights
        .into_iter()
        .max_by(|a, b| a.1.total_cmp(&b.1))
        .map_or("", |(material, _)| material)
}
