//! A database that answers in every bad way there is, one after the other,
//! while events come and the daemon is killed: every point arrives, in order.

use std::{
    collections::HashSet,
    io::{Read as _, Write as _},
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

use crate::{
    bench::{Bench, PATIENCE, database, get, points, start, wait_for_events, wait_for_log, without_idleness},
    support::{
        servers::{Daemon, eventually},
        stand_in::{Reply, StandIn},
    },
};

/// What becomes of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Line {
    Open,
    /// Bytes go in, none come back.
    Hangs,
    /// It ends within the first line of the answer, after the database has
    /// taken the points.
    Breaks,
}

/// The line to a database.
struct Wire {
    address: SocketAddr,
    line: Arc<Mutex<Line>>,
}

impl Wire {
    fn to(database: &StandIn) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let line = Arc::new(Mutex::new(Line::Open));
        let (shared, database) = (Arc::clone(&line), database.address);
        thread::spawn(move || {
            for client in listener.incoming() {
                let (client, line) = (client.unwrap(), Arc::clone(&shared));
                thread::spawn(move || {
                    // Either end may close at any time, which ends the other.
                    let _ = carry(&client, database, &line);
                    let _ = client.shutdown(Shutdown::Both);
                });
            }
        });
        Self { address, line }
    }

    fn set(&self, line: Line) {
        *self.line.lock().unwrap() = line;
    }
}

/// Carries bytes both ways until one end closes or the line breaks.
fn carry(client: &TcpStream, database: SocketAddr, line: &Mutex<Line>) -> std::io::Result<()> {
    let server = TcpStream::connect(database)?;
    let (mut requests, mut to_server) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || {
        let _ = std::io::copy(&mut requests, &mut to_server);
        let _ = to_server.shutdown(Shutdown::Both);
    });
    let (mut answers, mut to_client) = (server, client);
    let mut bytes = [0; 4_096];
    loop {
        let count = answers.read(&mut bytes)?;
        if count == 0 {
            return Ok(());
        }
        let state = *line.lock().unwrap();
        match state {
            Line::Open => to_client.write_all(&bytes[..count])?,
            Line::Hangs => {}
            Line::Breaks => return to_client.write_all(&bytes[..5]),
        }
    }
}

/// Ends of the windows in the order in which their points first arrived.
fn first_arrivals(database: &StandIn) -> Vec<i64> {
    let mut seen = HashSet::new();
    let lines = database.stored().into_iter().filter(|line| line.starts_with("window,"));
    let key = |line: &str| line.split_once(' ').unwrap().0.to_owned();
    let time = |line: &str| line.rsplit_once(' ').unwrap().1.parse::<i64>().unwrap();
    lines.filter(|line| seen.insert((key(line), time(line)))).map(|line| time(&line)).collect()
}

/// What `/ready` says of the database.
fn trouble(daemon: &Daemon) -> Option<String> {
    let components = get(daemon, "/ready").json()["components"].as_array().cloned()?;
    let influxdb = components.into_iter().find(|component| component["name"] == "influxdb")?;
    Some(influxdb["reason"].as_str()?.to_owned())
}

/// Waits until the outbox is full, kills the daemon, and gives the next one.
fn paused_and_killed(mut daemon: Daemon, config: &str, sign: &str) -> Daemon {
    // Before the first answer the daemon can't say why.
    let why = eventually(&format!("reading pauses, because of {sign:?}"), PATIENCE, || {
        trouble(&daemon).filter(|why| why.contains("reading is paused") && why.contains(sign))
    });
    println!("{sign}: {why}");
    daemon.process.kill();
    let mut daemon = start(config);
    wait_for_log(&mut daemon, "going on from the checkpoint");
    let log = daemon.process.log();
    let found = log.lines().find(|line| line.contains("a checkpoint was found")).unwrap();
    assert!(!found.contains("undelivered_points=0"), "{found}");
    daemon
}

#[test]
fn every_bad_answer_with_a_kill_in_it_delays_points_and_loses_none() {
    let bench = Bench::start(2);
    let (calm, rough) = (database(), database());
    let wire = Wire::to(&rough);
    let _undisturbed = start(&without_idleness(&bench.config("calm", &calm, "")));
    let config = without_idleness(&bench.config("rough", &rough, ""))
        .replace("/state\"", "/state-rough\"")
        .replace(&rough.url(), &format!("http://{}", wire.address))
        .replace("flush_interval", "timeout = \"1s\"\nbatch_points = 30\nbuffer_points = 60\nflush_interval");
    let busy = |status| Reply::status(status).header("retry-after", "1");
    let faults = [
        ("503", Line::Open, busy(503)),
        ("429", Line::Open, busy(429)),
        ("401", Line::Open, Reply::status(401).body("unauthorized")),
        ("in time", Line::Hangs, Reply::written()),
        ("broke", Line::Breaks, Reply::written()),
        ("413", Line::Open, Reply::status(413)),
    ];
    let mut daemon = start(&config);
    let (mut published, mut before) = (0, 0);
    let mut publish = |count: u32| {
        bench.publish(published..(published + count), 2);
        published += count;
        published
    };
    publish(450);
    wait_for_events(&rough, 400);
    // From the first commit on the group knows whose checkpoint counts.
    eventually("a commit", PATIENCE, || (bench.committed("rough", 2) >= 200).then_some(()));
    for (sign, line, answer) in faults {
        wire.set(line);
        before = rough.seen().len();
        if sign == "413" {
            // Only what is small is taken: batches are halved, nothing waits.
            rough.behave(move |seen| if seen.lines().len() > 3 { answer.clone() } else { Reply::written() });
        } else {
            rough.behave(move |_| answer.clone());
        }
        // Ten windows: more points than may wait.
        let events = u64::from(publish(2_000) / 200 * 200);
        if sign != "413" {
            daemon = paused_and_killed(daemon, &config, sign);
            wire.set(Line::Open);
            rough.behave(|_| Reply::written());
        }
        wait_for_events(&rough, events);
    }
    let seen = rough.seen();
    let (small, large): (Vec<_>, Vec<_>) = seen[before..].iter().partition(|seen| seen.lines().len() <= 3);
    println!("413: {} requests were too large, {} small enough", large.len(), small.len());
    assert!(!small.is_empty() && !large.is_empty());
    wait_for_events(&calm, 12_400);
    assert!(daemon.process.stop(PATIENCE).success(), "a stop delivers what the small requests still carry");
    println!(
        "six faults, five kills, {published} events: {} points of {}",
        points(&rough).len(),
        points(&calm).len()
    );
    assert_eq!(points(&rough), points(&calm));
    let arrivals = first_arrivals(&rough);
    assert!(arrivals.is_sorted(), "{arrivals:?}");
}
