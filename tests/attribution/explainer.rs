//! Rows of events, explained by the features that they have.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use driftline::{
    explain::{
        ExplainError, ExplainSettings, Explainer, Fidelity, InputMap, InputSchema, RowError, Unusable,
    },
    model::{
        Leaf, LinearModel, Link, Missing, Model, Node, Precision, PredictError, Rows, Split, Test, Tree,
        TreeEnsemble,
    },
    profile::Cell,
    reference::Reference,
    result::{EventWindow, ExplainMethod, FeatureValue, StreamKey},
};

use crate::world::{
    Closure, NAMES, SCHEMA, cells, explainer, guests, info, inputs_of, margin, model, reference, sigmoid,
};

fn local() -> ExplainSettings {
    ExplainSettings::defaults(false)
}

fn few(rows: usize) -> ExplainSettings {
    ExplainSettings { background_rows: rows, ..local() }
}

/// Shapley values by their definition, over all orders' coalitions.
fn brute_force(explainer: &Explainer, row: &[f64], answer: impl Fn(&[f64]) -> f64) -> Vec<f64> {
    let inputs = row.len();
    let value = |members: usize| {
        let mixtures = explainer.background().rows().iter().map(|other| {
            let mixed =
                (0..inputs).map(|input| if members >> input & 1 == 1 { row[input] } else { other[input] });
            answer(&mixed.collect::<Vec<_>>())
        });
        mixtures.sum::<f64>() / explainer.background().rows().len() as f64
    };
    let factorial = |number: usize| (1..=number).product::<usize>() as f64;
    let weight = |size: usize| factorial(size) * factorial(inputs - size - 1) / factorial(inputs);
    let worth = |input: usize| {
        let without = (0..1_usize << inputs).filter(|members| members >> input & 1 == 0);
        without
            .map(|members| {
                weight(members.count_ones() as usize) * (value(members | 1 << input) - value(members))
            })
            .sum()
    };
    (0..inputs).map(worth).collect()
}

fn assert_near(ours: &[f64], theirs: &[f64]) {
    assert_eq!(ours.len(), theirs.len());
    let is_near = |(one, other): (&f64, &f64)| (one - other).abs() <= 1e-9 * (1.0 + other.abs());
    assert!(ours.iter().zip(theirs).all(is_near), "{ours:?} is not {theirs:?}");
}

#[test]
fn features_have_the_shapley_values_of_their_inputs() {
    let reference = reference(400, |row| sigmoid(margin(row)));
    let explainer = explainer(model(), &reference, few(20));
    assert_eq!(explainer.background().rows().len(), 20);
    for (hash, guest) in (0..).zip(guests(5, 77)) {
        let explained = explainer.explain_row(hash, &cells(&reference, guest, 0.25)).unwrap();
        assert_eq!(explained.method, ExplainMethod::Enumeration);
        assert!(explained.evaluations <= explainer.evaluations_per_row());
        let row = inputs_of(guest);
        let by_input = brute_force(&explainer, &row, margin);
        let output = &explained.outputs[0];
        assert_near(
            &output.attributions,
            &[by_input[0], by_input[1], by_input[2] + by_input[3], by_input[4]],
        );
        assert!(output.standard_errors.is_empty());
        assert!(output.residual < 1e-9);
        assert_near(&[output.value, output.prediction], &[margin(&row), sigmoid(margin(&row))]);
        assert_eq!(output.logged, Some(0.25));
    }
}

#[test]
fn permutations_add_up_and_have_errors_by_feature() {
    let reference = reference(400, |_| 0.5);
    let settings = ExplainSettings { enumerated_inputs: 2, ..few(30) };
    let explainer = explainer(model(), &reference, settings);
    for (hash, guest) in (0..).zip(guests(20, 78)) {
        let row = cells(&reference, guest, 0.25);
        let explained = explainer.explain_row(hash, &row).unwrap();
        assert_eq!(explained.method, ExplainMethod::Permutation);
        assert!(explained.evaluations <= explainer.evaluations_per_row());
        let output = &explained.outputs[0];
        assert_eq!((output.attributions.len(), output.standard_errors.len()), (4, 4));
        assert!(output.residual < 1e-9);
        assert_eq!(explainer.explain_row(hash, &row).unwrap(), explained);
    }
}

#[test]
fn the_same_bits_come_out_in_any_order_and_batch() {
    let reference = reference(300, |_| 0.5);
    let settings = || ExplainSettings { enumerated_inputs: 0, ..few(25) };
    let explained = |batch_rows, is_reversed| {
        let explainer = explainer(Closure { batch_rows, ..model() }, &reference, settings());
        let mut guests: Vec<_> = (0_u64..).zip(guests(10, 79)).collect();
        if is_reversed {
            guests.reverse();
        }
        let mut rows: Vec<_> = guests
            .into_iter()
            .map(|(hash, guest)| explainer.explain_row(hash, &cells(&reference, guest, 0.0)).unwrap())
            .collect();
        rows.sort_by_key(|row| row.hash);
        (explainer.background().id(), rows)
    };
    assert_eq!(explained(1, false), explained(4096, true));
    assert_eq!(explained(7, true), explained(4096, true));
}

#[test]
fn a_linear_model_is_explained_by_its_coefficients() {
    let weights = vec![0.1, 2.0, -1.0, 0.5, 3.0];
    let linear = LinearModel::new(info(&NAMES, 1, Link::Logistic), weights.clone(), vec![0.3]).unwrap();
    let reference = reference(300, |_| 0.5);
    let schema = InputSchema::parse(SCHEMA).unwrap();
    let map = InputMap::from_schema(&schema, linear.info(), &reference).unwrap();
    let explainer = Explainer::new(Arc::new(linear), map, &reference, few(50)).unwrap();
    let guest = guests(1, 80)[0];
    let explained = explainer.explain_row(1, &cells(&reference, guest, 0.0)).unwrap();
    assert_eq!((explained.method, explainer.evaluations_per_row()), (ExplainMethod::ExactLinear, 1));
    let answer =
        |row: &[f64]| 0.3 + row.iter().zip(&weights).map(|(value, weight)| value * weight).sum::<f64>();
    let by_input = brute_force(&explainer, &inputs_of(guest), answer);
    let wanted = [by_input[0], by_input[1], by_input[2] + by_input[3], by_input[4]];
    assert_near(&explained.outputs[0].attributions, &wanted);
    // A missing number has no answer.
    let mut row = cells(&reference, guest, 0.0);
    row[0] = Cell::MISSING;
    assert!(explainer.explain_row(1, &row).is_err());
}

/// Left below the threshold of an input, two leaves.
fn stump(input: u32, threshold: f64, (left, right): (f64, f64)) -> Vec<Node> {
    let leaf = |amount| Node::Leaf(Leaf { values: vec![(0, amount)].into() });
    let split = Split {
        input,
        test: Test::Less(threshold),
        precision: Precision::Double,
        zero_is_missing: false,
        missing: Missing::Left,
        left: 1,
        right: 2,
    };
    vec![Node::Split(split), leaf(left), leaf(right)]
}

fn trees(reference: &Reference, settings: ExplainSettings) -> Explainer {
    let trees = [stump(0, 40.0, (-1.0, 1.0)), stump(2, 0.5, (0.0, 2.0)), stump(3, 0.5, (0.5, 0.0))];
    let trees = trees.map(|nodes| Tree::new(nodes, 5, 1).unwrap()).into();
    let ensemble = TreeEnsemble::new(info(&NAMES, 1, Link::Identity), vec![10.0], trees).unwrap();
    let map =
        InputMap::from_schema(&InputSchema::parse(SCHEMA).unwrap(), ensemble.info(), reference).unwrap();
    Explainer::new(Arc::new(ensemble), map, reference, settings).unwrap()
}

#[test]
fn trees_are_explained_by_their_tables_missing_values_too() {
    let reference = reference(300, |_| 0.5);
    let explainer = trees(&reference, few(40));
    let mut row = cells(&reference, (60.0, 0.0, Some("BB"), false), 0.0);
    row[0] = Cell::MISSING;
    let explained = explainer.explain_row(1, &row).unwrap();
    assert_eq!(explained.method, ExplainMethod::ExactTree);
    let answer = |row: &[f64]| {
        let step = |is_left: bool, (left, right): (f64, f64)| if is_left { left } else { right };
        10.0 + step(row[0].is_nan() || row[0] < 40.0, (-1.0, 1.0))
            + step(row[2] < 0.5, (0.0, 2.0))
            + step(row[3] < 0.5, (0.5, 0.0))
    };
    let inputs = [f64::NAN, -50_000.0 / 15_000.0, 1.0, 0.0, 0.0];
    let by_input = brute_force(&explainer, &inputs, answer);
    let output = &explained.outputs[0];
    assert_near(&output.attributions, &[by_input[0], by_input[1], by_input[2] + by_input[3], by_input[4]]);
    assert_eq!((output.value, output.attributions[1], output.attributions[3]), (11.5, 0.0, 0.0));
    // The same, labelled as what it is.
    let surrogate = explainer.of_surrogate(Fidelity { r2: Some(0.9), mean_absolute_error: 0.1, rows: 20 });
    let explained = surrogate.explain_row(1, &row).unwrap();
    assert_eq!((explained.method, explained.outputs[0].logged), (ExplainMethod::Surrogate, None));
}

#[test]
fn the_background_has_every_part_of_the_predictions() {
    let reference = reference(1_000, |_| 0.5);
    let explainer = explainer(model(), &reference, few(10));
    let mut all: Vec<f64> = guests(1_000, 1).into_iter().map(|guest| margin(&inputs_of(guest))).collect();
    all.sort_unstable_by(f64::total_cmp);
    let taken: Vec<f64> = explainer.background().rows().iter().map(margin).collect();
    for (tenth, value) in all.chunks(100).zip(&taken) {
        assert!(tenth[0] <= *value && *value <= tenth[99], "{taken:?}");
    }
    // And their mean: rows at the ends of the steps would be off by more.
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    assert!((mean(&taken) - mean(&all)).abs() < 0.05, "{} {}", mean(&taken), mean(&all));
    // The others are there to be compared with, and no more than wanted.
    assert_eq!(explainer.reference_rows().len(), 990);
    let fewer = ExplainSettings { reference_rows: 200, ..few(10_000) };
    let explainer = self::explainer(model(), &reference, fewer);
    assert_eq!((explainer.background().rows().len(), explainer.reference_rows().len()), (1_000, 0));
}

#[test]
fn rows_are_given_up_before_the_background_is() {
    let reference = reference(300, |_| 0.5);
    let explainer = explainer(model(), &reference, few(10));
    let per_row = explainer.evaluations_per_row();
    assert_eq!(per_row, 1 + 10 * 31);
    assert_eq!(explainer.rows_within(10 * per_row + 5, 300), 10);
    assert_eq!(explainer.rows_within(u64::MAX, 300), 300);
    assert_eq!(explainer.rows_within(per_row - 1, 300), 0);
    let permuted = ExplainSettings { enumerated_inputs: 4, ..few(10) };
    let explainer = self::explainer(model(), &reference, permuted);
    assert_eq!(explainer.evaluations_per_row(), 11 + 3 * 10 * 2 * 4);
}

fn outputs_of(answer: fn(&[f64], &mut Vec<f64>), outputs: usize, named: &[&str]) -> Result<Vec<f64>, String> {
    let reference = reference(200, |_| 0.5);
    let mut model = Closure { info: info(&NAMES, outputs, Link::Identity), answer, ..model() };
    if outputs == 2 {
        model.info.output_names = vec!["no".to_owned(), "yes".to_owned()];
    }
    let map = InputMap::from_schema(&InputSchema::parse(SCHEMA).unwrap(), model.info(), &reference).unwrap();
    let settings =
        ExplainSettings { outputs: named.iter().map(|name| (*name).to_owned()).collect(), ..few(10) };
    let explainer =
        Explainer::new(Arc::new(model), map, &reference, settings).map_err(|error| error.to_string())?;
    let row = cells(&reference, (50.0, 65_000.0, Some("BB"), true), 0.0);
    let explained = explainer.explain_row(1, &row).unwrap();
    Ok(explained.outputs.iter().map(|output| output.value).collect())
}

#[test]
fn outputs_are_all_or_those_that_are_named() {
    fn complementary(row: &[f64], out: &mut Vec<f64>) {
        let share = sigmoid(margin(row));
        out.extend([1.0 - share, share]);
    }
    fn different(row: &[f64], out: &mut Vec<f64>) {
        out.extend([row[0], row[1]]);
    }
    fn many(row: &[f64], out: &mut Vec<f64>) {
        out.extend((0..20).map(|output| row[0] + f64::from(output)));
    }
    let share = sigmoid(margin(&[50.0, 1.0, 1.0, 0.0, 1.0]));
    assert_near(&outputs_of(complementary, 2, &[]).unwrap(), &[share]);
    assert_near(&outputs_of(complementary, 2, &["no"]).unwrap(), &[1.0 - share]);
    assert_eq!(outputs_of(different, 2, &[]).unwrap(), [50.0, 1.0]);
    assert_eq!(outputs_of(different, 2, &["1", "yes", "0"]).unwrap(), [1.0, 50.0]);
    assert_eq!(outputs_of(many, 20, &[]).unwrap().len(), 8);
    assert_eq!(outputs_of(many, 20, &["19"]).unwrap(), [69.0]);
    let error = outputs_of(different, 2, &["maybe"]).unwrap_err();
    assert!(error.contains("\"maybe\"") && error.contains("no, yes"), "{error}");
    assert!(outputs_of(different, 2, &["2"]).is_err());
}

#[test]
fn an_event_is_told_with_its_values() {
    let reference = reference(300, |_| 0.5);
    let explainer = explainer(model(), &reference, few(20));
    let stream = StreamKey { model: "guests".into(), version: "1".into(), variant: "none".into() };
    let mut row = cells(&reference, (61.0, 80_000.0, Some("unheard of"), true), 0.75);
    row[0] = Cell::MISSING;
    let window = EventWindow {
        window: "1h".into(),
        start: driftline::event::EventTime(0),
        end: driftline::event::EventTime(9),
        rank: 1,
    };
    // A closure of a missing age is no number.
    assert!(explainer.explain_row(255, &row).is_err_and(|error| !error.is_transient()));
    row[0] = Cell::number(61.0);
    let explained = explainer.explain_row(255, &row).unwrap();
    let event = explainer.event(stream, &explained, &row, Some(window));
    assert_eq!(event.event, "00000000000000ff");
    let output = &event.outputs[0];
    assert_eq!((output.output.as_str(), output.space.as_str(), output.logged), ("0", "log_odds", Some(0.75)));
    let value = |name: &str| output.features.iter().find(|one| one.feature == name).unwrap().value.clone();
    assert_eq!(value("age"), Some(FeatureValue::Number(61.0)));
    assert_eq!(value("meal"), Some(FeatureValue::Category("unseen".into())));
    assert_eq!(value("member"), Some(FeatureValue::Category("true".into())));
    let sizes: Vec<f64> = output.features.iter().map(|one| one.attribution.abs()).collect();
    assert!(sizes.is_sorted_by(|a, b| a >= b));
    assert_eq!(event.provenance.model_id, "000000000000002a");
    assert_eq!(event.provenance.background_rows, 20);
}

#[test]
fn what_does_not_go_together_is_refused() {
    let reference = reference(200, |_| 0.5);
    let map = |names: &[&str]| {
        InputMap::from_schema(
            &InputSchema::parse(SCHEMA).unwrap(),
            &info(names, 1, Link::Identity),
            &reference,
        )
        .unwrap()
    };
    let new = |model: Closure, reference: &Reference, settings| {
        Explainer::new(Arc::new(model), map(&NAMES), reference, settings).unwrap_err()
    };
    let mut other = model();
    other.info.inputs = 4;
    assert_eq!(new(other, &reference, local()), ExplainError::Inputs { wanted: 4, given: 5 });
    let without = Reference { sample: None, ..reference.clone() };
    assert_eq!(new(model(), &without, local()), ExplainError::NoSample);
    let silent = Closure { answer: |_, out| out.push(f64::NAN), ..model() };
    assert_eq!(new(silent, &reference, local()), ExplainError::NoBackground { rows: 200, unusable: 0 });
    let named = ExplainSettings { prediction_column: "score".into(), ..local() };
    assert_eq!(new(model(), &reference, named), ExplainError::PredictionColumn("score".into()));

    let explainer = explainer(model(), &reference, few(10));
    let mut row = cells(&reference, (50.0, 65_000.0, Some("BB"), true), 0.0);
    row[1] = Cell::ABSENT;
    assert_eq!(explainer.explain_row(1, &row), Err(RowError::Unusable(Unusable::Partial)));
    row[1] = Cell::WRONG_TYPE;
    assert_eq!(explainer.explain_row(1, &row), Err(RowError::Unusable(Unusable::WrongType)));
}

/// A model that stops answering after the reference's sample.
#[derive(Debug)]
struct Failing(Closure, std::sync::atomic::AtomicU64);

impl Model for Failing {
    fn info(&self) -> &driftline::model::ModelInfo {
        self.0.info()
    }

    fn predict(&self, rows: driftline::model::Rows<'_>, out: &mut Vec<f64>) -> Result<(), PredictError> {
        if self.1.fetch_add(1, Ordering::Relaxed) > 0 {
            return Err(PredictError::Unavailable("gone".to_owned()));
        }
        self.0.predict(rows, out)
    }
}

#[test]
fn a_model_that_does_not_answer_is_told_as_such() {
    let reference = reference(200, |_| 0.5);
    let failing = |calls| Arc::new(Failing(model(), std::sync::atomic::AtomicU64::new(calls)));
    let map =
        || InputMap::from_schema(&InputSchema::parse(SCHEMA).unwrap(), model().info(), &reference).unwrap();
    let explainer = Explainer::new(failing(0), map(), &reference, few(10)).unwrap();
    let row = cells(&reference, (50.0, 65_000.0, Some("BB"), true), 0.0);
    let gone = PredictError::Unavailable("gone".to_owned());
    let told = explainer.explain_row(1, &row).unwrap_err();
    assert!(told.is_transient());
    assert_eq!(told, RowError::Model(gone.clone()));
    let error = Explainer::new(failing(1), map(), &reference, few(10)).unwrap_err();
    assert_eq!(error, ExplainError::Model(gone));
}

/// A model that refuses calls with a guest of this age in them, and keeps count.
#[derive(Debug)]
struct Picky {
    model: Closure,
    refused: fn(f64) -> bool,
    calls: AtomicUsize,
}

impl Model for Picky {
    fn info(&self) -> &driftline::model::ModelInfo {
        self.model.info()
    }

    fn predict(&self, rows: Rows<'_>, out: &mut Vec<f64>) -> Result<(), PredictError> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if rows.iter().any(|row| (self.refused)(row[0])) {
            return Err(PredictError::Refused("it has an error of its own".to_owned()));
        }
        self.model.predict(rows, out)
    }

    fn batch_rows(&self) -> usize {
        1_000
    }
}

#[test]
fn only_the_rows_that_a_model_refuses_are_left_out() {
    let reference = reference(1_500, |_| 0.5);
    let explain = |refused: fn(f64) -> bool| {
        let picky = Arc::new(Picky { model: model(), refused, calls: AtomicUsize::new(0) });
        let schema = InputSchema::parse(SCHEMA).unwrap();
        let map = InputMap::from_schema(&schema, picky.info(), &reference).unwrap();
        let settings = ExplainSettings { reference_rows: 2_000, ..few(50) };
        let explainer = Explainer::new(picky.clone(), map, &reference, settings);
        (explainer, picky.calls.load(Ordering::Relaxed))
    };
    let (all, calls) = explain(|_| false);
    let all = all.unwrap();
    assert_eq!((all.refused_rows(), calls), (0, 2));
    let rows = all.background().rows().len() + all.reference_rows().len();

    let oldest = guests(1_500, 1).iter().map(|guest| guest.0).fold(0.0, f64::max);
    assert!(oldest >= 75.0, "{oldest}");
    let bad = guests(1_500, 1).iter().filter(|guest| guest.0 >= 75.0).count();
    let (some, calls) = explain(|age| age >= 75.0);
    let some = some.unwrap();
    assert_eq!(some.refused_rows(), bad);
    assert_eq!(some.background().rows().len() + some.reference_rows().len(), rows - bad);
    assert!(some.background().rows().iter().all(|row| row[0] < 75.0));
    assert!(calls <= 2 + 128, "{calls}");

    // More than can be found: whole calls are left out, and never more is asked.
    let (most, calls) = explain(|age| age.rem_euclid(3.0) < 1.0);
    assert!(most.is_ok_and(|most| most.refused_rows() > 500));
    assert_eq!(calls, 2 + 128);
    let (none, calls) = explain(|_| true);
    let error = none.unwrap_err();
    assert!(matches!(error, ExplainError::Model(PredictError::Refused(_))), "{error}");
    assert_eq!(calls, 2 + 128);
}
