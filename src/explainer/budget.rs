//! So many evaluations a second, and no more.
//!
//! Why: a model that serves customers must not be kept busy by those who ask it
//! why. Every evaluation that an explanation asks for goes through here.
//!
//! Promises: over any time, at most `rate × time + burst` evaluations; whoever
//! asks for more waits. A stop ends all waiting.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use prometheus::IntCounter;

use crate::model::{LinearModel, Model, ModelInfo, PredictError, Rows, TreeEnsemble};

/// Saved up for at most so long.
const BURST_SECONDS: f64 = 0.1;
/// Between two looks at whether to stop.
const LONGEST_NAP: Duration = Duration::from_millis(100);

/// Evaluations that are saved up.
#[derive(Debug)]
pub(super) struct Budget {
    per_second: f64,
    state: Mutex<(f64, Instant)>,
    is_stopping: Arc<AtomicBool>,
    spent: IntCounter,
}

impl Budget {
    pub(super) fn new(per_second: u32, is_stopping: Arc<AtomicBool>, spent: IntCounter) -> Self {
        let per_second = f64::from(per_second.max(1));
        Self { per_second, state: Mutex::new((0.0, Instant::now())), is_stopping, spent }
    }

    /// Evaluations so far.
    pub(super) fn spent(&self) -> u64 {
        self.spent.get()
    }

    /// Waits until so many evaluations may be made; `false` when it is to stop
    /// instead.
    ///
    /// What is asked for at once may be more than is ever saved up: it is
    /// waited for afterwards, by whoever asks next.
    pub(super) fn spend(&self, evaluations: u64) -> bool {
        loop {
            if self.is_stopping.load(Ordering::Relaxed) {
                return false;
            }
            let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
            let (saved, at) = *state;
            let now = Instant::now();
            let earned = (now - at).as_secs_f64() * self.per_second;
            let saved = (saved + earned).min((self.per_second * BURST_SECONDS).max(1.0));
            if saved > 0.0 {
                #[expect(clippy::cast_precision_loss, reason = "evaluations of one request")]
                let left = saved - evaluations as f64;
                *state = (left, now);
                self.spent.inc_by(evaluations);
                return true;
            }
            *state = (saved, now);
            drop(state);
            let nap = Duration::from_secs_f64((-saved / self.per_second).clamp(0.0, 1.0));
            std::thread::sleep(nap.clamp(Duration::from_micros(200), LONGEST_NAP));
        }
    }
}

/// A model that is asked within a budget.
#[derive(Debug)]
pub(super) struct Metered {
    pub(super) model: Arc<dyn Model>,
    pub(super) budget: Arc<Budget>,
}

impl Model for Metered {
    fn info(&self) -> &ModelInfo {
        self.model.info()
    }

    fn predict(&self, rows: Rows<'_>, out: &mut Vec<f64>) -> Result<(), PredictError> {
        if !self.budget.spend(rows.len() as u64) {
            return Err(PredictError::Unavailable("the daemon is stopping".to_owned()));
        }
        self.model.predict(rows, out)
    }

    fn batch_rows(&self) -> usize {
        self.model.batch_rows()
    }

    fn is_remote(&self) -> bool {
        self.model.is_remote()
    }

    fn trees(&self) -> Option<&TreeEnsemble> {
        self.model.trees()
    }

    fn linear(&self) -> Option<&LinearModel> {
        self.model.linear()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_precision_loss)]

    use super::*;

    fn budget(per_second: u32) -> (Arc<Budget>, Arc<AtomicBool>) {
        let stop = Arc::new(AtomicBool::new(false));
        let spent = IntCounter::new("spent", "spent").unwrap();
        (Arc::new(Budget::new(per_second, Arc::clone(&stop), spent)), stop)
    }

    #[test]
    fn no_more_is_spent_than_time_allows_whoever_asks() {
        let (budget, _) = budget(2_000);
        let started = Instant::now();
        let threads: Vec<_> = (0..3)
            .map(|_| {
                let budget = Arc::clone(&budget);
                std::thread::spawn(move || (0..10).for_each(|_| assert!(budget.spend(20))))
            })
            .collect();
        for thread in threads {
            thread.join().unwrap();
        }
        let most = started.elapsed().as_secs_f64() * 2_000.0 + 200.0 + 20.0;
        assert_eq!(budget.spent.get(), 600);
        assert!(budget.spent.get() as f64 <= most, "600 in {:?}", started.elapsed());
    }

    #[test]
    fn a_stop_ends_the_waiting() {
        let (budget, stop) = budget(1);
        while budget.state.lock().unwrap().0 >= 0.0 {
            assert!(budget.spend(1_000_000));
        }
        let waiting = {
            let budget = Arc::clone(&budget);
            std::thread::spawn(move || budget.spend(1))
        };
        stop.store(true, Ordering::Relaxed);
        assert!(!waiting.join().unwrap());
    }
}
