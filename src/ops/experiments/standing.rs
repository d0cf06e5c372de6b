//! What may be said of an experiment at this moment: its last result, weighed by
//! its age, by whether the daemon is well, and by the release it is about.
//!
//! The order of the rules is the point. Something proven stays proven, so a
//! rollback outlives everything but another release; a promotion needs all of
//! them to hold.
//!
//! An experiment that ended is never stale: it has said its last, and no window is
//! missed. Its promotion is for whoever names its release, however late; whoever
//! names none may mean the next one, and gets it for as long as it is fresh.

use std::time::Duration;

use super::ExperimentPages;
use crate::{
    event::EventTime,
    ops::{OnStale, ServedExperiment, Status},
    result::{ChallengerResult, Decision, ExperimentPhase, ExperimentResult},
};

/// The parts of the daemon without which results do not follow the events.
const NEEDED: [&str; 3] = ["pipeline", "kafka", "daemon"];

/// Who asks about what, and when.
#[derive(Debug, Clone, Copy)]
pub(super) struct Question<'a> {
    /// The experiment.
    pub(super) experiment: &'a str,
    /// One challenger of it; else what is said of all together.
    pub(super) arm: Option<&'a str>,
    /// The release that the answer must be about, if that matters.
    pub(super) release: Option<&'a str>,
}

/// The present, as far as answers depend on it.
#[derive(Debug, Clone)]
pub(super) struct Present {
    /// The time by the wall clock.
    pub(super) now: EventTime,
    /// Why results do not follow the events, if so.
    pub(super) trouble: Option<String>,
    /// How long the daemon has run.
    pub(super) up: Duration,
}

impl Present {
    pub(super) fn of(status: &Status) -> Self {
        let now = EventTime(jiff::Timestamp::now().as_millisecond());
        let trouble = status.components().into_iter().find_map(|component| {
            // A note of Kafka's says that another member of the group reads: it has the
            // results, and what is here is of earlier or of nothing.
            let elsewhere = component.note.filter(|_| component.name == "kafka");
            let reason = component.reason.filter(|_| NEEDED.contains(&component.name.as_ref()));
            Some(format!("{}: {}", component.name, reason.or(elsewhere)?))
        });
        Self { now, trouble, up: status.age() }
    }
}

/// What an answer is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum About {
    /// The experiment as it is now.
    Present,
    /// Something older than it may be.
    Stale,
    /// An earlier release, or none at all.
    OtherRelease,
    /// Nothing: no such experiment or arm is known.
    Unknown,
}

/// What may be said.
#[derive(Debug)]
pub(super) struct Standing<'a> {
    pub(super) about: About,
    /// What is to be done.
    pub(super) decision: Decision,
    /// Why, in a sentence.
    pub(super) reason: String,
    /// Whether a stale answer is to be an error.
    pub(super) on_stale: OnStale,
    /// The experiment's last result; `None` before there is one.
    pub(super) result: Option<&'a ExperimentResult>,
    /// The challenger that the answer is about; `None` when it is about several.
    pub(super) challenger: Option<&'a ChallengerResult>,
}

impl<'a> Standing<'a> {
    pub(super) fn new(
        pages: &ExperimentPages,
        results: &'a [ExperimentResult],
        question: Question<'_>,
        present: &Present,
    ) -> Self {
        let Some(served) = pages.find(question.experiment) else {
            let reason = format!("there is no experiment {:?}; {}", question.experiment, pages.names());
            return Self::holding(About::Unknown, reason, OnStale::Hold, None);
        };
        let on_stale = served.on_stale;
        let Some(result) = results.iter().find(|result| result.experiment == served.id) else {
            let reason = match &present.trouble {
                Some(trouble) => format!("nothing is known yet: {trouble}"),
                None => "nothing is known yet".to_owned(),
            };
            return Self::holding(About::Stale, reason, on_stale, None);
        };
        if let Some(other) = other_release(result, question.release) {
            return Self::holding(About::OtherRelease, other, on_stale, Some(result));
        }
        let said = match question.arm {
            None => Ok((result.verdict, &result.reason, overall(result))),
            Some(arm) => challenger(result, arm).map(|of| (of.verdict, &of.reason, Some(of))),
        };
        let (decision, reason, challenger) = match said {
            Ok(said) => said,
            Err(reason) => return Self::holding(About::Unknown, reason, on_stale, Some(result)),
        };
        let stale = stale(result, served, present);
        let past = past(result, served, present)
            .filter(|_| decision == Decision::Promote && question.release.is_none_or(str::is_empty));
        let against = stale.as_ref().or(past.as_ref());
        let decision = match (decision, against) {
            (Decision::Promote, Some(_)) => Decision::Hold,
            (decision, _) => decision,
        };
        let reason = match against {
            Some(against) => format!("{against}; until then: {reason}"),
            None => reason.clone(),
        };
        let about = if stale.is_some() { About::Stale } else { About::Present };
        Self { about, decision, reason, on_stale, result: Some(result), challenger }
    }

    fn holding(
        about: About,
        reason: String,
        on_stale: OnStale,
        result: Option<&'a ExperimentResult>,
    ) -> Self {
        Self { about, decision: Decision::Hold, reason, on_stale, result, challenger: None }
    }

    /// Whether the answer is to be an error: it is stale, its settings want that,
    /// and nothing is proven.
    pub(super) fn is_error(&self) -> bool {
        self.about == About::Stale && self.on_stale == OnStale::Error && self.decision != Decision::Rollback
    }

    /// Whether it goes on, or will.
    pub(super) fn is_open(&self) -> bool {
        self.about == About::Present
            && self.result.is_some_and(|result| result.phase != ExperimentPhase::Ended)
    }

    /// Whether an arm of so many results is ready, the data sound, and so on: only
    /// of a result that the question is about.
    pub(super) fn shown(&self) -> Option<&'a ExperimentResult> {
        self.result.filter(|_| matches!(self.about, About::Present | About::Stale))
    }
}

/// What stands against a result being of this release.
fn other_release(result: &ExperimentResult, asked: Option<&str>) -> Option<String> {
    let asked = asked.filter(|asked| !asked.is_empty())?;
    match result.release.as_deref() {
        Some(release) if release == asked => None,
        Some(release) => Some(format!("the experiment is of release {release:?}, not yet of {asked:?}")),
        None => Some(format!("the experiment was not started for release {asked:?}")),
    }
}

/// The challenger that the overall verdict is about.
fn overall(result: &ExperimentResult) -> Option<&ChallengerResult> {
    match (&result.arm, result.challengers.as_slice()) {
        (Some(arm), challengers) => challengers.iter().find(|of| of.arm == *arm),
        (None, [only]) => Some(only),
        (None, _) => None,
    }
}

fn challenger<'a>(result: &'a ExperimentResult, arm: &str) -> Result<&'a ChallengerResult, String> {
    result.challengers.iter().find(|of| of.arm == arm).ok_or_else(|| {
        let names: Vec<&str> = result.challengers.iter().map(|of| of.arm.as_str()).collect();
        let names = if names.is_empty() { "none yet".to_owned() } else { names.join(", ") };
        format!("there is no challenger {arm:?}; there are: {names}")
    })
}

/// Why a result is too old, if it is.
fn stale(result: &ExperimentResult, served: &ServedExperiment, present: &Present) -> Option<String> {
    if let Some(trouble) = &present.trouble {
        return Some(format!("new events are not judged ({trouble})"));
    }
    if result.phase != ExperimentPhase::Running {
        return None;
    }
    let (since, age) = match (result.began, result.end) {
        (Some(_), end) => (end.to_string(), age(end, present)),
        // Nothing was looked at yet, and that must not go on for ever either.
        (None, EventTime(0)) => ("the daemon began to run".to_owned(), present.up),
        (None, start) => (format!("the start at {start}"), age(start, present)),
    };
    let limit = served.stale_after;
    (age > limit).then(|| format!("no window since {since}, which is longer ago than {} s", limit.as_secs()))
}

/// Why what was said at the end of an experiment may be of another release than the
/// one that is asked about, if so.
fn past(result: &ExperimentResult, served: &ServedExperiment, present: &Present) -> Option<String> {
    let is_past = result.phase == ExperimentPhase::Ended && age(result.end, present) > served.stale_after;
    is_past.then(|| {
        let (end, limit) = (result.end, served.stale_after.as_secs());
        format!("it ended, its last window at {end}, longer ago than {limit} s, and no release is named")
    })
}

fn age(end: EventTime, present: &Present) -> Duration {
    Duration::from_millis(u64::try_from(present.now.0.saturating_sub(end.0)).unwrap_or(0))
}
