//! One row of a file, and how text becomes a value.
//!
//! The rules for text, which CSV has for everything:
//!
//! | text | value |
//! |---|---|
//! | nothing or blanks, `NA`, `N/A`, `null`, `NULL`, `None`, `\N` | missing |
//! | `true`, `True`, `TRUE`, `false`, `False`, `FALSE` | boolean |
//! | a decimal number: `7`, `-1.5`, `.5`, `1e-3`, `+2` | number |
//! | `NaN`, `nan`, `inf`, `-inf`, `Infinity`, `-Infinity` | number that is none |
//! | anything else, numbers with leading zeros (`007`) included | text |
//!
//! Whether a column is numeric or categorical is not decided here but by the
//! configuration and the reference: a number in a categorical column is the
//! category that [`category_text`](crate::profile::category_text) makes of it,
//! so that `7`, `7.0` and `7.00` are one category.

use super::RowFault;

/// What reading a row gave.
#[derive(Debug)]
pub enum Read {
    /// A row of values.
    Row,
    /// A whole event, as [`TableRow::event`] gives it.
    Event,
    /// A row that has to be left out.
    Broken(RowFault),
    /// There are no more rows.
    End,
}

/// One value of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum FileValue<'r> {
    /// Nothing, or a word for it.
    Missing,
    /// A number, with its text as it stands in events.
    Number(f64, &'r str),
    /// A boolean.
    Bool(bool),
    /// Text.
    Text(&'r str),
    /// An object, a list or something else that no column can hold, as JSON;
    /// Parquet's are all written as an empty list.
    Nested(&'r str),
}

/// One row, reused from row to row.
#[derive(Debug, Default)]
pub struct TableRow {
    line: u64,
    text: String,
    cells: Vec<Slot>,
}

#[derive(Debug, Clone, Copy)]
enum Slot {
    Absent,
    Missing,
    Number(f64, usize, usize),
    Bool(bool),
    Text(usize, usize),
    Nested(usize, usize),
}

impl TableRow {
    /// The line where the row begins; for Parquet its number from 1.
    #[must_use]
    pub fn line(&self) -> u64 {
        self.line
    }

    /// The value of a column by its index; `None` when the row doesn't have it.
    #[must_use]
    pub fn get(&self, column: usize) -> Option<FileValue<'_>> {
        let text = |start: usize, end: usize| self.text.get(start..end).unwrap_or_default();
        Some(match *self.cells.get(column)? {
            Slot::Absent => return None,
            Slot::Missing => FileValue::Missing,
            Slot::Number(value, start, end) => FileValue::Number(value, text(start, end)),
            Slot::Bool(flag) => FileValue::Bool(flag),
            Slot::Text(start, end) => FileValue::Text(text(start, end)),
            Slot::Nested(start, end) => FileValue::Nested(text(start, end)),
        })
    }

    /// The bytes of the event, when the row is one.
    #[must_use]
    pub fn event(&self) -> &[u8] {
        self.text.as_bytes()
    }

    /// Begins a row; nothing is in it.
    pub(super) fn begin(&mut self, line: u64) {
        self.line = line;
        self.text.clear();
        self.cells.clear();
    }

    /// Makes the row a whole event.
    pub(super) fn set_event(&mut self, event: &str) {
        self.text.push_str(event);
    }

    /// Appends the value that `text` reads as.
    pub(super) fn push_text_as_value(&mut self, text: &str) {
        match classify(text) {
            Class::Missing => self.cells.push(Slot::Missing),
            Class::Bool(flag) => self.cells.push(Slot::Bool(flag)),
            Class::JsonNumber(value) => self.push_number(value, text.trim()),
            Class::Number(value) => self.push_f64(value),
            Class::Text => self.push(FileValue::Text(text)),
        }
    }

    /// Appends a number that has no text yet.
    pub(super) fn push_f64(&mut self, value: f64) {
        // The words that Python's json writes; the decoder reads them.
        if value.is_nan() {
            self.push_number(value, "NaN");
        } else if value.is_infinite() {
            self.push_number(value, if value > 0.0 { "Infinity" } else { "-Infinity" });
        } else {
            self.push_number(value, ryu::Buffer::new().format_finite(value));
        }
    }

    fn push_number(&mut self, value: f64, text: &str) {
        self.push(FileValue::Number(value, text));
    }

    /// Appends a value; the text of a number must be a JSON number.
    pub(super) fn push(&mut self, value: FileValue<'_>) {
        let start = self.text.len();
        let slot = match value {
            FileValue::Missing => Slot::Missing,
            FileValue::Bool(flag) => Slot::Bool(flag),
            FileValue::Nested(json) => {
                self.text.push_str(json);
                Slot::Nested(start, self.text.len())
            }
            FileValue::Number(number, text) => {
                self.text.push_str(text);
                Slot::Number(number, start, self.text.len())
            }
            FileValue::Text(text) => {
                self.text.push_str(text);
                Slot::Text(start, self.text.len())
            }
        };
        self.cells.push(slot);
    }

    /// Puts a value at a column's place; columns before it that have none are
    /// absent, and a column that is met again counts as its last value.
    pub(super) fn put(&mut self, column: usize, value: FileValue<'_>) {
        self.push(value);
        let Some(slot) = self.cells.pop() else { return };
        if self.cells.len() <= column {
            self.cells.resize(column + 1, Slot::Absent);
        }
        if let Some(place) = self.cells.get_mut(column) {
            *place = slot;
        }
    }
}

/// What a text reads as.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Class {
    Missing,
    Bool(bool),
    /// A number whose text is a JSON number.
    JsonNumber(f64),
    /// A number whose text is none.
    Number(f64),
    Text,
}

fn classify(text: &str) -> Class {
    let text = text.trim();
    match text {
        "" | "NA" | "N/A" | "null" | "NULL" | "None" | "\\N" => return Class::Missing,
        "true" | "True" | "TRUE" => return Class::Bool(true),
        "false" | "False" | "FALSE" => return Class::Bool(false),
        "NaN" | "nan" => return Class::Number(f64::NAN),
        "inf" | "Infinity" => return Class::Number(f64::INFINITY),
        "-inf" | "-Infinity" => return Class::Number(f64::NEG_INFINITY),
        _ => {}
    }
    let Some(is_json) = decimal_shape(text.as_bytes()) else { return Class::Text };
    match text.parse::<f64>() {
        Ok(value) if is_json => Class::JsonNumber(value),
        Ok(value) => Class::Number(value),
        Err(_) => Class::Text,
    }
}

/// Whether `text` is a decimal number without leading zeros (`None` when it is
/// not), and whether JSON would write it so.
fn decimal_shape(text: &[u8]) -> Option<bool> {
    let (signed, unsigned) = match text {
        [sign @ (b'+' | b'-'), rest @ ..] => (Some(*sign), rest),
        _ => (None, text),
    };
    let (integer, rest) = split_digits(unsigned);
    if integer.len() > 1 && integer.starts_with(b"0") {
        return None;
    }
    let (fraction, rest) = match rest.strip_prefix(b".") {
        Some(rest) => {
            let (digits, rest) = split_digits(rest);
            (Some(digits), rest)
        }
        None => (None, rest),
    };
    if integer.is_empty() && fraction.is_none_or(<[u8]>::is_empty) {
        return None;
    }
    if let [b'e' | b'E', exponent @ ..] = rest {
        let digits = exponent.strip_prefix(b"+").or_else(|| exponent.strip_prefix(b"-")).unwrap_or(exponent);
        let (digits, rest) = split_digits(digits);
        if digits.is_empty() || !rest.is_empty() {
            return None;
        }
    } else if !rest.is_empty() {
        return None;
    }
    Some(signed != Some(b'+') && !integer.is_empty() && fraction.is_none_or(|digits| !digits.is_empty()))
}

fn split_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text.iter().position(|byte| !byte.is_ascii_digit()).unwrap_or(text.len());
    text.split_at_checked(end).unwrap_or((text, &[]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(texts: &[&'static str]) -> Vec<String> {
        let mut row = TableRow::default();
        row.begin(1);
        for text in texts {
            row.push_text_as_value(text);
        }
        (0..texts.len()).filter_map(|index| row.get(index)).map(|value| format!("{value:?}")).collect()
    }

    #[test]
    fn text_reads_as_the_table_says() {
        assert_eq!(values(&["", "  ", "NA", "N/A", "null", "NULL", "None", "\\N"]), ["Missing"; 8]);
        assert_eq!(
            values(&["7", "-1.5", "7.0", "1e-3", "0", "0.5", "-0", "12345678901234567890"]),
            [
                r#"Number(7.0, "7")"#,
                r#"Number(-1.5, "-1.5")"#,
                r#"Number(7.0, "7.0")"#,
                r#"Number(0.001, "1e-3")"#,
                r#"Number(0.0, "0")"#,
                r#"Number(0.5, "0.5")"#,
                r#"Number(-0.0, "-0")"#,
                r#"Number(1.2345678901234567e19, "12345678901234567890")"#,
            ]
        );
        assert_eq!(
            values(&[" 7 ", ".5", "5.", "+2", "1e5", "nan", "-inf"]),
            [
                r#"Number(7.0, "7")"#,
                r#"Number(0.5, "0.5")"#,
                r#"Number(5.0, "5.0")"#,
                r#"Number(2.0, "2.0")"#,
                r#"Number(100000.0, "1e5")"#,
                r#"Number(NaN, "NaN")"#,
                r#"Number(-inf, "-Infinity")"#,
            ]
        );
        assert_eq!(values(&["true", "False"]), ["Bool(true)", "Bool(false)"]);
    }

    #[test]
    fn codes_and_words_stay_text() {
        for text in ["007", "00.5", "1_000", "1,000", "0x10", "e5", ".", "-", "+", "1e", "12abc", "Nan", "é"]
        {
            assert_eq!(values(&[text]), [format!("Text({text:?})")], "{text}");
        }
    }

    #[test]
    fn a_repeated_key_counts_as_its_last_value_and_gaps_are_absent() {
        let mut row = TableRow::default();
        row.begin(1);
        row.put(2, FileValue::Text("a"));
        row.put(2, FileValue::Text("b"));
        assert_eq!((row.get(0), row.get(2), row.get(3)), (None, Some(FileValue::Text("b")), None));
    }
}
