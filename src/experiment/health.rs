//! Whether what was counted can be trusted.
//!
//! Why: a comparison is of the events that are there. Where one arm lacks those that went
//! wrong (late, without an answer, a label or a value) the rest flatters it, and no test of
//! the metric can see that.
//!
//! Some of it is about the experiment as a whole, and holds every challenger; what is about
//! one challenger holds that one.

use super::{
    pane::Agreement,
    settings::{Design, ExperimentSettings},
    totals::{LeftOut, Totals},
    verdict::share,
};
use crate::result::{ExperimentHealth, MetricRole};

/// One in so many that is wrong is too many to trust the rest, and how many it takes to
/// say so.
const TOO_OFTEN: u64 = 100;
const TELLING: u64 = 10;

/// What speaks against the data, in sentences.
#[derive(Debug, Default)]
pub(super) struct Problems {
    /// Against all of it.
    general: Vec<String>,
    /// Against each challenger's.
    challengers: Vec<Vec<String>>,
}

impl Problems {
    /// Those that hold a challenger, by its place.
    pub(super) fn of(&self, challenger: usize) -> Vec<&str> {
        let own = self.challengers.get(challenger).into_iter().flatten();
        self.general.iter().chain(own).map(String::as_str).collect()
    }
}

impl Totals {
    /// What speaks against what was counted.
    pub(super) fn problems(&self, settings: &ExperimentSettings) -> Problems {
        let arms = settings.arms.iter().enumerate();
        let late = arms.map(|(place, arm)| self.late(place, arm)).collect::<Vec<_>>();
        let mut late = late.into_iter();
        let mut general = self.general_problems(settings);
        general.extend(late.next().flatten());
        let challengers = settings.challengers().zip(late).enumerate().map(|(place, ((_, arm), late))| {
            let mut problems: Vec<String> = late.into_iter().collect();
            problems.extend(self.silent(settings, place, arm));
            problems.extend(self.unusable(settings, place, arm));
            problems
        });
        let challengers = challengers.collect();
        Problems { general, challengers }
    }

    fn general_problems(&self, settings: &ExperimentSettings) -> Vec<String> {
        let LeftOut { several_units, unknown_units, crowded, .. } = self.left_out;
        let units: u64 = self.arms.iter().map(|arm| arm.units).sum();
        let events: u64 = self.arms.iter().map(|arm| arm.events).sum();
        let mut problems = Vec::new();
        if !self.is_split_kept(settings) {
            problems.push("the arms do not have the shares of the traffic that they should have".to_owned());
        }
        if self.label_p_value(settings).is_some_and(|p| p < settings.inference.srm_alpha) {
            problems.push("predictions of one arm get labels more often than those of another".to_owned());
        }
        if is_too_often(several_units, units) {
            problems.push(format!("{} of the units were seen in several arms", share(several_units, units)));
        }
        if unknown_units * TOO_OFTEN > events {
            let of = share(unknown_units, events);
            problems.push(format!("{of} of the events are of units that max_units leaves no memory for"));
        }
        if crowded * TOO_OFTEN > events {
            let of = share(crowded, events);
            problems.push(format!(
                "{of} of the events had to make room before their counterpart came: raise max_waiting"
            ));
        }
        problems
    }

    /// An arm whose events are often late: those that take long are then left out.
    fn late(&self, place: usize, arm: &str) -> Option<String> {
        let late = self.left_out.late_of(place);
        let all = late + self.arms.get(place)?.events;
        is_too_often(late, all).then(|| {
            let of = share(late, all);
            format!(
                "{of} of the events of {arm} came after their window had been looked at: raise windows.grace"
            )
        })
    }

    /// A shadow that leaves too many requests unanswered: what it answers may be the easy
    /// ones.
    fn silent(&self, settings: &ExperimentSettings, place: usize, arm: &str) -> Option<String> {
        let Agreement { since_first: (pairs, unanswered), .. } = *self.agreement.get(place)?;
        let all = pairs + unanswered;
        exceeds(settings, unanswered, all).then(|| {
            let of = share(unanswered, all);
            format!(
                "{arm} left {of} of the requests unanswered, and what it answers may be the easy ones: see \
                 max_unanswered"
            )
        })
    }

    /// The metrics of which a challenger lacks values: what is left of it is then of other
    /// events.
    fn unusable(&self, settings: &ExperimentSettings, place: usize, arm: &str) -> Vec<String> {
        let tests = self.metrics.len() * settings.metrics.len();
        #[expect(clippy::cast_precision_loss, reason = "a handful of challengers and metrics")]
        let wanted = (tests.max(1) as f64 / settings.inference.srm_alpha).ln();
        let states = self.metrics.get(place).into_iter().flatten();
        // What decides nothing holds nothing.
        let metrics =
            settings.metrics.iter().zip(states).filter(|(metric, _)| metric.role != MetricRole::Plain);
        let uneven = metrics.filter_map(|(metric, state)| {
            let name = &metric.name;
            let (pairs, one_sided) = (state.n().1, state.one_sided);
            if state.unusable.is_some_and(|log| log >= wanted) {
                Some(format!("{arm} lacks values of {name} that can be used more often than the control"))
            } else if exceeds(settings, one_sided, pairs + one_sided) {
                let of = share(one_sided, pairs + one_sided);
                Some(format!("{arm} has no value of {name} that can be used for {of} of the requests"))
            } else if state.scaled.0 >= TELLING && state.scaled.0 * 2 > state.scaled.1 {
                Some(format!("most values of {name} are too large or too small to be summed: scale them"))
            } else {
                None
            }
        });
        uneven.collect()
    }

    fn is_split_kept(&self, settings: &ExperimentSettings) -> bool {
        p_value(self.split).is_none_or(|p| p >= settings.inference.srm_alpha)
    }

    fn label_p_value(&self, settings: &ExperimentSettings) -> Option<f64> {
        let has_labels = self.arms.iter().any(|arm| arm.labelled > 0);
        p_value(self.labels).filter(|_| settings.needs_labels() && has_labels)
    }

    /// Whether what was counted can be trusted.
    pub(super) fn health(&self, settings: &ExperimentSettings, problems: &Problems) -> ExperimentHealth {
        let LeftOut { several_units, several_events, unknown_units, other_arms, unmatched, crowded, .. } =
            self.left_out;
        let Problems { general, challengers } = problems;
        let problems: Vec<String> = general.iter().chain(challengers.iter().flatten()).cloned().collect();
        ExperimentHealth {
            ok: problems.is_empty(),
            problems,
            srm_p_value: p_value(self.split),
            srm_ok: self.is_split_kept(settings),
            label_p_value: self.label_p_value(settings),
            units_in_several_arms: several_units,
            events_of_several_arms: several_events,
            events_of_unknown_units: unknown_units,
            events_of_other_arms: other_arms,
            unmatched: unmatched + crowded,
            late: self.left_out.late(),
        }
    }
}

fn p_value(log: Option<f64>) -> Option<f64> {
    log.map(|log| (-log).exp().min(1.0))
}

fn is_too_often(wrong: u64, all: u64) -> bool {
    wrong >= TELLING && wrong * TOO_OFTEN >= all
}

/// Whether a shadow lacks more of the requests than it may.
fn exceeds(settings: &ExperimentSettings, lacking: u64, all: u64) -> bool {
    let Design::Shadow { max_unanswered, .. } = settings.design else { return false };
    #[expect(clippy::cast_precision_loss, reason = "counts below 2^53")]
    let (lacking_share, most) = (lacking as f64, max_unanswered * all as f64);
    lacking >= TELLING && lacking_share > most
}
