//! What alerts are made from.

use super::{MuteTime, rule::Rule};

/// Rules, and how their alerts are told.
#[derive(Debug, Clone, Default)]
pub struct AlertSettings {
    /// The rules.
    pub rules: Vec<Rule>,
    /// Times in which some alerts are not told, by their names.
    pub mute_times: Vec<MuteTime>,
    /// How long a group's first alert waits for others.
    pub group_wait_ms: i64,
    /// How long a group waits after a notification before it tells what is new.
    pub group_interval_ms: i64,
    /// How often a group is told again while nothing changes.
    pub repeat_interval_ms: i64,
}
