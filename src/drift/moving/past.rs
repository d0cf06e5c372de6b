//! The earlier windows of one stream.

use std::collections::BTreeMap;

use super::{Ladder, MovingReference, Season, varint};
use crate::{
    event::EventTime,
    reference::{Column, DAY_MS, DesignEffect, Ratio, WEEK_MS, degrees, ratio},
};

/// Windows that are kept, at most.
pub const MOST_WINDOWS: usize = 2_000;
/// Rows of a window at most: at a million a second, nine years.
const MOST_EVENTS: u64 = 1 << 48;
/// How long windows are kept, at most: four weeks.
pub const KEPT_MS: i64 = 4 * WEEK_MS;
/// Ratios below which the stream's own past says too little about its scatter.
const FEWEST_RATIOS: usize = 20;
/// Ratios that are looked at, at most: the latest of those that count.
const MOST_RATIOS: usize = 168;
/// Windows of so many milliseconds before a window say nothing about how far it
/// may stray: a drift that lasts would make itself usual. The second is for the
/// first days of a stream.
const NOT_YET_USUAL_MS: [i64; 2] = [WEEK_MS, DAY_MS];
/// Cube roots of ratios are kept in thousandths.
const ROOT_UNIT: f64 = 1_000.0;
/// Windows that a volume is compared with where there is no season to go by.
const LATEST_VOLUMES: usize = 48;
/// Windows of one hour of the week that make a season.
const FEWEST_WEEKS: usize = 4;
/// Windows of one hour of the day that make a season.
const FEWEST_DAYS: usize = 5;

/// What a moving reference comes to for one window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastCounts {
    /// Counts on the cut of every column.
    pub counts: Vec<Vec<u64>>,
    /// Windows that they are the sum of.
    pub windows: usize,
    /// The hour that they share with the window.
    pub season: Season,
}

/// Counts on the cuts, rows and scatter of a stream's earlier windows.
///
/// One window of 25 columns with 11 bins each takes 275 to 600 bytes.
#[derive(Debug, Clone, PartialEq)]
pub struct Past {
    pub(super) size_ms: i64,
    /// How long after its end a window may still be put in again.
    pub(super) late_ms: i64,
    pub(super) references: Vec<MovingReference>,
    /// Bins of every column's cut.
    pub(super) layout: Vec<u32>,
    /// By their ends.
    pub(super) windows: BTreeMap<i64, Kept>,
}

/// What is kept of a window.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Kept {
    pub(super) events: u64,
    /// The counts of all columns' cuts, one after the other; empty when no
    /// reference reaches back so far.
    pub(super) counts: Box<[u8]>,
    /// For every reference and column the two cube roots of its ratio, plus one
    /// unit; 0 where there is none. Empty beyond the windows that are looked at.
    pub(super) roots: Box<[u8]>,
}

impl Past {
    /// Nothing seen yet: windows of this length, of a model with these columns.
    ///
    /// `late_ms` is how long after its end a window may still be put in again:
    /// what it is compared with is kept for longer by that.
    #[must_use]
    pub fn new(size_ms: i64, late_ms: i64, references: &[MovingReference], columns: &[Column]) -> Self {
        let references = references.to_vec();
        Self { size_ms, late_ms, references, layout: layout(columns), windows: BTreeMap::new() }
    }

    /// Whether this is the past of such windows and columns, after a restart.
    #[must_use]
    pub fn fits(
        &self,
        (size_ms, late_ms): (i64, i64),
        references: &[MovingReference],
        columns: &[Column],
    ) -> bool {
        (self.size_ms, self.late_ms) == (size_ms, late_ms)
            && self.references == references
            && self.layout == layout(columns)
    }

    /// Whether what was read back are windows up to `latest` with counts that can
    /// be added.
    #[must_use]
    pub fn is_plausible(&self, latest: Option<i64>) -> bool {
        let counts = |kept: &Kept| varint::all(&kept.counts, self.bins()).unwrap_or_default();
        let is_count = |count: &u64| *count <= MOST_EVENTS;
        self.windows.last_key_value().is_none_or(|(&end, _)| Some(end) <= latest)
            && self.windows.values().all(|kept| is_count(&kept.events) && counts(kept).iter().all(is_count))
    }

    /// Windows kept.
    #[must_use]
    pub fn len(&self) -> usize {
        self.windows.len()
    }

    /// Whether there is no window.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.windows.is_empty()
    }

    /// Takes a window that is over, with its rows and its counts on every
    /// column's cut; one with the same end takes the place of the former.
    /// `false` when the counts are not those of the columns. A window without
    /// rows is as good as one that was never put in.
    pub fn push(&mut self, end: EventTime, events: u64, counts: &[Vec<u64>]) -> bool {
        let fits = counts.len() == self.layout.len()
            && counts.iter().zip(&self.layout).all(|(counts, &bins)| counts.len() == bins as usize);
        if !fits {
            return false;
        }
        if events == 0 {
            return true;
        }
        let roots = self.roots(end, counts);
        let mut bytes = Vec::new();
        if !self.references.is_empty() {
            counts.iter().flatten().for_each(|&count| varint::put(&mut bytes, count));
        }
        self.windows.insert(end.0, Kept { events, counts: bytes.into(), roots });
        self.forget();
        true
    }

    /// How far a window is from each of its references.
    fn roots(&self, end: EventTime, counts: &[Vec<u64>]) -> Box<[u8]> {
        let mut bytes = Vec::new();
        for reference in &self.references {
            let past = self.counts(reference, end);
            for (index, window) in counts.iter().enumerate() {
                let others = past.as_ref().and_then(|past| past.counts.get(index));
                let ratio = others.and_then(|others| ratio(window, others));
                let [shares, cumulative] =
                    ratio.map_or([0, 0], |ratio| [ratio.shares, ratio.cumulative].map(unit));
                varint::put(&mut bytes, shares);
                varint::put(&mut bytes, cumulative);
            }
        }
        bytes.into()
    }

    /// Forgets what nothing reaches back to.
    fn forget(&mut self) {
        let Some((&latest, _)) = self.windows.last_key_value() else { return };
        // What is still put in again needs as much before it as it had at first.
        self.windows = self.windows.split_off(&latest.saturating_sub(KEPT_MS.saturating_add(self.late_ms)));
        while self.windows.len() > MOST_WINDOWS {
            self.windows.pop_first();
        }
        let reach = self.references.iter().map(|reference| reference.reach_ms(self.size_ms)).max();
        let from = latest.saturating_sub(reach.map_or(0, |reach| reach.saturating_add(self.late_ms)));
        // All before the last one forgotten are forgotten already.
        let old = self.windows.range_mut(..from).rev().take_while(|(_, kept)| !kept.counts.is_empty());
        old.for_each(|(_, kept)| kept.counts = Box::default());
        // What is usual: a week of windows before the last week.
        let usual = latest.saturating_sub((2 * WEEK_MS).saturating_add(self.late_ms));
        let mut old = self.windows.iter_mut().rev().skip(2 * MOST_RATIOS).filter(|(end, _)| **end < usual);
        if let Some((_, kept)) = old.next() {
            kept.roots = Box::default();
        }
    }

    /// The counts that the window that ends at `end` is compared with; `None`
    /// when none of its windows is there.
    ///
    /// Only windows that end a multiple of the length before are taken (of the
    /// day or week where it goes by the hour), so that windows that slide don't
    /// count rows twice.
    #[must_use]
    pub fn counts(&self, reference: &MovingReference, end: EventTime) -> Option<PastCounts> {
        let seasons: &[Season] = match reference {
            MovingReference::Seasonal { .. } => &[Season::HourOfWeek, Season::HourOfDay],
            _ => &[Season::None],
        };
        seasons.iter().find_map(|&season| {
            let ladder = reference.ladder(self.size_ms, season)?;
            let (sum, windows) = self.sum(self.on(ladder, end))?;
            Some(PastCounts { counts: self.split(&sum), windows, season })
        })
    }

    /// The windows on a ladder below `end`, the nearest first.
    fn on(&self, ladder: Ladder, end: EventTime) -> impl Iterator<Item = &Kept> {
        let Ladder { step, reach } = ladder;
        let below = self.windows.range(end.0.saturating_sub(reach)..end.0).rev();
        below.filter(move |(before, _)| end.0.wrapping_sub(**before) % step == 0).map(|(_, kept)| kept)
    }

    /// Sum of the windows with rows, and their number.
    fn sum<'a>(&self, windows: impl Iterator<Item = &'a Kept>) -> Option<(Vec<u64>, usize)> {
        let mut sum: Vec<u64> = Vec::new();
        let mut count = 0;
        for kept in windows.filter(|kept| kept.events > 0) {
            let Some(counts) = varint::all(&kept.counts, self.bins()) else { continue };
            count += 1;
            if sum.is_empty() {
                sum = counts;
            } else {
                sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum = sum.saturating_add(count));
            }
        }
        (count > 0).then_some((sum, count))
    }

    fn split(&self, mut counts: &[u64]) -> Vec<Vec<u64>> {
        let mut columns = Vec::with_capacity(self.layout.len());
        for &bins in &self.layout {
            let (column, rest) = counts.split_at_checked(bins as usize).unwrap_or_default();
            columns.push(column.to_vec());
            counts = rest;
        }
        columns
    }

    /// Bins of all columns together.
    pub(super) fn bins(&self) -> usize {
        self.layout.iter().fold(0, |sum: usize, &bins| sum.saturating_add(bins as usize))
    }

    /// For every column, how far the stream's windows usually stray from this
    /// reference, for the window that ends at `end` and has `now` as the
    /// reference; `None` with too few windows. [`DesignEffect::of_past`] puts it
    /// together with what the calibration says.
    ///
    /// Looks at windows that are a week old, so that a drift that lasts is seen
    /// for a week at least; at windows that are a day old while there are not
    /// enough. One in twenty of them may have drifted without moving it much.
    #[must_use]
    pub fn design_effects(
        &self,
        reference: &MovingReference,
        now: &PastCounts,
        end: EventTime,
    ) -> Vec<Option<DesignEffect>> {
        let of = |age| self.effects_before(reference, now, end.0.saturating_sub(age));
        let found = NOT_YET_USUAL_MS.into_iter().map(of);
        found
            .reduce(|usual, first| if usual.iter().any(Option::is_some) { usual } else { first })
            .unwrap_or_default()
    }

    /// The same from the windows that end before `until`.
    fn effects_before(
        &self,
        reference: &MovingReference,
        now: &PastCounts,
        until: i64,
    ) -> Vec<Option<DesignEffect>> {
        let columns = self.layout.len();
        let Some(place) = self.references.iter().position(|own| own == reference) else {
            return vec![None; columns];
        };
        let latest = self.windows.range(..until).rev().map(|(_, kept)| kept).take(MOST_RATIOS);
        let mut roots: Vec<[Vec<f64>; 2]> = vec![<[Vec<f64>; 2]>::default(); columns];
        let mut largest = 0;
        for kept in latest {
            let Some(all) = varint::all(&kept.roots, self.references.len() * columns * 2) else { continue };
            largest = largest.max(kept.events);
            let own = all.chunks_exact(2).skip(place * columns);
            for (pair, [shares, cumulative]) in own.zip(&mut roots) {
                if let [Some(first), Some(second)] =
                    [pair.first(), pair.last()].map(|unit| unit.and_then(|&unit| root(unit)))
                {
                    shares.push(first);
                    cumulative.push(second);
                }
            }
        }
        let degrees = now.counts.iter().map(|counts| degrees(counts));
        let effect = |([mut shares, mut cumulative], degrees): ([Vec<f64>; 2], Option<Ratio>)| {
            (shares.len() >= FEWEST_RATIOS)
                .then(|| DesignEffect::robust(&mut shares, &mut cumulative, degrees?, largest))
                .flatten()
        };
        roots.into_iter().zip(degrees).map(effect).collect()
    }

    /// Rows of the earlier windows that a window's rows can be compared with:
    /// those at the same hour of the week if there are four, else at the same
    /// hour of the day if there are five, else the latest 48. A window that is
    /// not there has none, from the first one on that is.
    #[must_use]
    pub fn comparable_volumes(&self, end: EventTime) -> Vec<u64> {
        let volumes = |step: i64, most: usize| -> Vec<u64> {
            if step < self.size_ms {
                return Vec::new();
            }
            let Some((&first, _)) = self.windows.first_key_value() else { return Vec::new() };
            let first = first.max(end.0.saturating_sub(KEPT_MS));
            let ends = std::iter::successors(end.0.checked_sub(step), |end| end.checked_sub(step));
            let events = |end: i64| self.windows.get(&end).map_or(0, |kept| kept.events);
            ends.take_while(|end| *end >= first).map(events).take(most).collect()
        };
        let weekly = volumes(WEEK_MS, MOST_WINDOWS);
        if weekly.len() >= FEWEST_WEEKS {
            return weekly;
        }
        let daily = volumes(DAY_MS, MOST_WINDOWS);
        if daily.len() >= FEWEST_DAYS { daily } else { volumes(self.size_ms.max(1), LATEST_VOLUMES) }
    }

    /// Bytes on the heap, about.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        let kept = |kept: &Kept| kept.counts.len() + kept.roots.len() + size_of::<(i64, Kept)>();
        self.windows.values().map(kept).sum::<usize>() + self.layout.len() * size_of::<u32>()
    }
}

fn layout(columns: &[Column]) -> Vec<u32> {
    columns.iter().map(|column| u32::try_from(column.cut.bins()).unwrap_or(u32::MAX)).collect()
}

/// The cube root of a ratio in its unit, plus one.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small number from 1")]
fn unit(ratio: f64) -> u64 {
    (ratio.max(0.0).cbrt() * ROOT_UNIT).round() as u64 + 1
}

#[expect(clippy::cast_precision_loss, reason = "a small number")]
fn root(unit: u64) -> Option<f64> {
    unit.checked_sub(1).map(|unit| unit as f64 / ROOT_UNIT)
}
