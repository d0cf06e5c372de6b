//! The strangest events of a window.

use driftline::{
    explain::Surprise,
    profile::{Cell, RowSample},
};

use crate::world::{cells, guests, reference};

#[test]
fn what_is_far_out_rare_or_missing_is_strange() {
    let reference = reference(2_000, |_| 0.5);
    let mut sample = RowSample::new(500, reference.columns.len());
    for (hash, guest) in (100..).zip(guests(200, 5)) {
        sample.offer(hash, &cells(&reference, guest, 0.5));
    }
    let usual = (40.0, 50_000.0, Some("BB"), false);
    sample.offer(1, &cells(&reference, usual, 0.5));
    let mut strange = cells(&reference, (150.0, -1e9, Some("unheard of"), true), 0.5);
    sample.offer(2, &strange);
    strange[3] = Cell::WRONG_TYPE;
    sample.offer(3, &strange);
    let mut part = strange.clone();
    part[0] = Cell::ABSENT;
    sample.offer(4, &part);

    let surprise = Surprise::new(&reference);
    let strangest = surprise.strangest(&sample, None, 3);
    assert_eq!(strangest.iter().map(|event| event.hash).take(2).collect::<Vec<_>>(), [3, 2]);
    assert!(strangest[1].surprise > strangest[2].surprise);
    // The usual one is nearly the last of all whole rows.
    let all = surprise.strangest(&sample, None, usize::MAX);
    assert_eq!(all.len(), 203);
    assert!(all.iter().position(|event| event.hash == 1).unwrap() > 180);
    // By one feature.
    let by_meal = surprise.strangest(&sample, Some("meal"), 2);
    assert_eq!(by_meal.iter().map(|event| event.hash).collect::<Vec<_>>(), [2, 3]);
    assert_eq!(by_meal[0].surprise, by_meal[1].surprise);
    assert_eq!(by_meal[0].surprise, -(0.5_f64 / 2_000.0).ln());
    assert!(surprise.strangest(&sample, Some("no feature"), 2).is_empty());
    assert!(surprise.strangest(&RowSample::new(5, 2), None, 2).is_empty());
}

#[test]
fn surprise_is_the_share_of_what_is_as_unusual() {
    let reference = reference(2_000, |_| 0.5);
    let surprise = Surprise::new(&reference);
    let of = |guest, feature| {
        let mut sample = RowSample::new(1, reference.columns.len());
        sample.offer(1, &cells(&reference, guest, 0.5));
        surprise.strangest(&sample, Some(feature), 1)[0].surprise
    };
    let rows = guests(2_000, 1);
    let share = |count: usize| count as f64 / 2_000.0;
    let age = |age: f64| of((age, 0.0, None, false), "age");
    let below = rows.iter().filter(|guest| guest.0 <= 20.0).count();
    assert!((age(20.0) - -(2.0 * share(below)).ln()).abs() < 1e-12);
    let above = rows.iter().filter(|guest| guest.0 >= 65.0).count();
    assert!((age(65.0) - -(2.0 * share(above)).ln()).abs() < 1e-12);
    let meal = |meal: Option<&'static str>| of((0.0, 0.0, meal, false), "meal");
    let rarest = rows.iter().filter(|guest| guest.2 == Some("SC")).count();
    let rare = rows.iter().filter(|guest| guest.2 == Some("SC") || guest.2 == Some("HB")).count();
    assert!((meal(Some("SC")) - -share(rarest).ln()).abs() < 1e-12);
    assert!((meal(Some("HB")) - -share(rare).ln()).abs() < 1e-12);
    let missing = rows.iter().filter(|guest| guest.2.is_none()).count();
    assert!((meal(None) - -share(missing).ln()).abs() < 1e-12);
}
