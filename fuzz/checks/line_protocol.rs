//! What holds for the line encoder, whatever the names and values.
//!
//! A line that is written is one line, has no NaN and no infinity, and is read
//! by the parser of InfluxDB 3 as the same content.
//!
//! The input says a measurement, tags, fields and a time: texts are a length
//! and bytes, invalid UTF-8 replaced.

#[path = "readable.rs"]
mod readable;

use std::{borrow::Cow, collections::BTreeMap};

use driftline::sink::{FieldValue, RESERVED, write_point};
use influxdb_line_protocol::{FieldValue as Parsed, parse_lines};
use readable::{readable, readable_name};

/// Reads values off the input; an input that ends early is as if zeros followed.
struct Take<'a>(&'a [u8]);

impl<'a> Take<'a> {
    fn byte(&mut self) -> u8 {
        let Some((&first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        first
    }

    fn word(&mut self) -> u64 {
        u64::from_le_bytes(std::array::from_fn(|_| self.byte()))
    }

    fn text(&mut self) -> Cow<'a, str> {
        let length = usize::from(self.byte()).min(self.0.len());
        let (text, rest) = self.0.split_at(length);
        self.0 = rest;
        String::from_utf8_lossy(text)
    }

    fn name(&mut self) -> Cow<'a, str> {
        // Names that are kept for InfluxDB are rare among random bytes.
        match self.byte() {
            kind @ 0..=6 => Cow::Borrowed(RESERVED[usize::from(kind)]),
            _ => self.text(),
        }
    }

    fn field(&mut self) -> FieldValue<'a> {
        match self.byte() % 8 {
            0 => FieldValue::Text(self.text()),
            1 => FieldValue::Integer(self.word().cast_signed()),
            2 => FieldValue::Boolean(self.byte().is_multiple_of(2)),
            3 => FieldValue::Float(f64::NAN),
            4 => FieldValue::Float(if self.byte().is_multiple_of(2) {
                f64::INFINITY
            } else {
                f64::NEG_INFINITY
            }),
            _ => FieldValue::Float(f64::from_bits(self.word())),
        }
    }
}

fn is_same(written: &FieldValue<'_>, read: &Parsed<'_>) -> bool {
    match (written, read) {
        (FieldValue::Float(a), Parsed::F64(b)) => a.to_bits() == b.to_bits(),
        (FieldValue::Integer(a), Parsed::I64(b)) => a == b,
        (FieldValue::Boolean(a), Parsed::Boolean(b)) => a == b,
        (FieldValue::Text(a), Parsed::String(b)) => a.replace(|c: char| c.is_control(), " ") == b.as_str(),
        _ => false,
    }
}

/// The first value of each name, or nothing when two different names become
/// one by what is replaced in them, which is for callers to avoid.
fn first_of_each<V: Clone>(list: &[(&str, V)]) -> Option<BTreeMap<String, V>> {
    let mut by_raw: BTreeMap<&str, V> = BTreeMap::new();
    for (name, value) in list {
        by_raw.entry(name).or_insert_with(|| value.clone());
    }
    let count = by_raw.len();
    let readable: BTreeMap<String, V> =
        by_raw.into_iter().map(|(name, value)| (readable_name(name), value)).collect();
    (readable.len() == count).then_some(readable)
}

/// Panics when one of the promises does not hold for this point.
pub(crate) fn check(input: &[u8]) {
    let mut take = Take(input);
    let (tag_count, field_count) = (take.byte() % 5, take.byte() % 5);
    let time = take.word().cast_signed();
    let measurement = take.text();
    let tags: Vec<_> = (0..tag_count).map(|_| (take.name(), take.text())).collect();
    let fields: Vec<_> = (0..field_count).map(|_| (take.name(), take.field())).collect();
    let tags: Vec<(&str, &str)> = tags.iter().map(|(name, value)| (&**name, &**value)).collect();
    let fields: Vec<(&str, FieldValue<'_>)> = fields.iter().map(|(name, v)| (&**name, v.clone())).collect();

    let mut out = String::from("before\n");
    let encoded = write_point(&mut out, &measurement, &tags, &fields, time);
    let line = out.strip_prefix("before\n").expect("what was there stays");
    assert_eq!(encoded.written, !line.is_empty());
    assert!(!line.contains(|c: char| c.is_control()), "{line:?}");

    let tags: Vec<_> = tags.into_iter().filter(|(name, text)| !name.is_empty() && !text.is_empty()).collect();
    let fields: Vec<_> = fields.into_iter().filter(|(name, _)| !name.is_empty()).collect();
    let (Some(tags), Some(mut fields)) = (first_of_each(&tags), first_of_each(&fields)) else { return };
    fields.retain(|_, value| !matches!(value, FieldValue::Float(number) if !number.is_finite()));
    assert_eq!(encoded.written, !fields.is_empty() && !measurement.is_empty());
    if encoded.written {
        check_line(line, &measurement, &tags, &fields, time);
    }
}

/// Reads the line back.
fn check_line(
    line: &str,
    measurement: &str,
    tags: &BTreeMap<String, &str>,
    fields: &BTreeMap<String, FieldValue<'_>>,
    time: i64,
) {
    let mut lines = parse_lines(line);
    let parsed = lines.next().expect("one line").unwrap_or_else(|error| panic!("{error}: {line:?}"));
    assert!(lines.next().is_none(), "{line:?}");
    assert_eq!(parsed.timestamp, Some(time));
    let expected = measurement
        .strip_prefix('#')
        .map_or_else(|| readable(measurement), |rest| format!("_{}", readable(rest)));
    assert_eq!(parsed.series.measurement.as_str(), expected, "{line:?}");
    let read: Vec<(String, String)> = parsed
        .series
        .tag_set
        .iter()
        .flatten()
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .collect();
    let expected: Vec<(String, String)> =
        tags.iter().map(|(name, value)| (name.clone(), readable(value))).collect();
    assert_eq!(read.len(), expected.len(), "{line:?}");
    assert_eq!(read.into_iter().collect::<BTreeMap<_, _>>(), expected.into_iter().collect(), "{line:?}");
    assert_eq!(parsed.field_set.len(), fields.len(), "{line:?}");
    for (name, value) in fields {
        let read = parsed.field_value(name).unwrap_or_else(|| panic!("no {name:?} in {line:?}"));
        assert!(is_same(value, read), "{value:?} became {read:?} in {line:?}");
    }
}
