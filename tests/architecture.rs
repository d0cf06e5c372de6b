//! The layers of the code, read from its `use` lines.
//!
//! The core decides what every point says, so it must stay free of threads,
//! clocks, files, sockets and chance: a test can then drive it through any
//! schedule, and a replay gives the same bits.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
};

/// Folders and files of the pure core, below `src/`.
const CORE: [&str; 13] = [
    "alert",
    "event",
    "experiment",
    "explain",
    "model",
    "decode",
    "profile",
    "reference",
    "window",
    "drift",
    "multivariate",
    "result",
    "pipeline",
];

/// Files of `pipeline` that belong to the shell: they wire the core to it.
const SHELL_OF_PIPELINE: [&str; 3] = ["daemon", "daemon.rs", "reference_file.rs"];

/// What the core must not name: the shell's modules, and what makes a result
/// depend on where and when it was computed.
const FORBIDDEN: [&str; 24] = [
    "crate::source",
    "crate::explainer",
    "crate::notify",
    "crate::sink",
    "crate::checkpoint",
    "crate::ops",
    "crate::cli",
    "crate::config",
    "crate::demo",
    "tokio",
    "rdkafka",
    "axum",
    "reqwest",
    "hyper",
    "prometheus",
    "tracing",
    "rand",
    "std::fs",
    "std::net",
    "std::thread",
    "std::env",
    "std::process",
    "Instant::now",
    "SystemTime",
];

fn files_below(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("a folder of src") {
        let path = entry.expect("readable").path();
        if path.is_dir() {
            files.extend(files_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The code of a file without its comments and its tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| line.trim() != "#[cfg(test)]")
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(number, line)| (number + 1, line))
}

/// Whether `line` names `word` as a whole path segment, alone or in a
/// `use crate::{…}` list.
fn names(line: &str, word: &str) -> bool {
    let last = word.trim_start_matches("crate::");
    let in_list = word.starts_with("crate::") && line.trim_start().starts_with(&format!("{last}::"));
    let is_boundary = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric() && c != '_');
    in_list
        || line.match_indices(word).any(|(at, _)| {
            let before = line.get(..at).and_then(|text| text.chars().next_back());
            let after = line.get(at + word.len()..).and_then(|text| text.chars().next());
            is_boundary(before) && is_boundary(after)
        })
}

#[test]
fn the_core_knows_nothing_of_the_shell() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut breaches = Vec::new();
    for folder in CORE {
        for file in files_below(&src.join(folder)) {
            let inside = file.strip_prefix(src.join(folder)).expect("found below it");
            let first = inside.iter().next().expect("a name").to_string_lossy().into_owned();
            if folder == "pipeline" && SHELL_OF_PIPELINE.contains(&first.as_str()) {
                continue;
            }
            let text = fs::read_to_string(&file).expect("readable");
            for (number, line) in code(&text) {
                for word in FORBIDDEN.iter().filter(|word| names(line, word)) {
                    breaches.push(format!("{}:{number} names {word}", file.display()));
                }
            }
        }
    }
    assert!(breaches.is_empty(), "the core imports the shell:\n{}", breaches.join("\n"));
}

#[test]
fn the_check_sees_what_it_looks_for() {
    assert!(names("use crate::sink::Encoder;", "crate::sink"));
    assert!(names("    sink::Encoder,", "crate::sink"));
    assert!(names("let now = std::time::Instant::now();", "Instant::now"));
    assert!(!names("use crate::sinking::Ship;", "crate::sink"));
    assert!(!names("let random = operand;", "rand"));
    let text = "use tokio;\n// use rdkafka\n#[cfg(test)]\nuse axum;";
    assert_eq!(code(text).collect::<Vec<_>>(), [(1, "use tokio;")]);
}

#[test]
fn every_stage_of_the_map_is_a_folder() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let map = fs::read_to_string(src.join("lib.rs")).expect("readable");
    let stages = ["source", "decode", "profile", "reference", "window", "drift", "result", "sink"];
    let mut last = 0;
    for stage in stages {
        let at = map
            .find(&format!("| [`{stage}`]"))
            .unwrap_or_else(|| panic!("{stage} is not in the map of lib.rs"));
        assert!(at > last, "{stage} is out of order in the map of lib.rs");
        last = at;
        assert!(src.join(stage).join("mod.rs").is_file(), "src/{stage} is not a folder");
    }
}
