//! A panic anywhere ends the process.
//!
//! A daemon that lives on without one of its threads looks healthy and does
//! nothing. All state is in Kafka, so ending loses nothing, and whoever
//! started the process starts it again.

use std::panic;

/// Exit code of a process that a panic ended, as Rust programs have it.
const EXIT_CODE: i32 = 101;

/// From now on a panic in any thread is logged and ends the process, but for the
/// threads that explain: they catch their own, and nothing waits for them.
pub fn end_process_on_panic() {
    let print = panic::take_hook();
    panic::set_hook(Box::new(move |info| {
        print(info);
        let thread = std::thread::current();
        let place = info.location().map(ToString::to_string);
        if thread.name() == Some(crate::explainer::THREAD) {
            tracing::error!(place, "a bug: explaining something panicked; it is given up");
            return;
        }
        tracing::error!(
            thread = thread.name(),
            place,
            "a bug: a thread panicked, the process ends; nothing is lost, offsets are committed after delivery only"
        );
        std::process::exit(EXIT_CODE);
    }));
}
