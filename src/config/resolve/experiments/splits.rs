//! How arms were to share the traffic, and from when on.

use super::super::Resolver;
use crate::{
    config::{
        places::join,
        raw::{self, experimenting},
    },
    event::EventTime,
    experiment::Split,
};

impl Resolver<'_> {
    /// The intended shares from the beginning on, and those of later times.
    pub(super) fn splits(
        &mut self,
        path: &str,
        raw: &mut raw::Experiment,
        arms: Option<&[String]>,
    ) -> Option<Vec<Split>> {
        let (key, later) = (join(path, "split"), join(path, "splits"));
        let first_set = [&key, &later].into_iter().find(|key| self.places.is_set(key)).cloned();
        if let Some(set) = &first_set
            && raw.mode == experimenting::Mode::Shadow
            && self.are_known(&[&join(path, "mode")])
        {
            self.error(
                set,
                "in shadow mode all arms see all requests",
                "remove split and [[experiments.splits]]",
            );
            return None;
        }
        if raw.split.is_none() && !raw.splits.is_empty() && self.are_known(&[&key]) {
            let hint = "add split to the experiment, such as split = \"90/10\"";
            self.error(&later, "there is no split that these change", hint);
        }
        let mut is_fine = self.are_known(&[&key, &later]);
        let mut splits = Vec::new();
        if let Some(text) = &raw.split {
            match self.weights(&key, text, arms) {
                Some(weights) => splits.push(Split { from: None, weights }),
                None => is_fine = false,
            }
        }
        let mut before: Option<i64> = None;
        for (index, split) in raw.splits.drain(..).enumerate() {
            let at = format!("{later}[{index}]");
            let (from_key, split_key) = (join(&at, "from"), join(&at, "split"));
            let from = self.required(split.from, &from_key, "from = 2026-01-31T00:00:00Z");
            if let (Some(before), Some(from)) = (before, from)
                && from <= before
            {
                let message = format!("it does not come after the one before it, {}", EventTime(before));
                self.error(&from_key, message, "write them in the order of their times, each once");
            }
            before = from.or(before);
            let text = self.required(split.split, &split_key, "split = \"50/50\"");
            let weights = text.and_then(|text| self.weights(&split_key, &text, arms));
            match (from, weights) {
                (Some(from), Some(weights)) => splits.push(Split { from: Some(EventTime(from)), weights }),
                _ => is_fine = false,
            }
        }
        is_fine.then_some(splits)
    }

    /// One weight for each arm.
    fn weights(&mut self, key: &str, text: &str, arms: Option<&[String]>) -> Option<Vec<f64>> {
        let weight = |part: &str| part.trim().parse().ok().filter(|weight: &f64| weight.is_finite());
        let Some(weights) = text.split('/').map(weight).collect::<Option<Vec<f64>>>() else {
            let hint = "write the weights of the arms, the control first: \"50/50\", \"90/5/5\"";
            self.error(key, format!("{text:?} is no split"), hint);
            return None;
        };
        if weights.iter().any(|weight| *weight <= 0.0) {
            let message = format!("{text:?} leaves an arm without events");
            self.error(key, message, "give every arm a weight above 0; leave out arms that get none");
            return None;
        }
        let arms = arms?;
        if weights.len() != arms.len() {
            let message = format!("{text:?} is not one weight for each of {} arms", arms.len());
            self.error(key, message, format!("write weights for {} in this order", arms.join(", ")));
            return None;
        }
        Some(weights)
    }
}
