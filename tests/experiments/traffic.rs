//! Traffic of two arms, as numbers and as the events that carry them.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use crate::{
    arithmetic::Window,
    stand::{SLIDE, Stand, prediction},
};

/// Windows of so many values of each arm; `draw` gives one by the arm.
pub(crate) fn windows<T>(
    sizes: &[(usize, usize)],
    mut draw: impl FnMut(&mut ChaCha8Rng, usize) -> T,
) -> Vec<Window<T>> {
    let mut random = ChaCha8Rng::seed_from_u64(7);
    let mut arm = |count: usize, arm: usize| (0..count).map(|_| draw(&mut random, arm)).collect();
    sizes.iter().map(|(a, b)| (arm(*a, 0), arm(*b, 1))).collect()
}

/// Sizes of windows that a ramp has.
pub(crate) const RAMP: [(usize, usize); 3] = [(60, 12), (40, 30), (25, 50)];

/// Values about 10, a little higher for the challenger and from window to window.
pub(crate) fn values() -> Vec<Window<f64>> {
    let mut index = 0;
    windows(&RAMP, |random, arm| {
        index += 1;
        10.0 + f64::from(index) / 50.0 + arm as f64 + random.random_range(-3.0..3.0)
    })
}

/// Feeds the windows' events, those of the arms in turn; `rest` writes what one carries.
pub(crate) fn feed<T>(stand: &mut Stand, windows: &[Window<T>], rest: impl Fn(&T) -> String) {
    for (at, (control, challenger)) in (0..).zip(windows) {
        let arms =
            control.iter().map(|event| ("a", event)).chain(challenger.iter().map(|event| ("b", event)));
        let apart = SLIDE / (control.len() + challenger.len()) as i64;
        for (index, (arm, event)) in (0..).zip(arms) {
            stand.feed(&prediction(arm, at * SLIDE + index * apart, &rest(event)));
        }
    }
}
