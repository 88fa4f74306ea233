//! Flow, and its conservation.

use dualwheel_consumer::flow::Flow;
use dualwheel_measure::{Extent, MetricGroup};
use proptest::prelude::*;

use crate::{
    aipl::{Of, stage},
    compare::{assert_same, people},
    facts::inside,
    world::{definitions, facts, world},
};

proptest! {
    #![proptest_config(ProptestConfig::with_cases(384))]

    #[test]
    fn flow_equals_the_methodology_and_conserves_people(world in world()) {
        let (frames, raw, definitions) = (world.frames(), world.raw(), definitions());
        let asked = world.category.as_deref();
        let picks = |category: &Option<String>| inside(category, asked);
        let of = if asked.is_some() { Of::Category(&picks) } else { Of::Brand };
        let (before, after) = (world.window.first.0 - 1, world.window.last.0);
        let mut cells = [[0i64; 5]; 5];
        for who in raw.consumers() {
            cells[stage(&raw, &who, before, &of)][stage(&raw, &who, after, &of)] += 1;
        }
        cells[0][0] = 0;
        let ask = world.ask(&definitions, None);
        let moved = Flow.partial(&facts(&frames), &(), Extent::Whole, &ask);
        let matrix = moved.get().unwrap().clone();
        let got = Flow.finish(moved, &(), &ask);
        prop_assert_eq!(&matrix.codes, &["OUT", "A", "I", "P", "L"]);
        for (from, to, people) in matrix.iter() {
            prop_assert_eq!(people, cells[from][to], "{} to {}", from, to);
        }
        let sum = |which: fn(usize, usize) -> bool| {
            let all = (0..5).flat_map(|from| (0..5).map(move |to| (from, to)));
            all.filter(|(from, to)| which(*from, *to)).map(|(from, to)| cells[from][to] as usize).sum()
        };
        assert_same(&got, &[
            people("flow.advanced", sum(|from, to| from > 0 && to > from)),
            people("flow.stayed", sum(|from, to| from > 0 && to == from)),
            people("flow.fell_back", sum(|from, to| to > 0 && to < from)),
            people("flow.lost", sum(|from, to| from > 0 && to == 0)),
            people("flow.gained", sum(|from, to| from == 0 && to > 0)),
        ]);
        // Conservation: rows are the stages before, columns the stages after.
        for (depth, row) in cells.iter().enumerate().skip(1) {
            let size = |day: i32| raw.consumers().iter().filter(|who| stage(&raw, who, day, &of) == depth).count() as i64;
            prop_assert_eq!(row.iter().sum::<i64>(), size(before));
            prop_assert_eq!((0..5).map(|from| cells[from][depth]).sum::<i64>(), size(after));
        }
    }

    #[test]
    fn parts_make_the_whole(world in world(), cut in (1..5u64, any::<u64>())) {
        world.check(&Flow, |frames| (facts(frames), ()), None, cut)?;
    }
}
