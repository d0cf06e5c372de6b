//! A folder for checkpoints that is full, gone, damaged or somebody else's.

use std::{
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
    process::Command,
    thread,
    time::Duration,
};

use crate::{
    bench::{
        Bench, PATIENCE, alone, database, get, points, start, wait_for_events, wait_for_log, windows,
        without_idleness,
    },
    support::{
        servers::{Daemon, Missing, Process, driftline, eventually, folder, or_skip, program},
        stand_in::StandIn,
    },
};

/// A small file system in a mount namespace of its own, which ends with its
/// holder.
struct Disk {
    holder: Process,
    folder: PathBuf,
}

impl Disk {
    fn mount() -> Result<Self, Missing> {
        program("unshare", "util-linux")?;
        let folder = folder("disk");
        let mut command = Command::new("unshare");
        let script = r#"mount -t tmpfs -o size=2m none "$0" && echo mounted && exec sleep 3600"#;
        command.args(["--mount", "sh", "-c", script]).arg(&folder);
        let mut holder = Process::start("disk", &command, folder.parent().unwrap());
        let mounted = eventually("a disk or the reason for none", PATIENCE, || {
            let mounted = holder.log().contains("mounted");
            (mounted || !holder.runs()).then_some(mounted)
        });
        if mounted {
            Ok(Self { holder, folder })
        } else {
            Err(Missing(format!("no file system can be mounted here: {}", holder.log().trim_end())))
        }
    }

    /// What a program's command line begins with so that it sees the disk.
    fn seen_by(&self) -> Vec<String> {
        let pid = self.holder.id().to_string();
        ["nsenter", "--target", &pid, "--mount", "--"].map(str::to_owned).to_vec()
    }

    /// A file on the disk, as seen from here.
    fn file(&self, name: &str) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.folder.strip_prefix("/").unwrap()).join(name)
    }

    fn fill(&self) {
        let mut filler = File::create(self.file("filler")).unwrap();
        // To the last byte: a page at a time, until there is none.
        while filler.write_all(&[0; 4_096]).is_ok() {}
    }

    fn make_room(&self) {
        fs::remove_file(self.file("filler")).unwrap();
    }
}

/// What `/ready` says of the folder.
fn reason(daemon: &Daemon) -> Option<String> {
    let answer = get(daemon, "/ready");
    let components = answer.json()["components"].as_array().cloned()?;
    let folder = components.into_iter().find(|component| component["name"] == "state_dir")?;
    let reason = folder["reason"].as_str()?.to_owned();
    assert_eq!(answer.status, 503, "{reason}");
    Some(reason)
}

/// The points of a daemon that was left alone with the same events.
fn undisturbed(bench: &Bench, events: u64) -> (StandIn, Daemon) {
    let calm = database();
    let config = without_idleness(&bench.config("calm", &calm, "")).replace("/state\"", "/state-calm\"");
    let daemon = start(&config);
    wait_for_events(&calm, events);
    (calm, daemon)
}

#[test]
fn a_full_disk_holds_points_back_pauses_reading_and_loses_nothing() {
    let Some(disk) = or_skip(Disk::mount()) else { return };
    let bench = Bench::start(2);
    let database = database();
    let state = format!("{}/state\"", bench.folder.display());
    let config = without_idleness(&bench.config("full", &database, ""))
        .replace(&state, &format!("{}/state\"", disk.folder.display()))
        .replace("flush_interval", "batch_points = 100\nbuffer_points = 100\nflush_interval");
    let file = folder("full").join("driftline.toml");
    fs::write(&file, &config).unwrap();
    let mut daemon = Daemon::start_under(&disk.seen_by(), &file);
    bench.publish(0..1_100, 2);
    wait_for_events(&database, 1_000);
    eventually("a commit", PATIENCE, || (bench.committed("full", 2) >= 500).then_some(()));
    assert!(disk.file("state/checkpoint-0").exists(), "the state is on the small disk");

    disk.fill();
    bench.publish(1_100..6_010, 2);
    let why = eventually("not ready", PATIENCE, || reason(&daemon));
    assert!(why.contains("No space left on device") && why.contains("checkpoint"), "{why}");
    println!("/ready: {why}");
    wait_for_log(&mut daemon, "a checkpoint can't be stored; points are held back");
    eventually("reading pauses", PATIENCE, || {
        (daemon.api.metric("driftline_outbox_points", "") >= 100.0).then_some(())
    });
    thread::sleep(Duration::from_secs(2));
    assert_eq!(windows(&database).1, 1_000, "no point leaves without a checkpoint");
    let processed = daemon.api.metric("driftline_messages_processed_total", "");
    assert!(processed < 6_000.0, "{processed} messages are in memory");
    // A crash on top of it.
    daemon.process.kill();
    let mut daemon = Daemon::start_under(&disk.seen_by(), &file);
    wait_for_log(&mut daemon, "going on from the checkpoint");
    eventually("not ready", PATIENCE, || reason(&daemon));
    assert_eq!(windows(&database).1, 1_000);

    disk.make_room();
    wait_for_events(&database, 6_000);
    wait_for_log(&mut daemon, "checkpoints are stored again");
    eventually("ready again", PATIENCE, || (get(&daemon, "/ready").status == 200).then_some(()));
    assert!(daemon.process.stop(PATIENCE).success());
    let (calm, _daemon) = undisturbed(&bench, 6_000);
    println!(
        "the disk full, a kill, room again: 6,010 events, {} points of {}",
        points(&database).len(),
        points(&calm).len()
    );
    assert_eq!(points(&database), points(&calm));
}

#[test]
fn a_folder_that_cannot_be_written_is_named_until_it_can_be() {
    let bench = Bench::start(1);
    let database = database();
    let config = without_idleness(&bench.config("unwritable", &database, ""));
    let mut daemon = start(&config);
    bench.publish(0..500, 1);
    wait_for_events(&database, 400);
    // Permissions do not bind root: a file in the folder's place does.
    let (state, aside) = (bench.folder.join("state"), bench.folder.join("aside"));
    fs::rename(&state, &aside).unwrap();
    fs::write(&state, "").unwrap();
    bench.publish(500..1_002, 1);
    let why = eventually("not ready", PATIENCE, || reason(&daemon));
    println!("/ready: {why}");
    assert!(why.contains("Not a directory") && why.contains(state.to_str().unwrap()), "{why}");
    assert_eq!(windows(&database).1, 400);
    // A start says why it can't be.
    let file = folder("refused").join("driftline.toml");
    fs::write(&file, &config).unwrap();
    let refused = driftline(["run", "--http-listen", "127.0.0.1:0", "--config", file.to_str().unwrap()]);
    println!("a start: exit code {}, {}", refused.code, refused.err.trim_end());
    assert_eq!(refused.code, 1);
    assert!(refused.err.contains(state.to_str().unwrap()), "{}", refused.err);

    fs::remove_file(&state).unwrap();
    fs::rename(&aside, &state).unwrap();
    wait_for_events(&database, 1_000);
    wait_for_log(&mut daemon, "checkpoints are stored again");
    assert!(daemon.process.stop(PATIENCE).success());
    let (calm, _daemon) = undisturbed(&bench, 1_000);
    assert_eq!(points(&database), points(&calm));
}

/// The files of both generations, the newer one first.
fn generations(state: &Path) -> [PathBuf; 2] {
    let [even, odd] = ["checkpoint-0", "checkpoint-1"].map(|name| state.join(name));
    let sequence = |path: &Path| driftline::checkpoint::decode(&fs::read(path).unwrap()).unwrap().sequence;
    if sequence(&even) > sequence(&odd) { [even, odd] } else { [odd, even] }
}

/// What is done to both generations, and how many are unusable then.
type Damage = (&'static str, f64, fn([PathBuf; 2]));

fn tear(path: &Path) {
    let bytes = fs::read(path).unwrap();
    fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
}

fn change(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 0x10;
    fs::write(path, bytes).unwrap();
}

#[test]
fn damaged_checkpoints_fall_back_and_say_so() {
    let bench = Bench::start(2);
    let database = database();
    let config = without_idleness(&bench.config("damaged", &database, ""));
    let state = bench.folder.join("state");
    let unreadable =
        |daemon: &Daemon| daemon.api.metric("driftline_checkpoints_total", "outcome=\"unreadable\"");
    let mut published = 0;
    let damages: [Damage; 3] = [
        ("the newer torn", 1.0, |[newer, _]| tear(&newer)),
        ("the newer changed in one bit", 1.0, |[newer, _]| change(&newer)),
        ("one torn, one changed", 2.0, |[newer, older]| {
            tear(&newer);
            change(&older);
        }),
    ];
    let mut daemon = start(&config);
    for (what, broken, damage) in damages {
        // Five windows and a quarter of one, so that windows are open.
        bench.publish(published..(published + 1_050), 2);
        published += 1_050;
        wait_for_events(&database, u64::from(published / 200 * 200));
        // The open window is in both generations.
        for _ in 0..2 {
            let stored = || daemon.api.metric("driftline_checkpoints_total", "outcome=\"stored\"");
            let before = stored();
            bench.publish(published..(published + 10), 2);
            published += 10;
            eventually("another checkpoint", PATIENCE, || (stored() > before).then_some(()));
        }
        daemon.process.kill();
        damage(generations(&state));
        daemon = start(&config);
        wait_for_log(&mut daemon, "a checkpoint can't be used; the other generation is");
        assert!((unreadable(&daemon) - broken).abs() < 0.5, "{}", unreadable(&daemon));
        let log = daemon.process.log();
        for line in log.lines().filter(|line| line.contains("can't be used")) {
            println!("{what}: {line}");
            assert!(line.contains("it is cut off") || line.contains("its checksum is wrong"), "{line}");
        }
        assert_eq!(log.contains("a checkpoint was found"), broken < 1.5);
    }
    bench.publish(published..(published + 60), 2);
    published += 60;
    let events = u64::from(published / 200 * 200);
    wait_for_events(&database, events);
    assert!(daemon.process.stop(PATIENCE).success());
    let (calm, _daemon) = undisturbed(&bench, events);
    println!("{published} events, {} points of {}", points(&database).len(), points(&calm).len());
    // Once neither generation could be read.
    assert_eq!(alone(points(&database)), alone(points(&calm)));
}

#[test]
fn a_second_daemon_in_the_same_folder_refuses_to_start_and_says_why() {
    let bench = Bench::start(1);
    let database = database();
    let config = bench.config("one", &database, "");
    let daemon = start(&config);
    let file = folder("second").join("driftline.toml");
    fs::write(&file, config.replace("group = \"one\"", "group = \"two\"")).unwrap();
    let second = driftline(["run", "--http-listen", "127.0.0.1:0", "--config", file.to_str().unwrap()]);
    println!("exit code {}: {}", second.code, second.err.trim_end());
    assert_eq!(second.code, 1);
    assert!(second.err.contains("another driftline uses this folder"), "{}", second.err);
    drop(daemon);
}
