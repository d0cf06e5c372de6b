//! When a server is left alone.
//!
//! Why: explanations ask for thousands of rows. A server that fails is most
//! likely overloaded, and the same server answers the users' requests.
//!
//! After so many failed attempts in a row it rests; when that is over, one
//! attempt tries whether it is back, and only its success lets others through
//! (the circuit breaker of M. Nygard, "Release It!", 2007).

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use prometheus::IntGauge;

/// A server can't ask for a longer rest.
const LONGEST_REST: Duration = Duration::from_secs(600);

/// How a server stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemoteStatus {
    /// Its last answer was one, or it was not asked yet.
    Answering,
    /// Its last attempts failed, and others follow.
    Failing {
        /// Attempts that failed in a row.
        failures: u32,
        /// Why the last one did.
        why: String,
    },
    /// It is left alone until an attempt shows that it is back.
    Resting {
        /// Why the last attempt failed.
        why: String,
    },
}

#[derive(Debug, Default)]
struct State {
    failures: u32,
    why: String,
    rests_until: Option<Instant>,
    is_probing: bool,
}

/// Counts failures in a row.
#[derive(Debug)]
pub(super) struct Breaker {
    failures_to_rest: u32,
    rest: Duration,
    state: Mutex<State>,
    /// 0 answering, 1 probing, 2 resting.
    gauge: IntGauge,
}

impl Breaker {
    pub(super) fn new(failures_to_rest: u32, rest: Duration, gauge: IntGauge) -> Self {
        gauge.set(0);
        Self { failures_to_rest, rest, state: Mutex::default(), gauge }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets an attempt through.
    ///
    /// # Errors
    /// When the server rests: why the last attempt failed.
    pub(super) fn admit(&self, now: Instant) -> Result<Trial<'_>, String> {
        let mut state = self.state();
        let Some(until) = state.rests_until else {
            return Ok(Trial { breaker: self, is_probe: false });
        };
        if state.is_probing || now < until {
            return Err(state.why.clone());
        }
        state.is_probing = true;
        self.gauge.set(1);
        Ok(Trial { breaker: self, is_probe: true })
    }

    /// How the server stands.
    pub(super) fn status(&self) -> RemoteStatus {
        let state = self.state();
        match (state.rests_until, state.failures) {
            (Some(_), _) => RemoteStatus::Resting { why: state.why.clone() },
            (None, 0) => RemoteStatus::Answering,
            (None, failures) => RemoteStatus::Failing { failures, why: state.why.clone() },
        }
    }
}

/// An attempt that was let through. One that is given up without a report, as
/// when the daemon stops, leaves things as they were.
#[derive(Debug)]
pub(super) struct Trial<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
}

impl Trial<'_> {
    /// The server answered, whatever it said.
    pub(super) fn answered(self) {
        *self.breaker.state() = State::default();
        self.breaker.gauge.set(0);
    }

    /// The attempt failed; `wanted` is the rest that the server asks for, when it
    /// is to have one at once.
    pub(super) fn failed(self, now: Instant, why: &str, wanted: Option<Duration>) {
        let mut state = self.breaker.state();
        state.failures = state.failures.saturating_add(1);
        why.clone_into(&mut state.why);
        if self.is_probe || wanted.is_some() || state.failures >= self.breaker.failures_to_rest {
            let rest = self.breaker.rest.max(wanted.unwrap_or_default().min(LONGEST_REST));
            let until = now + rest;
            state.rests_until = Some(state.rests_until.map_or(until, |earlier| earlier.max(until)));
            self.breaker.gauge.set(2);
        }
    }
}

impl Drop for Trial<'_> {
    fn drop(&mut self) {
        if self.is_probe {
            let mut state = self.breaker.state();
            state.is_probing = false;
            if state.rests_until.is_some() {
                self.breaker.gauge.set(2);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: Duration = Duration::from_secs(30);

    fn breaker() -> (Breaker, IntGauge) {
        let gauge = IntGauge::new("g", "g").unwrap();
        (Breaker::new(3, REST, gauge.clone()), gauge)
    }

    fn fail(breaker: &Breaker, now: Instant) {
        breaker.admit(now).unwrap().failed(now, "down", None);
    }

    #[test]
    fn failures_in_a_row_open_it_and_one_probe_closes_it() {
        let (breaker, gauge) = breaker();
        let start = Instant::now();
        fail(&breaker, start);
        fail(&breaker, start);
        breaker.admit(start).unwrap().answered();
        assert_eq!(breaker.status(), RemoteStatus::Answering);
        fail(&breaker, start);
        fail(&breaker, start);
        assert_eq!(breaker.status(), RemoteStatus::Failing { failures: 2, why: "down".to_owned() });
        fail(&breaker, start);
        assert_eq!(breaker.status(), RemoteStatus::Resting { why: "down".to_owned() });
        assert_eq!(gauge.get(), 2);
        assert_eq!(breaker.admit(start + REST.mul_f64(0.99)).unwrap_err(), "down");

        let probe = breaker.admit(start + REST).unwrap();
        assert_eq!(gauge.get(), 1);
        assert!(breaker.admit(start + REST).is_err(), "one probe at a time");
        probe.failed(start + REST, "still down", None);
        assert_eq!(gauge.get(), 2);
        assert_eq!(breaker.admit(start + REST).unwrap_err(), "still down");
        breaker.admit(start + 2 * REST).unwrap().answered();
        assert_eq!((breaker.status(), gauge.get()), (RemoteStatus::Answering, 0));
        fail(&breaker, start);
        assert!(breaker.admit(start).is_ok(), "failures are counted anew");
    }

    #[test]
    fn a_probe_that_is_given_up_makes_room_for_another() {
        let (breaker, gauge) = breaker();
        let start = Instant::now();
        (0..3).for_each(|_| fail(&breaker, start));
        drop(breaker.admit(start + REST).unwrap());
        assert_eq!(gauge.get(), 2);
        assert!(breaker.admit(start + REST).is_ok());
    }

    #[test]
    fn a_server_gets_the_rest_it_asks_for() {
        let (breaker, _) = breaker();
        let start = Instant::now();
        let hour = Duration::from_secs(3_600);
        breaker.admit(start).unwrap().failed(start, "busy", Some(Duration::from_secs(90)));
        assert!(breaker.admit(start + Duration::from_secs(89)).is_err());
        breaker.admit(start + Duration::from_secs(90)).unwrap().failed(start, "busy", Some(hour));
        breaker.admit(start + LONGEST_REST).unwrap().failed(start + LONGEST_REST, "down", None);
        assert!(
            breaker.admit(start + LONGEST_REST).is_err(),
            "a probe that fails is followed by another rest"
        );
        assert!(breaker.admit(start + LONGEST_REST + REST).is_ok());
    }
}
