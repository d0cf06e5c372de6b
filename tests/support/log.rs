//! Log lines of the current thread.
//!
//! One subscriber for the whole process, since `tracing` remembers for all
//! threads which lines nobody wants; each thread gets its own lines.

use std::{
    cell::RefCell,
    io::{self, Write},
    sync::Once,
};

thread_local! {
    static LINES: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct ToThread;

impl Write for ToThread {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LINES.with_borrow_mut(|lines| lines.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Keeps log lines from now on, of all crates and levels. To be called by every
/// test of a process in which one wants to see them.
pub fn keep() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(|| ToThread)
            .finish();
        tracing::subscriber::set_global_default(subscriber).expect("no other subscriber in this process");
    });
}

/// Everything that was logged on this thread.
pub fn of_this_thread() -> String {
    LINES.with_borrow(|lines| String::from_utf8(lines.clone()).expect("UTF-8"))
}
