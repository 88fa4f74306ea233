//! What holds of every metric group, for the tests of groups and for whoever doubts an answer that was put together.

use std::fmt;

use super::{Ask, Damaged, Extent, MetricGroup, from_bytes, to_bytes};

/// How a group breaks the law.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// A partial result does not stand its writing and reading.
    #[error(transparent)]
    Damaged(#[from] Damaged),
    /// There is nothing to merge.
    #[error("there are no parts")]
    NoParts,
    /// The parts merged are not the whole.
    #[error("{0}: the parts merged differ from the whole")]
    Parts(Order),
    /// The metrics of the parts are not those of the whole.
    #[error("the metrics of the parts differ from those of the whole:\n{parts}\n{whole}")]
    Metrics {
        /// Of the parts.
        parts: String,
        /// Of the whole.
        whole: String,
    },
}

/// How parts were merged.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// Each to all before it.
    First,
    /// All before it to each, from the last on.
    Last,
    /// Neighbours, then their neighbours.
    Pairs,
}

impl fmt::Display for Order {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::First => "each merged to those before it",
            Self::Last => "each merged to those behind it",
            Self::Pairs => "merged in pairs",
        };
        formatter.write_str(text)
    }
}

/// Checks `parts`, which together are `all`, against it: merged in several orders, each written and read before, they are
/// the same bytes as the partial result of all at once, and make the same metrics as the whole.
///
/// # Errors
/// Where they are not.
pub fn parts_make_the_whole<G: MetricGroup>(
    group: &G,
    (all, parts): (&G::Part, &[G::Part]),
    whole: &G::Whole,
    ask: &Ask<'_, G::Parameters>,
) -> Result<(), Broken> {
    let written = parts
        .iter()
        .map(|part| to_bytes(&group.partial(part, whole, Extent::Part, ask)));
    let written: Vec<Vec<u8>> = written.collect::<Result<_, _>>()?;
    let at_once = to_bytes(&group.partial(all, whole, Extent::Part, ask))?;
    for order in [Order::First, Order::Last, Order::Pairs] {
        let merged = merged(group, &written, order)?;
        if to_bytes(&merged)? != at_once {
            return Err(Broken::Parts(order));
        }
    }
    let parts = group.finish(from_bytes(&at_once)?, whole, ask);
    let whole = group.measure(all, whole, ask);
    let (parts, whole) = (format!("{parts:#?}"), format!("{whole:#?}"));
    if parts != whole {
        return Err(Broken::Metrics { parts, whole });
    }
    Ok(())
}

fn merged<G: MetricGroup>(group: &G, written: &[Vec<u8>], order: Order) -> Result<G::Partial, Broken> {
    let read = written.iter().map(|bytes| from_bytes(bytes));
    let mut partials: Vec<G::Partial> = read.collect::<Result<_, _>>()?;
    let merged = match order {
        Order::First => partials.into_iter().reduce(|one, other| group.merge(one, other)),
        Order::Last => partials
            .into_iter()
            .rev()
            .reduce(|one, other| group.merge(other, one)),
        Order::Pairs => {
            while partials.len() > 1 {
                let mut rest = partials.into_iter();
                let mut pairs = Vec::new();
                while let Some(one) = rest.next() {
                    pairs.push(match rest.next() {
                        Some(other) => group.merge(other, one),
                        None => one,
                    });
                }
                partials = pairs;
            }
            partials.pop()
        }
    };
    merged.ok_or(Broken::NoParts)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Day, Metric, Need, Scope, Window};

    /// Counts numbers, or takes the mean of means, which is none of the whole.
    struct Numbers {
        by_means: bool,
    }

    impl MetricGroup for Numbers {
        type Parameters = ();
        type Part = Vec<i64>;
        type Whole = ();
        type Partial = (i64, i64);

        fn name(&self) -> &'static str {
            "numbers"
        }

        fn ids(&self) -> &'static [&'static str] {
            &["numbers.mean"]
        }

        fn cuts(&self) -> &'static [&'static str] {
            &[]
        }

        fn needs(&self, _: &Ask<'_, ()>) -> Vec<Need> {
            vec![Need::of("numbers", &["number"])]
        }

        fn partial(&self, part: &Vec<i64>, (): &(), _: Extent, _: &Ask<'_, ()>) -> (i64, i64) {
            (part.iter().sum(), part.len() as i64)
        }

        fn merge(&self, one: (i64, i64), other: (i64, i64)) -> (i64, i64) {
            let mean = |(sum, count): (i64, i64)| sum / count.max(1);
            match self.by_means {
                true => (mean(one) + mean(other), 2),
                false => (one.0 + other.0, one.1 + other.1),
            }
        }

        fn finish(&self, (sum, count): (i64, i64), (): &(), ask: &Ask<'_, ()>) -> Vec<Metric> {
            vec![ask.scope.share("numbers.mean", sum, count)]
        }
    }

    #[test]
    fn a_group_that_depends_on_the_cut_is_found_out() {
        let window = Window::ending(Day(9), 3);
        let ask = Ask {
            brand: "b",
            by: None,
            category: None,
            category_level: None,
            parameters: &(),
            scope: Scope {
                window,
                as_of: window.last,
                entries: &[],
                version: "1",
                segments: Vec::new(),
            },
        };
        let (all, parts) = (vec![1, 2, 9], [vec![1], vec![2, 9], Vec::new()]);
        let held = |by_means| parts_make_the_whole(&Numbers { by_means }, (&all, &parts), &(), &ask);
        held(false).unwrap();
        assert!(matches!(held(true), Err(Broken::Parts(Order::First))));
        let none = parts_make_the_whole(&Numbers { by_means: false }, (&all, &[]), &(), &ask);
        assert!(matches!(none, Err(Broken::NoParts)));
    }
}
