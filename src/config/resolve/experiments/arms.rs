//! Which arms there are, and where events name theirs and their unit.

use super::super::Resolver;
use crate::{
    config::{
        places::join,
        raw::{self, experimenting},
    },
    decode::FieldSource,
    experiment::{ArmSource, UnitSource},
};

/// Challengers at most: their differences are all looked for at once, so that
/// more of them would find less.
const MOST_CHALLENGERS: usize = 15;

impl Resolver<'_> {
    pub(super) fn arm_source(
        &mut self,
        path: &str,
        arm: experimenting::Arm,
        field: Option<raw::Field>,
    ) -> Option<ArmSource> {
        let key = join(path, "arm_field");
        let Some(field) = field else {
            // A bad place was reported; no other one is meant.
            return (!self.places.is_poisoned(&key)).then_some(match arm {
                experimenting::Arm::Variant => ArmSource::Variant,
                experimenting::Arm::Version => ArmSource::Version,
            });
        };
        if self.places.is_set(&join(path, "arm")) {
            self.error(&key, "an event names its arm in one place, found two", "keep arm or arm_field");
        }
        let field = self.field(&key, field)?;
        if let FieldSource::Constant(_) = field {
            self.error(&key, "all events would be of one arm", "name where an event has its arm");
        }
        Some(ArmSource::Field(field))
    }

    /// The control first.
    pub(super) fn arms(
        &mut self,
        path: &str,
        control: Option<String>,
        challengers: Option<Vec<String>>,
    ) -> Option<Vec<String>> {
        let control =
            self.required(control, &join(path, "control"), "control = \"…\", as events name that arm");
        let key = join(path, "challengers");
        let hint = "challengers = [\"…\"], as events name those arms";
        let challengers = self.required(challengers, &key, hint)?;
        if challengers.is_empty() {
            self.error(&key, "the list is empty", hint);
        } else if challengers.len() > MOST_CHALLENGERS {
            let message = format!("{} challengers are more than {MOST_CHALLENGERS}", challengers.len());
            self.error(&key, message, "leave out those that matter least: the more arms, the less is found");
        }
        for (index, arm) in challengers.iter().enumerate() {
            let at = format!("{key}[{index}]");
            if control.as_ref() == Some(arm) {
                self.error(&at, format!("{arm:?} is the control"), "remove it here");
            } else if challengers.iter().take(index).any(|earlier| earlier == arm) {
                self.error(&at, format!("{arm:?} stands here twice"), "remove one");
            }
        }
        Some(std::iter::once(control?).chain(challengers).collect())
    }

    pub(super) fn unit_source(
        &mut self,
        path: &str,
        field: Option<raw::Field>,
        by_unit: bool,
    ) -> Option<UnitSource> {
        let key = &join(path, "unit_field");
        if !by_unit && field.is_some() {
            self.error(key, "units are named, but not looked at", "leave it out, or by_unit = false");
        }
        let Some(field) = field else {
            let source = if by_unit { UnitSource::Envelope } else { UnitSource::None };
            return (!self.places.is_poisoned(key)).then_some(source);
        };
        let field = self.field(key, field)?;
        if let FieldSource::Constant(_) = field {
            self.error(key, "all events would be of one unit", "name where an event has its unit");
        }
        Some(UnitSource::Field(field))
    }
}
