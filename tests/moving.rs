//! Moving references against a plain list of windows, and that a stored past
//! goes on to the bit, stays bounded, and is refused when it is damaged.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "the numbers of a test are small"
)]

use std::collections::BTreeMap;

use driftline::{
    drift::moving::{KEPT_MS, MOST_WINDOWS, MovingReference, Past, Season},
    event::EventTime,
    reference::{Column, ColumnRole, ReferenceBuilder, Value},
};
use proptest::{prelude::*, sample::Index};
use rand::SeedableRng as _;
use rand_chacha::ChaCha8Rng;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const WEEK: i64 = 7 * DAY;
const START: i64 = 1_767_571_200_000;

/// So many numeric columns, each with a cut of ten bins.
fn columns(count: usize) -> Vec<Column> {
    let mut builder = ReferenceBuilder::new("model", &BTreeMap::new(), 10);
    let names: Vec<String> = (0..count).map(|column| format!("x{column:02}")).collect();
    for row in 0..100_i32 {
        let value = Value::Number(f64::from(row));
        builder.push_row(names.iter().map(|name| (name.as_str(), ColumnRole::Feature, value)));
    }
    builder.finish("a test".into()).unwrap().0.columns
}

/// Counts on the cuts of `columns`, of about `rows` rows.
fn counts(rng: &mut ChaCha8Rng, columns: usize, rows: u64) -> Vec<Vec<u64>> {
    let column = |_| (0..10).map(|_| rng.random_range(0..=rows / 5)).collect();
    (0..columns).map(column).collect()
}

fn rows(counts: &[Vec<u64>]) -> u64 {
    counts[0].iter().sum()
}

/// The windows that a reference names, written down as they are explained.
fn expected(
    reference: MovingReference,
    windows: &BTreeMap<i64, Vec<Vec<u64>>>,
    end: i64,
) -> Option<(Vec<Vec<u64>>, usize, Season)> {
    let sum = |ends: Vec<i64>, season| {
        let found: Vec<&Vec<Vec<u64>>> = ends.iter().filter_map(|end| windows.get(end)).collect();
        let first = found.first()?;
        let mut sum: Vec<Vec<u64>> = first.iter().map(|column| vec![0; column.len()]).collect();
        for window in &found {
            for (sum, column) in sum.iter_mut().zip(*window) {
                sum.iter_mut().zip(column).for_each(|(sum, count)| *sum += count);
            }
        }
        Some((sum, found.len(), season))
    };
    match reference {
        MovingReference::Previous { windows } => sum(vec![end - i64::from(windows) * HOUR], Season::None),
        MovingReference::Rolling { ms } => {
            sum((1..=ms / HOUR).map(|back| end - back * HOUR).collect(), Season::None)
        }
        MovingReference::Seasonal { weeks } => {
            let weekly = (1..=i64::from(weeks)).map(|back| end - back * WEEK).collect();
            let daily = (1..=7).map(|back| end - back * DAY).collect();
            sum(weekly, Season::HourOfWeek).or_else(|| sum(daily, Season::HourOfDay))
        }
    }
}

const REFERENCES: [MovingReference; 5] = [
    MovingReference::Previous { windows: 1 },
    MovingReference::Previous { windows: 24 },
    MovingReference::Rolling { ms: 3 * DAY },
    MovingReference::Seasonal { weeks: 1 },
    MovingReference::Seasonal { weeks: 3 },
];

#[test]
fn every_reference_is_the_sum_of_the_windows_that_it_names() {
    let mut rng = ChaCha8Rng::seed_from_u64(1);
    let columns = columns(3);
    let mut past = Past::new(HOUR, 0, &REFERENCES, &columns);
    let mut windows = BTreeMap::new();
    let (mut seen, mut missing) = (0, 0);
    for hour in 0..24 * 7 * 5 {
        let end = START + hour * HOUR;
        for reference in REFERENCES {
            let found = past.counts(&reference, EventTime(end));
            let found = found.map(|found| (found.counts, found.windows, found.season));
            assert_eq!(found, expected(reference, &windows, end), "{reference:?} at hour {hour}");
            seen += usize::from(found.is_some());
            missing += usize::from(found.is_none());
        }
        // Some windows have no rows, and some never come.
        if rng.random::<f64>() < 0.9 {
            let counts = counts(&mut rng, 3, 100);
            assert!(past.push(EventTime(end), rows(&counts), &counts));
            windows.insert(end, counts);
        }
    }
    assert!(seen > 3_000 && missing > 30, "{seen} {missing}");
}

#[test]
fn names_say_what_is_compared() {
    let names: Vec<String> = REFERENCES.iter().map(MovingReference::name).collect();
    assert_eq!(names, ["previous", "previous-24", "rolling-3d", "seasonal-1w", "seasonal-3w"]);
}

#[test]
fn sums_do_not_depend_on_the_order_in_which_windows_come() {
    let mut rng = ChaCha8Rng::seed_from_u64(2);
    let columns = columns(2);
    let windows: Vec<_> = (0..100).map(|hour| (START + hour * HOUR, counts(&mut rng, 2, 50))).collect();
    let mut shuffled = windows.clone();
    for index in (1..shuffled.len()).rev() {
        shuffled.swap(index, rng.random_range(0..=index));
    }
    let sums = [&windows, &shuffled].map(|windows| {
        let mut past = Past::new(HOUR, 0, &REFERENCES, &columns);
        for (end, counts) in windows {
            past.push(EventTime(*end), rows(counts), counts);
        }
        REFERENCES.map(|reference| past.counts(&reference, EventTime(START + 100 * HOUR)))
    });
    assert_eq!(sums[0], sums[1]);
}

#[test]
fn a_window_that_is_written_again_takes_the_place_of_the_former() {
    let columns = columns(1);
    let mut past = Past::new(HOUR, 0, &REFERENCES, &columns);
    past.push(EventTime(START), 10, &[vec![1; 10]]);
    past.push(EventTime(START), 20, &[vec![2; 10]]);
    let previous = past.counts(&REFERENCES[0], EventTime(START + HOUR)).unwrap();
    assert_eq!((previous.counts, previous.windows, past.len()), (vec![vec![2; 10]], 1, 1));
}

#[test]
fn windows_that_slide_do_not_count_rows_twice() {
    let columns = columns(1);
    let rolling = MovingReference::Rolling { ms: 2 * HOUR };
    let mut past = Past::new(HOUR, 0, &[rolling], &columns);
    // Every five minutes an hour ends, with one row more than the one before.
    for slide in 0..48_i64 {
        past.push(EventTime(START + slide * HOUR / 12), slide as u64 + 1, &[vec![slide as u64 + 1; 10]]);
    }
    let found = past.counts(&rolling, EventTime(START + 47 * HOUR / 12)).unwrap();
    // The windows that end one and two hours before: the 36th and the 24th.
    assert_eq!((found.counts[0][0], found.windows), (36 + 24, 2));
}

#[test]
fn windows_of_other_columns_are_not_taken() {
    let mut past = Past::new(HOUR, 0, &REFERENCES, &columns(2));
    assert!(!past.push(EventTime(START), 1, &[vec![1; 10]]));
    assert!(!past.push(EventTime(START), 1, &[vec![1; 10], vec![1; 9]]));
    assert!(past.is_empty());
    assert!(past.fits((HOUR, 0), &REFERENCES, &columns(2)));
    assert!(!past.fits((HOUR, 0), &REFERENCES, &columns(3)));
    assert!(!past.fits((HOUR, 0), &REFERENCES[1..], &columns(2)));
    assert!(!past.fits((DAY, 0), &REFERENCES, &columns(2)));
}

#[test]
fn a_window_longer_than_a_week_has_no_season() {
    let mut past = Past::new(8 * DAY, 0, &REFERENCES, &columns(1));
    for window in 0..10 {
        past.push(EventTime(START + window * 8 * DAY), 10, &[vec![1; 10]]);
    }
    let end = EventTime(START + 10 * 8 * DAY);
    assert_eq!(past.counts(&MovingReference::Seasonal { weeks: 4 }, end), None);
    assert!(past.counts(&REFERENCES[0], end).is_some());
}

#[test]
fn volumes_are_of_the_same_hour_where_there_are_enough() {
    let mut past = Past::new(HOUR, 0, &[], &columns(1));
    let volumes = |past: &Past, hour: i64| past.comparable_volumes(EventTime(START + hour * HOUR));
    // As many rows as the hour's number, counts are not kept.
    for hour in 0..24 * 7 * 5 {
        let found = volumes(&past, hour);
        match hour {
            ..48 => assert_eq!(found, (0..hour).rev().map(|hour| hour as u64 + 1).collect::<Vec<_>>()),
            48..120 => assert_eq!(found.len(), 48),
            120..672 => {
                assert!(found.iter().all(|rows| (hour + 1 - *rows as i64) % 24 == 0) && found.len() >= 5);
            }
            _ => assert_eq!(found, (1..=4).map(|back| (hour + 1 - 168 * back) as u64).collect::<Vec<_>>()),
        }
        past.push(EventTime(START + hour * HOUR), hour as u64 + 1, &[vec![1; 10]]);
    }
}

#[test]
fn the_past_is_bounded() {
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let columns = columns(1);
    let minute = HOUR / 60;
    let mut past = Past::new(minute, 0, &REFERENCES, &columns);
    for window in 0..3_000 {
        let counts = counts(&mut rng, 1, 100);
        past.push(EventTime(START + window * minute), rows(&counts), &counts);
    }
    assert_eq!(past.len(), MOST_WINDOWS);
    let mut past = Past::new(DAY, 0, &REFERENCES, &columns);
    for window in 0..100 {
        past.push(EventTime(START + window * DAY), 10, &[vec![1; 10]]);
    }
    assert_eq!(past.len() as i64, KEPT_MS / DAY + 1);
}

/// A past as it is in production: 25 columns, four weeks of hours of 2,000 rows.
fn large() -> Past {
    let mut rng = ChaCha8Rng::seed_from_u64(4);
    let references =
        [REFERENCES[0], MovingReference::Rolling { ms: WEEK }, MovingReference::Seasonal { weeks: 4 }];
    let mut past = Past::new(HOUR, 0, &references, &columns(25));
    for hour in 0..672 {
        let counts = counts(&mut rng, 25, 2_000);
        past.push(EventTime(START + hour * HOUR), rows(&counts), &counts);
    }
    past
}

#[test]
fn a_past_of_four_weeks_is_small_and_goes_on_to_the_bit_after_a_restart() {
    let mut past = large();
    let bytes = rmp_serde::to_vec_named(&past).unwrap();
    println!(
        "25 columns, 672 windows: {} bytes in memory, {} in a checkpoint",
        past.heap_bytes(),
        bytes.len()
    );
    assert!(bytes.len() < 450_000 && past.heap_bytes() < 500_000);
    let started = std::time::Instant::now();
    let mut read: Past = rmp_serde::from_slice(&bytes).unwrap();
    println!("read in {:?}", started.elapsed());
    assert_eq!(read, past);
    let json: Past = serde_json::from_str(&serde_json::to_string(&past).unwrap()).unwrap();
    assert_eq!(json, past);

    let mut rng = ChaCha8Rng::seed_from_u64(5);
    for hour in 672..700 {
        let end = EventTime(START + hour * HOUR);
        for reference in [REFERENCES[0], MovingReference::Seasonal { weeks: 4 }] {
            let [now, then] = [&past, &read].map(|past| past.counts(&reference, end).unwrap());
            assert_eq!(
                past.design_effects(&reference, &now, end),
                read.design_effects(&reference, &then, end)
            );
        }
        let counts = counts(&mut rng, 25, 2_000);
        past.push(end, rows(&counts), &counts);
        read.push(end, rows(&counts), &counts);
    }
    assert_eq!(rmp_serde::to_vec_named(&read).unwrap(), rmp_serde::to_vec_named(&past).unwrap());
}

/// Counts of a window of `n` rows, each of which stands for `copies` rows.
fn runs(rng: &mut ChaCha8Rng, n: u64, copies: u64, share: f64) -> Vec<Vec<u64>> {
    let mut counts = vec![0; 10];
    for _ in 0..n / copies {
        // The first bins have more rows where `share` is above 1.
        let bin = (rng.random::<f64>().powf(share) * 10.0) as usize;
        counts[bin.min(9)] += copies;
    }
    vec![counts]
}

fn effect_of(
    past: &Past,
    reference: MovingReference,
    hour: i64,
) -> Option<driftline::reference::DesignEffect> {
    let now = past.counts(&reference, EventTime(START + hour * HOUR)).unwrap();
    past.design_effects(&reference, &now, EventTime(START + hour * HOUR))[0]
}

#[test]
fn design_effects_come_from_the_scatter_of_the_past() {
    let mut rng = ChaCha8Rng::seed_from_u64(6);
    for copies in [1, 5, 20] {
        let rolling = MovingReference::Rolling { ms: WEEK };
        let mut past = Past::new(HOUR, 0, &[REFERENCES[0], rolling], &columns(1));
        for hour in 0..400 {
            // A day before which there are twenty ratios, after the first window.
            if (1..46).contains(&hour) {
                let effect = effect_of(&past, rolling, hour);
                assert_eq!(effect.is_some(), hour == 45, "hour {hour}");
            }
            let counts = runs(&mut rng, 200 * copies, copies, 1.0);
            past.push(EventTime(START + hour * HOUR), rows(&counts), &counts);
        }
        for reference in [REFERENCES[0], rolling] {
            let effect = effect_of(&past, reference, 400).unwrap();
            println!("{copies} copies: {effect:?}");
            for found in [effect.mean, effect.shares] {
                // A few hundred windows tell their upper tail to a fifth.
                let ratio = found / copies as f64;
                assert!((0.8..1.4).contains(&ratio), "{copies} copies: {effect:?}");
            }
        }
    }
}

#[test]
fn a_drift_in_the_past_does_not_hide_the_next_one() {
    let mut rng = ChaCha8Rng::seed_from_u64(7);
    let mut past = Past::new(HOUR, 0, &[REFERENCES[0]], &columns(1));
    for hour in 0..300 {
        // Two hours of another distribution: three windows that differ much.
        let share = if (100..102).contains(&hour) { 2.0 } else { 1.0 };
        let counts = runs(&mut rng, 1_000, 1, share);
        past.push(EventTime(START + hour * HOUR), rows(&counts), &counts);
    }
    let effect = effect_of(&past, REFERENCES[0], 300).unwrap();
    assert!(effect.shares < 1.3, "{effect:?}");

    // One that lasts is not taken for usual within a week.
    for hour in 300..460 {
        let counts = runs(&mut rng, 1_000, 1, if hour % 2 == 0 { 2.0 } else { 1.0 });
        past.push(EventTime(START + hour * HOUR), rows(&counts), &counts);
    }
    let effect = effect_of(&past, REFERENCES[0], 460).unwrap();
    assert!(effect.shares < 1.3, "{effect:?}");
}

/// A small past with everything that is stored.
fn small() -> Past {
    let mut rng = ChaCha8Rng::seed_from_u64(8);
    let mut past = Past::new(HOUR, 0, &REFERENCES, &columns(2));
    for hour in 0..200 {
        let counts = counts(&mut rng, 2, 400);
        past.push(EventTime(START + hour * HOUR), rows(&counts), &counts);
    }
    past
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    #[test]
    fn damaged_bytes_are_refused_or_harmless(
        changes in proptest::collection::vec((any::<Index>(), 0_usize..6, proptest::collection::vec(any::<u8>(), 0..4)), 1..4),
    ) {
        thread_local!(static WHOLE: Vec<u8> = rmp_serde::to_vec_named(&small()).unwrap());
        let mut bytes = WHOLE.with(Clone::clone);
        for (at, cut, piece) in changes {
            let start = at.index(bytes.len());
            let end = (start + cut).min(bytes.len());
            bytes.splice(start..end, piece);
        }
        if let Ok(mut read) = rmp_serde::from_slice::<Past>(&bytes) {
            let end = EventTime(START + 200 * HOUR);
            for reference in REFERENCES {
                if let Some(now) = read.counts(&reference, end) {
                    let effects = read.design_effects(&reference, &now, end);
                    prop_assert!(effects.iter().flatten().all(|effect| effect.shares >= 1.0 && effect.shares.is_finite()));
                }
            }
            let _ = read.comparable_volumes(end);
            read.push(end, 20, &[vec![1; 10], vec![1; 10]]);
            read.push(EventTime(i64::MAX), 20, &[vec![1; 10], vec![1; 10]]);
            read.push(EventTime(i64::MIN), 20, &[vec![1; 10], vec![1; 10]]);
        }
    }
}

#[test]
fn absurd_settings_do_no_harm() {
    let references = [
        MovingReference::Previous { windows: 0 },
        MovingReference::Previous { windows: u32::MAX },
        MovingReference::Rolling { ms: i64::MAX },
        MovingReference::Rolling { ms: -1 },
        MovingReference::Seasonal { weeks: 0 },
        MovingReference::Seasonal { weeks: u32::MAX },
    ];
    for size_ms in [1, HOUR, i64::MAX] {
        let mut past = Past::new(size_ms, 0, &references, &columns(1));
        for window in 0..50 {
            past.push(EventTime(START + window * HOUR), 10, &[vec![1; 10]]);
            let _ = past.comparable_volumes(EventTime(i64::MIN));
        }
        for reference in references {
            let end = EventTime(START + 50 * HOUR);
            let _ = past.counts(&reference, EventTime(i64::MIN));
            let found = past.counts(&reference, end);
            let zero = matches!(
                reference,
                MovingReference::Previous { windows: 0 } | MovingReference::Rolling { ms: -1 }
            );
            assert!(!zero || found.is_none(), "a window is not compared with itself: {reference:?}");
        }
    }
}
