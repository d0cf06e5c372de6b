//! The configuration as its users meet it: files in, settings or errors out.
//!
//! Nothing stands in for anything; the environment is given as an argument, so
//! that tests do not disturb one another.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::path::Path;

use driftline::config::{ConfigErrors, Loaded, Overrides, ReferenceSource, load, load_text};

fn parse(text: &str) -> Result<Loaded, ConfigErrors> {
    parse_with(text, &Overrides::none())
}

fn parse_with(text: &str, overrides: &Overrides) -> Result<Loaded, ConfigErrors> {
    load_text(text, Path::new("test.toml"), overrides)
}

const MODEL: &str = "[[models]]\nname = \"credit\"\nreference = { first_events = 10000 }\n";

#[test]
fn every_file_in_config_is_fine() {
    for entry in std::fs::read_dir("config").unwrap() {
        let path = entry.unwrap().path();
        let loaded = load(&path, &Overrides::none()).unwrap_or_else(|errors| panic!("{errors}"));
        assert!(loaded.warnings.is_empty(), "{:?}", loaded.warnings);
    }
    let loaded = parse(MODEL).unwrap();
    assert_eq!(loaded.settings.models[0].reference, ReferenceSource::FirstEvents(10_000));
}
