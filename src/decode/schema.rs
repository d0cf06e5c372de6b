//! A model's columns as the decoder needs them, and the row it fills.

use ahash::AHashMap;
use serde::{Deserialize, Serialize};

use super::{
    escape::unescape,
    number::Terminator,
    scanner::{RawString, Scanner, ValueStart},
    short_name::ShortNames,
};
use crate::profile::{CategoricalGrid, Cell, Grid, category_text, shortened, spelled_number};

/// The columns of one model, in the order of its reference.
#[derive(Debug, Clone)]
pub struct Schema {
    columns: Vec<Column>,
    /// The cells of an event that carries features, before any is read.
    without_values: Vec<Cell>,
    by_name: AHashMap<Box<[u8]>, FeatureKey>,
    prediction: Option<usize>,
    prediction_class: Option<usize>,
}

#[derive(Debug, Clone)]
struct Column {
    /// The key as it stands in JSON, quotes included, so that a predicted key
    /// is checked by one comparison.
    quoted: Box<[u8]>,
    reader: Reader,
}

#[derive(Debug, Clone)]
enum Reader {
    Numeric,
    Categorical(Categories),
}

/// The grid of a categorical column, and the codes of its short names.
#[derive(Debug, Clone)]
struct Categories {
    grid: CategoricalGrid,
    short: ShortNames<u32>,
}

/// What a key of a features object stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FeatureKey {
    Column(usize),
    Ignored,
    Unknown,
}

/// What a column of a schema is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnPlace {
    /// A key of the features object.
    Feature,
    /// The numeric prediction.
    Prediction,
    /// The predicted class.
    PredictionClass,
}

/// One decoded event's values.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// One cell per column of the schema.
    pub cells: Vec<Cell>,
    /// Categories that the reference never saw: column and shortened name.
    pub unseen: Vec<(usize, String)>,
    /// Where in the payload the keys of features stand that the schema does
    /// not know.
    pub unknown: Vec<std::ops::Range<usize>>,
    /// What the row is sampled by: the hash of its event id, or of its whole
    /// message when it has none; 0 where nothing is sampled.
    #[serde(default)]
    pub hash: u64,
}

impl Categories {
    fn new(grid: &CategoricalGrid) -> Self {
        let named = grid.named().iter().map(String::as_bytes).zip(0..);
        Self { grid: grid.clone(), short: ShortNames::new(named) }
    }
}

impl Row {
    #[inline]
    pub(super) fn set(&mut self, column: usize, cell: Cell) {
        if let Some(slot) = self.cells.get_mut(column) {
            *slot = cell;
        }
    }

    /// Keeps the name of a category that the reference never saw. A key that
    /// comes twice counts once, as its cell does.
    fn note_unseen(&mut self, column: usize, name: &str) {
        let name = shortened(name).into_owned();
        match self.unseen.iter_mut().find(|(known, _)| *known == column) {
            Some((_, known)) => *known = name,
            None => self.unseen.push((column, name)),
        }
    }

    /// Prepares for an event of a model that has no columns yet.
    pub(super) fn clear(&mut self) {
        self.cells.clear();
        self.unseen.clear();
        self.unknown.clear();
    }
}

impl Schema {
    /// A schema of `columns`, each with its name, place and grid; `ignored`
    /// names features that are neither read nor reported as unknown.
    pub fn new<'a>(
        columns: impl IntoIterator<Item = (&'a str, ColumnPlace, &'a Grid)>,
        ignored: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut schema = Self {
            columns: Vec::new(),
            without_values: Vec::new(),
            by_name: AHashMap::new(),
            prediction: None,
            prediction_class: None,
        };
        for name in ignored {
            schema.by_name.insert(name.as_bytes().into(), FeatureKey::Ignored);
        }
        for (index, (name, place, grid)) in columns.into_iter().enumerate() {
            let reader = match grid {
                Grid::Numeric(_) => Reader::Numeric,
                Grid::Categorical(grid) => Reader::Categorical(Categories::new(grid)),
            };
            let quoted = format!("\"{name}\"").into_bytes().into_boxed_slice();
            schema.columns.push(Column { quoted, reader });
            let is_feature = place == ColumnPlace::Feature;
            schema.without_values.push(if is_feature { Cell::MISSING } else { Cell::ABSENT });
            match place {
                ColumnPlace::Feature => {
                    schema.by_name.insert(name.as_bytes().into(), FeatureKey::Column(index));
                }
                ColumnPlace::Prediction => schema.prediction = Some(index),
                ColumnPlace::PredictionClass => schema.prediction_class = Some(index),
            }
        }
        schema
    }

    /// Number of columns, predictions included.
    #[must_use]
    pub fn len(&self) -> usize {
        self.columns.len()
    }

    /// Whether there are no columns.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
    }

    /// Prepares `row` for an event, with or without features.
    #[inline]
    pub(super) fn reset_row(&self, row: &mut Row, has_features: bool) {
        row.cells.clear();
        if has_features {
            row.cells.extend_from_slice(&self.without_values);
        } else {
            row.cells.resize(self.columns.len(), Cell::ABSENT);
        }
        row.unseen.clear();
        row.unknown.clear();
    }

    /// Reads a features object at the scanner's position into `row`, which is
    /// prepared first.
    ///
    /// `order` remembers which column stood at which position in the last
    /// object, so that a producer's usual key order costs one comparison per
    /// key; `skip` says which keys of the object are not features.
    pub(super) fn read_features(
        &self,
        scanner: &mut Scanner<'_>,
        row: &mut Row,
        order: &mut Vec<usize>,
        skip: impl Fn(&[u8]) -> bool,
    ) -> Option<()> {
        self.reset_row(row, true);
        if !scanner.take(b'{') {
            return None;
        }
        scanner.skip_space();
        if scanner.take(b'}') {
            return Some(());
        }
        let mut position = 0;
        loop {
            self.read_member(scanner, row, order, position, &skip)?;
            position += 1;
            if scanner.object_ends()? {
                return Some(());
            }
        }
    }

    #[inline]
    fn read_member(
        &self,
        scanner: &mut Scanner<'_>,
        row: &mut Row,
        order: &mut Vec<usize>,
        position: usize,
        skip: impl Fn(&[u8]) -> bool,
    ) -> Option<()> {
        let predicted = order.get(position).copied().unwrap_or(usize::MAX);
        if let Some(column) = self.columns.get(predicted)
            && scanner.take_bytes(&column.quoted)
        {
            scanner.colon()?;
            return self.read_feature(scanner, row, predicted);
        }
        let key_start = scanner.position() + 1;
        let key = scanner.string()?;
        let key_end = key_start + key.bytes.len();
        scanner.colon()?;
        if skip(key.bytes) {
            return scanner.skip_value();
        }
        match self.feature_key(key) {
            FeatureKey::Column(column) => {
                if position >= order.len() {
                    order.resize(position + 1, usize::MAX);
                }
                if let Some(slot) = order.get_mut(position) {
                    *slot = column;
                }
                self.read_feature(scanner, row, column)
            }
            FeatureKey::Ignored => scanner.skip_value(),
            FeatureKey::Unknown => {
                row.unknown.push(key_start..key_end);
                scanner.skip_value()
            }
        }
    }

    /// Reads one value of a features object: most are short numbers with a
    /// comma behind them.
    #[inline]
    fn read_feature(&self, scanner: &mut Scanner<'_>, row: &mut Row, column: usize) -> Option<()> {
        if self.is_numeric(column)
            && let Some(number) = scanner.number_until(Terminator::COMMA)
        {
            row.set(column, Cell::number(number));
            return Some(());
        }
        self.read_value(scanner, row, column)
    }

    /// What a key of the features object stands for.
    pub(super) fn feature_key(&self, key: RawString<'_>) -> FeatureKey {
        let found = if key.escaped {
            self.by_name.get(unescape(key.bytes).as_bytes())
        } else {
            self.by_name.get(key.bytes)
        };
        found.copied().unwrap_or(FeatureKey::Unknown)
    }

    /// Whether a column is numeric.
    pub(super) fn is_numeric(&self, index: usize) -> bool {
        self.columns.get(index).is_some_and(|column| matches!(column.reader, Reader::Numeric))
    }

    /// Reads one value into its column's cell.
    #[inline]
    pub(super) fn read_value(&self, scanner: &mut Scanner<'_>, row: &mut Row, index: usize) -> Option<()> {
        let column = self.columns.get(index)?;
        let cell = match &column.reader {
            Reader::Numeric => numeric_cell(scanner)?,
            Reader::Categorical(categories) => {
                categorical_cell(scanner, categories, |name| row.note_unseen(index, name))?
            }
        };
        row.set(index, cell);
        Some(())
    }

    /// Marks the prediction columns as belonging to the row, without a value.
    pub(super) fn expect_prediction(&self, row: &mut Row) {
        for index in [self.prediction, self.prediction_class].into_iter().flatten() {
            if let Some(slot) = row.cells.get_mut(index) {
                *slot = Cell::MISSING;
            }
        }
    }

    /// Takes a prediction that was read as a number; `false` when the model has
    /// no numeric column for it.
    #[inline]
    pub(super) fn take_prediction(&self, number: f64, row: &mut Row) -> bool {
        let column = self.prediction.filter(|&column| self.is_numeric(column));
        if let Some(column) = column {
            row.set(column, Cell::number(number));
        }
        column.is_some()
    }

    /// Reads a prediction: a number, a class, or a class with scores.
    ///
    /// A number goes to the numeric column, or is a class when the model only
    /// has classes; text and booleans go to the class column; of a class with
    /// scores the class goes to the class column and its own score to the
    /// numeric one.
    pub(super) fn read_prediction(&self, mut scanner: Scanner<'_>, row: &mut Row) -> Option<()> {
        let start = scanner.value_start()?;
        if start == ValueStart::Object {
            return self.read_scored_class(&mut scanner, row);
        }
        let numeric = matches!(start, ValueStart::Number | ValueStart::Array);
        let target = match (self.prediction, self.prediction_class) {
            _ if start == ValueStart::Null => None,
            (Some(index), _) if numeric => Some(index),
            (_, Some(index)) if start != ValueStart::Array => Some(index),
            (index, other) => index.or(other),
        };
        match target {
            Some(index) => self.read_value(&mut scanner, row, index),
            None => scanner.skip_value(),
        }
    }

    /// Reads a class that has a field of its own, where a number is a class, too.
    pub(super) fn read_prediction_class(&self, mut scanner: Scanner<'_>, row: &mut Row) -> Option<()> {
        match (self.prediction_class, scanner.value_start()?) {
            (_, ValueStart::Object) => self.read_scored_class(&mut scanner, row),
            (_, ValueStart::Null) | (None, _) => scanner.skip_value(),
            (Some(index), _) => self.read_value(&mut scanner, row, index),
        }
    }

    fn read_scored_class(&self, scanner: &mut Scanner<'_>, row: &mut Row) -> Option<()> {
        let (mut class, mut scores) = (None, None);
        let start = *scanner;
        scanner.object(|inner, key| {
            let from = inner.position();
            inner.skip_value()?;
            let raw = start.slice(from, inner.position());
            match key.bytes {
                b"class" => class = Some(raw),
                b"scores" => scores = Some(raw),
                _ => {}
            }
            Some(())
        })?;
        if let (Some(index), Some(raw)) = (self.prediction_class, class) {
            self.read_value(&mut Scanner::new(raw), row, index)?;
        }
        let Some(index) = self.prediction else { return Some(()) };
        let score = class.zip(scores).and_then(|(class, scores)| score_of(class, scores));
        if let Some(raw) = score {
            self.read_value(&mut Scanner::new(raw), row, index)?;
        } else if class.is_none()
            && let Some(slot) = row.cells.get_mut(index)
        {
            *slot = Cell::WRONG_TYPE;
        }
        Some(())
    }
}

/// The raw score that an object of scores gives to `class`.
fn score_of<'a>(class: &[u8], scores: &'a [u8]) -> Option<&'a [u8]> {
    let wanted = class.strip_prefix(b"\"").and_then(|rest| rest.strip_suffix(b"\"")).unwrap_or(class);
    let start = Scanner::new(scores);
    let mut scanner = start;
    let mut found = None;
    scanner.object(|inner, key| {
        let from = inner.position();
        inner.skip_value()?;
        if key.bytes == wanted {
            found = Some(start.slice(from, inner.position()));
        }
        Some(())
    })?;
    found
}

#[inline]
fn numeric_cell(scanner: &mut Scanner<'_>) -> Option<Cell> {
    match scanner.peek()? {
        b'0'..=b'9' | b'-' => scanner.number().map(Cell::number),
        _ => unusual_numeric_cell(scanner),
    }
}

/// A cell of a numeric column from anything but digits.
fn unusual_numeric_cell(scanner: &mut Scanner<'_>) -> Option<Cell> {
    Some(match scanner.value_start()? {
        ValueStart::Number => Cell::number(scanner.number()?),
        ValueStart::Null => {
            scanner.skip_value()?;
            Cell::MISSING
        }
        ValueStart::String => spelled_number(scanner.string()?.bytes).map_or(Cell::WRONG_TYPE, Cell::number),
        _ => {
            scanner.skip_value()?;
            Cell::WRONG_TYPE
        }
    })
}

#[inline]
fn categorical_cell(
    scanner: &mut Scanner<'_>,
    categories: &Categories,
    unseen: impl FnMut(&str),
) -> Option<Cell> {
    let start = *scanner;
    if let Some(code) = scanner.short_name().and_then(|name| categories.short.get(name)) {
        return Some(Cell::category(code));
    }
    *scanner = start;
    unusual_categorical_cell(scanner, &categories.grid, unseen)
}

/// A cell of a categorical column from anything but a short frequent name.
#[inline(never)]
fn unusual_categorical_cell(
    scanner: &mut Scanner<'_>,
    grid: &CategoricalGrid,
    mut unseen: impl FnMut(&str),
) -> Option<Cell> {
    let mut cell_of = |name: &[u8]| {
        let code = grid.code_of(name);
        if code == grid.unseen_code() {
            unseen(&String::from_utf8_lossy(name));
        }
        Cell::category(code)
    };
    Some(match scanner.value_start()? {
        ValueStart::String => {
            let raw = scanner.string()?;
            if raw.escaped { cell_of(unescape(raw.bytes).as_bytes()) } else { cell_of(raw.bytes) }
        }
        ValueStart::Number => {
            let start = scanner.position();
            let number = scanner.number()?;
            let text = scanner.slice(start, scanner.position());
            if !number.is_finite() {
                Cell::number(number)
            } else if text.len() < 16
                && text != b"-0"
                && text.iter().all(|b| b.is_ascii_digit() || *b == b'-')
            {
                // A plain integer is its own category text.
                cell_of(text)
            } else {
                cell_of(category_text(number).as_bytes())
            }
        }
        start @ (ValueStart::True | ValueStart::False) => {
            scanner.skip_value()?;
            cell_of(if start == ValueStart::True { b"true" } else { b"false" })
        }
        ValueStart::Null => {
            scanner.skip_value()?;
            Cell::MISSING
        }
        ValueStart::Object | ValueStart::Array => {
            scanner.skip_value()?;
            Cell::WRONG_TYPE
        }
    })
}
