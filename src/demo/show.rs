//! The demo's main loop: windows and verdicts in, pictures or lines out.

use std::{
    collections::VecDeque,
    io::{self, Write as _},
    sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel},
    time::{Duration, Instant},
};

use super::{
    DemoError, DemoSettings,
    board::Board,
    embedded::{Broker, Folder, start_daemon},
    picture::{self, Progress},
    plain,
    screen::Screen,
    simulator::{Pace, Simulator},
    traffic::{CHALLENGER, CHAMPION, IncidentKind, MODEL, START, Script, Traffic},
};
use crate::{
    ops::{Signal, grouped, listen_for_signals},
    pipeline::daemon::{DaemonHandle, Hooks},
    result::{ExperimentResult, WindowResult},
};

/// Between two looks at keys and counters.
const TURN: Duration = Duration::from_millis(50);
/// Between two pictures when no window has closed.
const REPAINT: Duration = Duration::from_millis(250);
/// The rate is that of the last two seconds.
const RATE_SAMPLES: usize = 40;
/// Events on the topic that nobody takes for so long are lost.
const STUCK: Duration = Duration::from_secs(30);

/// What wakes the loop.
enum News {
    Window(Box<WindowResult>),
    Experiment(Box<ExperimentResult>),
    Stop,
    /// The daemon has ended, though nobody asked it to.
    Ended,
}

/// Runs the demo until its events are through or it is asked to stop.
///
/// # Errors
/// When a part of it can't start or does not end well.
pub fn run(settings: &DemoSettings) -> Result<(), DemoError> {
    if settings.plain {
        introduce(settings);
    }
    let folder = Folder::new()?;
    let reference = folder.store_reference(settings.seed)?;
    let broker = Broker::start()?;
    let (tell, news) = channel();
    let (daemon, notice) = start_daemon(broker.settings(), &reference, settings.port, || hooks(&tell))?;
    let signalled = tell.clone();
    // A hang-up, too: there is nothing to read again, and no terminal left.
    let stop = move |_: Signal| {
        // Whoever listens is gone only when the demo ends anyway.
        let _ = signalled.send(News::Stop);
    };
    listen_for_signals(daemon.runtime(), stop).map_err(DemoError::Thread)?;
    let traffic = Traffic::with_incidents(settings.seed);
    let pace = Pace { hours_per_second: settings.hours_per_second, events: settings.events };
    let simulator = Simulator::start(traffic, pace, &broker.settings())?;
    let mut show = Show::new(settings, daemon, simulator, notice)?;
    let shown = show.until_end(&news);
    // Before the summary, which belongs on the terminal's own screen.
    show.screen = None;
    let ended = show.end();
    shown.and(ended)
}

fn hooks(tell: &Sender<News>) -> Hooks {
    let (windows, experiments, ended) = (tell.clone(), tell.clone(), tell.clone());
    Hooks {
        on_window: Some(Box::new(move |window| {
            let _ = windows.send(News::Window(Box::new(window.clone())));
        })),
        on_experiment: Some(Box::new(move |experiment| {
            let _ = experiments.send(News::Experiment(Box::new(experiment.clone())));
        })),
        on_end: Some(Box::new(move || {
            let _ = ended.send(News::Ended);
        })),
    }
}

fn introduce(settings: &DemoSettings) {
    say(&format!(
        "driftline demo: simulated loan applications (seed {}) scored by model {MODEL} {CHAMPION} and {CHALLENGER}, \
         on an embedded broker, read by the real daemon; 1 s = {} h, windows of 1 h",
        settings.seed, settings.hours_per_second
    ));
}

/// A line on standard output; a reader that has gone away ends nothing.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

/// Everything that runs, and what is shown of it.
struct Show {
    daemon: DaemonHandle,
    simulator: Simulator,
    board: Board,
    progress: Progress,
    screen: Option<Screen>,
    /// When how many events had been taken.
    samples: VecDeque<(Instant, u64)>,
    last_progress: Instant,
}

impl Show {
    fn new(
        settings: &DemoSettings,
        daemon: DaemonHandle,
        simulator: Simulator,
        notice: Option<String>,
    ) -> Result<Self, DemoError> {
        let http = daemon.http_address();
        if settings.plain {
            if let Some(notice) = &notice {
                say(notice);
            }
            say(&format!("http://{http}/metrics, http://{http}/api/v1/models/{MODEL}/windows"));
        }
        let screen = if settings.plain { None } else { Some(Screen::open().map_err(DemoError::Terminal)?) };
        Ok(Self {
            board: Board::new(Script::new(START)),
            progress: Progress {
                events: 0,
                wanted: settings.events,
                events_per_second: 0.0,
                hours_per_second: settings.hours_per_second,
                http,
                notice,
            },
            daemon,
            simulator,
            screen,
            samples: VecDeque::new(),
            last_progress: Instant::now(),
        })
    }

    fn until_end(&mut self, news: &Receiver<News>) -> Result<(), DemoError> {
        let mut painted: Option<Instant> = None;
        loop {
            let mut is_new = false;
            match news.recv_timeout(TURN) {
                Ok(first) => {
                    for news in std::iter::once(first).chain(news.try_iter()) {
                        if !self.take(news) {
                            return Ok(());
                        }
                    }
                    is_new = true;
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.screen.is_some() && Screen::asks_to_stop() {
                return Ok(());
            }
            self.update_progress();
            if is_new || painted.is_none_or(|at| at.elapsed() > REPAINT) {
                self.paint()?;
                painted = Some(Instant::now());
            }
            if self.simulator.is_finished() && self.is_through()? {
                return Ok(());
            }
        }
    }

    /// Takes what happened; `false` when it is time to stop.
    fn take(&mut self, news: News) -> bool {
        match news {
            News::Window(window) => {
                self.board.observe(&window);
                if self.screen.is_none() {
                    let incident = self.board.incident(&window);
                    say(&plain::line(&window, incident.map(IncidentKind::name)));
                }
            }
            News::Experiment(experiment) => {
                let is_new = self.board.observe_experiment(&experiment);
                if is_new && self.screen.is_none() {
                    say(&plain::verdict(&experiment));
                }
            }
            News::Stop | News::Ended => return false,
        }
        true
    }

    /// Reads the daemon's counter and tells the simulator.
    fn update_progress(&mut self) {
        let families = self.daemon.registry().gather();
        let processed = families.iter().find(|family| family.name() == "driftline_messages_processed_total");
        let counter = processed
            .and_then(|family| family.get_metric().first())
            .map_or(0.0, |metric| metric.get_counter().get_value());
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a counter of whole numbers"
        )]
        let taken = counter as u64;
        self.simulator.set_taken(taken);
        if taken != self.progress.events {
            self.last_progress = Instant::now();
        }
        self.progress.events = taken;
        self.samples.push_back((Instant::now(), taken));
        if self.samples.len() > RATE_SAMPLES {
            self.samples.pop_front();
        }
        if let (Some(first), Some(last)) = (self.samples.front(), self.samples.back()) {
            let seconds = last.0.duration_since(first.0).as_secs_f64();
            #[expect(clippy::cast_precision_loss, reason = "events of two seconds")]
            let events = last.1.saturating_sub(first.1) as f64;
            self.progress.events_per_second = if seconds > 0.0 { events / seconds } else { 0.0 };
        }
    }

    fn paint(&mut self) -> Result<(), DemoError> {
        let Some(screen) = &mut self.screen else { return Ok(()) };
        let size = Screen::size();
        let lines = picture::lines(&self.board, &self.progress, size, Screen::glyphs());
        screen.paint(&lines, size).map_err(DemoError::Terminal)
    }

    /// Whether the daemon has taken everything that was published.
    fn is_through(&self) -> Result<bool, DemoError> {
        let (taken, sent) = (self.progress.events, self.simulator.sent());
        if taken < sent && self.last_progress.elapsed() > STUCK {
            return Err(DemoError::Stuck { taken, sent, seconds: STUCK.as_secs() });
        }
        Ok(taken >= sent)
    }

    /// Stops everything and says what it was.
    fn end(self) -> Result<(), DemoError> {
        let published = self.simulator.stop();
        self.daemon.stop()?;
        let events = published?;
        say(&format!(
            "simulated {} events; {} windows closed over {} of them",
            grouped(events),
            grouped(self.board.closed),
            grouped(self.board.counted)
        ));
        Ok(())
    }
}
