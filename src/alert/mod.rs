//! Rules over results, and the states of the alerts that they raise.
//!
//! Why: a result says what a window holds; someone has to be told when that
//! matters, once, and told again when it is over.
//!
//! A [`Rule`] looks at the rows of one measurement, under the names by which
//! they are written as points. Windows are what it counts in: how many in a row
//! must breach its condition before an alert fires, and how many must not
//! before it resolves. A window without data, or with too few, is neither.

mod clock;
mod condition;
mod engine;
mod expression;
mod facts;
mod group;
mod hex;
mod instance;
mod memory;
mod mute;
mod notification;
mod observed;
mod record;
mod rule;
mod selector;
mod settings;
mod silence;
mod standing;
mod stream;
mod telling;
mod template;
pub mod vitals;

pub use condition::{Condition, ConditionError, ValueKind};
pub use engine::{AlertOutputs, Alerts};
pub use expression::Expression;
pub use hex::hex;
pub use memory::AlertMemory;
pub use mute::MuteTime;
pub use notification::{
    Alert, AlertStatus, DESCRIPTION, GroupKey, LABEL_FEATURE, LABEL_MODEL, LABEL_RULE, LABEL_SEVERITY,
    Notification, Reason, SUMMARY, VALUE,
};
pub use observed::{Observed, VisitRow};
pub use record::{AlertRecord, RecordState};
pub use rule::{Labels, NoData, Outcome, Rule, Severity, Test};
pub use selector::Selector;
pub use settings::AlertSettings;
pub use silence::{MOST_SILENCES, Silence, SilenceChange};
pub use standing::{Change, Phase, Standing};
pub use telling::AlertView;
pub use template::Template;
pub use vitals::{VitalRow, Vitals};
