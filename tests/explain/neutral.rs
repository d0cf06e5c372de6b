//! Models and numbers as `tests/oracles/make_shapley.py` writes them.

#![allow(unreachable_pub, clippy::cast_possible_truncation, reason = "the benchmark uses it, too")]

use std::io::Read;

use driftline::model::{Leaf, Link, Missing, ModelInfo, Node, Precision, Split, Test, Tree, TreeEnsemble};
use flate2::read::GzDecoder;
use serde_json::Value;

/// A model without a name.
pub fn info(inputs: usize, outputs: usize) -> ModelInfo {
    ModelInfo {
        kind: "test".to_owned(),
        inputs,
        input_names: Vec::new(),
        outputs,
        output_names: Vec::new(),
        link: Link::Identity,
        fingerprint: 0x5eed,
    }
}

/// All of `shapley.json.gz`.
pub fn oracle() -> Value {
    let mut text = String::new();
    GzDecoder::new(&include_bytes!("../oracles/shapley.json.gz")[..]).read_to_string(&mut text).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Numbers of an array of any depth, one after the other; null is missing.
pub fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        Value::Null => vec![f64::NAN],
        _ => vec![value.as_f64().unwrap()],
    }
}

/// A number of things.
pub fn whole(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

/// The ensemble that the script wrote out.
pub fn trees(model: &Value) -> TreeEnsemble {
    let (inputs, outputs) = (whole(&model["inputs"]), whole(&model["outputs"]));
    let trees = model["trees"].as_array().unwrap().iter().map(|nodes| {
        let nodes = nodes.as_array().unwrap().iter().map(node).collect();
        Tree::new(nodes, inputs, outputs).unwrap()
    });
    let trees = trees.collect();
    TreeEnsemble::new(info(inputs, outputs), numbers(&model["base"]), trees).unwrap()
}

fn node(node: &Value) -> Node {
    if let Some(values) = node["leaf"].as_array() {
        let value = |pair: &Value| (whole(&pair[0]) as u32, pair[1].as_f64().unwrap());
        return Node::Leaf(Leaf { values: values.iter().map(value).collect() });
    }
    let test = match (&node["less"], &node["at_most"], &node["members"]) {
        (Value::Number(threshold), ..) => Test::Less(threshold.as_f64().unwrap()),
        (_, Value::Number(threshold), _) => Test::AtMost(threshold.as_f64().unwrap()),
        (.., members) => {
            let bits = members.as_array().unwrap().iter().fold(0, |bits, member| bits | 1 << whole(member));
            Test::In(Box::from([bits]))
        }
    };
    let missing = match &node["missing"] {
        Value::Number(value) => Missing::As(value.as_f64().unwrap()),
        side if *side == "left" => Missing::Left,
        _ => Missing::Right,
    };
    Node::Split(Split {
        input: whole(&node["input"]) as u32,
        test,
        precision: if node["single"] == true { Precision::Single } else { Precision::Double },
        zero_is_missing: node["zero_is_missing"] == true,
        missing,
        left: whole(&node["children"][0]) as u32,
        right: whole(&node["children"][1]) as u32,
    })
}
