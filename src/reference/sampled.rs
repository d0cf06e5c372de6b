//! Rows of the reference as they are, for what several columns do together.
//!
//! Rows are drawn by the hash of their number, so the same rows in the same
//! order give the same sample.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

use super::{Column, ReferenceError, rows::Rows};
use crate::profile::{Cell, Grid, RowSample, row_hash, rows_with_room};

/// The sample of at most `most` of so many rows; `None` when it would be empty.
pub(super) fn sample(columns: &[Rows<'_>], rows: u64, most: usize) -> Option<RowSample> {
    let mut sample = RowSample::new(rows_with_room(most, columns.len()), columns.len());
    // Hash and number of the rows that will be in it.
    let mut chosen: Vec<(u64, u64)> = (0..rows).map(|row| (row_hash(&row.to_le_bytes()), row)).collect();
    chosen.sort_unstable();
    chosen.truncate(sample.capacity());
    chosen.sort_unstable_by_key(|&(_, row)| row);
    let mut cells = vec![Cell::MISSING; chosen.len() * columns.len()];
    for (place, column) in columns.iter().enumerate() {
        let mut wanted = chosen.iter().zip(cells.chunks_exact_mut(columns.len())).peekable();
        for (row, cell) in column.cells() {
            while wanted.next_if(|((_, number), _)| *number < row as u64).is_some() {}
            if let Some((_, slots)) = wanted.next_if(|((_, number), _)| *number == row as u64)
                && let Some(slot) = slots.get_mut(place)
            {
                *slot = cell;
            }
        }
    }
    for ((hash, _), row) in chosen.iter().zip(cells.chunks_exact(columns.len())) {
        sample.offer(*hash, row);
    }
    (!sample.is_empty()).then_some(sample)
}

/// What contradicts the columns, in a sample that was read.
pub(super) fn check(sample: &RowSample, columns: &[Column]) -> Result<(), ReferenceError> {
    let is_of = |(cell, column): (&Cell, &Column)| match cell.code() {
        Some(_) => matches!(column.grid, Grid::Categorical(_)) && column.grid.bin_of(*cell).is_some(),
        None => matches!(column.grid, Grid::Numeric(_)) || column.grid.bin_of(*cell).is_none(),
    };
    let fits =
        sample.fits(columns.len()) && sample.rows().all(|(_, cells)| cells.iter().zip(columns).all(is_of));
    if fits { Ok(()) } else { Err(ReferenceError::Sample("its rows are not of the columns")) }
}

/// A sample as text, column by column: several times shorter than the bits of
/// its cells, since most values are short.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Stored {
    capacity: usize,
    hashes: Vec<u64>,
    columns: Vec<Vec<Option<StoredCell>>>,
}

/// A number, or the code of a category or of what is no value; missing is null.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum StoredCell {
    Number(f64),
    Other(String),
}

const NAN: &str = "nan";
const INFINITE: &str = "inf";
const NEGATIVE_INFINITE: &str = "-inf";
const WRONG_TYPE: &str = "type";

fn store(cell: Cell) -> Option<StoredCell> {
    let number = cell.to_f64();
    let word = match cell {
        Cell::MISSING | Cell::ABSENT => return None,
        _ if number.is_finite() => return Some(StoredCell::Number(number)),
        _ if number == f64::INFINITY => INFINITE,
        _ if number == f64::NEG_INFINITY => NEGATIVE_INFINITE,
        _ if cell == Cell::number(f64::NAN) => NAN,
        _ => match cell.code() {
            Some(code) => return Some(StoredCell::Other(code.to_string())),
            None => WRONG_TYPE,
        },
    };
    Some(StoredCell::Other(word.to_owned()))
}

fn read(cell: Option<StoredCell>) -> Option<Cell> {
    Some(match cell {
        None => Cell::MISSING,
        Some(StoredCell::Number(number)) => number.is_finite().then(|| Cell::number(number))?,
        Some(StoredCell::Other(word)) => match &*word {
            INFINITE => Cell::number(f64::INFINITY),
            NEGATIVE_INFINITE => Cell::number(f64::NEG_INFINITY),
            NAN => Cell::number(f64::NAN),
            WRONG_TYPE => Cell::WRONG_TYPE,
            code => Cell::category(code.parse().ok().filter(|number: &u32| number.to_string() == code)?),
        },
    })
}

#[expect(clippy::ref_option, reason = "the signature that serde calls")]
pub(super) fn serialize<S: Serializer>(sample: &Option<RowSample>, to: S) -> Result<S::Ok, S::Error> {
    let stored = sample.as_ref().map(|sample| {
        let mut columns: Vec<Vec<Option<StoredCell>>> = Vec::new();
        for (_, cells) in sample.rows() {
            columns.resize_with(cells.len(), Vec::new);
            columns.iter_mut().zip(cells).for_each(|(column, cell)| column.push(store(*cell)));
        }
        let hashes = sample.rows().map(|(hash, _)| hash).collect();
        Stored { capacity: sample.capacity(), hashes, columns }
    });
    stored.serialize(to)
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<RowSample>, D::Error> {
    let Some(Stored { capacity, hashes, columns }) = Option::deserialize(from)? else { return Ok(None) };
    let mut sample = RowSample::new(capacity, columns.len());
    let width = columns.len();
    let mut columns: Vec<_> = columns.into_iter().map(Vec::into_iter).collect();
    for &hash in &hashes {
        let cells: Option<Vec<Cell>> =
            columns.iter_mut().map(|column| column.next().and_then(read)).collect();
        sample.offer(hash, &cells.ok_or_else(|| D::Error::custom("a cell of the sample is no value"))?);
    }
    let whole = sample.len() == hashes.len()
        && sample.capacity() == capacity
        && sample.rows().map(|(hash, _)| hash).eq(hashes)
        && columns.iter().all(|column| column.as_slice().is_empty());
    if whole && width > 0 && !sample.is_empty() {
        Ok(Some(sample))
    } else {
        Err(D::Error::custom("the rows of the sample are out of order or not whole"))
    }
}
