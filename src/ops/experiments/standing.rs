//! What may be said of an experiment at this moment: its last result, weighed by
//! its age, by whether the daemon is well, and by the release it is about.
//!
//! The order of the rules is the point. Something proven stays proven, so a
//! rollback outlives everything but another release; a promotion needs all of
//! them to hold.

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
        Self { now, trouble }
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
        let decision = match (decision, &stale) {
            (Decision::Promote, Some(_)) => Decision::Hold,
            (decision, _) => decision,
        };
        let reason = match &stale {
            Some(stale) => format!("{stale}; until then: {reason}"),
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
    // Before there is a window there is nothing that could be old.
    result.began.filter(|_| result.phase != ExperimentPhase::Waiting)?;
    let age = u64::try_from(present.now.0.saturating_sub(result.end.0)).unwrap_or(0);
    let age = Duration::from_millis(age);
    (age > served.stale_after).then(|| {
        let (end, limit) = (result.end, served.stale_after.as_secs());
        format!("no window since {end}, which is longer ago than {limit} s")
    })
}
