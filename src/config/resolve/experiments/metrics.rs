//! The metrics of an experiment: what each is for, and how much worse or better
//! it has to be. What is counted how is in [`super::statistics`].

use super::{super::Resolver, Names};
use crate::{
    config::{places::join, raw},
    experiment::{Condition, Loss, Margin, MetricSettings, MetricValue, Statistic, Winsorise},
    result::{Better, MetricRole},
};

impl Resolver<'_> {
    pub(super) fn metrics(
        &mut self,
        path: &str,
        raw: Vec<raw::Metric>,
        names: &Names<'_>,
        winsorised: &mut Vec<Winsorise>,
    ) -> Option<Vec<MetricSettings>> {
        let path = join(path, "metrics");
        if raw.is_empty() {
            let hint = "add [[experiments.metrics]] with name, of and role";
            return self.required(None, &path, hint);
        }
        let decides = |metric: &raw::Metric| metric.role != MetricRole::Plain;
        let are_roles_known =
            (0..raw.len()).all(|index| self.are_known(&[&join(&format!("{path}[{index}]"), "role")]));
        if are_roles_known && !raw.iter().any(decides) {
            let hint = "give a metric role = \"goal\" or role = \"guardrail\"";
            self.warn(
                &path,
                "there is neither a goal nor a guardrail: the verdict will always be hold",
                hint,
            );
        }
        let mut metrics: Vec<Option<MetricSettings>> = Vec::new();
        let mut seen: Vec<String> = Vec::new();
        for (index, metric) in raw.into_iter().enumerate() {
            let at = format!("{path}[{index}]");
            if let Some(name) = &metric.name {
                if seen.contains(name) {
                    let message = format!("the metric {name:?} stands here twice");
                    self.error(&join(&at, "name"), message, "give each its own name");
                }
                seen.push(name.clone());
            }
            metrics.push(self.metric(&at, metric, names, winsorised));
        }
        metrics.into_iter().collect()
    }

    fn metric(
        &mut self,
        at: &str,
        mut raw: raw::Metric,
        names: &Names<'_>,
        winsorised: &mut Vec<Winsorise>,
    ) -> Option<MetricSettings> {
        let name = self.required(raw.name.take(), &join(at, "name"), "name = \"error_rate\"");
        let value = self.metric_value(at, raw.of, raw.field.take());
        let statistic = self.statistic(at, &mut raw, value.as_ref(), names.is_shadow);
        let better = self.better(at, &raw, value.as_ref(), statistic.as_ref());
        let margin = self.margin(at, &raw);
        if raw.minimum_effect == Some(0.0) {
            let hint = "give the least difference that would matter, or leave it out";
            self.error(&join(at, "minimum_effect"), "no difference is not worth finding", hint);
        } else if raw.minimum_effect.is_some() && raw.role == MetricRole::Guardrail && margin.is_some() {
            let message =
                "has no effect on a guardrail with a margin: what it still needs goes by the margin";
            self.warn(&join(at, "minimum_effect"), message, "remove it");
        }
        let covariates = self.covariates(at, &raw.covariates, (value.as_ref(), statistic.as_ref()), names);
        let caps = self.caps(at, &raw, statistic.as_ref());
        if let (Some(name), Some(value)) = (&name, &value) {
            winsorised.extend(self.winsorise(at, name, &raw, value, names));
        }
        Some(MetricSettings {
            name: name?,
            role: raw.role,
            better: better?,
            statistic: statistic?,
            value: value?,
            margin,
            minimum_effect: raw.minimum_effect,
            covariates,
            caps,
        })
    }

    /// A plain metric has a direction only for show.
    fn better(
        &mut self,
        at: &str,
        raw: &raw::Metric,
        value: Option<&MetricValue>,
        statistic: Option<&Statistic>,
    ) -> Option<Better> {
        if let Some(better) = raw.better {
            return Some(better);
        }
        let inferred = match (value?, statistic?) {
            (MetricValue::Loss(Loss::Correct), _)
            | (MetricValue::Loss(_), Statistic::Rate(Condition::Below(_))) => Some(Better::Higher),
            (MetricValue::Loss(_), Statistic::Rate(Condition::Equals(_))) => None,
            (MetricValue::Loss(_), _) => Some(Better::Lower),
            _ => None,
        };
        let (better_key, role_key) = (join(at, "better"), join(at, "role"));
        if inferred.is_none() && (raw.role == MetricRole::Plain || !self.are_known(&[&role_key])) {
            return Some(Better::Higher);
        }
        self.required(inferred, &better_key, "better = \"lower\" or better = \"higher\"")
    }

    /// How much worse a guardrail may be.
    fn margin(&mut self, at: &str, raw: &raw::Metric) -> Option<Margin> {
        let (absolute, relative) = (join(at, "margin"), join(at, "margin_relative"));
        let is_known = self.are_known(&[&absolute, &relative, &join(at, "role")]);
        let margin = match (raw.margin, raw.margin_relative) {
            (Some(_), Some(_)) => {
                let hint =
                    "keep margin, in the metric's unit, or margin_relative, a share of the control's value";
                self.error(&relative, "a metric has one margin, found two", hint);
                return None;
            }
            (Some(margin), None) => Some(Margin::Absolute(margin)),
            (None, Some(share)) => Some(Margin::Relative(share)),
            (None, None) => None,
        };
        let key = if raw.margin.is_some() { &absolute } else { &relative };
        match (raw.role, margin) {
            _ if !is_known => {}
            (MetricRole::Goal, Some(_)) => {
                let hint =
                    "remove it, write role = \"guardrail\", or give minimum_effect for what is worth finding";
                self.error(key, "a goal is to get better, so it has no margin for getting worse", hint);
            }
            (MetricRole::Plain, Some(_)) => {
                let hint = "remove it, or write role = \"guardrail\"";
                self.error(key, "a plain metric decides nothing, so it has no margin", hint);
            }
            (MetricRole::Guardrail, None) => {
                let message = "without a margin it can never be proven that this is not worse: it can only cause a \
                               rollback, and promotion only asks that it is not proven worse";
                self.warn(&absolute, message, "add margin or margin_relative: how much worse it may be");
            }
            _ => {}
        }
        margin
    }
}
