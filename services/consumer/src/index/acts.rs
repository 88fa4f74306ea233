//! Which behaviours have been counted: a repeated event id is one act, whose smallest row stands.
//!
//! Of each act the index keeps 16 bytes: a hash of its event id, and what its row puts into the bitmaps. A repeat that
//! puts the same there changes nothing. Rows of one act that put different things there compete: the facts tell which
//! of them stands, and all behaviours of the brand are counted again from these. So does a hash that two acts share,
//! which costs the time and changes nothing.

use dualwheel_lake::{
    frames::Kind,
    people::Piece,
    seen::{Saying, Seen},
};
use dualwheel_measure::Day;

/// Signal of the pieces that keep which acts have been counted.
pub(super) const ACTS: i64 = 33;
/// Acts of one piece at most.
const ACTS_A_PIECE: usize = 1 << 20;

/// What a row puts into the bitmaps.
pub(super) fn mark(consumer: u32, kind: Kind, day: Day) -> u64 {
    // A day has 17 bits until the year 2199, which is the last that facts may have, and a kind has 5.
    let day = u64::from(day.0.cast_unsigned() & 0x07ff_ffff);
    u64::from(consumer) << 32 | day << 5 | kind as u64
}

/// The acts of a brand that have been counted, by the hash of their event id.
#[derive(Clone, Debug, Default)]
pub(super) struct Acts {
    /// Which counting of the brand's behaviours it is.
    pub(super) generation: i64,
    /// Their marks.
    pub(super) seen: Seen,
}

impl Acts {
    /// Those of stored pieces.
    pub(super) fn stored(pieces: &[Piece]) -> Self {
        Self {
            generation: pieces.iter().map(|piece| piece.generation).max().unwrap_or(0),
            seen: pieces.iter().flat_map(|piece| decode(&piece.data)).collect(),
        }
    }
}

/// Acts as they are stored.
pub(super) fn pieces(brand: &str, acts: &[Saying], generation: i64) -> impl Iterator<Item = Piece> {
    acts.chunks(ACTS_A_PIECE).map(move |acts| Piece {
        brand: brand.to_owned(),
        signal: ACTS,
        day: Day(0),
        generation,
        data: encode(acts),
    })
}

/// The pieces of a brand's acts in as few as there need be.
pub(super) fn join(brand: &str, pieces: &[Piece]) -> Vec<Piece> {
    let acts = Acts::stored(pieces);
    let all: Vec<Saying> = acts.seen.iter().collect();
    self::pieces(brand, &all, acts.generation).collect()
}

fn encode(acts: &[Saying]) -> Vec<u8> {
    let numbers = acts.iter().flat_map(|act| [act.0, act.1]);
    numbers.flat_map(u64::to_le_bytes).collect()
}

fn decode(data: &[u8]) -> impl Iterator<Item = Saying> {
    let (acts, _) = data.as_chunks::<16>();
    acts.iter().map(|act| {
        let (event, mark) = act.split_at(8);
        let number = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
        (number(event), number(mark))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn what_is_stored_is_read_again() {
        let acts = [(7, 1), (u64::MAX, 2), (7, u64::MAX)];
        let stored: Vec<Piece> = [&acts[..2], &acts[1..]]
            .iter()
            .zip([3, 4])
            .flat_map(|(acts, generation)| pieces("b", acts, generation))
            .collect();
        let joined = join("b", &stored);
        assert_eq!((joined.len(), joined[0].data.len()), (1, 48));
        for pieces in [stored, joined] {
            let read = Acts::stored(&pieces);
            assert_eq!(read.generation, 4);
            assert_eq!(
                read.seen.iter().collect::<Vec<_>>(),
                [(7, 1), (7, u64::MAX), (u64::MAX, 2)]
            );
        }
    }

    #[test]
    fn a_mark_tells_rows_apart() {
        let days = [Day(0), Day(83_999)];
        let marks: BTreeSet<u64> = [(1, Kind::Browse), (2, Kind::Browse), (1, Kind::NegativeReview)]
            .into_iter()
            .flat_map(|(who, kind)| days.map(|day| mark(who, kind, day)))
            .collect();
        assert_eq!(marks.len(), 6);
    }
}
