//! How many different values come.

use super::{
    FALSE_ALARMS, Sides, normal::upper_normal_quantile, shares::New, text::number, two_sample::TwoSample,
};
use crate::{
    drift::pair::count_to_f64,
    profile::{CategoricalGrid, NumericGrid},
    result::{Check, Finding, Verdict},
};

/// Neighbouring bins of a numeric grid that are judged given their total: so
/// few that a shift of the distribution hardly changes their proportions.
const BLOCK: usize = 32;
/// Part of the reference's rows from which on a bin is judged with others like
/// it: among rare neighbours its share alone would say how many of them come.
const HEAVY: u64 = 20;
/// Rows of the reference below which a category's rate is not known well enough
/// to expect it: most that came once are rarer than that.
const KNOWN_ROWS: u64 = 5;
/// Logarithm of a probability that is as good as none.
const NEVER: f64 = -40.0;
/// Standard errors by which a category is taken to be rarer than it was, where
/// categories with bins are the most frequent of many.
const CHOSEN: f64 = 4.0;

/// Bins in which a window has values, of those in which it could have some.
#[derive(Debug, Clone, Copy, Default)]
struct Occupancy {
    occupied: f64,
    /// Expected number, its variance and third cumulant.
    expected: f64,
    variance: f64,
    skew: f64,
}

/// What came beside the bins that are expected.
#[derive(Debug, Clone, Copy, Default)]
struct Others {
    /// Different values that the reference did not have.
    new: u64,
    /// Rows that may be of such values.
    new_rows: u64,
    /// Different values that are too rare in the reference to be expected.
    rare: u64,
}

impl Occupancy {
    /// So many bins that stay empty with probability `empty` each.
    fn add(&mut self, bins: f64, empty: f64) {
        let chance = bins * empty * (1.0 - empty);
        self.expected += bins * (1.0 - empty);
        self.variance += chance;
        self.skew += chance * (1.0 - 2.0 * empty);
    }

    /// The number of occupied bins that chance goes below with probability
    /// `tail`: the normal quantile with the correction of Cornish and Fisher
    /// (1938) for the skew, and half a bin for the steps of whole numbers.
    fn low(&self, tail: f64) -> f64 {
        if self.variance <= 0.0 {
            return self.expected - 0.5;
        }
        let z = upper_normal_quantile(tail);
        // Empty bins are the ones that count upwards.
        let correction = (z * z - 1.0) / 6.0 * self.skew / self.variance;
        self.expected - z * self.variance.sqrt() - correction.max(0.0) - 0.5
    }
}

/// Of a numeric column: its bins inside the reference's range.
///
/// A bin with `a` of the reference's rows lies between two of its order
/// statistics, so that its share is beta distributed; of a block with `A` rows
/// of the reference and `B` of the window it stays empty with probability
/// `(A/(A+B))^a` (Johnson and Kotz, *Urn Models and Their Application*, 1977,
/// with the reference's own error). Given the block's total, a shift of the
/// distribution makes little difference, but rounding does: it leaves most bins
/// empty. A bin without any of the reference's rows is a gap between two values,
/// where only a new value can lie; it counts with the value above it, too.
pub(super) fn of_numbers(sides: &Sides<'_>, grid: &NumericGrid) -> Finding {
    let (reference, window) = sides.inside(grid);
    let light = sides.reference().valid() / HEAVY;
    let mut known = Occupancy::default();
    let mut others = Others::default();
    let (mut block, mut heavy) = (Block::default(), Block::default());
    let mut in_gap = 0;
    for (&reference, &window) in reference.iter().zip(window) {
        if reference == 0 {
            others.new += u64::from(window > 0);
            others.new_rows += window;
            in_gap += window;
            continue;
        }
        let bins = if reference > light { &mut heavy } else { &mut block };
        bins.push(reference, window + in_gap);
        in_gap = 0;
        if block.bins == BLOCK {
            block.judge(&mut known, sides.deff);
        }
    }
    heavy.judge(&mut known, sides.deff);
    block.judge(&mut known, sides.deff);
    finding(sides, &known, &others, || foretold(sides, grid))
}

/// Rows that may be the only ones of their value: of bins that hold several
/// values all of them.
fn foretold(sides: &Sides<'_>, grid: &NumericGrid) -> New {
    let mut new = New::default();
    for (bin, &reference) in (grid.inside().start..).zip(sides.inside(grid).0) {
        if reference == 1 || !grid.is_single_value(bin) {
            new.once += reference;
        } else if reference == 2 {
            new.twice += 1;
        }
    }
    new
}

/// A run of neighbouring bins; those with equally many rows of the reference are
/// as likely to stay empty.
#[derive(Debug, Clone, Copy)]
struct Block {
    /// The reference's rows of a bin, and how many bins after another have them.
    runs: [(u64, u32); BLOCK],
    len: usize,
    bins: usize,
    occupied: u32,
    reference: u64,
    window: u64,
}

impl Default for Block {
    fn default() -> Self {
        Self { runs: [(0, 0); BLOCK], len: 0, bins: 0, occupied: 0, reference: 0, window: 0 }
    }
}

impl Block {
    fn push(&mut self, reference: u64, window: u64) {
        self.bins += 1;
        self.occupied += u32::from(window > 0);
        self.reference += reference;
        self.window += window;
        if let Some(run) = self.len.checked_sub(1).and_then(|last| self.runs.get_mut(last))
            && run.0 == reference
        {
            run.1 += 1;
        } else if let Some(run) = self.runs.get_mut(self.len) {
            *run = (reference, 1);
            self.len += 1;
        }
    }

    /// Adds the block's bins to `known` and starts anew. A block without rows of
    /// the window says nothing.
    fn judge(&mut self, known: &mut Occupancy, deff: f64) {
        if self.window > 0 && self.bins > 1 {
            let empty = Emptiness::new(count_to_f64(self.reference), count_to_f64(self.window) / deff);
            for &(reference, bins) in self.runs.get(..self.len).unwrap_or_default() {
                known.add(f64::from(bins), empty.of(reference));
            }
            known.occupied += f64::from(self.occupied);
        }
        (self.len, self.bins, self.occupied) = (0, 0, 0);
        (self.reference, self.window) = (0, 0);
    }
}

/// The probability that a bin stays empty, by the reference's rows in it.
struct Emptiness {
    log: f64,
}

impl Emptiness {
    fn new(reference: f64, window: f64) -> Self {
        Self { log: (reference / (reference + window)).ln() }
    }

    fn of(&self, rows: u64) -> f64 {
        let log = count_to_f64(rows) * self.log;
        if log < NEVER { 0.0 } else { log.exp() }
    }
}

/// Of a categorical column: its categories with bins, and the names of new ones
/// (of which at most 32 are kept, which is a lower bound). One of a category's
/// rows is taken for luck: rarer categories are more numerous, so more of them
/// came once too often than of the frequent ones once too rarely.
pub(super) fn of_categories(sides: &Sides<'_>, grid: &CategoricalGrid) -> Finding {
    let other = grid.other_code() as usize;
    let chosen = sides.reference_bins.get(other).is_some_and(|&count| count > 0);
    let mut known = Occupancy::default();
    let mut others =
        Others { new: sides.window.unseen_names().len() as u64, new_rows: sides.window.unseen(), rare: 0 };
    let rows = count_to_f64(sides.window.valid()) / sides.deff;
    let empty = Emptiness::new(count_to_f64(sides.reference().valid()), rows);
    for (reference, window) in sides.bins().take(other) {
        let rows = if chosen { less_by_choice(reference) } else { reference };
        if rows < KNOWN_ROWS {
            others.rare += u64::from(window > 0);
        } else {
            known.add(1.0, empty.of(rows - 1));
            known.occupied += f64::from(u8::from(window > 0));
        }
    }
    finding(sides, &known, &others, || New::of_categories(sides, other))
}

/// What a category's count may have been without luck.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "not negative, and no larger")]
fn less_by_choice(count: u64) -> u64 {
    let count = count_to_f64(count);
    (count - CHOSEN * count.sqrt()).max(0.0) as u64
}

/// Too few different values: bins are empty that should not be. Too many: more
/// new ones than rows of new values are to be expected. Rare values are taken as
/// they came, on both sides. There is no upper noise point, since the test for
/// too many is about rows.
fn finding(sides: &Sides<'_>, known: &Occupancy, others: &Others, foretold: impl Fn() -> New) -> Finding {
    let check = Check::Cardinality;
    let (rows, reference_rows) = (sides.window.valid(), sides.reference().valid());
    if !sides.are_enough(rows) || reference_rows == 0 {
        return super::insufficient(check);
    }
    let (new, rare) = (count_to_f64(others.new), count_to_f64(others.rare));
    let tail = FALSE_ALARMS / 2.0;
    let low = known.low(tail);
    // Without new values it only matters whether there could be too many.
    let new_values = if others.new_rows > 0 || low < 1.0 { foretold() } else { New::default() };
    let once = new_values.once;
    // Rows of new values need not be different, so no more than came.
    let expected_new = (count_to_f64(once) * count_to_f64(rows) / count_to_f64(reference_rows)).min(new);
    let old = known.occupied + rare;
    let (value, expected) = (old + new, known.expected + rare + expected_new);

    let most_new = TwoSample::new(once + 1, reference_rows, rows, new_values.deff(sides)).most(tail);
    let too_few = known.occupied < low;
    let too_many = most_new.is_some_and(|most| count_to_f64(others.new_rows) > most);
    let ratio = |value: f64, expected: f64| (value + 0.5) / (expected + 0.5);
    let few = ratio(old, known.expected + rare) <= 1.0 / sides.settings.min_ratio;
    let many = ratio(value, expected) >= sides.settings.min_ratio;
    let verdict = if low < 1.0 && most_new.is_none() {
        Verdict::Insufficient
    } else if (too_few && few) || (too_many && many) {
        Verdict::Drifted
    } else if too_few || too_many {
        Verdict::Shifted
    } else {
        Verdict::Stable
    };
    let detail = if verdict > Verdict::Stable {
        format!("{} different values, {} expected", number(value), number(expected.round()))
    } else {
        String::new()
    };
    Finding {
        verdict,
        value: Some(value),
        reference: Some(expected),
        noise_low: (low >= 1.0).then_some(low + rare),
        effect: Some(ratio(value, expected)),
        detail,
        ..super::insufficient(check)
    }
}
