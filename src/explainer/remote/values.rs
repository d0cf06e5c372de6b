//! Numbers of a row as JSON.
//!
//! Promises: a number is written with as many digits as bring the same bits back,
//! always with a fraction where the server is to take it for one. Refuses what
//! JSON or the server's type can't hold: infinities, missing values unless the
//! settings say what stands for them, fractions of whole numbers, places beyond
//! an input's texts.

use std::fmt::Write as _;

use super::settings::{Missing, RemoteInput};
use crate::model::PredictError;

/// Most characters of a number: `-1.2345678901234567e-308`.
const WIDEST_NUMBER: usize = 24;

/// How the values of an input are written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    /// As a number.
    Number,
    /// As a number that has only 32 bits at the server, up to `most`.
    Single { most: f64 },
    /// Without a fraction, within these bounds.
    Whole { least: f64, most: f64 },
    /// `true` of 1 and `false` of 0.
    Flag,
    /// The text in this place, as JSON.
    Texts(Vec<String>),
}

impl Kind {
    pub(super) fn texts(texts: &[String]) -> Self {
        Self::Texts(texts.iter().map(|text| quoted(text)).collect())
    }

    /// Of an input whose server does not say more.
    pub(super) fn of(input: &RemoteInput) -> Self {
        const WHOLE_IN_A_FLOAT: f64 = 9_007_199_254_740_992.0;
        match &input.texts {
            Some(texts) => Self::texts(texts),
            None if input.is_whole => Self::Whole { least: -WHOLE_IN_A_FLOAT, most: WHOLE_IN_A_FLOAT },
            None => Self::Number,
        }
    }

    fn widest(&self) -> usize {
        match self {
            Self::Texts(texts) => texts.iter().map(String::len).fold("null".len(), usize::max),
            _ => WIDEST_NUMBER,
        }
    }
}

/// A text as JSON.
pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[derive(Debug)]
struct Column {
    name: String,
    /// The name as JSON.
    quoted: String,
    kind: Kind,
}

/// The inputs of a model, as they are written.
#[derive(Debug)]
pub(super) struct Columns {
    columns: Vec<Column>,
    missing: Missing,
}

impl Columns {
    /// `inputs` by name and kind.
    pub(super) fn new(inputs: Vec<(String, Kind)>, missing: Missing) -> Self {
        let column = |(name, kind): (String, Kind)| Column { quoted: quoted(&name), name, kind };
        Self { columns: inputs.into_iter().map(column).collect(), missing }
    }

    pub(super) fn len(&self) -> usize {
        self.columns.len()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.name.as_str())
    }

    /// The names as JSON.
    pub(super) fn quoted_names(&self) -> impl Iterator<Item = &str> {
        self.columns.iter().map(|column| column.quoted.as_str())
    }

    /// Characters that a row takes at most, as an object, the longest form.
    pub(super) fn widest_row(&self) -> usize {
        let widest = |column: &Column| column.quoted.len() + column.kind.widest() + 2;
        self.columns.iter().map(widest).sum::<usize>() + 3
    }

    /// Writes a row as a list's elements, or as an object's members.
    pub(super) fn write_row(
        &self,
        out: &mut String,
        number: usize,
        row: &[f64],
        with_names: bool,
    ) -> Result<(), PredictError> {
        for (place, (column, value)) in self.columns.iter().zip(row).enumerate() {
            if place > 0 {
                out.push(',');
            }
            if with_names {
                out.push_str(&column.quoted);
                out.push(':');
            }
            self.write_value(out, number, column, *value)?;
        }
        Ok(())
    }

    /// Writes the values of one input, `first` being the number of the first.
    pub(super) fn write_column<'a>(
        &self,
        out: &mut String,
        place: usize,
        first: usize,
        rows: impl Iterator<Item = &'a [f64]>,
    ) -> Result<(), PredictError> {
        let Some(column) = self.columns.get(place) else { return Ok(()) };
        for (index, value) in rows.filter_map(|row| row.get(place)).enumerate() {
            if index > 0 {
                out.push(',');
            }
            self.write_value(out, first + index, column, *value)?;
        }
        Ok(())
    }

    fn write_value(
        &self,
        out: &mut String,
        number: usize,
        column: &Column,
        value: f64,
    ) -> Result<(), PredictError> {
        let written = if value.is_nan() {
            self.missing_value(out, &column.kind)
        } else {
            write(out, &column.kind, value)
        };
        written.map_err(|problem| {
            PredictError::Refused(format!("row {number} can't be sent: its {:?} {problem}", column.name))
        })
    }

    fn missing_value(&self, out: &mut String, kind: &Kind) -> Result<(), String> {
        match (self.missing, kind) {
            (Missing::Fill(number), Kind::Number | Kind::Single { .. } | Kind::Whole { .. } | Kind::Flag) => {
                write(out, kind, number)
            }
            // Whole numbers and flags have no value for it at the server either.
            (Missing::Null, Kind::Number | Kind::Single { .. } | Kind::Texts(_)) => {
                out.push_str("null");
                Ok(())
            }
            _ => {
                Err("is missing, and JSON has no way of saying so; set missing to what stands for it"
                    .to_owned())
            }
        }
    }
}

fn write(out: &mut String, kind: &Kind, value: f64) -> Result<(), String> {
    if value.is_infinite() {
        return Err("is infinite, which JSON can't say".to_owned());
    }
    match kind {
        Kind::Number => out.push_str(ryu::Buffer::new().format_finite(value)),
        Kind::Single { most } => {
            if value.abs() > *most {
                return Err(format!("is {value}, more than the server's type holds"));
            }
            #[expect(clippy::cast_possible_truncation, reason = "rounded as the server would")]
            out.push_str(ryu::Buffer::new().format_finite(value as f32));
        }
        Kind::Whole { least, most } => {
            if value.fract() != 0.0 || !(*least..=*most).contains(&value) {
                return Err(format!("is {value}, and it takes whole numbers from {least} to {most}"));
            }
            // The sum makes 0 of -0. Writing to a text can't fail.
            let _ = write!(out, "{}", value + 0.0);
        }
        Kind::Flag => match value {
            0.0 => out.push_str("false"),
            1.0 => out.push_str("true"),
            _ => return Err(format!("is {value}, and it takes 0 and 1")),
        },
        Kind::Texts(texts) => match place(value).and_then(|place| texts.get(place)) {
            Some(text) => out.push_str(text),
            None => return Err(format!("is {value}, which is no place among its {} texts", texts.len())),
        },
    }
    Ok(())
}

/// A whole number from 0 as a place.
fn place(value: f64) -> Option<usize> {
    const MOST_PLACES: f64 = 4_294_967_295.0;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked before")]
    (value.fract() == 0.0 && (0.0..=MOST_PLACES).contains(&value)).then_some(value as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(kind: Kind, missing: Missing, value: f64) -> Result<String, String> {
        let columns = Columns::new(vec![("age".to_owned(), kind)], missing);
        let mut out = String::new();
        columns.write_row(&mut out, 7, &[value], false).map(|()| out).map_err(|error| error.to_string())
    }

    #[test]
    fn numbers_come_back_with_the_same_bits() {
        for value in [0.0, -0.0, 1.0, 0.1, 1.0 / 3.0, 5e-324, f64::MAX, -1.234_567_890_123_456_7e-308, 1e16] {
            let text = written(Kind::Number, Missing::Refuse, value).unwrap();
            assert!(text.len() <= WIDEST_NUMBER && text.contains(['.', 'e']), "{text}");
            assert_eq!(serde_json::from_str::<f64>(&text).unwrap().to_bits(), value.to_bits(), "{text}");
            let single = Kind::Single { most: f64::from(f32::MAX) };
            if let Ok(text) = written(single, Missing::Refuse, value) {
                let read: f64 = text.parse().unwrap();
                #[expect(clippy::cast_possible_truncation, reason = "what is tested")]
                let bits = ((read as f32).to_bits(), (value as f32).to_bits());
                assert_eq!(bits.0, bits.1, "{text}");
            }
        }
    }

    #[test]
    fn every_kind_is_written_in_its_way() {
        let int8 = Kind::Whole { least: -128.0, most: 127.0 };
        let texts = Kind::texts(&["a\"b".to_owned(), "ä".to_owned()]);
        let of = |kind: &Kind, value| written(kind.clone(), Missing::Null, value);
        assert_eq!(of(&int8, -0.0).unwrap(), "0");
        assert_eq!(of(&int8, -128.0).unwrap(), "-128");
        assert_eq!(of(&texts, 0.0).unwrap(), r#""a\"b""#);
        assert_eq!(of(&texts, 1.0).unwrap(), r#""ä""#);
        assert_eq!(of(&texts, f64::NAN).unwrap(), "null");
        assert_eq!(of(&Kind::Number, f64::NAN).unwrap(), "null");
        assert_eq!(of(&Kind::Flag, 1.0).unwrap(), "true");
        let refused = [
            (int8.clone(), 1.5, "is 1.5, and it takes whole numbers from -128 to 127"),
            (int8.clone(), 128.0, "is 128, and it takes whole numbers from -128 to 127"),
            (int8, f64::NAN, "is missing"),
            (texts.clone(), 2.0, "is 2, which is no place among its 2 texts"),
            (texts.clone(), -1.0, "no place"),
            (texts, 0.5, "no place"),
            (Kind::Flag, 2.0, "is 2, and it takes 0 and 1"),
            (Kind::Number, f64::INFINITY, "is infinite"),
            (Kind::Single { most: 65_504.0 }, 65_505.0, "more than the server's type holds"),
        ];
        for (kind, value, why) in refused {
            let error = of(&kind, value).unwrap_err();
            assert!(error.contains("row 7 can't be sent: its \"age\" ") && error.contains(why), "{error}");
        }
    }

    #[test]
    fn missing_values_are_what_the_settings_say() {
        let int = Kind::Whole { least: -9.0, most: 9.0 };
        assert_eq!(written(Kind::Number, Missing::Fill(-1.0), f64::NAN).unwrap(), "-1.0");
        assert_eq!(written(int, Missing::Fill(-1.0), f64::NAN).unwrap(), "-1");
        for (kind, missing) in [
            (Kind::Number, Missing::Refuse),
            (Kind::texts(&["a".to_owned()]), Missing::Refuse),
            (Kind::texts(&["a".to_owned()]), Missing::Fill(0.0)),
        ] {
            assert!(
                written(kind, missing, f64::NAN).unwrap_err().contains("set missing to what stands for it")
            );
        }
    }
}
