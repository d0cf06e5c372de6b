//! What metrics that need no label estimate.

use driftline::{
    experiment::{Condition, Covariate, ExperimentSettings, MetricSettings, MetricValue, Statistic},
    result::{EffectScale, ExperimentResult},
};
use rand::RngExt;

use crate::{
    arithmetic::{Window, adjusted, means, ones, ratios},
    stand::{Stand, assert_near, at, clicked, experiment, metric, of, prediction, value},
    traffic::{self, feed, values},
};

/// Sums are of whole multiples of 2^-26.
const TOLERANCE: f64 = 1e-7;

fn result_of<T>(
    metrics: Vec<MetricSettings>,
    windows: &[Window<T>],
    rest: impl Fn(&T) -> String,
) -> ExperimentResult {
    let mut stand = Stand::new(experiment(metrics));
    feed(&mut stand, windows, rest);
    stand.end()
}

#[track_caller]
fn assert_difference(result: &ExperimentResult, name: &str, (control, challenger): (f64, f64)) {
    let metric = of(result, name);
    assert_eq!(metric.scale, EffectScale::Difference);
    assert_near(metric.control, control, TOLERANCE);
    assert_near(metric.challenger, challenger, TOLERANCE);
    assert_near(metric.estimate, challenger - control, TOLERANCE);
    assert_near(metric.lift, challenger / control - 1.0, TOLERANCE);
}

#[track_caller]
fn assert_ratio_of_rates(result: &ExperimentResult, name: &str, windows: &[Window<f64>]) {
    let (control, challenger) = means(windows);
    let metric = of(result, name);
    assert_eq!(metric.scale, EffectScale::Relative);
    assert_near(metric.control, control, TOLERANCE);
    assert_near(metric.challenger, challenger, TOLERANCE);
    assert_near(metric.estimate, challenger / control - 1.0, TOLERANCE);
    let n = windows.iter().fold((0, 0), |n, (a, b)| (n.0 + a.len() as u64, n.1 + b.len() as u64));
    assert_eq!((metric.n_control, metric.n), n);
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as for events that are more than a number")]
fn field(value: &f64) -> String {
    format!(r#","value":{value}"#)
}

#[test]
fn the_mean_of_one_window_is_that_of_its_events() {
    let window = [values().remove(1)];
    let result = result_of(vec![value()], &window, field);
    let (a, b) = &window[0];
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    assert_difference(&result, "value", (mean(a), mean(b)));
}

#[test]
fn means_of_windows_are_weighted_as_both_arms_have_events() {
    let windows = values();
    let result = result_of(vec![value()], &windows, field);
    assert_difference(&result, "value", means(&windows));
    assert_eq!((of(&result, "value").n_control, of(&result, "value").n), (125, 92));
    // Text that is a number is that number.
    let texts = result_of(vec![value()], &windows, |value| format!(r#","value":" {value} ""#));
    assert_eq!(of(&texts, "value"), of(&result, "value"));
}

#[test]
fn predictions_are_values_too() {
    let windows = traffic::windows(&traffic::RAMP, |random, _| random.random::<f64>());
    let mean = metric("mean", Statistic::Mean, MetricValue::Prediction);
    let above = metric("above", Statistic::Rate(Condition::Above(0.5)), MetricValue::Prediction);
    let below = metric("below", Statistic::Rate(Condition::Below(0.25)), MetricValue::Prediction);
    let result = result_of(vec![mean, above, below], &windows, |score| format!(r#","prediction":{score}"#));
    assert_difference(&result, "mean", means(&windows));
    assert_ratio_of_rates(&result, "above", &ones(&windows, |score| score > 0.5));
    assert_ratio_of_rates(&result, "below", &ones(&windows, |score| score < 0.25));
}

#[test]
fn truth_values_are_0_and_1_and_true_in_many_ways() {
    let windows = traffic::windows(&traffic::RAMP, |random, _| f64::from(random.random_range(0..6_u8)));
    let is_true = |value: f64| value >= 3.0;
    let text = |value: &f64| ["0", "false", "\"False\"", "true", "\"TRUE\"", "17"][*value as usize];
    let result = result_of(vec![clicked()], &windows, |value| format!(r#","clicked":{}"#, text(value)));
    assert_ratio_of_rates(&result, "clicked", &ones(&windows, is_true));
    let truths = ones(&windows, is_true);
    let result = result_of(vec![value()], &truths, |value| format!(r#","value":{}"#, *value > 0.5));
    assert_difference(&result, "value", means(&truths));
}

#[test]
fn rates_of_words_count_whatever_reads_the_same() {
    let windows = traffic::windows(&traffic::RAMP, |random, _| f64::from(random.random_range(0..6_u8)));
    let texts = ["1", "1.0", "\"1\"", "true", "\"one\"", "2"];
    let one = metric("one", Statistic::Rate(Condition::Equals("1".into())), MetricValue::Field(at("/value")));
    let name = MetricSettings {
        name: "name".to_owned(),
        statistic: Statistic::Rate(Condition::Equals("one".into())),
        ..one.clone()
    };
    let result =
        result_of(vec![one, name], &windows, |value| format!(r#","value":{}"#, texts[*value as usize]));
    assert_ratio_of_rates(&result, "one", &ones(&windows, |value| value < 4.0));
    assert_ratio_of_rates(&result, "name", &ones(&windows, |value| (value - 4.0).abs() < 0.5));
}

#[test]
fn predicted_classes_stand_where_predictions_have_them() {
    let windows = traffic::windows(&traffic::RAMP, |random, _| f64::from(random.random_range(0..3_u8)));
    let fraud =
        metric("fraud", Statistic::Rate(Condition::Equals("fraud".into())), MetricValue::PredictedClass);
    let class = |value: &f64| ["fraud", "fine", "unsure"][*value as usize];
    let writes: [&dyn Fn(&f64) -> String; 3] = [
        &|value| format!(r#","prediction_class":"{}""#, class(value)),
        &|value| format!(r#","prediction":"{}""#, class(value)),
        &|value| format!(r#","prediction":{{"class":"{}","scores":{{"fraud":0.1}}}}"#, class(value)),
    ];
    for write in writes {
        let result = result_of(vec![fraud.clone()], &windows, write);
        assert_eq!(of(&result, "fraud").invalid, 0);
        assert_ratio_of_rates(&result, "fraud", &ones(&windows, |value| value < 0.5));
    }
}

#[test]
fn ratios_are_of_sums() {
    let windows = traffic::windows(&traffic::RAMP, |random, arm| {
        let views = f64::from(random.random_range(0..20_u8));
        (views * random.random_range(0.0..0.3) + arm as f64, views)
    });
    let ratio = metric("ratio", Statistic::Ratio(at("/views")), MetricValue::Field(at("/clicks")));
    let result =
        result_of(vec![ratio], &windows, |(clicks, views)| format!(r#","clicks":{clicks},"views":{views}"#));
    assert_difference(&result, "ratio", ratios(&windows));
}

#[test]
fn quantiles_are_right_within_a_bin() {
    let windows = traffic::windows(&[(1_000, 1_000)], |random, arm| {
        random.random_range(100.0_f64..200.0) * if arm == 1 { 1.5 } else { 1.0 }
    });
    let quantile = metric("p90", Statistic::Quantile(0.9), MetricValue::Field(at("/value")));
    let result = result_of(vec![quantile], &windows, field);
    let exact = |values: &[f64]| {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        values[values.len() * 9 / 10]
    };
    let metric = of(&result, "p90");
    let (control, challenger) = (exact(&windows[0].0), exact(&windows[0].1));
    assert_near(metric.control, control, 0.02 * control);
    assert_near(metric.challenger, challenger, 0.02 * challenger);
    assert_near(metric.estimate, challenger - control, 0.05 * control);
}

#[test]
fn covariates_take_out_what_they_explain() {
    let windows = traffic::windows(&traffic::RAMP, |random, arm| {
        let covariate = random.random_range(0.0..1.0);
        (5.0 * covariate + arm as f64 + random.random_range(0.0..0.5), covariate)
    });
    let by = |covariate: Covariate| MetricSettings { covariates: vec![covariate], ..value() };
    let places =
        [Covariate::Prediction, Covariate::Feature("amount".to_owned()), Covariate::Field(at("/before"))];
    for place in places {
        let result = result_of(vec![by(place.clone())], &windows, |(value, covariate)| match place {
            Covariate::Prediction => format!(r#","value":{value},"prediction":{covariate}"#),
            Covariate::Feature(_) => format!(r#","value":{value},"features":{{"amount":{covariate}}}"#),
            Covariate::Field(_) => format!(r#","value":{value},"before":{covariate}"#),
        });
        let metric = of(&result, "value");
        assert_near(metric.estimate, adjusted(&windows), 1e-6);
        let explained = metric.variance_explained.unwrap();
        assert!(explained > 0.9, "{place:?}: {explained}");
    }
}

#[test]
fn values_beyond_the_caps_are_taken_for_them() {
    let windows = values();
    let capped: Vec<Window<f64>> = windows
        .iter()
        .map(|(a, b)| {
            let cap = |values: &Vec<f64>| values.iter().map(|value| value.clamp(9.0, 12.0)).collect();
            (cap(a), cap(b))
        })
        .collect();
    let metric = MetricSettings { caps: (Some(9.0), Some(12.0)), ..value() };
    let result = result_of(vec![metric], &windows, field);
    assert_difference(&result, "value", means(&capped));
}

#[test]
fn what_can_not_be_used_is_counted_and_what_is_not_there_is_not() {
    let invalid = [r#""abc""#, "{}", "[1]", r#""NaN""#, "1e300", "-1e300", r#""""#, r#""inf""#];
    let mean = value();
    let rate = metric("rate", Statistic::Rate(Condition::Above(1.0)), MetricValue::Field(at("/value")));
    let ratio = metric("ratio", Statistic::Ratio(at("/value")), MetricValue::Prediction);
    let capped = MetricSettings { name: "capped".to_owned(), caps: (Some(0.0), Some(5.0)), ..value() };
    let quantile = metric("quantile", Statistic::Quantile(0.5), MetricValue::Field(at("/value")));
    let mut stand = Stand::new(experiment(vec![mean, rate, ratio, capped, quantile]));
    for arm in ["a", "b"] {
        for index in 0..20 {
            stand.feed(&prediction(arm, index, r#","value":3"#));
        }
        for text in invalid {
            stand.feed(&prediction(arm, 100, &format!(r#","value":{text}"#)));
        }
        stand.feed(&prediction(arm, 200, r#","value":null"#));
        stand.feed(&prediction(arm, 200, ""));
    }
    let result = stand.end();
    assert_eq!(result.arms[0].events, 30);
    // Numbers however large can be compared, and capped; so can what is infinite. There
    // is no negative denominator.
    for (name, invalid, n) in
        [("value", 5, 23), ("rate", 5, 23), ("ratio", 6, 22), ("capped", 5, 23), ("quantile", 5, 23)]
    {
        let metric = of(&result, name);
        assert_eq!((metric.invalid, metric.n_control, metric.n), (2 * invalid, n, n), "{name}");
        // What is too far off to be summed is taken for the most that can be.
        let clamped = match name {
            "value" => 6,
            "ratio" => 4,
            _ => 0,
        };
        assert_eq!(metric.clamped, clamped, "{name}");
    }
}

#[test]
fn negative_denominators_and_missing_covariates_are_not_usable() {
    let ratio = metric("ratio", Statistic::Ratio(at("/per")), MetricValue::Field(at("/value")));
    let adjusted = MetricSettings { covariates: vec![Covariate::Field(at("/per"))], ..value() };
    let mut stand = Stand::new(ExperimentSettings { ..experiment(vec![ratio, adjusted]) });
    for arm in ["a", "b"] {
        for rest in [r#","value":1,"per":-1"#, r#","value":1,"per":"x""#, r#","value":1"#, r#","per":1"#] {
            stand.feed(&prediction(arm, 0, rest));
        }
    }
    let result = stand.end();
    assert_eq!((of(&result, "ratio").invalid, of(&result, "value").invalid), (4, 4));
}
