//! Predictions don't depend on how rows are grouped into requests, nor on how many
//! are under way.

use std::{sync::LazyLock, time::Duration};

use driftline::explainer::remote::{Protocol, RemoteInput, RemoteSettings, Tensors};
use proptest::{collection, prelude::*};
use serde_json::{Value, json};

use crate::{
    Rig, kserve, open_inference, predict,
    support::stand_in::{Reply, Seen},
};

/// What the stand-in's model says of a row: two numbers.
fn of(row: &[f64]) -> [f64; 2] {
    let sum: f64 = row
        .iter()
        .zip(1..)
        .map(|(value, weight)| if value.is_nan() { 0.1 } else { value * f64::from(weight) })
        .sum();
    [sum / 3.0, (sum / 7.0).sin()]
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or(f64::NAN)
}

fn numbers(list: &Value) -> Vec<f64> {
    list.as_array().unwrap().iter().map(number).collect()
}

/// Answers every protocol of these tests. Some answers take longer, so that they
/// come in another order than requests were sent.
fn serve(seen: &Seen) -> Reply {
    let body: Value = serde_json::from_str(&seen.body).unwrap();
    let rows: Vec<Vec<f64>> = match (body.get("instances"), body.get("inputs")) {
        (Some(rows), _) => rows.as_array().unwrap().iter().map(numbers).collect(),
        (None, Some(Value::Array(tensors))) => {
            let columns: Vec<Vec<f64>> = tensors.iter().map(|tensor| numbers(&tensor["data"])).collect();
            (0..columns[0].len()).map(|row| columns.iter().map(|column| column[row]).collect()).collect()
        }
        _ => panic!("{}", seen.body),
    };
    let predictions: Vec<[f64; 2]> = rows.iter().map(|row| of(row)).collect();
    let tensor = json!({"name": "p", "shape": [rows.len(), 2], "data": predictions.concat()});
    let answer = json!({"predictions": predictions, "outputs": [tensor]});
    let slow = Duration::from_millis(if seen.body.len().is_multiple_of(3) { 3 } else { 0 });
    crate::json(&answer.to_string()).after(slow)
}

static RIG: LazyLock<Rig> = LazyLock::new(|| Rig::new(serve));

fn any_value() -> impl Strategy<Value = f64> {
    prop_oneof![9 => -1e6..1e6_f64, 1 => Just(f64::NAN), 1 => Just(-0.0)]
}

fn any_protocol() -> impl Strategy<Value = Protocol> {
    (0..3).prop_map(|which| match which {
        0 => kserve(),
        1 => open_inference(Tensors::PerInput),
        _ => Protocol::Template {
            request: r#"{"instances": "$rows", "more": "$columns"}"#.to_owned(),
            predictions: "/predictions".to_owned(),
        },
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn any_grouping_gives_the_same_bits(
        values in collection::vec(any_value(), 0..120),
        width in 1_usize..6,
        rows_per_request in 0_usize..20,
        concurrency in 0_usize..6,
        protocol in any_protocol(),
    ) {
        let settings = RemoteSettings {
            inputs: (0..width).map(|place| RemoteInput::number(place.to_string())).collect(),
            missing: Some(driftline::explainer::remote::Missing::Null),
            rows_per_request,
            concurrency,
            ..RIG.settings(protocol)
        };
        let rows = &values[..values.len() - values.len() % width];
        let model = RIG.connect(&settings).unwrap();
        predict(&model, &vec![0.5; width]).unwrap();
        let before = RIG.server.seen().len();
        let predictions = predict(&model, rows).unwrap();
        let requests = RIG.server.seen().len() - before;
        prop_assert_eq!(requests, (rows.len() / width).div_ceil(rows_per_request.max(1)));
        let bits = |numbers: Vec<f64>| numbers.into_iter().map(f64::to_bits).collect::<Vec<_>>();
        let expected = rows.chunks(width).flat_map(of).collect();
        prop_assert_eq!(bits(predictions), bits(expected));
    }
}

#[test]
fn wide_rows_make_smaller_requests() {
    let width = 2_000;
    let text = "t".repeat(500);
    let rig = Rig::new(|seen| {
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        let rows = body["instances"].as_array().unwrap().len();
        crate::json(&json!({"predictions": vec![1; rows]}).to_string())
    });
    for (inputs, rows, most) in [
        ((0..width).map(|place| RemoteInput::number(place.to_string())).collect::<Vec<_>>(), 60, 30),
        (vec![RemoteInput { texts: Some(vec![text.repeat(100)]), ..RemoteInput::number("t") }], 60, 20),
        // A row that is larger than a body has one of its own.
        (vec![RemoteInput { texts: Some(vec![text.repeat(4_000)]), ..RemoteInput::number("t") }], 3, 1),
    ] {
        let before = rig.server.seen().len();
        let values = vec![0.0; inputs.len() * rows];
        let model = rig.connect(&RemoteSettings { inputs, ..rig.settings(kserve()) }).unwrap();
        assert_eq!(predict(&model, &values).unwrap(), vec![1.0; rows]);
        let seen = rig.server.seen().split_off(before);
        assert!(seen.len() >= rows / most, "{} requests", seen.len());
        assert!(most == 1 || seen.iter().all(|seen| seen.body.len() <= 1_000_000));
    }
}

#[test]
fn answers_with_many_outputs_make_smaller_requests() {
    let rig = Rig::new(|seen| {
        let body: Value = serde_json::from_str(&seen.body).unwrap();
        let rows = body["instances"].as_array().unwrap().len();
        crate::json(&json!({"predictions": vec![vec![1.0 / 3.0; 4_096]; rows]}).to_string())
    });
    let model = rig.connect(&rig.settings(kserve())).unwrap();
    assert_eq!(predict(&model, &[0.0; 120]).unwrap().len(), 60 * 4_096);
    // The first shows how many there are.
    assert_eq!(rig.server.seen().len(), 1 + 3);
}
