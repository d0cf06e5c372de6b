//! What a model's windows are counted on and held against.

use std::sync::Arc;

use super::segments::SegmentIndex;
use crate::reference::Reference;

/// A reference with what counting needs to know about it.
#[derive(Debug, Clone)]
pub(super) struct Basis {
    pub(super) reference: Arc<Reference>,
    pub(super) segments: SegmentIndex,
}

impl Basis {
    pub(super) fn shared(reference: Arc<Reference>) -> Arc<Self> {
        let segments = SegmentIndex::new(&reference);
        Arc::new(Self { reference, segments })
    }
}
