//! The arithmetic of panes and windows.

use super::WindowSettings;
use crate::event::EventTime;

/// Start of the pane that holds `time`.
#[inline]
#[must_use]
pub fn pane_start(settings: &WindowSettings, time: EventTime) -> EventTime {
    EventTime(time.0.div_euclid(settings.slide_ms) * settings.slide_ms)
}

/// Ends of the windows that hold the pane starting at `pane`, in order.
pub fn window_ends(settings: &WindowSettings, pane: EventTime) -> impl Iterator<Item = EventTime> + use<> {
    let (slide, size) = (settings.slide_ms, settings.size_ms);
    (1..=size / slide).map(move |index| EventTime(pane.0 + index * slide))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pane_belongs_to_as_many_windows_as_slides_fit_in_a_window() {
        let settings = WindowSettings { size_ms: 60, slide_ms: 20, ..WindowSettings::default() };
        let pane = pane_start(&settings, EventTime(45));
        assert_eq!(pane, EventTime(40));
        let ends: Vec<i64> = window_ends(&settings, pane).map(|end| end.0).collect();
        assert_eq!(ends, [60, 80, 100]);
        assert_eq!(pane_start(&settings, EventTime(-1)), EventTime(-20));
    }
}
