//! InfluxDB's line protocol: one point, one line.
//!
//! Why our own: what the server refuses takes the whole batch down with it, so
//! nothing that a tag or a number can hold may lead to a line that can't be
//! parsed, or that is parsed as something else.
//!
//! Promises: a line has no line break in it; no NaN and no infinity is ever
//! written; a float always has a decimal point or an exponent and an integer
//! always its `i`, so that a field keeps its type for ever; tags are sorted and
//! distinct. Names and tag values are written as they are, except for what the
//! protocol can't express:
//! - control characters (line breaks, tabs) become a space, in strings too;
//! - a backslash before a comma, an equals sign, a space, another backslash or
//!   the end becomes `/`, since servers disagree on how to read it;
//! - an empty tag value is a missing tag, and so is a tag without a name;
//! - the names that InfluxDB keeps for itself ([`RESERVED`]) get a trailing `_`.
//!
//! Checked by `tests/line_protocol.rs` against the parser of InfluxDB 3.

use std::{borrow::Cow, fmt::Write as _};

/// Names that tags and fields can't have: `time` is refused by the server, the
/// others are columns of Flux.
pub const RESERVED: [&str; 7] = ["time", "_time", "_start", "_stop", "_field", "_value", "_measurement"];

/// The value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldValue<'a> {
    /// A double; omitted when it isn't finite.
    Float(f64),
    /// A signed integer. Unsigned ones (`u`) are not used: InfluxDB 1 refuses them.
    Integer(i64),
    /// Text.
    Text(Cow<'a, str>),
    /// True or false.
    Boolean(bool),
}

/// What became of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Encoded {
    /// Whether there is a line: a point without fields is none.
    pub written: bool,
    /// Fields left out because they were not finite, had no name or a name
    /// that an earlier field has.
    pub omitted_fields: usize,
}

/// Appends a point to `out`, with the timestamp in milliseconds and no line
/// break at the end. Without any field that can be written, or without a
/// measurement, `out` stays as it was.
///
/// Of several tags or fields with the same name the first one counts.
pub fn write_point(
    out: &mut String,
    measurement: &str,
    tags: &[(&str, &str)],
    fields: &[(&str, FieldValue<'_>)],
    timestamp_ms: i64,
) -> Encoded {
    let start = out.len();
    push_measurement(out, measurement);
    let named = out.len() > start;
    push_tags(out, tags);
    let mut encoded = Encoded::default();
    for (index, (name, value)) in fields.iter().enumerate() {
        let repeated = fields.iter().take(index).any(|(earlier, _)| earlier == name);
        if name.is_empty() || repeated || !is_writable(value) {
            encoded.omitted_fields += 1;
            continue;
        }
        out.push(if encoded.written { ',' } else { ' ' });
        push_name(out, name);
        out.push('=');
        push_value(out, value);
        encoded.written = true;
    }
    encoded.written &= named;
    if encoded.written {
        // Writing to a string can't fail.
        let _ = write!(out, " {timestamp_ms}");
    } else {
        out.truncate(start);
    }
    encoded
}

fn is_writable(value: &FieldValue<'_>) -> bool {
    match value {
        FieldValue::Float(number) => number.is_finite(),
        FieldValue::Integer(_) | FieldValue::Text(_) | FieldValue::Boolean(_) => true,
    }
}

fn push_measurement(out: &mut String, measurement: &str) {
    // A line that starts with `#` is a comment.
    let rest = measurement.strip_prefix('#').map_or(measurement, |rest| {
        out.push('_');
        rest
    });
    push_escaped(out, rest, &[',', ' ']);
}

fn push_tags(out: &mut String, tags: &[(&str, &str)]) {
    let mut sorted: Vec<(&str, &str)> =
        tags.iter().copied().filter(|(name, value)| !name.is_empty() && !value.is_empty()).collect();
    // Stable, so that the first of several tags with one name stays the first.
    sorted.sort_by_key(|&(name, _)| name);
    sorted.dedup_by_key(|&mut (name, _)| name);
    for (name, value) in sorted {
        out.push(',');
        push_name(out, name);
        out.push('=');
        push_escaped(out, value, &[',', '=', ' ']);
    }
}

fn push_name(out: &mut String, name: &str) {
    push_escaped(out, name, &[',', '=', ' ']);
    if RESERVED.contains(&name) {
        out.push('_');
    }
}

/// Writes a name or a tag value; `special` is what a backslash escapes there.
fn push_escaped(out: &mut String, text: &str, special: &[char]) {
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        let written = match character {
            '\\' if eats_what_follows(characters.peek().copied()) => '/',
            control if control.is_control() => ' ',
            other => other,
        };
        if special.contains(&written) {
            out.push('\\');
        }
        out.push(written);
    }
}

/// Whether a backslash in front of `next` would not be read as itself.
fn eats_what_follows(next: Option<char>) -> bool {
    next.is_none_or(|next| matches!(next, ',' | '=' | ' ' | '\\') || next.is_control())
}

fn push_value(out: &mut String, value: &FieldValue<'_>) {
    match value {
        FieldValue::Float(number) => out.push_str(ryu::Buffer::new().format_finite(*number)),
        FieldValue::Integer(number) => {
            let _ = write!(out, "{number}i");
        }
        FieldValue::Text(text) => push_quoted(out, text),
        FieldValue::Boolean(truth) => out.push_str(if *truth { "true" } else { "false" }),
    }
}

fn push_quoted(out: &mut String, text: &str) {
    out.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            // Legal inside quotes, but not every server splits lines with care.
            control if control.is_control() => out.push(' '),
            other => out.push(other),
        }
    }
    out.push('"');
}
