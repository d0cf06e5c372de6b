//! One value as typed, wherever it was typed, against the kind of its key.

use ::config::{Value, ValueKind};
use toml::de::DeValue;

use super::{
    keys::{Kind, nearest},
    quantity::{parse_duration, parse_rate, parse_size},
};
use crate::{decode::JsonPointer, event::parse_rfc3339};

/// A single value before it is held against a kind.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Typed<'a> {
    Text(&'a str),
    Integer(i64),
    /// An integer that 64 bits can't hold, or a float: as written.
    Number(&'a str),
    Bool(bool),
    Datetime(String),
    List,
    Table,
}

/// Why a value is not of its kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mismatch {
    pub(super) message: String,
    pub(super) hint: Option<String>,
}

impl Mismatch {
    fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), hint: None }
    }

    fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
}

impl<'a> Typed<'a> {
    pub(super) fn of(value: &'a DeValue<'_>) -> Self {
        match value {
            DeValue::String(text) => Self::Text(text),
            DeValue::Integer(integer) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(number) => Self::Integer(number),
                Err(_) => Self::Number(integer.as_str()),
            },
            DeValue::Float(float) => Self::Number(float.as_str()),
            DeValue::Boolean(flag) => Self::Bool(*flag),
            DeValue::Datetime(time) => Self::Datetime(time.to_string()),
            DeValue::Array(_) => Self::List,
            DeValue::Table(_) => Self::Table,
        }
    }

    /// The text of a variable or flag, read as the kind wants it.
    pub(super) fn from_outside(text: &'a str, kind: Kind) -> Self {
        match kind {
            Kind::Integer { .. } | Kind::Size { .. } => text.parse().map_or(Self::Text(text), Self::Integer),
            Kind::Number { .. } => Self::Number(text),
            Kind::Bool | Kind::True => text.parse().map_or(Self::Text(text), Self::Bool),
            _ => Self::Text(text),
        }
    }

    /// What was found, for people; what may be secret is not shown.
    pub(super) fn describe(&self, is_secret: bool) -> String {
        match self {
            Self::Text(_) if is_secret => "text".to_owned(),
            Self::Integer(_) | Self::Number(_) if is_secret => "a number".to_owned(),
            Self::Text("") => "empty text".to_owned(),
            Self::Text(text) => format!("the text {:?}", shorten(text)),
            Self::Integer(number) => format!("the integer {number}"),
            Self::Number(number) => format!("the number {}", shorten(number)),
            Self::Bool(flag) => format!("{flag}"),
            Self::Datetime(time) => format!("the time {time}"),
            Self::List => "a list".to_owned(),
            Self::Table => "a table".to_owned(),
        }
    }

    /// The value in the form that the raw configuration holds: durations in
    /// milliseconds, sizes in bytes, the rest as typed.
    pub(super) fn check(&self, kind: Kind) -> Result<Value, Mismatch> {
        match (kind, self) {
            (Kind::Text | Kind::Secret | Kind::Path, Self::Text(text)) if !text.trim().is_empty() => {
                Ok(value(*text))
            }
            (Kind::Pointer, Self::Text(text)) => match JsonPointer::parse(text) {
                Ok(_) => Ok(value(*text)),
                Err(message) => Err(Mismatch::new(message)),
            },
            (Kind::Choice(words), Self::Text(text)) if words.contains(text) => Ok(value(*text)),
            (Kind::Bool, Self::Bool(flag)) => Ok(value(*flag)),
            (Kind::True, Self::Bool(true)) => Ok(value(true)),
            (Kind::Integer { min, max }, Self::Integer(number)) => {
                within(*number, min, max).map(|()| value(*number))
            }
            (Kind::Number { min, max }, Self::Integer(number)) => {
                number_within(&number.to_string(), min, max)
            }
            (Kind::Number { min, max }, Self::Number(text)) => number_within(text, min, max),
            (Kind::Rate, Self::Text(text)) => rate(text),
            (Kind::Duration { min_ms }, Self::Text(text)) => duration(text, min_ms),
            (Kind::Size { min, max }, Self::Integer(number)) => {
                within(*number, min, max).map(|()| value(*number))
            }
            (Kind::Size { min, max }, Self::Text(text)) => size(text, min, max),
            (Kind::Time, Self::Text(text)) => time(text),
            (Kind::Time, Self::Datetime(text)) => time(text),
            _ => Err(self.mismatch(kind)),
        }
    }

    fn mismatch(&self, kind: Kind) -> Mismatch {
        let found = self.describe(kind == Kind::Secret);
        let mismatch = Mismatch::new(format!("expected {}, found {found}", kind.describe()));
        match (kind, self) {
            (Kind::Duration { .. }, Self::Integer(number)) => {
                mismatch.hint(format!("write the unit: \"{number}s\""))
            }
            (Kind::Integer { min, max }, Self::Number(_)) => {
                mismatch.hint(format!("write a whole number from {min} to {max}"))
            }
            (Kind::Integer { .. } | Kind::Number { .. }, Self::Text(text)) if text.parse::<f64>().is_ok() => {
                mismatch.hint("write it without quotes")
            }
            (Kind::Rate, Self::Integer(number)) => {
                mismatch.hint(format!("write in how long: \"{number} per 30d\""))
            }
            (
                Kind::Text | Kind::Path | Kind::Secret | Kind::Patterns,
                Self::Integer(_) | Self::Number(_) | Self::Bool(_),
            ) => mismatch.hint("write it in quotes"),
            (Kind::Choice(words), Self::Text(text)) => match nearest(text, words.iter().copied()) {
                Some(meant) => mismatch.hint(format!("did you mean {meant:?}?")),
                None => mismatch,
            },
            (Kind::TextList, Self::Text(text)) => mismatch.hint(format!("write it in brackets: [{text:?}]")),
            _ => mismatch,
        }
    }

    /// The error for a value that is no list of texts, table of settings, …
    pub(super) fn expected(&self, kind: Kind) -> Mismatch {
        self.mismatch(kind)
    }
}

pub(super) fn value(kind: impl Into<ValueKind>) -> Value {
    Value::new(None, kind)
}

fn shorten(text: &str) -> String {
    const SHOWN: usize = 40;
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn within(number: i64, min: i64, max: i64) -> Result<(), Mismatch> {
    if (min..=max).contains(&number) {
        Ok(())
    } else {
        Err(Mismatch::new(format!("{number} is not within {min} to {max}")))
    }
}

fn number_within(text: &str, min: f64, max: f64) -> Result<Value, Mismatch> {
    match text.replace('_', "").parse::<f64>() {
        Ok(number) if (min..=max).contains(&number) => Ok(value(number)),
        Ok(_) => Err(Mismatch::new(format!("{text} is not within {min} to {max}"))),
        Err(_) => Err(Mismatch::new(format!("{:?} is not a number", shorten(text)))),
    }
}

fn rate(text: &str) -> Result<Value, Mismatch> {
    match parse_rate(text) {
        Ok(_) => Ok(value(text)),
        Err(message) => {
            Err(Mismatch::new(message).hint("write how many in how long: \"1 per 30d\", \"2 per 7d\""))
        }
    }
}

fn duration(text: &str, min_ms: i64) -> Result<Value, Mismatch> {
    let ms = parse_duration(text).map_err(|message| {
        Mismatch::new(message).hint("write whole numbers with d, h, m, s or ms: \"90s\", \"1h30m\", \"2d\"")
    })?;
    if ms < 0 && min_ms == 0 {
        return Err(Mismatch::new(format!("{text:?} is negative")).hint("write \"0s\" for none"));
    }
    if ms < min_ms {
        let least = crate::window::duration_text(min_ms);
        return Err(Mismatch::new(format!("{text:?} is too short")).hint(format!("the least is \"{least}\"")));
    }
    Ok(value(ms))
}

fn size(text: &str, min: i64, max: i64) -> Result<Value, Mismatch> {
    let bytes = parse_size(text).map_err(|message| {
        Mismatch::new(message).hint("write a number of bytes or \"512kB\", \"1MiB\", \"1GiB\"")
    })?;
    let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
    within(bytes, min, max).map(|()| value(bytes))
}

fn time(text: &str) -> Result<Value, Mismatch> {
    match parse_rfc3339(text.as_bytes()) {
        Some(time) => Ok(value(time.0)),
        None => {
            Err(Mismatch::new(format!("{:?} is not a time with offset between 1990 and 2200", shorten(text)))
                .hint("write \"2026-01-31T00:00:00Z\" or \"2026-01-31T00:00:00+02:00\""))
        }
    }
}
