//! What limits make of measurements, beyond what the examples need.

use crate::analysis::{Limits, Phase, Run};

#[test]
fn measurements_add_up() {
    use Phase::{Error, Failed, Inconclusive, Running, Successful};
    let plain = Limits { has_interval: true, ..Limits::default() };
    let counted = |count: u32| Limits { count: Some(count), ..plain };
    let cases: [(Limits, &[Phase], Phase); 14] = [
        (Limits::default(), &[Successful], Successful),
        (Limits::default(), &[Inconclusive], Inconclusive),
        (plain, &[Successful, Successful], Running),
        (plain, &[Successful, Failed], Failed),
        (plain, &[Error, Error, Error, Error], Running),
        (plain, &[Error, Error, Error, Error, Error], Error),
        (plain, &[Error, Error, Error, Error, Successful, Error], Running),
        (counted(2), &[Successful, Successful], Successful),
        (Limits { inconclusive: Some(2), ..counted(2) }, &[Inconclusive, Inconclusive], Successful),
        (Limits { failure: Some(1), ..counted(2) }, &[Failed, Successful], Successful),
        (Limits { failure: Some(1), ..counted(3) }, &[Failed, Failed], Failed),
        (Limits { consecutive_success: Some(2), ..counted(3) }, &[Successful, Successful], Successful),
        (
            Limits { consecutive_success: Some(2), inconclusive: Some(3), ..counted(3) },
            &[Successful, Inconclusive, Successful],
            Inconclusive,
        ),
        (Limits { consecutive_error: Some(0), ..plain }, &[Error], Error),
    ];
    for (limits, measurements, expected) in cases {
        let mut run = Run::new(limits);
        let phase = measurements.iter().map(|measurement| run.add(*measurement)).last();
        assert_eq!(phase, Some(expected), "{limits:?} {measurements:?}");
    }
}
