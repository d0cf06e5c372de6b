//! The settings that give stored counts their meaning.
//!
//! Why: what was counted under other settings must not be gone on with, and whoever
//! changed one should read which it was.

/// Settings by their names in the configuration, with their values as text.
pub(crate) type Meaning = Vec<(String, String)>;

/// The first setting that is not the same, in a sentence.
pub(crate) fn difference(stored: &[(String, String)], current: &[(String, String)]) -> Option<String> {
    let of = |list: &[(String, String)], name: &str| {
        list.iter()
            .find(|(other, _)| other == name)
            .map_or_else(|| "not set".to_owned(), |(_, value)| value.clone())
    };
    let names = stored.iter().chain(current).map(|(name, _)| name);
    let changed = names.into_iter().find(|name| of(stored, name) != of(current, name))?;
    Some(format!("{changed} was {}, and is {}", of(stored, changed), of(current, changed)))
}
