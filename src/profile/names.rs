//! Names met in the data, bounded in number and length.

use crate::result::NamedCount;

/// The most frequent names and a lower bound of how often each came.
#[derive(Debug, Clone, Default)]
pub struct FrequentNames {
    names: Vec<(Box<str>, u64)>,
}

impl FrequentNames {
    /// Notes that `name` came `count` times.
    pub fn note(&mut self, name: &str, count: u64) {
        match self.names.iter_mut().find(|(known, _)| **known == *name) {
            Some((_, known)) => *known += count,
            None => self.names.push((name.into(), count)),
        }
    }

    /// Adds what `other` noted.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in &other.names {
            self.note(name, *count);
        }
    }

    /// Forgets all names.
    pub fn clear(&mut self) {
        self.names.clear();
    }

    /// The names, the most frequent first, ties by name.
    #[must_use]
    pub fn most_frequent(&self) -> Vec<NamedCount> {
        let mut names: Vec<NamedCount> = self
            .names
            .iter()
            .map(|(name, count)| NamedCount { name: name.to_string(), count: *count })
            .collect();
        names.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.name.cmp(&b.name)));
        names
    }
}
