//! The categories of one column.

use ahash::AHashMap;
use serde::{Deserialize, Serialize};

/// Categories with a bin of their own: the histogram of a column stays below
/// 2 KB, and the next category would hold less than a four-hundredth.
pub const NAMED_CATEGORIES: usize = 400;
/// Categories of the reference that are remembered at all.
pub const KNOWN_CATEGORIES: usize = 10_000;

/// The categories that a reference saw, by code.
///
/// Codes are the bins: the [`NAMED_CATEGORIES`] most frequent categories in
/// order of frequency, then `other` for the rest of those that the reference
/// saw, then `unseen`. At most [`KNOWN_CATEGORIES`] names are remembered; the
/// rarer ones beyond are `unseen`, in the reference's own counts as well as in
/// a window's, so that the two stay comparable.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Names", into = "Names")]
pub struct CategoricalGrid {
    named: Vec<String>,
    other: Vec<String>,
    codes: AHashMap<Box<[u8]>, u32>,
}

impl PartialEq for CategoricalGrid {
    fn eq(&self, other: &Self) -> bool {
        // The codes follow from the names.
        self.named == other.named && self.other == other.other
    }
}

/// What is stored of a grid.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Names {
    named: Vec<String>,
    other: Vec<String>,
}

/// Names that make no grid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CategoriesError {
    /// A name stands in the list twice.
    #[error("category {0:?} is listed twice")]
    Twice(String),
    /// The lists are longer than a grid's.
    #[error(
        "{0} categories with bins of their own and {1} others: at most {NAMED_CATEGORIES} may be named and {KNOWN_CATEGORIES} known"
    )]
    TooMany(usize, usize),
}

impl CategoricalGrid {
    /// The grid of a reference with these categories and their counts.
    #[must_use]
    pub fn from_counts<'a>(counts: impl IntoIterator<Item = (&'a str, u64)>) -> Self {
        let mut counts: Vec<_> = counts.into_iter().collect();
        counts.sort_unstable_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(b.0)));
        counts.dedup_by(|a, b| a.0 == b.0);
        counts.truncate(KNOWN_CATEGORIES);
        let mut names = counts.into_iter().map(|(name, _)| name.to_owned());
        let named = names.by_ref().take(NAMED_CATEGORIES).collect();
        let mut grid = Self { named, other: names.collect(), codes: AHashMap::new() };
        grid.index_names();
        grid
    }

    fn index_names(&mut self) {
        let other_code = self.other_code();
        let named = self.named.iter().zip(0..);
        let other = self.other.iter().map(|name| (name, other_code));
        self.codes = named.chain(other).map(|(name, code)| (name.as_bytes().into(), code)).collect();
    }

    /// Number of bins: the named categories, `other` and `unseen`.
    #[must_use]
    pub fn bins(&self) -> usize {
        self.named.len() + 2
    }

    /// The categories with bins of their own, the most frequent first.
    #[must_use]
    pub fn named(&self) -> &[String] {
        &self.named
    }

    /// The code of the category called `name`, or [`Self::unseen_code`].
    #[inline]
    #[must_use]
    pub fn code_of(&self, name: &[u8]) -> u32 {
        self.codes.get(name).copied().unwrap_or(self.unseen_code())
    }

    /// Code of the categories that the reference saw, but rarely.
    #[inline]
    #[must_use]
    pub fn other_code(&self) -> u32 {
        // At most `NAMED_CATEGORIES`.
        u32::try_from(self.named.len()).unwrap_or(u32::MAX - 1)
    }

    /// Code of categories that the reference never saw.
    #[inline]
    #[must_use]
    pub fn unseen_code(&self) -> u32 {
        self.other_code() + 1
    }
}

impl TryFrom<Names> for CategoricalGrid {
    type Error = CategoriesError;

    fn try_from(Names { named, other }: Names) -> Result<Self, CategoriesError> {
        if named.len() > NAMED_CATEGORIES || named.len() + other.len() > KNOWN_CATEGORIES {
            return Err(CategoriesError::TooMany(named.len(), other.len()));
        }
        let mut grid = Self { named, other, codes: AHashMap::new() };
        grid.index_names();
        if grid.codes.len() != grid.named.len() + grid.other.len() {
            let mut names: Vec<_> = grid.named.iter().chain(&grid.other).collect();
            names.sort_unstable();
            let twice = names.windows(2).find(|pair| pair.first() == pair.last());
            return Err(CategoriesError::Twice(
                twice.and_then(|pair| pair.first()).map_or_else(String::new, |name| (*name).clone()),
            ));
        }
        Ok(grid)
    }
}

impl From<CategoricalGrid> for Names {
    fn from(grid: CategoricalGrid) -> Self {
        Self { named: grid.named, other: grid.other }
    }
}

/// How a number reads as a category: the shortest text that gives it back,
/// whole numbers without a fraction, and no negative zero.
#[must_use]
pub fn category_text(number: f64) -> String {
    format!("{}", number + 0.0)
}
