//! Threads end with those who started them.

use std::{fs, path::PathBuf, sync::PoisonError, time::Duration};

use driftline::explainer::ExplainerSettings;

use crate::{
    rig::{PROCESS, Rig, event, linear, remote, right, server, task, wait_for_another},
    support::servers::{SOON, eventually},
};

/// Threads of this process that explain.
fn explaining() -> usize {
    let threads = fs::read_dir("/proc/self/task").unwrap();
    let name = |thread: PathBuf| fs::read_to_string(thread.join("comm")).unwrap_or_default();
    threads.filter(|thread| name(thread.as_ref().unwrap().path()).trim() == "driftline-why").count()
}

#[test]
fn threads_end_when_their_explainers_are_dropped() {
    // What other tests began ends soon after them.
    let _alone = PROCESS.write().unwrap_or_else(PoisonError::into_inner);
    eventually("the end of the threads of other tests", SOON, || (explaining() == 0).then_some(()));
    let server = server(right);
    let of = |settings, threads| ExplainerSettings { threads, ..settings };
    let rig = Rig::alone([("linear", of(linear(), 3)), ("server", of(remote(&server, 1_000), 2))]);
    rig.window(&task(1, "server", 0, 0..5));
    let before = server.seen().len();
    assert_eq!(explaining(), 5);
    // One of them waits for an answer that does not come.
    server.behave(|seen| right(seen).after(Duration::from_secs(3_600)));
    let unanswered = rig.ask(event("server", 2));
    wait_for_another(&server, before);
    let Rig { explainers, runtime, .. } = rig;
    drop(explainers);
    eventually("the end of those who only wait for work", SOON, || (explaining() == 1).then_some(()));
    runtime.shutdown_background();
    eventually("the end of the last", SOON, || (explaining() == 0).then_some(()));
    assert!(unanswered.blocking_recv().unwrap().is_err());
}
