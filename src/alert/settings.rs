//! What is looked at, and how often it is told.

use super::{mute::MuteTime, rule::Rule};

/// Rules, and how the alerts that they raise are told.
#[derive(Debug, Clone, PartialEq)]
pub struct AlertSettings {
    /// The rules, with distinct names: those that come with the program, then
    /// those of the configuration, then those of rule files.
    pub rules: Vec<Rule>,
    /// Times in which rules that name them are not told.
    pub mute_times: Vec<MuteTime>,
    /// A first notification of a group waits so long for further alerts.
    pub group_wait_ms: i64,
    /// Between two notifications of a group with something new there is at
    /// least so long.
    pub group_interval_ms: i64,
    /// A group that fires without anything new is told again so often.
    pub repeat_interval_ms: i64,
}

impl Default for AlertSettings {
    /// No rules.
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            mute_times: Vec::new(),
            group_wait_ms: 30_000,
            group_interval_ms: 300_000,
            repeat_interval_ms: 14_400_000,
        }
    }
}
