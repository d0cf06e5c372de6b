//! One alert on its whole way: bookings in Kafka raise it and end it, and
//! webhooks, Alertmanager, InfluxDB and the API are told of it, through crashes
//! of the daemon and while one of the webhooks is away.
//!
//! Events come in stages, each up to a day on which something changes. Which
//! days these are is taken from a replay, which everything that the daemon has
//! said is compared with at the end.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use serde_json::{Value, json};

use crate::{
    hotel, points,
    setup::{Setup, path},
    support::{
        servers::{
            Alertmanager, Daemon, Influx2, Kafka, SOON, driftline, eventually, http::block_on, or_skip,
        },
        stand_in::{Reply, StandIn},
    },
};

const DAY_MS: i64 = 86_400_000;
/// Days of bookings: enough for one alert from its beginning to its end, on the
/// real ones and on the simulated.
const DAYS: i64 = 20;
/// Nobody is told anything twice within a test.
const ALERTS: &str = r#"[alerts]
default_rules = false
rules = ["adr.toml"]
group_wait = "500ms"
group_interval = "1s"
repeat_interval = "1h"
dashboard_url = "https://grafana.example.com/d/model?var-model={model}&var-feature={feature}"
"#;

/// Writes the file of the only rule: the price of a night is another than in
/// the reference, twice in a row. The simulated one does not change, but
/// strays.
fn write_rules(file: &Path, is_simulated: bool) {
    let (when, resolve_when) = if is_simulated { (0.14, 0.13) } else { (1.0, 0.8) };
    let text = format!(
        r#"[[rules]]
name = "adr_psi"
metric = "drift.psi"
when = ">= {when:?}"
resolve_when = "< {resolve_when:?}"
features = "adr"
for = 2
resolve_for = 2
severity = "critical"
labels.team = "revenue"
summary = "{{{{ model }}}}: PSI of {{{{ feature }}}} is {{{{ psi | round(2) }}}}"
description = "{{{{ n }}}} bookings, verdict {{{{ verdict }}}}."
annotations.runbook = "https://wiki.example.com/{{{{ feature }}}}"
"#
    );
    fs::write(file, text).unwrap();
}

/// A webhook that may be away.
struct Hook {
    server: StandIn,
    is_away: Arc<AtomicBool>,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Hook {
    fn start() -> Self {
        let (is_away, taken) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let (asks, takes) = (Arc::clone(&is_away), Arc::clone(&taken));
        let server = block_on(StandIn::start(move |seen| {
            if asks.load(Ordering::SeqCst) {
                return Reply::status(503);
            }
            takes.lock().unwrap().push(serde_json::from_str(&seen.body).unwrap());
            Reply::status(200)
        }));
        Self { server, is_away, taken }
    }

    fn set_away(&self, is_away: bool) {
        self.is_away.store(is_away, Ordering::SeqCst);
    }

    /// Requests so far, taken or not.
    fn asked(&self) -> usize {
        self.server.seen().len()
    }

    /// Ids of these requests.
    fn ids(&self) -> BTreeSet<String> {
        self.server.seen().iter().map(|seen| seen.header("webhook-id").to_owned()).collect()
    }

    /// What it took.
    fn taken(&self) -> Vec<Value> {
        self.taken.lock().unwrap().clone()
    }

    /// Statuses of what it took; each notification must be of one alert.
    fn told(&self) -> Vec<String> {
        let status = |body: &Value| {
            assert_eq!(body["alerts"].as_array().unwrap().len(), 1, "{body}");
            body["status"].as_str().unwrap().to_owned()
        };
        self.taken().iter().map(status).collect()
    }

    /// Waits until it was told this; fails when it is told anything else.
    fn wait_for(&self, told: &[&str]) {
        eventually(&format!("{told:?} is told"), SOON, || {
            let so_far = self.told();
            assert!(so_far.iter().zip(told).all(|(one, other)| one == other), "{so_far:?}");
            (so_far.len() == told.len()).then_some(())
        });
    }
}

/// Bookings, each with the beginning of its day.
struct Bookings {
    header: String,
    rows: Vec<(i64, String)>,
    folder: PathBuf,
}

impl Bookings {
    /// Those of the first [`DAYS`] days.
    fn read(file: &Path, folder: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap();
        let (header, rows) = text.split_once('\n').unwrap();
        let day = |row: &str| {
            let date = row.rsplit(',').next().unwrap().trim_end();
            format!("{date}T00:00:00Z").parse::<jiff::Timestamp>().unwrap().as_millisecond()
        };
        let mut rows: Vec<(i64, String)> = rows.lines().map(|row| (day(row), row.to_owned())).collect();
        let until = rows[0].0 + DAYS * DAY_MS;
        rows.retain(|(day, _)| *day < until);
        Self { header: header.to_owned(), rows, folder: folder.to_owned() }
    }

    /// The days, from the beginning of the first to the end of the last.
    fn days(&self) -> (i64, i64) {
        (self.rows[0].0, self.rows[0].0 + DAYS * DAY_MS)
    }

    /// Writes the bookings from one time to before another.
    fn write(&self, from: i64, until: i64) -> PathBuf {
        let days = self.rows.iter().filter(|(day, _)| (from..until).contains(day));
        let rows = days.map(|(_, row)| row.as_str());
        let lines: Vec<&str> = [self.header.as_str()].into_iter().chain(rows).collect();
        assert!(lines.len() > 1, "there are bookings between {from} and {until}");
        let file = self.folder.join(format!("bookings-{from}.csv"));
        fs::write(&file, lines.join("\n") + "\n").unwrap();
        file
    }
}

/// The servers, whoever is told, and what is to come.
struct Cycle {
    setup: Setup,
    influx: &'static Influx2,
    bookings: Bookings,
    /// Is away for a while.
    pager: Hook,
    /// Is told of the same all the time.
    chat: Hook,
    /// Is told by Alertmanager.
    relayed: Hook,
    alertmanager: Alertmanager,
    /// The changes of a replay: one firing and one resolved.
    expected: [Value; 2],
    published_until: i64,
}

impl Cycle {
    /// Without it where a server can't be had.
    fn start() -> Option<Self> {
        let kafka = or_skip(Kafka::shared())?;
        let influx = or_skip(Influx2::shared())?;
        let [pager, chat, relayed] = [(); 3].map(|()| Hook::start());
        let alertmanager = or_skip(Alertmanager::forwarding_to(&relayed.server.url()))?;
        let mut setup = Setup::new("alerts", kafka, influx);
        // A partition that waits for the next stage must not fall behind the others.
        setup.windows = "size = \"1d\"\nlateness = \"1h\"\nmin_events = 20\nidle_timeout = \"1h\"\n";
        setup.table = hotel::TABLE;
        let webhook = |name: &str, hook: &Hook| {
            format!("[[receivers]]\nname = \"{name}\"\ntype = \"webhook\"\nurl = \"{}\"\n", hook.server.url())
        };
        setup.more = format!(
            "{ALERTS}{}{}[[receivers]]\nname = \"alertmanager\"\ntype = \"alertmanager\"\nurls = [\"{}\"]\n",
            webhook("pager", &pager),
            webhook("chat", &chat),
            alertmanager.url()
        );
        let [reference, production] = hotel::data(&setup.folder);
        let rules = setup.folder.join("adr.toml");
        write_rules(&rules, production.starts_with(&setup.folder));
        setup.make_reference(&reference);
        let bookings = Bookings::read(&production, &setup.folder);
        let (first, last) = bookings.days();
        let expected = changes(&setup.config(), &rules, &bookings.write(first, last));
        let published_until = first;
        Some(Self { setup, influx, bookings, pager, chat, relayed, alertmanager, expected, published_until })
    }

    /// Ends of the windows with which the alert fires and is over.
    fn ends(&self) -> [i64; 2] {
        [0, 1].map(|change| self.expected[change]["at"].as_i64().unwrap())
    }

    /// Publishes what comes after what was, up to before `until`. The last day
    /// stays open.
    fn publish(&mut self, until: i64) {
        self.setup.publish(&self.bookings.write(self.published_until, until));
        self.published_until = until;
    }

    /// Waits until all windows that can be closed are in InfluxDB. They left
    /// the daemon when a checkpoint with them was stored, and with everything
    /// that happened before.
    fn wait_for_windows(&self) {
        let last = self.published_until - DAY_MS;
        eventually("the last window is written", SOON, || {
            let windows = points::read(self.influx, &self.setup.bucket, "window");
            windows.keys().any(|(end, _)| *end == last).then_some(())
        });
    }

    /// What everybody is told of the alert that fires is what a replay says.
    fn check_firing(&self) {
        let expected = &self.expected[0];
        let starts_at = time(expected["at"].as_i64().unwrap());
        let page = "https://grafana.example.com/d/model?var-model=credit&var-feature=adr";
        let active = self.alertmanager.active();
        assert_eq!(active.len(), 1, "{active:?}");
        let told = [&self.pager, &self.chat, &self.relayed].map(|hook| hook.taken()[0]["alerts"][0].clone());
        for alert in told.iter().chain(&active) {
            assert_eq!(alert["labels"], expected["labels"]);
            assert_eq!(alert["annotations"], expected["annotations"]);
            assert_eq!(alert["startsAt"].as_str().unwrap().replace(".000Z", "Z"), starts_at);
            assert_eq!(alert["generatorURL"], page);
        }
        let labels = &expected["labels"];
        assert_eq!(labels["alertname"], "adr_psi");
        assert_eq!((&labels["feature"], &labels["team"]), (&json!("adr"), &json!("revenue")));
        assert_eq!(self.pager.taken()[0]["groupLabels"], json!({"model": "credit", "severity": "critical"}));
    }

    /// The points are the changes of the replay.
    fn check_points(&self) {
        let rows = eventually("both changes are written", SOON, || {
            Some(self.influx.points(&self.setup.bucket, "alert")).filter(|rows| rows.len() >= 2)
        });
        let found = rows.iter().map(|row| {
            let names = ["_time", "alert", "severity", "state", "firing", "title", "text", "value", "since"];
            names.map(|name| row[name].clone())
        });
        let expected = self.expected.iter().map(|change| {
            let text = |value: &Value| value.as_str().unwrap().to_owned();
            let (at, annotations) = (change["at"].as_i64().unwrap(), &change["annotations"]);
            let firing = i32::from(change["state"] == "firing").to_string();
            [
                time(at),
                text(&change["fingerprint"]),
                text(&change["severity"]),
                text(&change["state"]),
                firing,
                text(&annotations["summary"]),
                text(&annotations["description"]),
                text(&annotations["value"]),
                change["starts_at"].to_string(),
            ]
        });
        assert_eq!(found.collect::<Vec<_>>(), expected.collect::<Vec<_>>());
    }
}

/// What becomes of alerts in a replay.
fn changes(config: &Path, rules: &Path, events: &Path) -> [Value; 2] {
    let arguments =
        ["replay", "--config", path(config), "--rules", path(rules), "--output", "ndjson", path(events)];
    let out = driftline(arguments).success().out;
    let changes: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let states: Vec<&Value> = changes.iter().map(|change| &change["state"]).collect();
    assert_eq!(states, ["firing", "resolved"], "one alert that is over");
    changes.try_into().unwrap()
}

/// A time as everybody writes it.
fn time(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}

/// Waits until the API shows the alert in this state.
fn wait_for_state(daemon: &Daemon, state: &str) -> Value {
    eventually(&format!("the alert is {state}"), SOON, || {
        let alerts = daemon.api.get("/api/v1/alerts")?.json()["alerts"].as_array()?.clone();
        assert!(alerts.len() <= 1, "{alerts:?}");
        alerts.into_iter().find(|alert| alert["state"] == state)
    })
}

/// Waits until a restarted daemon has told Alertmanager how alerts stand.
fn wait_for_level(daemon: &mut Daemon) {
    daemon.wait_for("tells Alertmanager again", |api| {
        let sent = "driftline_notification_attempts_total";
        (api.metric(sent, "outcome=\"ok\",receiver=\"alertmanager\"") > 0.0).then_some(())
    });
}

/// Notifications that wait for a receiver.
fn waiting(daemon: &Daemon, receiver: &str) -> f64 {
    daemon.api.metric("driftline_notifications_waiting", &format!("receiver=\"{receiver}\""))
}

/// Waits until everybody can see that the pager is away: the daemon is ready,
/// and says so.
fn wait_for_note(daemon: &Daemon) {
    eventually("the pager is noted", SOON, || {
        let ready = daemon.api.get("/ready")?;
        assert_eq!(ready.status, 200, "nobody waits for a receiver: {}", ready.body);
        let components = ready.json()["components"].as_array()?.clone();
        let pager = components.iter().find(|component| component["name"] == "receiver pager")?;
        let note = pager["note"].as_str()?;
        (note.contains("503") && note.ends_with("1 wait")).then_some(())
    });
    assert!((waiting(daemon, "pager") - 1.0).abs() < 0.5);
    eventually("nothing waits for others", SOON, || (waiting(daemon, "chat") < 0.5).then_some(()));
}

#[test]
#[ignore = "needs real servers: run scripts/test"]
fn an_alert_goes_its_whole_way() {
    let Some(mut cycle) = Cycle::start() else { return };
    let [fires, is_over] = cycle.ends();
    let mut daemon = cycle.setup.daemon();

    cycle.publish(fires);
    wait_for_state(&daemon, "pending");
    assert_eq!((cycle.pager.asked(), cycle.alertmanager.active().len()), (0, 0), "nobody is told yet");
    cycle.publish(fires + DAY_MS);
    wait_for_state(&daemon, "firing");
    for hook in [&cycle.pager, &cycle.chat, &cycle.relayed] {
        hook.wait_for(&["firing"]);
    }
    cycle.check_firing();

    // A crash, in the middle of it.
    cycle.publish(is_over);
    wait_for_state(&daemon, "recovering");
    cycle.wait_for_windows();
    daemon.process.kill();
    daemon = cycle.setup.daemon();
    let alert = wait_for_state(&daemon, "recovering");
    assert_eq!(alert["starts_at"], fires, "{alert}");
    wait_for_level(&mut daemon);
    assert_eq!(cycle.alertmanager.active().len(), 1);

    // The pager is away while the alert ends, and for the days after.
    cycle.pager.set_away(true);
    cycle.publish(is_over + DAY_MS);
    wait_for_state(&daemon, "resolved");
    for hook in [&cycle.chat, &cycle.relayed] {
        hook.wait_for(&["firing", "resolved"]);
    }
    eventually("it is over for Alertmanager", SOON, || cycle.alertmanager.active().is_empty().then_some(()));
    wait_for_note(&daemon);
    cycle.publish(is_over + 2 * DAY_MS);
    cycle.wait_for_windows();

    // Another crash, with something to tell.
    daemon.process.kill();
    let asked = cycle.pager.asked();
    cycle.publish(cycle.bookings.days().1);
    daemon = cycle.setup.daemon();
    cycle.wait_for_windows();
    eventually("the pager is asked again", SOON, || (cycle.pager.asked() > asked).then_some(()));
    wait_for_level(&mut daemon);
    assert_eq!(cycle.pager.told(), ["firing"]);
    cycle.pager.set_away(false);
    cycle.pager.wait_for(&["firing", "resolved"]);
    eventually("nothing waits", SOON, || (waiting(&daemon, "pager") < 0.5).then_some(()));
    daemon.stop();

    // Everybody was told each once, however often the pager was asked.
    for hook in [&cycle.pager, &cycle.chat, &cycle.relayed] {
        assert_eq!(hook.told(), ["firing", "resolved"]);
    }
    assert_eq!(cycle.pager.ids().len(), 2, "an id is the same over all attempts");
    assert_eq!(cycle.pager.ids(), cycle.chat.ids());
    assert!(cycle.alertmanager.active().is_empty());
    cycle.check_points();
}
