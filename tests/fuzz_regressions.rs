//! What the fuzz targets check, on inputs that are kept: the seeds that fuzzing
//! starts from, and every input that once broke something.
//!
//! `fuzz/checks` holds what must be true; ARCHITECTURE.md says how to fuzz. An
//! input that breaks something goes to `tests/fuzz_regressions/<target>/`. The
//! seeds are made here: `DRIFTLINE_WRITE_SEEDS=1 cargo test --test
//! fuzz_regressions` writes them to `fuzz/seeds`.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]
#![allow(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "of made-up numbers")]

#[path = "../fuzz/checks/checkpoint.rs"]
mod checkpoint;
#[path = "../fuzz/checks/decoder.rs"]
mod decoder;
#[path = "../fuzz/checks/line_protocol.rs"]
mod line_protocol;

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use proptest::prelude::*;

/// Runs `check` on all inputs that are kept for `target`.
fn run(target: &str, seeds: &[(&str, Vec<u8>)], check: fn(&[u8])) {
    keep_seeds(target, seeds);
    for folder in ["fuzz/seeds", "tests/fuzz_regressions"] {
        for (path, bytes) in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder).join(target)) {
            // The test's captured output then ends with the name of the input.
            println!("{}", path.display());
            check(&bytes);
        }
    }
}

fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).map(|path| (path.clone(), fs::read(path).unwrap())).collect()
}

/// Holds the seeds in the repository against those made here, or writes them.
fn keep_seeds(target: &str, seeds: &[(&str, Vec<u8>)]) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/seeds").join(target);
    if std::env::var_os("DRIFTLINE_WRITE_SEEDS").is_some() {
        fs::create_dir_all(&folder).unwrap();
        for path in files(&folder).keys() {
            fs::remove_file(path).unwrap();
        }
        for (name, bytes) in seeds {
            fs::write(folder.join(name), bytes).unwrap();
        }
    }
    let expected: BTreeMap<_, _> =
        seeds.iter().map(|(name, bytes)| (folder.join(name), bytes.clone())).collect();
    assert!(files(&folder) == expected, "fuzz/seeds/{target} is not what this test makes");
}

#[test]
fn decoder_inputs() {
    let features = r#""features":{"age":31,"income":1.5e3,"color":"red","odd":[1,{}]}"#;
    let native = |prediction: &str| {
        format!(
            r#"{{"kind":"prediction","id":"a1","time":"2026-03-01T10:20:30.5Z","model":"credit","version":"v2",{features},"prediction":{prediction}}}"#
        )
    };
    let scored = r#"{"class":"yes","scores":{"yes":0.75,"0":0.25}}"#;
    let flat = r#"{"model":"fraud", "time": 1767225600, "age": NaN, "income": null, "prediction": 0.5}"#;
    let keyed = r#"{"meta":{"at":1767225600000},"features":{"color":"\u0072ed"},"prediction":"0"}"#;
    let inside = r#"{"model":"credit","time":1767225600,"features":{"id":7,"v":"v1","age":-0.0},"label":1}"#;
    let nested = r#"{"time":1767225600,"in":[{"age":9007199254740993}],"out":[{"score":1e400}]}"#;
    let outside = r#"{"model":"credit","time":1767225600,"features":{"age":"12","income":true}}"#;
    let messages = |choice: u8, messages: &[&str]| {
        let joined = messages.join(std::str::from_utf8(&[decoder::SEPARATOR]).unwrap());
        [&[choice], joined.as_bytes()].concat()
    };
    let seeds = [
        ("native", messages(0, &[&native("0.25"), &native("0.5"), &native(scored), &native("null")])),
        ("flat", messages(1, &[flat, flat])),
        ("keyed", messages(2, &[keyed, keyed])),
        ("inside", messages(3, &[inside, inside])),
        ("nested", messages(4, &[nested, nested])),
        ("outside", messages(5, &[outside, outside])),
    ];
    run("decoder", &seeds, decoder::check);
}

#[test]
fn line_protocol_inputs() {
    let text = |text: &str| [&[text.len() as u8], text.as_bytes()].concat();
    let named = |name: &str| [&[255], &text(name)[..]].concat();
    let float = |number: f64| [&[5], &number.to_bits().to_le_bytes()[..]].concat();
    let beginning = |tags: u8, fields: u8, measurement: &str| {
        [&[tags, fields], &1_767_225_600_000_i64.to_le_bytes()[..], &text(measurement)].concat()
    };
    let seeds = [
        (
            "plain",
            [beginning(1, 1, "drift"), named("model"), text("credit"), named("psi"), float(0.25)].concat(),
        ),
        (
            "special",
            [
                beginning(2, 2, "# m,"),
                named("a=b"),
                text("c:\\d \\,\n"),
                vec![0],
                text("x"),
                named("s"),
                [&[0], &text("say \"\\\"\r\n")[..]].concat(),
                named("i"),
                [&[1], &u64::MAX.to_le_bytes()[..]].concat(),
            ]
            .concat(),
        ),
        (
            "not-finite",
            [beginning(0, 3, "m"), named("n"), vec![3], named("i"), vec![4, 1], named("f"), float(5e-324)]
                .concat(),
        ),
    ];
    run("line_protocol", &seeds, line_protocol::check);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, ..ProptestConfig::default() })]

    /// A fuzz run of a second: changes to a valid checkpoint.
    #[test]
    fn a_changed_checkpoint_is_refused_or_can_be_gone_on_from(
        changes in prop::collection::vec((any::<u16>(), any::<u8>(), any::<u64>()), 1..4),
    ) {
        let edits = changes.iter().flat_map(|(place, kind, value)| edit(*place, *kind, *value));
        checkpoint::check(&[2].into_iter().chain(edits).collect::<Vec<u8>>());
    }
}

/// A change to the valid checkpoint, as an input of its check says it.
fn edit(place: u16, kind: u8, value: u64) -> Vec<u8> {
    [&place.to_le_bytes()[..], &[kind], &value.to_le_bytes()[..]].concat()
}

#[test]
fn checkpoint_inputs() {
    let seeds = [
        ("whole", [&[0], &checkpoint::small_file()[..]].concat()),
        ("body", [&[1], checkpoint::body_of(&checkpoint::small_file())].concat()),
        ("valid", vec![2]),
        ("large-number", [&[2][..], &edit(40, 1, u64::MAX)].concat()),
        ("two-changes", [&[2][..], &edit(7, 7, 1), &edit(300, 0, 0)].concat()),
    ];
    run("checkpoint", &seeds, checkpoint::check);
}
