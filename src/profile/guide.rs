//! From a value to its bin without searching from the start.
//!
//! A monotone map sends every value to one of [`SLOTS`] slots; a table knows
//! how many edges lie in the slots below, and a few steps of binary search,
//! their number fixed per grid, finish inside the slot. Nothing depends on the
//! data but the addresses, so there is no branch to mispredict.
//!
//! The map is the bit pattern of `|x - center| + spread`, which is linear up to
//! about `spread` from the centre and logarithmic beyond: one formula serves
//! uniform, bell-shaped, one-sided and heavy-tailed columns, and the pair that
//! leaves the fewest edges in any one slot is taken. Whatever the pair, the
//! result is exact, because rounding keeps the map monotone.

use std::{hint::select_unpredictable, ops::Range};

/// Four slots for each of 1,024 edges, and 8 KB, a quarter of an L1 cache.
const SLOTS: usize = 4096;

/// A table for one list of edges.
#[derive(Debug, Clone)]
pub(super) struct Guide {
    map: SlotMap,
    /// For each slot the number of edges in lower slots.
    below: Box<[u16]>,
    /// Width of the first step of the search inside a slot; a power of two, or
    /// zero when no slot holds an edge.
    first_step: usize,
}

/// A monotone map from finite numbers to slots.
#[derive(Debug, Clone, Copy)]
struct SlotMap {
    center: f64,
    spread: f64,
    /// Bits of `spread`.
    origin: i64,
    shift: u32,
    /// Slot of the smallest edge, before it is made zero.
    lowest: i64,
}

impl SlotMap {
    /// A map whose slots reach from `from` to `until`.
    #[expect(clippy::cast_possible_wrap, reason = "the bits of a positive number are positive")]
    fn new(center: f64, spread: f64, from: f64, until: f64) -> Self {
        let mut map = Self { center, spread, origin: spread.to_bits() as i64, shift: 0, lowest: 0 };
        // Two slots are for what lies outside.
        while map.position(until).saturating_sub(map.position(from)) >= SLOTS as i64 - 2 {
            map.shift += 1;
        }
        map.lowest = map.position(from).saturating_sub(1);
        map
    }

    #[inline]
    #[expect(
        clippy::cast_possible_wrap,
        reason = "the bits are read as a sign or are those of a positive number"
    )]
    fn position(&self, value: f64) -> i64 {
        let distance = value - self.center;
        let side = distance.to_bits() as i64 >> 63;
        let outwards = ((distance.abs() + self.spread).to_bits() as i64 - self.origin) >> self.shift;
        outwards ^ side
    }

    #[inline]
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the slots")]
    fn slot(&self, value: f64) -> usize {
        self.position(value).saturating_sub(self.lowest).clamp(0, SLOTS as i64 - 1) as usize
    }
}

impl Guide {
    /// A table for sorted `edges`, at its best for values whose bins are
    /// `inside`.
    pub(super) fn new(edges: &[f64], inside: Range<usize>) -> Self {
        let body = edges.get(inside.start.saturating_sub(1)..inside.end).unwrap_or(edges);
        let best =
            candidates(body).map(|map| (fullest_slot(body, map), map)).min_by_key(|(fullest, _)| *fullest);
        let (fullest, map) = best.unwrap_or((0, SlotMap::new(0.0, 1.0, 0.0, 0.0)));
        let mut below = Vec::with_capacity(SLOTS);
        let mut seen = 0;
        for slot in 0..SLOTS {
            below.push(u16::try_from(seen).unwrap_or(u16::MAX));
            let rest = edges.get(seen..).unwrap_or_default();
            seen += rest.iter().take_while(|&&edge| map.slot(edge) == slot).count();
        }
        // Steps of 2^k .. 1 tell 2^(k+1) positions apart: 0 to `fullest` edges.
        let first_step = (fullest + 1).next_power_of_two() / 2;
        Self { map, below: below.into_boxed_slice(), first_step }
    }

    /// How many of `edges`, those of the table, are smaller than `value`.
    #[inline]
    pub(super) fn bin_of(&self, edges: &[f64], value: f64) -> usize {
        let slot = self.map.slot(value);
        if slot == 0 || slot == SLOTS - 1 {
            // Outside the reference's range: rare, and the tails crowd there.
            return edges.partition_point(|&edge| edge < value);
        }
        let mut bin = usize::from(self.below.get(slot).copied().unwrap_or(0));
        let mut step = self.first_step;
        while step > 0 {
            let smaller = edges.get(bin + step - 1).is_some_and(|&edge| edge < value);
            bin += select_unpredictable(smaller, step, 0);
            step /= 2;
        }
        bin
    }
}

/// The largest number of edges that share a slot of `map`.
fn fullest_slot(edges: &[f64], map: SlotMap) -> usize {
    let slots = edges.iter().map(|&edge| map.slot(edge));
    let (mut fullest, mut here, mut last) = (0, 0, usize::MAX);
    for slot in slots {
        here = if slot == last { here + 1 } else { 1 };
        (fullest, last) = (fullest.max(here), slot);
    }
    fullest
}

/// Maps that suit the shapes that columns come in.
fn candidates(body: &[f64]) -> impl Iterator<Item = SlotMap> + '_ {
    let at = |part: usize| body.get((body.len().saturating_sub(1)) * part / 16).copied().unwrap_or(0.0);
    let (from, middle, until) = (at(0), at(8), at(16));
    let half = |a: f64, b: f64| b / 2.0 - a / 2.0;
    let spreads = [half(from, until), half(at(1), at(15)), half(at(4), at(12)), half(at(7), at(9))];
    [from, middle, 0.0_f64.clamp(from, until)].into_iter().flat_map(move |center| {
        spreads
            .into_iter()
            .flat_map(move |spread| {
                [1.0, 0.0625, 0.001].map(|part| (spread * part).clamp(f64::MIN_POSITIVE, f64::MAX / 4.0))
            })
            .map(move |spread| SlotMap::new(center, spread, from, until))
    })
}
