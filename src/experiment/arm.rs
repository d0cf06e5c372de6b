//! An arm by its place.

use serde::{Deserialize, Serialize};

/// The place of an arm among those of its experiment, the control's first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct ArmIndex(u8);

impl ArmIndex {
    pub(super) const CONTROL: Self = Self(0);

    /// The arm at `place`; there are 255 at most.
    pub(super) fn new(place: usize) -> Option<Self> {
        u8::try_from(place).ok().filter(|place| *place < u8::MAX).map(Self)
    }

    /// Its place among all arms.
    pub(super) fn index(self) -> usize {
        usize::from(self.0)
    }

    /// Its place among the challengers, unless it is the control.
    pub(super) fn challenger(self) -> Option<usize> {
        self.index().checked_sub(1)
    }
}
