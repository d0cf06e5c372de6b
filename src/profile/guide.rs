//! From a value to its bin without searching from the start.
//!
//! A monotone map sends every value to one of [`SLOTS`] slots; a table knows
//! how many edges lie in the slots below, and a look at the next four edges
//! does the rest. Ordinary data meet no branch that depends on them; where a
//! slot holds more edges, a binary search takes over.
//!
//! The map is the bit pattern of `|x - center| + spread`, which is linear up to
//! about `spread` from the centre and logarithmic beyond: one formula serves
//! uniform, bell-shaped, one-sided and heavy-tailed columns, and the pair that
//! leaves the fewest edges out of that reach is taken. Whatever the pair, the
//! result is exact, because rounding keeps the map monotone.

use std::ops::Range;

/// Four slots for each of 1,024 edges, and 8 KB, a quarter of an L1 cache.
const SLOT_BITS: u32 = 12;
const SLOTS: usize = 1 << SLOT_BITS;
const LAST_SLOT: i64 = (1 << SLOT_BITS) - 1;

/// Edges that are compared without a search.
const LOOKED_AT: usize = 4;

/// A table for one list of edges.
#[derive(Debug, Clone)]
pub(super) struct Guide {
    map: SlotMap,
    /// For each slot the number of edges in lower slots.
    below: Box<[u16; SLOTS]>,
    /// The edges, and infinities so that four can always be looked at.
    edges: Box<[f64]>,
    count: usize,
}

/// A monotone map from finite numbers to slots.
#[derive(Debug, Clone, Copy)]
struct SlotMap {
    center: f64,
    spread: f64,
    /// Bits of `spread`.
    origin: i64,
    /// At least 1, so that differences of positions fit.
    shift: u32,
    /// Slot of the smallest edge, before it is made zero.
    lowest: i64,
}

impl SlotMap {
    /// A map whose slots reach from `from` to `until`.
    #[expect(clippy::cast_possible_wrap, reason = "the bits of a positive number are positive")]
    fn new(center: f64, spread: f64, from: f64, until: f64) -> Self {
        let mut map = Self { center, spread, origin: spread.to_bits() as i64, shift: 1, lowest: 0 };
        // Two slots are for what lies outside.
        while map.position(until) - map.position(from) >= LAST_SLOT - 1 {
            map.shift += 1;
        }
        map.lowest = map.position(from) - 1;
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
    #[expect(clippy::cast_sign_loss, reason = "clamped to the slots")]
    fn slot(&self, value: f64) -> usize {
        (self.position(value) - self.lowest).clamp(0, LAST_SLOT) as usize
    }
}

impl Guide {
    /// A table for sorted `edges`, at its best for values whose bins are
    /// `inside`.
    pub(super) fn new(mut edges: Vec<f64>, inside: Range<usize>) -> Self {
        let body = edges.get(inside.start.saturating_sub(1)..inside.end).unwrap_or(&edges);
        let map = candidates(body).min_by_key(|&map| unreached(body, map));
        let map = map.unwrap_or_else(|| SlotMap::new(0.0, 1.0, 0.0, 0.0));
        let mut below = Box::new([0; SLOTS]);
        let mut seen = 0;
        for (slot, below) in below.iter_mut().enumerate() {
            *below = u16::try_from(seen).unwrap_or(u16::MAX);
            let rest = edges.get(seen..).unwrap_or_default();
            seen += rest.iter().take_while(|&&edge| map.slot(edge) == slot).count();
        }
        let count = edges.len();
        edges.extend([f64::INFINITY; LOOKED_AT]);
        Self { map, below, edges: edges.into_boxed_slice(), count }
    }

    /// The edges.
    pub(super) fn edges(&self) -> &[f64] {
        self.edges.get(..self.count).unwrap_or_default()
    }

    /// How many edges are smaller than `value`.
    #[inline]
    pub(super) fn bin_of(&self, value: f64) -> usize {
        let slot = self.map.slot(value);
        let first = self.below.get(slot).map_or(0, |&below| usize::from(below));
        let Some(&[a, b, c, d]) = self.edges.get(first..first + LOOKED_AT) else {
            return self.count;
        };
        if d < value {
            return self.search(slot, value);
        }
        first + usize::from(a < value) + usize::from(b < value) + usize::from(c < value)
    }

    /// The search for a value in a slot of many edges, or outside the range of
    /// the reference, where the edges of the tails crowd in one slot.
    #[cold]
    fn search(&self, slot: usize, value: f64) -> usize {
        let first = self.below.get(slot).map_or(0, |&below| usize::from(below));
        let end = self.below.get(slot + 1).map_or(self.count, |&below| usize::from(below));
        first + self.edges.get(first..end).unwrap_or_default().partition_point(|&edge| edge < value)
    }
}

/// The number of edges that a look at the first of their slot doesn't reach.
fn unreached(edges: &[f64], map: SlotMap) -> usize {
    let (mut unreached, mut here, mut last) = (0, 0, usize::MAX);
    for slot in edges.iter().map(|&edge| map.slot(edge)) {
        here = if slot == last { here + 1 } else { 1 };
        last = slot;
        unreached += usize::from(here >= LOOKED_AT);
    }
    unreached
}

/// Maps that suit the shapes that columns come in.
fn candidates(body: &[f64]) -> impl Iterator<Item = SlotMap> + '_ {
    let at = |part: usize| body.get((body.len().saturating_sub(1)) * part / 16).copied().unwrap_or(0.0);
    let (from, until) = (at(0), at(16));
    let half = |a: f64, b: f64| b / 2.0 - a / 2.0;
    let spreads =
        [half(from, until), half(at(1), at(15)), half(at(4), at(12)), half(at(7), at(9)), half(from, at(1))];
    let centers = [from, at(8), 0.0_f64.clamp(from, until), at(1), at(4)];
    let pairs = centers.into_iter().flat_map(move |center| spreads.map(|spread| (center, spread)));
    pairs.flat_map(move |(center, spread)| {
        [1.0, 0.25, 0.0625, 0.001].map(|part| {
            let spread = (spread * part).clamp(f64::MIN_POSITIVE, f64::MAX / 4.0);
            SlotMap::new(center, spread, from, until)
        })
    })
}
