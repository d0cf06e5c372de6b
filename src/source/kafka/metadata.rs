//! What is kept with a committed offset: a small text with a version, so that
//! other tools can show it and later versions can change it.

use crate::event::EventTime;

const PREFIX: &str = "driftline/1 delivered_until=";

/// The text for a commit; empty when no window was delivered yet.
pub(super) fn encode(delivered_until: Option<EventTime>) -> String {
    delivered_until.map_or_else(String::new, |time| format!("{PREFIX}{}", time.0))
}

/// Reads the text back; `Err` when it is not ours or of another version.
pub(super) fn decode(text: &str) -> Result<Option<EventTime>, Unknown> {
    if text.is_empty() {
        return Ok(None);
    }
    let number = text.strip_prefix(PREFIX).ok_or(Unknown)?;
    number.parse().map(|ms| Some(EventTime(ms))).map_err(|_| Unknown)
}

/// The metadata was written by something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unknown;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_comes_back_and_foreign_text_is_told_apart() {
        for time in [None, Some(EventTime(0)), Some(EventTime(-5)), Some(EventTime(1_767_225_600_123))] {
            assert_eq!(decode(&encode(time)), Ok(time));
        }
        for text in ["x", "driftline/2 delivered_until=1", "driftline/1 delivered_until=", "NULL"] {
            assert_eq!(decode(text), Err(Unknown), "{text}");
        }
    }
}
