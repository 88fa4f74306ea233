//! Contents with their elements, and campaigns.

use dualwheel_lake::frames::Format;

use super::brand::Brand;
use super::calendar::{Calendar, waking_second};
use super::catalogue::{Product, UNIT};
use super::dice::Dice;
use super::table::Table;
use super::vocabulary::{
    AUDIENCES, COPIES, COVERS, HOSTS, MEDIA, MODELS, SCENES, SELLING_POINTS, VIDEO_TYPES,
};

/// Elements of a content by name, with their values, in the order of the fact's columns.
pub const ELEMENTS: [(&str, &[&str]); 7] = [
    ("model", &MODELS),
    ("scene", &SCENES),
    ("selling_point", &SELLING_POINTS),
    ("cover", &COVERS),
    ("copy", &COPIES),
    ("host", &HOSTS),
    ("video_type", &VIDEO_TYPES),
];

/// The planted element value that makes contents work.
#[derive(Clone, Copy, Debug)]
pub struct WorkingElement {
    /// Index into [`ELEMENTS`].
    pub element: usize,
    /// Value of the element.
    pub value: &'static str,
}

/// A published content.
#[derive(Debug)]
pub struct Content {
    /// Key, `k01-00001`.
    pub key: String,
    /// Number of its brand.
    pub brand: usize,
    /// Form.
    pub format: Format,
    /// Channel.
    pub channel: &'static str,
    /// Author: one of the brand's own, or the consumer key of a KOC.
    pub author: String,
    /// Day of publication.
    pub published: i32,
    /// Second of that day.
    pub second: i64,
    /// Products that it carries, as indices into the market's list.
    pub products: Vec<usize>,
    /// Spend in ten-thousandths; KOCs are not paid.
    pub spend: Option<i64>,
    /// Element values, in the order of [`ELEMENTS`]; articles and pictures have no host and no type of video.
    pub elements: [Option<&'static str>; 7],
    /// Length in seconds, of videos and live streams.
    pub length: Option<i64>,
    /// Whether it has the planted element.
    pub works: bool,
}

impl Content {
    /// Draws a content. `products` are those of the brand, `published` the day on which it appears.
    pub fn draw(
        (brand, key): (usize, String),
        author: Option<String>,
        published: i32,
        products: &[usize],
        market: (&[Product], WorkingElement),
        dice: &mut Dice,
    ) -> Self {
        let (catalogue, working) = market;
        let by_koc = author.is_some();
        let format = match dice.unit() {
            share if by_koc || share < 0.45 => Format::ShortVideo,
            share if share < 0.60 => Format::Live,
            share if share < 0.90 => Format::ImageText,
            _ => Format::Article,
        };
        let moving = matches!(format, Format::ShortVideo | Format::Live);
        let mut elements = [None; 7];
        for (place, (slot, (name, values))) in elements.iter_mut().zip(ELEMENTS).enumerate() {
            let value = dice.word(values);
            let fits = moving || !matches!(name, "host" | "video_type");
            // the planted value is made common enough to be found, and independent of brand and channel
            let planted = place == working.element && dice.chance(0.12);
            *slot = fits.then_some(if planted { working.value } else { value });
        }
        let works = elements.get(working.element).copied().flatten() == Some(working.value);
        let length = match format {
            Format::ShortVideo => Some(dice.between(12, 95)),
            Format::Live => Some(dice.between(1_800, 14_400)),
            Format::ImageText | Format::Article => None,
        };
        let carried = if by_koc || dice.chance(0.85) {
            dice.between(1, 3)
        } else {
            0
        };
        let on_sale: Vec<usize> = products
            .iter()
            .copied()
            .filter(|&product| {
                catalogue
                    .get(product)
                    .is_some_and(|product| product.on_sale(published))
            })
            .collect();
        let mut chosen: Vec<usize> = (0..carried)
            .filter_map(|_| dice.pick(&on_sale).copied())
            .collect();
        chosen.sort_unstable();
        chosen.dedup();
        Self {
            key,
            brand,
            format,
            channel: if by_koc { "xiaohongshu" } else { dice.word(&MEDIA) },
            author: author.unwrap_or_else(|| format!("author-{:02}", dice.between(1, 12))),
            published,
            second: waking_second(dice),
            products: chosen,
            spend: (!by_koc).then(|| (dice.lognormal(2_400.0, 0.9) as i64 + 50) * UNIT),
            elements,
            length,
            works,
        }
    }

    /// Attention on a day: strong when it is new, then fading; paid contents are seen more.
    pub fn attention(&self, day: i32) -> f64 {
        if day < self.published {
            return 0.0;
        }
        let paid = self
            .spend
            .map_or(0.15, |spend| (spend as f64 / (2_400 * UNIT) as f64).sqrt());
        paid * (0.01 + (-f64::from(day - self.published) / 20.0).exp())
    }

    /// Writes the content's row.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(
        &self,
        brand: &Brand,
        products: &[Product],
        calendar: &Calendar,
        table: &mut Table,
    ) -> anyhow::Result<()> {
        let published = calendar.instant(self.published, self.second);
        let carried = self
            .products
            .iter()
            .filter_map(|&product| products.get(product))
            .map(|p| p.key.as_str());
        table
            .text(&self.key)
            .text(&brand.key)
            .instant(Some(published))
            .code(self.format as i8)
            .text(self.channel)
            .text(&self.author)
            .instant(Some(published))
            .texts(Some(carried))
            .money(self.spend);
        for value in self.elements {
            table.maybe_text(value);
        }
        table.whole(self.length).end()
    }
}

/// A marketing campaign.
#[derive(Debug)]
pub struct Campaign {
    key: String,
    brand: usize,
    channel: &'static str,
    starts: i32,
    ends: i32,
    spend: i64,
    products: Vec<usize>,
    audience: &'static str,
}

impl Campaign {
    /// Draws the campaigns of a brand: one a month, of one to three weeks.
    pub fn draw(brand: usize, products: &[usize], calendar: &Calendar, dice: &mut Dice) -> Vec<Self> {
        (0..calendar.months().len())
            .map(|month| {
                let starts = (month as i32 * 30 + dice.between(0, 14) as i32).min(calendar.last());
                Self {
                    key: format!("m{:02}-{:02}", brand + 1, month + 1),
                    brand,
                    channel: dice.word(&MEDIA),
                    starts,
                    ends: starts + dice.between(7, 21) as i32,
                    spend: (dice.lognormal(30_000.0, 0.5) as i64 + 500) * UNIT,
                    products: (0..2).filter_map(|_| dice.pick(products).copied()).collect(),
                    audience: dice.word(&AUDIENCES),
                }
            })
            .collect()
    }

    /// Writes the campaign's row.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(
        &self,
        brands: &[Brand],
        products: &[Product],
        calendar: &Calendar,
        table: &mut Table,
    ) -> anyhow::Result<()> {
        let promoted = self
            .products
            .iter()
            .filter_map(|&product| products.get(product))
            .map(|p| p.key.as_str());
        table
            .text(&self.key)
            .text(brands.get(self.brand).map_or("", |brand| &brand.key))
            .instant(Some(calendar.instant(self.starts, 0)))
            .text(self.channel)
            .instant(Some(calendar.instant(self.starts, 10 * 3_600)))
            .instant(Some(calendar.instant(self.ends, 22 * 3_600)))
            .money(Some(self.spend))
            .texts(Some(promoted))
            .text(self.audience)
            .end()
    }
}
