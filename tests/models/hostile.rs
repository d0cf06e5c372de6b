//! Files that are cut off or damaged: an error or a model, never a panic, and
//! never a model out of half a file.

use driftline::model::{Model, ModelError, Rows, TreeEnsemble, read_lightgbm, read_xgboost};

use crate::{
    fixtures::{models_of, stored},
    rows::mix,
};

type Read = fn(&[u8]) -> Result<TreeEnsemble, ModelError>;

/// Every file with its reader.
fn files() -> Vec<(String, Vec<u8>, Read)> {
    let mut files: Vec<(String, Vec<u8>, Read)> = Vec::new();
    for fixture in models_of("xgboost") {
        for file in [Some(fixture.file), fixture.ubj].into_iter().flatten() {
            files.push((file.clone(), stored(&file), read_xgboost));
        }
    }
    for fixture in models_of("lightgbm") {
        files.push((fixture.file.clone(), stored(&fixture.file), read_lightgbm));
    }
    files
}

/// How many damaged copies of a file are read: fewer of larger ones.
fn tries(bytes: &[u8]) -> usize {
    (4_000_000 / bytes.len()).clamp(20, 400)
}

#[test]
fn a_file_that_is_cut_off_is_an_error() {
    for (name, bytes, read) in files() {
        // Behind its trees a text has nothing that predictions rest on.
        let end = name.ends_with(".txt.gz").then(|| {
            let mark = b"end of trees";
            bytes.windows(mark.len()).position(|window| window == mark).unwrap() + mark.len()
        });
        let end = end.unwrap_or(bytes.len());
        let spread = (0..tries(&bytes)).map(|number| end * number / tries(&bytes));
        for length in spread.chain(end.saturating_sub(40)..end) {
            assert!(read(&bytes[..length]).is_err(), "{name} cut to {length} bytes");
        }
    }
}

#[test]
fn a_damaged_byte_is_an_error_or_another_number() {
    let mut accepted = 0;
    for (seed, (name, bytes, read)) in (0_u64..).zip(files()) {
        let original = read(&bytes).unwrap();
        for number in 0..tries(&bytes) as u64 {
            let hash = mix(seed << 32 | number);
            let at = (hash >> 16) as usize % bytes.len();
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (hash % 8);
            let Ok(model) = read(&damaged) else { continue };
            accepted += 1;
            let mut out = Vec::new();
            let row = vec![0.5; model.info().inputs];
            model.predict(Rows::new(&row, row.len()), &mut out).unwrap();
            assert_eq!(out.len(), model.info().outputs);
            // Of a text it can be told whether the byte was of a number: words
            // are known or refused, those of feature names aside.
            let is_digit = |byte: u8| b"0123456789.eE+-".contains(&byte);
            if !name.ends_with(".ubj.gz") && !is_digit(bytes[at]) && !is_digit(damaged[at]) {
                assert_eq!(model.trees(), original.trees(), "{name}, byte {at}");
                assert_eq!(model.base(), original.base(), "{name}, byte {at}");
            }
        }
    }
    assert!(accepted > 100, "{accepted} damaged files were read, so little was looked at");
}

#[test]
fn any_bytes_are_an_error() {
    for read in [read_xgboost as Read, read_lightgbm] {
        for seed in 0..2_000_u64 {
            let length = mix(seed << 20) % 200;
            let start: &[u8] = [b"{".as_slice(), b"{L", b"{i\x07learner{", b"tree\n"][seed as usize % 4];
            let chance = (0..length).map(|at| (mix(seed << 20 | (at + 1)) >> 24) as u8);
            let bytes: Vec<u8> = start.iter().copied().chain(chance).collect();
            assert!(read(&bytes).is_err());
        }
    }
}

#[test]
fn nesting_without_end_is_an_error() {
    for unit in ["[", "{\"a\":", "{i\x01a", "[[", "[$[#i\x01", "{i\x01a["] {
        for start in ["", "{\"x\":", "{i\x01x"] {
            let bytes = format!("{start}{}", unit.repeat(200_000));
            assert!(read_xgboost(bytes.as_bytes()).is_err());
        }
    }
}

#[test]
fn lengths_beyond_the_file_cost_nothing() {
    let huge = i64::MAX.to_be_bytes();
    for start in [
        b"{i\x07learner[$L#L".as_slice(),
        b"{i\x07learnerSL",
        b"{L",
        b"{i\x07learner[#L",
        b"{i\x07learner{#L",
        b"{i\x07learner[$Z#L",
        b"{#L",
    ] {
        let bytes: Vec<u8> = start.iter().copied().chain(huge).chain([0; 64]).collect();
        assert!(read_xgboost(&bytes).is_err());
    }
}
