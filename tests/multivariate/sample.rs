//! The sample of rows: a set of the smallest hashes, whatever the order.

use std::collections::BTreeSet;

use driftline::profile::{Cell, MOST_SAMPLED_ROWS, RowSample, row_hash};
use proptest::prelude::*;

type Row = (u64, Vec<Cell>);

fn sampled(capacity: usize, columns: usize, rows: &[Row]) -> RowSample {
    let mut sample = RowSample::new(capacity, columns);
    for (hash, cells) in rows {
        sample.offer(*hash, cells);
    }
    sample
}

fn kept(sample: &RowSample) -> Vec<(u64, Vec<u64>)> {
    sample.rows().map(|(hash, cells)| (hash, bits(cells))).collect()
}

fn bits(cells: &[Cell]) -> Vec<u64> {
    cells.iter().map(|cell| cell.to_f64().to_bits()).collect()
}

/// What a sample must keep, in the plainest words.
fn smallest(capacity: usize, rows: &[Row]) -> Vec<(u64, Vec<u64>)> {
    let set: BTreeSet<_> = rows.iter().map(|(hash, cells)| (*hash, bits(cells))).collect();
    set.into_iter().take(capacity).collect()
}

fn cell() -> impl Strategy<Value = Cell> {
    prop_oneof![
        (0_u32..3).prop_map(Cell::category),
        Just(Cell::MISSING),
        Just(Cell::ABSENT),
        prop_oneof![Just(0.0), Just(-0.0), Just(f64::NAN), Just(1.5)].prop_map(Cell::number),
    ]
}

/// Few different hashes and cells, so that some rows are equal and others
/// differ in their cells alone.
fn rows() -> impl Strategy<Value = Vec<Row>> {
    let hash = prop_oneof![0_u64..6, Just(u64::MAX), any::<u64>()];
    proptest::collection::vec((hash, proptest::collection::vec(cell(), 2)), 0..40)
}

proptest! {
    #[test]
    fn the_order_and_grouping_of_rows_do_not_matter(
        rows in rows(),
        shuffled in any::<proptest::sample::Index>(),
        capacity in 0_usize..12,
        pieces in 1_usize..5,
    ) {
        let expected = smallest(capacity, &rows);
        let plain = sampled(capacity, 2, &rows);
        prop_assert_eq!(kept(&plain), expected);

        let mut turned = rows.clone();
        turned.rotate_left(shuffled.index(rows.len().max(1)));
        let mut merged = RowSample::new(capacity, 2);
        for piece in turned.chunks(pieces * 3).rev() {
            merged.merge(&sampled(capacity, 2, piece)).unwrap();
        }
        prop_assert_eq!(&merged, &plain);
        // What overlaps is the same set.
        merged.merge(&plain).unwrap();
        prop_assert_eq!(&merged, &plain);

        let json = serde_json::to_string(&plain).unwrap();
        let mut read: RowSample = serde_json::from_str(&json).unwrap();
        prop_assert_eq!(&read, &plain);
        // One that was read back goes on as the other does.
        read.offer(3, &[Cell::MISSING, Cell::number(7.0)]);
        let mut going_on = plain.clone();
        going_on.offer(3, &[Cell::MISSING, Cell::number(7.0)]);
        prop_assert_eq!(kept(&read), kept(&going_on));
        let packed = rmp_serde::to_vec_named(&plain).unwrap();
        prop_assert_eq!(rmp_serde::from_slice::<RowSample>(&packed).unwrap(), plain);
    }

    #[test]
    fn the_smaller_size_holds_for_both(rows in rows(), small in 0_usize..8, more in 0_usize..8) {
        let (left, right) = rows.split_at(rows.len() / 2);
        let mut one = sampled(small, 2, left);
        one.merge(&sampled(small + more, 2, right)).unwrap();
        let mut other = sampled(small + more, 2, right);
        other.merge(&sampled(small, 2, left)).unwrap();
        prop_assert_eq!(&one, &other);
        prop_assert_eq!(kept(&one), smallest(small, &rows));
    }

    #[test]
    fn hostile_bytes_are_an_error_or_a_sample(
        rows in rows(),
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = rmp_serde::to_vec_named(&sampled(9, 2, &rows)).unwrap();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(sample) = rmp_serde::from_slice::<RowSample>(&bytes) {
            prop_assert!(sample.len() <= sample.capacity());
            let rows: Vec<Row> = sample.rows().map(|(hash, cells)| (hash, cells.to_vec())).collect();
            prop_assert_eq!(kept(&sample), smallest(sample.capacity(), &rows));
        }
    }
}

#[test]
fn what_contradicts_itself_is_refused() {
    let refused = [
        (r#"{"capacity":1,"columns":1,"hashes":[1,2],"cells":[1,2]}"#, "more than a sample of 1"),
        (r#"{"capacity":99999999,"columns":1,"hashes":[],"cells":[]}"#, "more than a sample of 16384"),
        (r#"{"capacity":2,"columns":2,"hashes":[1],"cells":[1]}"#, "do not make up"),
        (r#"{"capacity":2,"columns":18446744073709551615,"hashes":[1,2],"cells":[1]}"#, "do not make up"),
        (r#"{"capacity":2,"columns":18446744073709551615,"hashes":[],"cells":[]}"#, "do not make up"),
        (r#"{"capacity":2,"columns":1,"hashes":[2,1],"cells":[1,2]}"#, "row 1 of the sample is out of order"),
        (r#"{"capacity":2,"columns":1,"hashes":[1,1],"cells":[2,2]}"#, "there twice"),
        (r#"{"capacity":2,"columns":1,"hashes":[-1],"cells":[2]}"#, "invalid value"),
        (r#"{"capacity":2,"columns":1,"hashes":[1],"cells":[2],"more":1}"#, "unknown field"),
    ];
    for (json, reason) in refused {
        let error = serde_json::from_str::<RowSample>(json).expect_err(json).to_string();
        assert!(error.contains(reason), "{json} says {error}");
    }
    // A length that is not there must not be believed.
    let huge = b"\x84\xa8capacity\x02\xa7columns\x01\xa6hashes\xdd\xff\xff\xff\xff";
    assert!(rmp_serde::from_slice::<RowSample>(huge).is_err());
    let mut narrow = RowSample::new(4, 1);
    narrow.offer(1, &[Cell::MISSING]);
    let before = narrow.clone();
    assert!(narrow.merge(&RowSample::new(4, 2)).is_err());
    assert_eq!(narrow, before);
    assert!(narrow.fits(1) && !narrow.fits(2));
}

#[test]
fn rows_have_the_width_of_the_sample_and_memory_is_bounded() {
    let mut sample = RowSample::new(3, 2);
    sample.offer(5, &[Cell::category(1)]);
    sample.offer(5, &[Cell::category(1), Cell::ABSENT, Cell::MISSING]);
    assert_eq!(kept(&sample), [(5, bits(&[Cell::category(1), Cell::ABSENT]))]);
    for number in 0..10_000_u32 {
        sample.offer(row_hash(&number.to_le_bytes()), &[Cell::category(number), Cell::MISSING]);
    }
    assert_eq!(sample.len(), 3);
    assert!(sample.heap_bytes() < 500, "{}", sample.heap_bytes());
    let memory = sample.heap_bytes();
    sample.clear();
    assert!(sample.is_empty());
    assert_eq!(sample.heap_bytes(), memory);
    sample.offer(u64::MAX, &[]);
    assert_eq!(sample.len(), 1, "a cleared sample takes any row again");

    let mut columnless = RowSample::new(3, 0);
    columnless.offer(1, &[Cell::MISSING]);
    assert_eq!(kept(&columnless), [(1, vec![])]);
    assert_eq!(RowSample::new(usize::MAX, 1).capacity(), MOST_SAMPLED_ROWS);
}

#[test]
fn the_hash_is_the_published_one() {
    // From the specification's reference implementation, seed 0.
    assert_eq!(row_hash(b""), 0xef46_db37_51d8_e999);
    assert_eq!(row_hash(b"a"), 0xd24e_c4f1_a98c_6e5b);
    assert_eq!(row_hash(b"abc"), 0x44bc_2cf5_ad77_0999);
    assert_eq!(row_hash(b"Nobody inspects the spammish repetition"), 0xfbce_a83c_8a37_8bf1);
}

#[test]
fn ids_that_count_up_are_sampled_evenly() {
    // Shares of 100,000 ids per tenth of their order: multinomial, so the
    // chi-square statistic on 9 degrees of freedom stays below 27.9 in 999 of
    // 1,000 samples.
    let mut sample = RowSample::new(10_000, 1);
    for number in 0..100_000_u32 {
        sample.offer(row_hash(format!("evt-{number}").as_bytes()), &[Cell::category(number / 10_000)]);
    }
    let mut tenths = [0_f64; 10];
    for (_, cells) in sample.rows() {
        tenths[cells[0].code().unwrap() as usize] += 1.0;
    }
    // Drawn without replacement: the variance is smaller by the share left out.
    let statistic: f64 = tenths.iter().map(|n| (n - 1000.0).powi(2) / 1000.0 / 0.9).sum();
    assert!(statistic < 27.9, "{statistic} {tenths:?}");
}
