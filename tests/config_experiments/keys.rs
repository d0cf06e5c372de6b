//! Every key, its default and what it comes to.

use std::time::Duration;

use driftline::{
    decode::FieldSource,
    event::EventTime,
    experiment::{
        ArmSource, Condition, Covariate, Design, ExperimentSettings, Inference, Loss, Margin, Method,
        MetricSettings, MetricValue, PromoteWhen, Split, Statistic, UnitSource,
    },
    ops::{OnStale, ServedExperiment},
    result::{Better, MetricRole},
};

use crate::{GOAL, experiment, fine, metric, pointer, settings};

#[test]
fn defaults_are_those_that_are_told() {
    let settings = settings("", GOAL);
    let experiment = &settings.experiments[0];
    assert_eq!((experiment.id.as_str(), experiment.model.as_str()), ("e", "credit"));
    assert_eq!(experiment.arms, ["a", "b"]);
    assert_eq!(experiment.arm, ArmSource::Variant);
    assert_eq!(experiment.unit, UnitSource::Envelope);
    assert_eq!(experiment.design, Design::Split);
    assert_eq!(experiment.splits, []);
    let inference = Inference {
        method: Method::AlwaysValid,
        alpha: 0.05,
        srm_alpha: 0.001,
        power: 0.8,
        planned_events: 5_000,
        min_events: 100,
        promote_when: PromoteWhen::AllGoals,
    };
    assert_eq!(experiment.inference, inference);
    assert_eq!(experiment.label_delay_ms, 3_600_000);
    assert_eq!((experiment.most_waiting, experiment.most_units), (200_000, 1_000_000));
    assert_eq!((experiment.starts_at, experiment.ends_at, experiment.waits_for_start), (None, None, false));
    let metric = MetricSettings {
        name: "m".to_owned(),
        role: MetricRole::Goal,
        better: Better::Lower,
        statistic: Statistic::Mean,
        value: MetricValue::Loss(Loss::Brier),
        margin: None,
        minimum_effect: None,
        covariates: Vec::new(),
        caps: (None, None),
    };
    assert_eq!(experiment.metrics, std::slice::from_ref(&metric));
    // What the code takes for its defaults is what the configuration does.
    assert_eq!(*experiment, ExperimentSettings::new("e", "credit", &["a", "b"], vec![metric]));
    // Ten slides of five minutes are more than ten minutes.
    let stale_after = Duration::from_secs(3_000);
    let served = ServedExperiment { id: "e".to_owned(), hooks: false, stale_after, on_stale: OnStale::Hold };
    assert_eq!(settings.served_experiments, [served]);
    assert_eq!(settings.winsorised, []);
}

#[test]
fn every_key_of_an_experiment_is_taken() {
    let keys = "\
arm_field = { header = \"arm\" }
unit_field = \"/customer\"
split = \"90/10\"
method = \"group_sequential\"
alpha = 0.01
srm_alpha = 0.0001
power = 0.9
planned_events = 1000
min_events = 50
promote_when = \"any_goal\"
label_delay = \"0s\"
max_waiting = 10
max_units = 20
starts = 2026-03-01T00:00:00Z
ends = 2026-04-01T00:00:00Z
hooks = true
waits_for_start = true
stale_after = \"1m\"
on_stale = \"error\"
splits = [{ from = 2026-03-08T00:00:00Z, split = \" 1 / 1 \" }, { from = 2026-03-09T00:00:00Z, split = \"0.2/0.8\" }]
";
    let settings = settings(keys, GOAL);
    let experiment = &settings.experiments[0];
    assert_eq!(experiment.arm, ArmSource::Field(FieldSource::Header("arm".to_owned())));
    assert_eq!(experiment.unit, UnitSource::Field(pointer("customer")));
    let march = |day: i64| EventTime(1_772_323_200_000 + (day - 1) * 86_400_000);
    let split = |from: Option<EventTime>, weights: [f64; 2]| Split { from, weights: weights.to_vec() };
    let splits =
        [split(None, [90.0, 10.0]), split(Some(march(8)), [1.0, 1.0]), split(Some(march(9)), [0.2, 0.8])];
    assert_eq!(experiment.splits, splits);
    let inference = Inference {
        method: Method::GroupSequential,
        alpha: 0.01,
        srm_alpha: 0.0001,
        power: 0.9,
        planned_events: 1_000,
        min_events: 50,
        promote_when: PromoteWhen::AnyGoal,
    };
    assert_eq!(experiment.inference, inference);
    assert_eq!((experiment.label_delay_ms, experiment.most_waiting, experiment.most_units), (0, 10, 20));
    assert_eq!((experiment.starts_at, experiment.ends_at), (Some(march(1)), Some(march(32))));
    assert!(experiment.waits_for_start);
    let served = &settings.served_experiments[0];
    assert_eq!(
        (served.hooks, served.stale_after, served.on_stale),
        (true, Duration::from_secs(60), OnStale::Error)
    );
}

#[test]
fn arms_are_versions_and_designs_are_shadows() {
    let settings =
        settings("arm = \"version\"\nmode = \"shadow\"\nmethod = \"fixed\"\nplanned_events = 200\n", GOAL);
    let experiment = &settings.experiments[0];
    assert_eq!(experiment.arm, ArmSource::Version);
    assert_eq!(experiment.design, Design::Shadow { pair_timeout_ms: 600_000, max_unanswered: 0.01 });
    assert_eq!(experiment.inference.method, Method::FixedHorizon);
}

#[test]
fn a_result_is_fresh_for_ten_minutes_at_least() {
    let text = experiment("", GOAL).replace("size = \"5m\"", "size = \"10s\"");
    assert_eq!(fine(&text).settings.served_experiments[0].stale_after, Duration::from_secs(600));
    let text = experiment("", GOAL).replace("size = \"5m\"", "size = \"2h\"\nslide = \"30m\"");
    assert_eq!(fine(&text).settings.served_experiments[0].stale_after, Duration::from_secs(18_000));
}

#[test]
fn every_value_has_a_word_or_a_place() {
    for (text, value, statistic, better) in [
        ("of = \"prediction\"", MetricValue::Prediction, Statistic::Mean, Better::Higher),
        ("of = \"label\"", MetricValue::Label, Statistic::Mean, Better::Higher),
        ("of = \"log_loss\"", MetricValue::Loss(Loss::LogLoss), Statistic::Mean, Better::Lower),
        ("of = \"absolute_error\"", MetricValue::Loss(Loss::AbsoluteError), Statistic::Mean, Better::Lower),
        ("of = \"squared_error\"", MetricValue::Loss(Loss::SquaredError), Statistic::Mean, Better::Lower),
        (
            "of = \"correct\"",
            MetricValue::Loss(Loss::Correct),
            Statistic::Rate(Condition::IsTrue),
            Better::Higher,
        ),
        (
            "of = \"correct\"\nkind = \"rate\"",
            MetricValue::Loss(Loss::Correct),
            Statistic::Rate(Condition::IsTrue),
            Better::Higher,
        ),
        (
            "of = \"predicted_class\"\nkind = \"rate\"\nequals = \"yes\"\nbetter = \"lower\"",
            MetricValue::PredictedClass,
            Statistic::Rate(Condition::Equals("yes".into())),
            Better::Lower,
        ),
        (
            "field = \"/failed\"\nkind = \"rate\"",
            MetricValue::Field(pointer("failed")),
            Statistic::Rate(Condition::IsTrue),
            Better::Higher,
        ),
        (
            "of = \"absolute_error\"\nkind = \"rate\"\nbelow = 10",
            MetricValue::Loss(Loss::AbsoluteError),
            Statistic::Rate(Condition::Below(10.0)),
            Better::Higher,
        ),
        (
            "of = \"absolute_error\"\nkind = \"rate\"\nabove = 10.5",
            MetricValue::Loss(Loss::AbsoluteError),
            Statistic::Rate(Condition::Above(10.5)),
            Better::Lower,
        ),
        (
            "field = { header = \"amount\" }\nkind = \"ratio\"\nper = \"/items\"",
            MetricValue::Field(FieldSource::Header("amount".to_owned())),
            Statistic::Ratio(pointer("items")),
            Better::Higher,
        ),
        (
            "field = \"/ms\"\nkind = \"quantile\"\nquantile = 0.95",
            MetricValue::Field(pointer("ms")),
            Statistic::Quantile(0.95),
            Better::Higher,
        ),
    ] {
        let metric = metric(text);
        assert_eq!((metric.value, metric.statistic, metric.better), (value, statistic, better), "{text}");
        assert_eq!(metric.role, MetricRole::Plain);
    }
}

#[test]
fn margins_effects_covariates_and_caps() {
    let guardrail = "field = \"/ms\"\nrole = \"guardrail\"\nbetter = \"lower\"\n";
    assert_eq!(metric(&format!("{guardrail}margin = 5")).margin, Some(Margin::Absolute(5.0)));
    assert_eq!(metric(&format!("{guardrail}margin = 0")).margin, Some(Margin::Absolute(0.0)));
    assert_eq!(metric(&format!("{guardrail}margin_relative = 0.1")).margin, Some(Margin::Relative(0.1)));
    let metric = metric("field = \"/ms\"\ncovariates = [\"age\"]\nminimum_effect = 2\ncap = 9\nfloor = -1\n");
    assert_eq!(metric.covariates, [Covariate::Feature("age".to_owned())]);
    assert_eq!((metric.minimum_effect, metric.caps), (Some(2.0), (Some(-1.0), Some(9.0))));
}

#[test]
fn experiments_need_a_restart() {
    let old = settings("", GOAL);
    for (keys, metric) in [
        ("alpha = 0.01\n", GOAL.to_owned()),
        ("on_stale = \"error\"\n", GOAL.to_owned()),
        ("", format!("{GOAL}minimum_effect = 1")),
    ] {
        let changes = old.reload_changes(&settings(keys, &metric));
        assert_eq!(
            (changes.applied.as_slice(), changes.need_restart.as_slice()),
            (&[][..], &["experiments.e".to_owned()][..])
        );
    }
    let (capped, higher) = (
        settings("", "of = \"prediction\"\nwinsorise = 0.99"),
        settings("", "of = \"prediction\"\nwinsorise = 0.999"),
    );
    assert_eq!(capped.reload_changes(&higher).need_restart, ["experiments.e"]);
    assert!(old.reload_changes(&settings("", GOAL)).need_restart.is_empty());
}
