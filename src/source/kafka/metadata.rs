//! What is kept with a committed offset: a small text with a version, so that
//! people and other tools can read it and later versions can change it.
//!
//! `driftline/2 replay=<offset> until=<ms> by=<instance> seq=<number>`, each
//! part only where it is known: from where a reader without the checkpoint
//! must read, until when windows were delivered, and the name of the
//! checkpoint. Version 1 had `delivered_until=<ms>` alone and is still read.

use std::fmt::Write as _;

use super::plan::CheckpointId;
use crate::event::EventTime;

const VERSION_1: &str = "driftline/1 delivered_until=";
const VERSION_2: &str = "driftline/2";

/// What a commit says beside the offset.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Notes {
    pub(super) replay: Option<i64>,
    pub(super) delivered_until: Option<EventTime>,
    pub(super) checkpoint: Option<CheckpointId>,
}

/// The text for a commit; empty when there is nothing to say.
pub(super) fn encode(notes: Notes) -> String {
    if notes == Notes::default() {
        return String::new();
    }
    let mut text = VERSION_2.to_owned();
    // Writing to a string can't fail.
    if let Some(replay) = notes.replay {
        let _ = write!(text, " replay={replay}");
    }
    if let Some(time) = notes.delivered_until {
        let _ = write!(text, " until={}", time.0);
    }
    if let Some(CheckpointId { instance, sequence }) = notes.checkpoint {
        let _ = write!(text, " by={instance:016x} seq={sequence}");
    }
    text
}

/// Reads the text back; `Err` when it is not ours or of another version.
pub(super) fn decode(text: &str) -> Result<Notes, Unknown> {
    if text.is_empty() {
        return Ok(Notes::default());
    }
    if let Some(number) = text.strip_prefix(VERSION_1) {
        let time = number.parse().map(EventTime).map_err(|_| Unknown)?;
        return Ok(Notes { delivered_until: Some(time), ..Notes::default() });
    }
    let mut words = text.split(' ');
    if words.next() != Some(VERSION_2) {
        return Err(Unknown);
    }
    let mut notes = Notes::default();
    let (mut by, mut seq) = (None, None);
    for word in words {
        let (name, value) = word.split_once('=').ok_or(Unknown)?;
        let number = || value.parse::<i64>().map_err(|_| Unknown);
        match name {
            "replay" => notes.replay = Some(number().ok().filter(|offset| *offset >= 0).ok_or(Unknown)?),
            "until" => notes.delivered_until = Some(EventTime(number()?)),
            "by" if value.len() == 16 => by = Some(u64::from_str_radix(value, 16).map_err(|_| Unknown)?),
            "seq" => seq = Some(value.parse().map_err(|_| Unknown)?),
            _ => return Err(Unknown),
        }
    }
    notes.checkpoint = match (by, seq) {
        (Some(instance), Some(sequence)) => Some(CheckpointId { instance, sequence }),
        (None, None) => None,
        // Half a name names nothing.
        _ => return Err(Unknown),
    };
    Ok(notes)
}

/// The metadata was written by something else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Unknown;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_is_readable() {
        let notes = Notes {
            replay: Some(41),
            delivered_until: Some(EventTime(1_767_225_600_000)),
            checkpoint: Some(CheckpointId { instance: 0xab, sequence: 7 }),
        };
        assert_eq!(encode(notes), "driftline/2 replay=41 until=1767225600000 by=00000000000000ab seq=7");
        assert_eq!(encode(Notes::default()), "");
    }

    #[test]
    fn version_1_is_still_read() {
        let until = |ms| Notes { delivered_until: Some(EventTime(ms)), ..Notes::default() };
        assert_eq!(decode("driftline/1 delivered_until=60000"), Ok(until(60_000)));
        assert_eq!(decode("driftline/1 delivered_until=-5"), Ok(until(-5)));
    }

    #[test]
    fn foreign_text_is_told_apart() {
        for text in [
            "x",
            "NULL",
            "driftline/1 delivered_until=",
            "driftline/1 replay=1",
            "driftline/2 replay=-1",
            "driftline/2 replay=1 more=2",
            "driftline/2  replay=1",
            "driftline/2 by=00000000000000ab",
            "driftline/2 seq=1",
            "driftline/2 by=ab seq=1",
            "driftline/3 replay=1",
            "driftline/21 replay=1",
        ] {
            assert_eq!(decode(text), Err(Unknown), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_said_comes_back(
            replay in prop::option::of(0..i64::MAX),
            until in prop::option::of(any::<i64>()),
            checkpoint in prop::option::of(any::<(u64, u64)>()),
        ) {
            let notes = Notes {
                replay,
                delivered_until: until.map(EventTime),
                checkpoint: checkpoint.map(|(instance, sequence)| CheckpointId { instance, sequence }),
            };
            let text = encode(notes);
            prop_assert!(text.len() < 128, "brokers take 4096 bytes: {text}");
            prop_assert_eq!(decode(&text), Ok(notes));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,80}") {
            let _ = decode(&text);
            let _ = decode(&format!("driftline/2 {text}"));
        }
    }
}
