//! Copies a message of librdkafka into a batch.
//!
//! The binding panics on a header whose name is not UTF-8 and offers no other
//! way to read it. Anyone who may write to a topic can send one, so that panic
//! is caught per header, without a word from the panic hook: the header is
//! left out and counted, the message goes on.

use std::{cell::Cell, panic, sync::Once};

use rdkafka::{
    Message as _,
    message::{BorrowedMessage, Headers as _},
};

use crate::event::{MessageBatch, PartitionId};

#[cfg(panic = "abort")]
compile_error!("a Kafka header that is not UTF-8 would end the daemon: build with panic = \"unwind\"");

thread_local! {
    static QUIET: Cell<bool> = const { Cell::new(false) };
}

/// Appends `message` to `batch`; gives the number of headers left out.
pub(super) fn copy(message: &BorrowedMessage<'_>, id: PartitionId, batch: &mut MessageBatch) -> u64 {
    batch.push(id, message.offset(), message.key(), message.payload());
    let Some(headers) = message.headers() else { return 0 };
    let mut unreadable = 0;
    for index in 0..headers.count() {
        match quietly(|| headers.try_get(index)) {
            Some(Some(header)) => batch.push_header(header.key.as_bytes(), header.value),
            Some(None) | None => unreadable += 1,
        }
    }
    unreadable
}

/// Runs `read`; `None` when it panicked.
pub(super) fn quietly<T>(read: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if !QUIET.get() {
                before(info);
            }
        }));
    });
    QUIET.set(true);
    let result = panic::catch_unwind(panic::AssertUnwindSafe(read));
    QUIET.set(false);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_inside_is_caught_and_outside_is_told() {
        assert_eq!(quietly(|| 3), Some(3));
        assert_eq!(quietly(|| -> u8 { panic!("as the binding does") }), None);
        assert!(!QUIET.get(), "later panics are told again");
    }
}
