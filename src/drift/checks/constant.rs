//! One value in every row, where the reference varies.

use super::{
    FALSE_ALARMS, Sides,
    text::{number, quoted},
    two_sample::TwoSample,
};
use crate::{
    drift::pair::share,
    profile::{CategoricalGrid, NumericGrid},
    result::{Check, Finding, Verdict},
};

/// The one value of a window: its bin and its name.
struct Only {
    bin: usize,
    name: String,
}

/// Of a numeric column: the smallest value is the largest.
#[expect(clippy::float_cmp, reason = "one value means the same value")]
pub(super) fn of_numbers(sides: &Sides<'_>, grid: &NumericGrid) -> Finding {
    let varies = sides.reference().min() < sides.reference().max();
    let extremes = sides.window.min().zip(sides.window.max()).filter(|(min, max)| min == max);
    let only = extremes.map(|(value, _)| Only { bin: grid.bin_of(value), name: number(value) });
    finding(sides, varies, only)
}

/// Of a categorical column: all rows are in the bin of one category. `other`
/// holds several, and `unseen` does unless it has one name for all its rows.
pub(super) fn of_categories(sides: &Sides<'_>, grid: &CategoricalGrid) -> Finding {
    let rows = sides.window.valid();
    let full = sides.window_bins.iter().position(|&count| count == rows && rows > 0);
    let only = full.and_then(|bin| {
        let unseen = sides.window.unseen_names();
        let name = match grid.named().get(bin) {
            Some(name) => name.as_str(),
            None => unseen.first().filter(|named| named.count == rows)?.name.as_str(),
        };
        Some(Only { bin, name: quoted(name) })
    });
    let kinds = sides.reference_bins.iter().filter(|&&count| count > 0).count();
    let varies = kinds > 1 || sides.reference_bins.get(grid.other_code() as usize).is_some_and(|&n| n > 0);
    finding(sides, varies, only)
}

/// Drifted when there is one value only and the reference has it too rarely for
/// that to be chance. The first row may be anything; the others are held against
/// the reference's share of its bin. One value that may well be chance says too
/// little.
fn finding(sides: &Sides<'_>, varies: bool, only: Option<Only>) -> Finding {
    let (rows, reference_rows) = (sides.window.valid(), sides.reference().valid());
    let largest = sides.bins().fold((0, 0), |most, bins| (bins.0.max(most.0), bins.1.max(most.1)));
    let mut finding = Finding {
        value: (rows > 0).then(|| share(largest.1, rows)),
        reference: (reference_rows > 0).then(|| share(largest.0, reference_rows)),
        ..super::insufficient(Check::Constant)
    };
    if !sides.are_enough(rows) {
        return finding;
    }
    let Some(only) = only.filter(|_| varies) else {
        finding.verdict = Verdict::Stable;
        return finding;
    };
    let count = sides.reference_bins.get(only.bin).copied().unwrap_or_default();
    let others = TwoSample::new(count, reference_rows, rows - 1, sides.deff);
    if others.most(FALSE_ALARMS).is_some() {
        finding.verdict = Verdict::Drifted;
        finding.detail = format!("every value is {}", only.name);
    }
    finding
}
