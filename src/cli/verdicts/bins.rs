//! The bins of a cut as bars: the reference beside the window.

use std::fmt::Write as _;

use super::{
    percent,
    terminal::{Look, Terminal, shortened},
};
use crate::result::{BinShare, FeatureResult, Verdict};

/// Characters of a bin's label at most.
const LABEL_WIDTH: usize = 26;
/// Characters of everything but label and bars: mark, shares, change, part,
/// and the gaps between them.
const OTHER_WIDTH: usize = 40;
/// Characters of a bar, at least and at most.
const BAR_WIDTHS: (usize, usize) = (6, 40);
/// Of the score, what the marked bins make up together.
const MARKED_PART: f64 = 0.75;
/// Blocks from an eighth of a character to a whole one.
const EIGHTHS: [char; 8] = ['▏', '▎', '▍', '▌', '▋', '▊', '▉', '█'];

/// The values that the shares are shares of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    pub(super) reference: u64,
    pub(super) window: u64,
}

/// A line per bin: label, both shares with their bars, the change in points,
/// and its part of the population stability index. The bins that moved most
/// are marked, unless the column is stable.
pub(super) fn bars(column: &FeatureResult, sizes: Sizes, terminal: Terminal) -> String {
    let terms: Vec<f64> = column.bins.iter().map(|bin| psi_term(bin, sizes)).collect();
    let total: f64 = terms.iter().sum();
    let parts: Vec<f64> = terms.iter().map(|term| if total > 0.0 { term / total } else { 0.0 }).collect();
    let least = if column.verdict >= Verdict::Shifted { marked_from(&parts) } else { f64::INFINITY };
    let labels =
        column.bins.iter().map(|bin| bin.label.chars().count()).max().unwrap_or(0).clamp(3, LABEL_WIDTH);
    let width = (terminal.width.saturating_sub(labels + OTHER_WIDTH) / 2).clamp(BAR_WIDTHS.0, BAR_WIDTHS.1);
    let largest = column.bins.iter().map(|bin| bin.reference.max(bin.window)).fold(0.0, f64::max);
    let head = format!(
        "  {:<labels$}  {:<bar$}  {:<bar$}  {:>9}  {:>6}",
        "bin",
        "reference",
        "window",
        "change",
        "of PSI",
        bar = width + 7
    );
    let mut text = terminal.show(head.trim_end(), Look::Dim) + "\n";
    for (bin, part) in column.bins.iter().zip(parts) {
        let is_marked = part > 0.0 && part >= least;
        let look = if is_marked { Look::Verdict(column.verdict) } else { Look::Plain };
        let side = |share: f64, look: Look| {
            let bar = format!("{:<width$}", bar(share, largest, width));
            format!("{}{:>7}", terminal.show(&bar, look), percent(Some(share)))
        };
        let _ = writeln!(
            text,
            "{} {:<labels$}  {}  {}  {}  {:>5.1}%",
            terminal.show(if is_marked { ">" } else { " " }, look),
            shortened(&bin.label, labels),
            side(bin.reference, Look::Dim),
            side(bin.window, look),
            terminal.show(&format!("{:>+5.1} pts", 100.0 * (bin.window - bin.reference)), look),
            100.0 * part
        );
    }
    text
}

/// What a bin adds to the population stability index; an empty side stands
/// for the share of one value, but never for more than the other has, as in
/// `drift::population_stability_index`.
fn psi_term(bin: &BinShare, sizes: Sizes) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a share for people")]
    let one = |size: u64| 1.0 / size.max(1) as f64;
    let or_one = |share: f64, other: f64, size: u64| if share > 0.0 { share } else { other.min(one(size)) };
    let reference = or_one(bin.reference, bin.window, sizes.reference);
    let window = or_one(bin.window, bin.reference, sizes.window);
    if reference > 0.0 && window > 0.0 { (window - reference) * (window / reference).ln() } else { 0.0 }
}

/// The least part of the bins that make up most of the score: as few as
/// possible, the largest first.
fn marked_from(parts: &[f64]) -> f64 {
    let mut sorted = parts.to_vec();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let mut sum = 0.0;
    let last = sorted.into_iter().find(|part| {
        sum += part;
        sum >= MARKED_PART
    });
    last.unwrap_or(f64::INFINITY)
}

/// `share` of `largest` in blocks, to an eighth of a character; what is not
/// zero has an eighth at least.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a length between nothing and the width of a line"
)]
fn bar(share: f64, largest: f64, width: usize) -> String {
    if largest <= 0.0 || share <= 0.0 {
        return String::new();
    }
    let eighths = ((share / largest).min(1.0) * (width * 8) as f64).round().max(1.0) as usize;
    let full = std::iter::repeat_n('█', eighths / 8);
    let rest = (eighths % 8).checked_sub(1).and_then(|index| EIGHTHS.get(index));
    full.chain(rest.copied()).collect()
}
