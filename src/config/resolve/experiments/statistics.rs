//! What a metric counts of an event, and what is compared of it between arms.

use super::{super::Resolver, Names};
use crate::{
    config::{
        columns::{ColumnCheck, Usage},
        places::{Part, join},
        raw::{self, experimenting::MetricKind, experimenting::Of},
    },
    decode::{EventMapping, FieldSource, JsonPointer},
    experiment::{
        Class, Condition, Covariate, Loss, MOST_COVARIATES, MetricValue, NEEDS_FILE, Statistic, Winsorise,
    },
    result::PREDICTION,
};

impl Resolver<'_> {
    /// Exactly one of `of` and `field`.
    pub(super) fn metric_value(
        &mut self,
        at: &str,
        of: Option<Of>,
        field: Option<raw::Field>,
    ) -> Option<MetricValue> {
        let (of_key, field_key) = (join(at, "of"), join(at, "field"));
        if let (Some(_), Some(_)) = (of, &field) {
            self.error(&field_key, "a metric has one value, found two", "keep of or field");
            return None;
        }
        if let Some(field) = field {
            let field = self.field(&field_key, field)?;
            if let FieldSource::Constant(_) = field {
                let hint = "name where an event has its value";
                self.error(&field_key, "all events would have the same value", hint);
            }
            return Some(MetricValue::Field(field));
        }
        if !self.are_known(&[&field_key]) {
            return None;
        }
        let of = self.required(of, &of_key, "of = \"brier\", or field = \"/latency_ms\"")?;
        Some(match of {
            Of::Prediction => MetricValue::Prediction,
            Of::PredictedClass => MetricValue::PredictedClass,
            Of::Label => MetricValue::Label,
            Of::Brier => MetricValue::Loss(Loss::Brier),
            Of::LogLoss => MetricValue::Loss(Loss::LogLoss),
            Of::AbsoluteError => MetricValue::Loss(Loss::AbsoluteError),
            Of::SquaredError => MetricValue::Loss(Loss::SquaredError),
            Of::Correct => MetricValue::Loss(Loss::Correct),
        })
    }

    pub(super) fn statistic(
        &mut self,
        at: &str,
        raw: &mut raw::Metric,
        value: Option<&MetricValue>,
        is_shadow: Option<bool>,
    ) -> Option<Statistic> {
        let kind_key = join(at, "kind");
        if !self.are_known(&[&kind_key]) {
            return None;
        }
        self.foreign_keys(at, raw);
        if is_shadow == Some(true) {
            self.paired(at, raw.kind, value);
        }
        let is_correct = matches!(value, Some(MetricValue::Loss(Loss::Correct)));
        if matches!(value, Some(MetricValue::PredictedClass)) && raw.kind != MetricKind::Rate {
            let hint = "write kind = \"rate\" and equals = \"…\", a class";
            self.error(&kind_key, "a class is no number", hint);
            return None;
        }
        if is_correct && matches!(raw.kind, MetricKind::Ratio | MetricKind::Quantile) {
            self.error(&kind_key, "a prediction is right or wrong, which is a rate", "write kind = \"rate\"");
            return None;
        }
        match raw.kind {
            MetricKind::Mean if is_correct => Some(Statistic::Rate(Condition::IsTrue)),
            MetricKind::Mean => Some(Statistic::Mean),
            MetricKind::Rate => self.condition(at, raw, value).map(Statistic::Rate),
            MetricKind::Ratio => {
                let key = join(at, "per");
                let per = self.required(raw.per.take(), &key, "per = \"/items\"")?;
                self.field(&key, per).map(Statistic::Ratio)
            }
            MetricKind::Quantile => {
                let key = join(at, "quantile");
                let quantile = self.required(raw.quantile, &key, "quantile = 0.95")?;
                if quantile <= 0.0 || quantile >= 1.0 {
                    let hint = "write a number between 0 and 1, such as 0.95; extremes can't be compared";
                    self.error(&key, format!("{quantile} is no quantile"), hint);
                }
                Some(Statistic::Quantile(quantile))
            }
        }
    }

    /// Keys that belong to another kind.
    fn foreign_keys(&mut self, at: &str, raw: &raw::Metric) {
        let keys = [
            ("per", raw.per.is_some(), MetricKind::Ratio, "ratio"),
            ("quantile", raw.quantile.is_some(), MetricKind::Quantile, "quantile"),
            ("above", raw.above.is_some(), MetricKind::Rate, "rate"),
            ("below", raw.below.is_some(), MetricKind::Rate, "rate"),
            ("equals", raw.equals.is_some(), MetricKind::Rate, "rate"),
        ];
        for (key, is_set, kind, name) in keys {
            if is_set && raw.kind != kind {
                let message = format!("belongs to kind = {name:?}");
                self.error(&join(at, key), message, format!("remove it, or write kind = {name:?}"));
            }
        }
    }

    /// Of shadows the answers to the same request are compared, one by one.
    fn paired(&mut self, at: &str, kind: MetricKind, value: Option<&MetricValue>) {
        let name = match kind {
            MetricKind::Ratio => "ratio",
            MetricKind::Quantile => "quantile",
            MetricKind::Mean | MetricKind::Rate => {
                if matches!(value, Some(MetricValue::Label)) {
                    let hint = "take what is wrong with the predictions by it, such as of = \"brier\"";
                    self.error(&join(at, "of"), "in shadow mode all arms have the same labels", hint);
                }
                return;
            }
        };
        let message = format!(
            "a {name} is not compared in shadow mode, where each answer is held against its counterpart"
        );
        self.error(&join(at, "kind"), message, "take kind = \"mean\" or kind = \"rate\"");
    }

    fn condition(
        &mut self,
        at: &str,
        raw: &mut raw::Metric,
        value: Option<&MetricValue>,
    ) -> Option<Condition> {
        let keys = ["above", "below", "equals"].map(|key| join(at, key));
        if !self.are_known(&keys.each_ref().map(String::as_str)) {
            return None;
        }
        let found = [
            raw.above.map(Condition::Above),
            raw.below.map(Condition::Below),
            raw.equals.take().map(|text| Condition::Equals(Class::from(text.as_str()))),
        ];
        let mut found = keys.iter().zip(found).filter_map(|(key, condition)| Some((key, condition?)));
        let Some((key, condition)) = found.next() else {
            if matches!(value, Some(MetricValue::PredictedClass)) {
                let hint = "add equals = \"…\", a class";
                self.error(&join(at, "kind"), "it is not said which class is counted", hint);
            }
            return Some(Condition::IsTrue);
        };
        if let Some((second, _)) = found.next() {
            let hint = "keep one of above, below and equals";
            self.error(second, "a rate has one condition, found several", hint);
            return None;
        }
        if matches!(value, Some(MetricValue::Loss(Loss::Correct))) {
            self.error(key, "a prediction is right or wrong, without a condition", "remove it");
        } else if matches!(value, Some(MetricValue::PredictedClass))
            && !matches!(condition, Condition::Equals(_))
        {
            self.error(key, "a class is no number", "write equals = \"…\", a class");
        }
        Some(condition)
    }

    /// Covariates adjust means alone, and must not be what the arm has made.
    pub(super) fn covariates(
        &mut self,
        at: &str,
        covariates: &[String],
        (value, statistic): (Option<&MetricValue>, Option<&Statistic>),
        names: &Names<'_>,
    ) -> Vec<Covariate> {
        let key = join(at, "covariates");
        if covariates.is_empty() {
            return Vec::new();
        }
        if statistic.is_some_and(|statistic| *statistic != Statistic::Mean) {
            self.error(
                &key,
                "only means are adjusted by covariates",
                "remove them, or write kind = \"mean\"",
            );
        } else if names.is_shadow == Some(true) {
            let hint = "remove them: both answer the same request, so that there is nothing to adjust";
            self.error(&key, "in shadow mode nothing is adjusted by covariates", hint);
        }
        if covariates.len() > MOST_COVARIATES {
            let message = format!("{} covariates are more than {MOST_COVARIATES}", covariates.len());
            self.error(&key, message, "keep those that explain most");
        }
        let own = value.and_then(|value| column_of(value, names.events));
        for (index, name) in covariates.iter().enumerate() {
            let at = format!("{key}[{index}]");
            let contains = |features: &[String]| features.contains(name);
            if covariates.iter().take(index).any(|earlier| earlier == name) {
                self.error(&at, format!("{name:?} stands here twice"), "remove one");
            } else if own.as_deref() == Some(name) {
                self.error(&at, "the metric would be explained by itself", "remove it");
            } else if name == PREDICTION {
                let message = "the prediction is made by the arm: what a challenger changes in it is taken for chance \
                               and left out of the effect";
                let hint = "name features in its place; keep it where all arms are the same model";
                self.warn(&at, message, hint);
            } else if names.facts.is_some_and(|facts| contains(&facts.ignored)) {
                self.error(&at, format!("the feature {name:?} is ignored"), "remove it here, or its ignore");
            } else if names.facts.is_some_and(|facts| contains(&facts.categorical)) {
                let hint = "covariates are numeric features, or \"prediction\"";
                self.error(&at, format!("the feature {name:?} is categorical"), hint);
            } else {
                self.check_column(&at, names, Usage::Covariate(name.clone()));
            }
        }
        let covariate = |name: &String| match name.as_str() {
            PREDICTION => Covariate::Prediction,
            _ => Covariate::Feature(name.clone()),
        };
        covariates.iter().map(covariate).collect()
    }

    /// Has a column held against the reference, once that has been read.
    fn check_column(&mut self, key: &str, names: &Names<'_>, usage: Usage) {
        let Some(model) = names.model else { return };
        let place = self.places.of(key, Part::Value);
        let check = ColumnCheck { model: model.to_owned(), usage, place, key: key.to_owned() };
        self.report.column_checks.push(check);
    }

    /// Least and greatest value.
    pub(super) fn caps(
        &mut self,
        at: &str,
        raw: &raw::Metric,
        statistic: Option<&Statistic>,
    ) -> (Option<f64>, Option<f64>) {
        let keys = ["cap", "floor", "winsorise"].map(|key| join(at, key));
        let [cap, ..] = &keys;
        if matches!(statistic, Some(Statistic::Rate(_) | Statistic::Quantile(_))) {
            for key in keys.iter().filter(|key| self.places.is_set(key)) {
                let hint = "remove it: rates and quantiles are not moved by how large extreme values are";
                self.error(key, "only the values of means and ratios are capped", hint);
            }
        }
        if let (Some(least), Some(most)) = (raw.floor, raw.cap)
            && least >= most
        {
            let message = format!("the cap {most} is not above the floor {least}");
            self.error(cap, message, "values below floor are taken for it, and values above cap for that");
        }
        (raw.floor, raw.cap)
    }

    /// A cap that comes from the reference, which has to be there.
    pub(super) fn winsorise(
        &mut self,
        at: &str,
        metric: &str,
        raw: &raw::Metric,
        value: &MetricValue,
        names: &Names<'_>,
    ) -> Option<Winsorise> {
        let key = join(at, "winsorise");
        let quantile = raw.winsorise?;
        if raw.cap.is_some() {
            self.error(&key, "a metric has one cap, found two", "keep cap or winsorise");
            return None;
        }
        if quantile <= 0.5 || quantile >= 1.0 {
            let hint = "write a number above 0.5 and below 1, such as 0.999";
            self.error(&key, format!("{quantile} would cap half of the values or none"), hint);
            return None;
        }
        let Some(column) = column_of(value, names.events) else {
            let message = "the reference has no column of these values";
            self.error(&key, message, "give cap; only the prediction and features have one");
            return None;
        };
        if names.facts.and_then(|facts| facts.has_file) == Some(false) {
            self.error(&key, "the model's reference is learned, which comes too late for a cap", NEEDS_FILE);
            return None;
        }
        let experiment = names.experiment?.to_owned();
        let winsorise = Winsorise { experiment, metric: metric.to_owned(), column, quantile };
        self.check_column(&key, names, Usage::Cap(winsorise.clone(), raw.floor));
        Some(winsorise)
    }
}

/// The column of a reference that has these values: the prediction, or the
/// feature that stands at the field's place.
fn column_of(value: &MetricValue, events: Option<&EventMapping>) -> Option<String> {
    match value {
        MetricValue::Prediction => Some(PREDICTION.to_owned()),
        MetricValue::Field(FieldSource::Pointer(JsonPointer(tokens))) => {
            match tokens.strip_prefix(events?.features.0.as_slice())? {
                [feature] => Some(feature.clone()),
                _ => None,
            }
        }
        _ => None,
    }
}
