//! Programs that are told, run by a real shell.

use std::{path::Path, time::Duration};

use driftline::notify::{ReceiverKind, ReceiverSettings};
use serde_json::Value;

use crate::{Rig, alert, notification, receiver, support::log, until};

fn shell(script: &str, folder: &Path) -> ReceiverSettings {
    let script = format!("cd '{}' && {script}", folder.display());
    receiver("program", ReceiverKind::Command { command: ["sh", "-c", &script].map(str::to_owned).to_vec() })
}

#[tokio::test]
async fn a_program_gets_one_line_of_json() {
    let folder = tempfile::tempdir().unwrap();
    let rig = Rig::new(vec![shell("cat >> told && echo thanks >&2", folder.path())]);
    rig.tell(1);
    rig.tell(2);
    assert_eq!(rig.done_with(2).await, [1, 2]);
    let told = std::fs::read_to_string(folder.path().join("told")).unwrap();
    let bodies: Vec<Value> = told.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(bodies.len(), 2);
    assert_eq!((&bodies[0]["version"], &bodies[0]["receiver"]), (&"4".into(), &"program".into()));
    assert_eq!(bodies[0]["alerts"][0]["labels"]["feature"], "age");
    assert!(log::of_this_thread().contains("the program says: thanks"), "{}", log::of_this_thread());
}

#[tokio::test]
async fn its_exit_code_says_what_is_next() {
    let folder = tempfile::tempdir().unwrap();
    let again = "echo x >> runs; test $(wc -l < runs) -ge 3 || exit 75";
    let rig = Rig::new(vec![shell(again, folder.path())]);
    rig.tell(1);
    rig.done_with(1).await;
    assert_eq!((rig.attempts("program", "retried"), rig.outcomes("program", "delivered")), (2, 1));

    let rig = Rig::new(vec![shell("echo 'no such pager' >&2; exit 3", folder.path())]);
    rig.tell(1);
    rig.done_with(1).await;
    let problem = rig.problem("program").await;
    assert_eq!(problem, "the program ended with exit code 3: no such pager");
    assert_eq!(rig.outcomes("program", "refused"), 1);
}

#[tokio::test]
async fn a_program_that_takes_too_long_is_killed_and_run_again() {
    let folder = tempfile::tempdir().unwrap();
    // The second time it is fast.
    let script = "if test -e pid; then exit 0; fi; echo $$ > pid; exec sleep 3600";
    let hasty = ReceiverSettings { timeout: Duration::from_secs(1), ..shell(script, folder.path()) };
    let rig = Rig::new(vec![hasty]);
    rig.tell(1);
    rig.done_with(1).await;
    assert_eq!(rig.attempts("program", "retried"), 1);
    let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
    let command_line = Path::new("/proc").join(pid.trim()).join("cmdline");
    // A zombie that is yet to be reaped has no command line.
    until("it is gone", || std::fs::read(&command_line).map_or(true, |line| line.is_empty())).await;
}

#[tokio::test]
async fn a_program_that_does_not_exist_may_be_installed_later() {
    let nowhere = ReceiverKind::Command { command: vec!["/nowhere/program".to_owned()] };
    let rig = Rig::new(vec![receiver("program", nowhere)]);
    rig.tell(1);
    assert!(rig.problem("program").await.contains("can't be started"));
    assert_eq!((rig.done(), rig.status("program").waiting), (Vec::new(), 1));
}

#[tokio::test]
async fn a_program_need_not_read_nor_be_quiet_nor_end_what_it_starts() {
    let folder = tempfile::tempdir().unwrap();
    // More than a pipe holds, into it and out of it, and a child that keeps
    // standard error open.
    let script = "head -c 1000000 /dev/zero | tr '\\0' x >&2; sleep 3600 & echo $! > pid; exit 0";
    let rig = Rig::new(vec![shell(script, folder.path())]);
    let long = (0..400).map(|n| alert(&format!("feature_{n}"))).collect();
    rig.submit(1, &notification(1, long));
    rig.done_with(1).await;
    assert_eq!(rig.outcomes("program", "delivered"), 1);
    let pid = std::fs::read_to_string(folder.path().join("pid")).unwrap();
    assert!(std::process::Command::new("kill").arg(pid.trim()).status().unwrap().success());
}
