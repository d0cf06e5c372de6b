//! How a model is judged.

use super::Resolver;
use crate::{
    config::{
        places::join,
        quantity::{parse_duration, parse_rate},
        raw,
    },
    drift::{
        DriftSettings,
        moving::{KEPT_MS, MOST_WINDOWS, MovingReference},
        sequential::Budget,
    },
    window::{WindowSettings, duration_text},
};

/// More further references would only repeat one another.
const MOST_REFERENCES: usize = 8;
/// Segments of a model at most: each has counts of every column in every pane.
const MOST_SEGMENTS: usize = 1_000;
/// Weeks that a memory reaches back.
const MOST_WEEKS: u32 = 4;

impl Resolver<'_> {
    pub(super) fn drift(
        &mut self,
        path: &str,
        raw: &raw::Model,
        windows: &WindowSettings,
    ) -> Option<DriftSettings> {
        // The rate was read once already, when its kind was checked.
        let rate = parse_rate(&raw.false_alarms).ok();
        let false_alarms = rate.and_then(|(alarms, per_ms)| Budget::new(alarms, per_ms)).unwrap_or_default();
        if false_alarms.rate_per_window(windows.size_ms) >= 1.0 {
            let message = format!("{:?} allows a false alarm in every window", raw.false_alarms);
            self.warn(&join(path, "false_alarms"), message, "allow fewer, such as \"1 per 30d\"");
        }
        let compare_with = self.compare_with(&join(path, "compare_with"), &raw.compare_with, windows)?;
        Some(DriftSettings {
            score: raw.score,
            minimum_effects: raw.minimum_effect.unwrap_or_default(),
            false_alarms,
            compare_with,
            sample_rows: raw.sample_rows,
        })
    }

    fn compare_with(
        &mut self,
        path: &str,
        texts: &[String],
        windows: &WindowSettings,
    ) -> Option<Vec<MovingReference>> {
        let mut references: Vec<MovingReference> = Vec::new();
        let mut is_fine = true;
        for (index, text) in texts.iter().enumerate() {
            let key = format!("{path}[{index}]");
            let problem = match moving_reference(text, windows) {
                Ok(reference) if references.contains(&reference) => format!("{text:?} stands here twice"),
                Ok(reference) if reference.reach_ms(windows.size_ms) > kept_ms(windows) => {
                    let kept = duration_text(kept_ms(windows));
                    let slide = duration_text(windows.slide_ms);
                    format!(
                        "{text:?} reaches back further than windows every {slide} are kept, which is {kept}"
                    )
                }
                Ok(reference) => {
                    references.push(reference);
                    continue;
                }
                Err(problem) => problem,
            };
            is_fine = false;
            self.error(&key, problem, "write previous, previous-3, rolling-7d or seasonal-4w");
        }
        if references.len() > MOST_REFERENCES {
            let message = format!(
                "{} references are more than the {MOST_REFERENCES} that can be kept",
                references.len()
            );
            self.error(
                path,
                message,
                "keep those that differ most, such as previous, rolling-7d and seasonal-4w",
            );
            is_fine = false;
        }
        is_fine.then_some(references)
    }

    /// Features that make segments, each once.
    pub(super) fn segments(&mut self, path: &str, raw: &raw::Model) -> Vec<String> {
        let key = join(path, "segments");
        if raw.segments.len().saturating_mul(raw.max_segments) > MOST_SEGMENTS {
            let count = raw.segments.len() * raw.max_segments;
            let message = format!("{count} segments are more than the {MOST_SEGMENTS} that can be judged");
            self.error(&key, message, "name fewer features, or lower max_segments");
        }
        for (index, name) in raw.segments.iter().enumerate() {
            let at = format!("{key}[{index}]");
            if raw.segments.iter().take(index).any(|earlier| earlier == name) {
                self.error(&at, format!("{name:?} stands here twice"), "remove one");
            } else if raw.features.get(name).is_some_and(|feature| feature.ignore) {
                self.error(&at, format!("the feature {name:?} is ignored"), "remove it here, or its ignore");
            }
        }
        raw.segments.clone()
    }
}

/// How long windows are kept.
fn kept_ms(windows: &WindowSettings) -> i64 {
    let most = i64::try_from(MOST_WINDOWS).unwrap_or(i64::MAX);
    KEPT_MS.min(windows.slide_ms.saturating_mul(most))
}

/// Reads one further reference.
fn moving_reference(text: &str, windows: &WindowSettings) -> Result<MovingReference, String> {
    let unknown = || format!("{text:?} is no further reference");
    let (kind, argument) =
        text.split_once('-').map_or((text, None), |(kind, argument)| (kind, Some(argument)));
    match (kind, argument) {
        ("previous", None) => Ok(MovingReference::Previous { windows: 1 }),
        ("previous", Some(count)) => match count.parse() {
            Ok(windows @ 1..=2_000) => Ok(MovingReference::Previous { windows }),
            Ok(_) => Err(format!("{text:?} is not within previous-1 and previous-2000")),
            Err(_) => Err(unknown()),
        },
        ("rolling", Some(length)) => {
            let ms = parse_duration(length)?;
            if ms < windows.size_ms {
                return Err(format!("{text:?} is shorter than a window"));
            }
            Ok(MovingReference::Rolling { ms })
        }
        ("seasonal", argument) => match argument.unwrap_or("4w").strip_suffix('w').map(str::parse) {
            Some(Ok(weeks @ 1..=MOST_WEEKS)) => Ok(MovingReference::Seasonal { weeks }),
            Some(Ok(_)) => Err(format!("{text:?} is not within seasonal-1w and seasonal-{MOST_WEEKS}w")),
            _ => Err(unknown()),
        },
        _ => Err(unknown()),
    }
}
