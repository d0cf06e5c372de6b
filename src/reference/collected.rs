//! The values of one column, collected until all rows are there.

use ahash::AHashMap;

use super::{Column, ColumnRole, Value, report::Findings};
use crate::{
    profile::{
        CategoricalGrid, Cell, Counts, Cut, Grid, LONGEST_NAME, NumericGrid, category_text, spelled_number,
    },
    result::ColumnKind,
};

/// Stands for every text that is too long to be a category.
const TOO_LONG: &str = match str::from_utf8(&[b'?'; LONGEST_NAME + 1]) {
    Ok(text) => text,
    Err(_) => "",
};
/// Cells handed to the counts at once.
const CHUNK: usize = 4096;

/// One column's values: eight bytes each, as many for each gap between the rows
/// that name it, plus its different texts once.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) name: Box<str>,
    pub(super) role: ColumnRole,
    /// Numbers, texts by their code in `texts`, and missing values; the rows
    /// that don't name the column have none.
    cells: Vec<Cell>,
    /// Where rows that follow each other begin.
    runs: Vec<Run>,
    texts: AHashMap<Box<str>, u32>,
    /// The row that the last cell is of, counted from 1.
    last_row: u64,
}

/// The first of several rows that follow each other, each with a cell.
#[derive(Debug, Clone, Copy)]
struct Run {
    cell: u32,
    row: u32,
}

/// Why a column can't be part of a reference.
#[derive(Debug, Clone, Copy)]
pub(super) enum Unusable {
    AllMissing,
    NoNumber,
    NoValue,
}

impl Unusable {
    pub(super) fn note(self) -> &'static str {
        match self {
            Self::AllMissing => "left out: it is missing in every row",
            Self::NoNumber => "left out: it has no finite number",
            Self::NoValue => "left out: it has no usable value",
        }
    }
}

impl Collected {
    pub(super) fn new(name: &str, role: ColumnRole) -> Self {
        Self {
            name: name.into(),
            role,
            cells: Vec::new(),
            runs: Vec::new(),
            texts: AHashMap::new(),
            last_row: 0,
        }
    }

    /// Takes the column's value in a row; the last one if the row has several.
    pub(super) fn push(&mut self, row: u64, value: Value<'_>) {
        let cell = match value {
            Value::Missing => Cell::MISSING,
            Value::Number(number) => Cell::number(number + 0.0),
            Value::Text(text) => Cell::category(self.code(text)),
            Value::Bool(true) => Cell::category(self.code("true")),
            Value::Bool(false) => Cell::category(self.code("false")),
        };
        if self.last_row == row {
            self.cells.pop();
        } else if self.cells.is_empty() || self.last_row + 1 != row {
            // Memory ends long before four billion rows.
            let number = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
            self.runs.push(Run { cell: number(self.cells.len() as u64), row: number(row - 1) });
        }
        self.cells.push(cell);
        self.last_row = row;
    }

    fn code(&mut self, text: &str) -> u32 {
        let text = if text.len() > LONGEST_NAME { TOO_LONG } else { text };
        if let Some(&code) = self.texts.get(text) {
            return code;
        }
        // Memory ends long before four billion different texts.
        let code = u32::try_from(self.texts.len()).unwrap_or(u32::MAX);
        self.texts.insert(text.into(), code);
        code
    }

    /// The texts in order of their codes.
    fn texts(&self) -> Vec<&str> {
        let mut texts: Vec<(u32, &str)> = self.texts.iter().map(|(text, code)| (*code, &**text)).collect();
        texts.sort_unstable();
        texts.into_iter().map(|(_, text)| text).collect()
    }

    /// Numeric when at least half of the values are numbers.
    fn inferred_kind(&self, texts: &[&str]) -> ColumnKind {
        let (mut numbers, mut others, mut spelled) = (0_u64, 0_u64, 0_u64);
        for cell in self.cells.iter().filter(|&&cell| cell != Cell::MISSING) {
            match cell.code() {
                None => numbers += 1,
                Some(code)
                    if text_of(texts, code).is_some_and(|text| spelled_number(text.as_bytes()).is_some()) =>
                {
                    spelled += 1;
                }
                Some(_) => others += 1,
            }
        }
        if numbers > 0 && numbers + spelled >= others { ColumnKind::Numeric } else { ColumnKind::Categorical }
    }

    /// The column of a reference of so many `rows`, with a cut of about `bins`.
    pub(super) fn finish(
        &self,
        kind: Option<ColumnKind>,
        rows: u64,
        bins: usize,
    ) -> Result<(Column, Findings), Unusable> {
        if self.cells.iter().all(|&cell| cell == Cell::MISSING) {
            return Err(Unusable::AllMissing);
        }
        let texts = self.texts();
        let configured = kind.is_some();
        let kind = kind.unwrap_or_else(|| self.inferred_kind(&texts));
        let numbers = self.sorted_numbers();
        let whole = numbers.iter().all(|number| number.fract() == 0.0);
        let (grid, distinct) = match kind {
            ColumnKind::Numeric => numeric_grid(&numbers).ok_or(Unusable::NoNumber)?,
            ColumnKind::Categorical => self.categorical_grid(&texts, &numbers).ok_or(Unusable::NoValue)?,
        };
        let numbers = numbers.len() as u64;
        let counts = self.count(&grid, rows);
        let cut = Cut::new(&grid, &counts, bins);
        let text_cells = self.cells.iter().filter(|cell| cell.code().is_some()).count() as u64;
        let findings = Findings {
            kind,
            configured,
            rows,
            valid: counts.valid(),
            missing: counts.missing(),
            distinct,
            numbers,
            texts: if kind == ColumnKind::Numeric { counts.wrong_type() } else { text_cells },
            whole,
        };
        let column = Column { name: self.name.to_string(), role: self.role, grid, cut, counts };
        Ok((column, findings))
    }

    fn sorted_numbers(&self) -> Vec<f64> {
        let numbers = self.cells.iter().map(|cell| cell.to_f64()).filter(|number| number.is_finite());
        let mut numbers: Vec<f64> = numbers.collect();
        numbers.sort_unstable_by(f64::total_cmp);
        numbers
    }

    #[expect(clippy::float_cmp, reason = "values count as the same when they are")]
    fn categorical_grid(&self, texts: &[&str], numbers: &[f64]) -> Option<(Grid, u64)> {
        let mut tally: AHashMap<&str, u64> = AHashMap::new();
        for text in self.cells.iter().filter_map(|cell| text_of(texts, cell.code()?)) {
            *tally.entry(text).or_default() += 1;
        }
        let number_texts: Vec<(String, u64)> = numbers
            .chunk_by(|a, b| a == b)
            .filter_map(|equal| Some((category_text(*equal.first()?), equal.len() as u64)))
            .collect();
        for (text, count) in &number_texts {
            *tally.entry(text).or_default() += count;
        }
        let distinct = tally.len() as u64;
        // As in a window's counts, what is not in the grid is unseen.
        tally.remove(TOO_LONG);
        if tally.is_empty() {
            return None;
        }
        Some((Grid::Categorical(CategoricalGrid::from_counts(tally)), distinct))
    }

    /// What the column's texts are on its grid, by code.
    pub(super) fn codes_on(&self, grid: &Grid) -> Vec<Cell> {
        self.texts().iter().map(|text| cell_of(text, grid)).collect()
    }

    /// The cells as the decoder would give them for events.
    pub(super) fn cells_on<'a>(
        &'a self,
        grid: &'a Grid,
        codes: &'a [Cell],
    ) -> impl Iterator<Item = Cell> + 'a {
        self.cells.iter().map(move |cell| match cell.code() {
            Some(code) => codes.get(code as usize).copied().unwrap_or(Cell::WRONG_TYPE),
            None if grid.kind() == ColumnKind::Categorical && cell.to_f64().is_finite() => {
                cell_of(&category_text(cell.to_f64()), grid)
            }
            None => *cell,
        })
    }

    /// The rows that the cells are of, counted from 0, in ascending order.
    pub(super) fn row_numbers(&self) -> impl Iterator<Item = usize> + '_ {
        let ends = self.runs.iter().skip(1).map(|run| run.cell as usize).chain([self.cells.len()]);
        self.runs.iter().zip(ends).flat_map(|(run, end)| (run.row as usize..).take(end - run.cell as usize))
    }

    /// Counts the values just as a window's values are counted.
    fn count(&self, grid: &Grid, rows: u64) -> Counts {
        let mut counts = Counts::new(grid);
        let codes = self.codes_on(grid);
        let mut cells = self.cells_on(grid, &codes);
        let mut buffer = Vec::with_capacity(CHUNK);
        loop {
            buffer.clear();
            buffer.extend(cells.by_ref().take(CHUNK));
            if buffer.is_empty() {
                break;
            }
            counts.add_cells(grid, &buffer);
        }
        counts.add_missing(rows - counts.rows());
        counts
    }
}

fn cell_of(text: &str, grid: &Grid) -> Cell {
    match grid {
        Grid::Categorical(grid) => Cell::category(grid.code_of(text.as_bytes())),
        Grid::Numeric(_) => spelled_number(text.as_bytes()).map_or(Cell::WRONG_TYPE, Cell::number),
    }
}

fn text_of<'a>(texts: &[&'a str], code: u32) -> Option<&'a str> {
    texts.get(code as usize).copied()
}

#[expect(clippy::float_cmp, reason = "values count as the same when they are")]
fn numeric_grid(sorted: &[f64]) -> Option<(Grid, u64)> {
    let distinct = sorted.chunk_by(|a, b| a == b).count() as u64;
    NumericGrid::from_sorted(sorted).map(|grid| (Grid::Numeric(grid), distinct))
}
