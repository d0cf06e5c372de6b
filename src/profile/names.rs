//! Names met in the data, bounded in number and length.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use crate::result::NamedCount;

/// Names that are kept.
pub const KEPT_NAMES: usize = 32;
/// Longest name that means something by itself: a longer category is `unseen`,
/// a longer feature no column, and an event with a longer id or version is
/// refused.
pub const LONGEST_NAME: usize = 256;
/// Bytes of a name that are kept; longer ones end in an ellipsis.
pub const NAME_BYTES: usize = 64;

/// The most frequent names and a lower bound of how often each came.
///
/// The summary of Misra and Gries (Finding repeated elements, Science of
/// Computer Programming 2, 1982), merged as Agarwal et al. do (Mergeable
/// summaries, PODS 2012): a name that came more than a 33rd of the time is
/// among the [`KEPT_NAMES`], and no count is too low by more than that. As long
/// as no more distinct names came, the counts are exact and don't depend on any
/// order; after that, which of the rare names are left does. Names that agree
/// in their first [`NAME_BYTES`] bytes are one.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(from = "Vec<NamedCount>", into = "Vec<NamedCount>")]
pub struct FrequentNames {
    /// Sorted by name.
    names: Vec<(Box<str>, u64)>,
}

impl FrequentNames {
    /// Notes that `name` came `count` times.
    pub fn note(&mut self, name: &str, count: u64) {
        self.add(&shortened(name), count);
        self.make_room();
    }

    /// Adds what `other` noted.
    pub fn merge(&mut self, other: &Self) {
        for (name, count) in &other.names {
            self.add(name, *count);
        }
        self.make_room();
    }

    fn add(&mut self, name: &str, count: u64) {
        match self.names.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(index) => {
                if let Some((_, known)) = self.names.get_mut(index) {
                    // Still a lower bound.
                    *known = known.saturating_add(count);
                }
            }
            Err(index) => self.names.insert(index, (name.into(), count)),
        }
    }

    /// Takes the first count that has no place from all of them; those that
    /// come to nothing go.
    fn make_room(&mut self) {
        if self.names.len() <= KEPT_NAMES {
            return;
        }
        let mut counts: Vec<u64> = self.names.iter().map(|(_, count)| *count).collect();
        let (_, &mut surplus, _) = counts.select_nth_unstable_by(KEPT_NAMES, |a, b| b.cmp(a));
        self.names.retain_mut(|(_, count)| {
            *count = count.saturating_sub(surplus);
            *count > 0
        });
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

    /// Bytes on the heap.
    pub(super) fn heap_bytes(&self) -> usize {
        let names: usize = self.names.iter().map(|(name, _)| name.len()).sum();
        self.names.capacity() * size_of::<(Box<str>, u64)>() + names
    }
}

/// A name within [`NAME_BYTES`], the ellipsis of a longer one included.
pub(crate) fn shortened(name: &str) -> Cow<'_, str> {
    const ELLIPSIS: &str = "…";
    if name.len() <= NAME_BYTES {
        return Cow::Borrowed(name);
    }
    let end = (0..=NAME_BYTES - ELLIPSIS.len()).rev().find(|&end| name.is_char_boundary(end));
    let kept = name.get(..end.unwrap_or(0)).unwrap_or_default();
    Cow::Owned(format!("{kept}{ELLIPSIS}"))
}

impl From<Vec<NamedCount>> for FrequentNames {
    fn from(names: Vec<NamedCount>) -> Self {
        let mut all = Self::default();
        for named in &names {
            all.note(&named.name, named.count);
        }
        all
    }
}

impl From<FrequentNames> for Vec<NamedCount> {
    fn from(names: FrequentNames) -> Self {
        names.most_frequent()
    }
}
