//! XGBoost: its margins and predictions, and every way to write a file.

use driftline::model::{
    Link, Model, ModelError, ModelInfo, Node, Test, TreeEnsemble, read_xgboost, read_xgboost_whole,
};
use serde_json::{Value, json};

use crate::{
    fixtures::{Fixture, models_of, stored},
    ubjson,
};

fn named(name: &str) -> Fixture {
    models_of("xgboost").into_iter().find(|fixture| fixture.name == name).unwrap()
}

fn json_of(name: &str) -> Value {
    serde_json::from_slice(&stored(&format!("{name}.json.gz"))).unwrap()
}

fn read_json(value: &Value) -> Result<TreeEnsemble, ModelError> {
    read_xgboost(value.to_string().as_bytes())
}

/// All but the fingerprint, which is of the bytes.
#[track_caller]
fn assert_same(one: &TreeEnsemble, other: &TreeEnsemble) {
    let fingerprint = 0;
    assert_eq!(
        ModelInfo { fingerprint, ..one.info().clone() },
        ModelInfo { fingerprint, ..other.info().clone() }
    );
    assert_eq!(one.base(), other.base());
    assert_eq!(one.trees(), other.trees());
    for input in 0..one.info().inputs {
        assert_eq!(one.categories(input), other.categories(input));
    }
}

/// How far a sum in `f32` may be from the sum: each of the additions rounds what
/// is there by 2^-24 of it at most (Higham, "Accuracy and Stability of Numerical
/// Algorithms", 2002, chapter 4), and so do the products with weights and the
/// base score's logarithm, which has an ulp more. Row by row and output by output.
fn rounding(model: &TreeEnsemble, row: &[f64]) -> Vec<f64> {
    let mut sizes: Vec<f64> = model.base().iter().map(|base| base.abs().max(1.0)).collect();
    for leaf in model.trees().iter().filter_map(|tree| tree.leaf(row)) {
        for &(output, amount) in &leaf.values {
            sizes[output as usize] += amount.abs();
        }
    }
    let additions = (model.trees().len() + 4) as f64;
    sizes.into_iter().map(|size| size * additions * 2_f64.powi(-24)).collect()
}

fn check_margins(fixture: &Fixture, model: &TreeEnsemble, file: &str) {
    let raw = fixture.raw(model);
    let bytes = stored(file);
    let expected = bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()));
    assert_eq!(expected.len(), raw.len(), "{}", fixture.name);
    let inputs = fixture.inputs();
    let bounds = inputs.chunks(model.info().inputs).flat_map(|row| rounding(model, row));
    for (at, ((ours, theirs), bound)) in raw.iter().zip(expected).zip(bounds).enumerate() {
        let gap = (ours - f64::from(theirs)).abs();
        assert!(gap <= bound, "{}, number {at}: {ours} and {theirs} ± {bound}", fixture.name);
    }
}

#[test]
fn margins_are_the_libraries_to_the_rounding_of_f32() {
    for fixture in models_of("xgboost") {
        check_margins(&fixture, &fixture.read(), &fixture.raw);
    }
}

#[test]
fn predictions_are_the_libraries() {
    // The libraries' margins are off by their sums in f32, and so is their exp.
    for fixture in models_of("xgboost") {
        fixture.check_predictions(&fixture.read(), 2e-6);
    }
}

#[test]
fn after_early_stopping_trees_end_with_the_best_iteration_unless_all_are_wanted() {
    let mut stopped = 0;
    for fixture in models_of("xgboost") {
        let (best, whole) = (fixture.read(), read_xgboost_whole(&stored(&fixture.file)).unwrap());
        if let Some(file) = &fixture.whole {
            stopped += 1;
            assert!(best.trees().len() < whole.trees().len());
            check_margins(&fixture, &whole, file);
        } else {
            assert_same(&best, &whole);
        }
    }
    assert_eq!(stopped, 2);
}

#[test]
fn both_encodings_give_the_same_ensemble() {
    for fixture in models_of("xgboost") {
        let ubj = read_xgboost(&stored(fixture.ubj.as_ref().unwrap()));
        assert_same(&fixture.read(), &ubj.unwrap_or_else(|error| panic!("{}: {error}", fixture.name)));
    }
}

#[test]
fn every_way_to_write_ubj_gives_the_same_ensemble() {
    let is_new = |fixture: &Fixture| !fixture.name.starts_with("old_");
    for (seed, fixture) in (0..).zip(models_of("xgboost").into_iter().filter(is_new)) {
        let value: Value = serde_json::from_slice(&stored(&fixture.file)).unwrap();
        let ubj = ubjson::written(&value, seed);
        let again = read_xgboost(&ubj).unwrap_or_else(|error| panic!("{}: {error}", fixture.name));
        assert_same(&fixture.read(), &again);
    }
}

#[test]
fn fixtures_have_what_they_are_for() {
    let (mut sets, mut large, mut vectors) = (0, 0, 0);
    for fixture in models_of("xgboost") {
        for node in fixture.read().trees().iter().flat_map(|tree| tree.nodes().iter()) {
            match node {
                Node::Split(split) => {
                    sets += usize::from(matches!(split.test, Test::NotIn(_)));
                    large += usize::from(matches!(&split.test, Test::NotIn(words) if words.len() > 1));
                }
                Node::Leaf(leaf) => vectors += usize::from(leaf.values.len() > 1),
            }
        }
    }
    assert!(sets > 100 && large > 20 && vectors > 50, "{sets} {large} {vectors}");
    assert!(json_of("xgb_dart")["learner"]["gradient_booster"]["weight_drop"].to_string().contains("0."));
}

#[test]
fn objectives_have_their_links() {
    let link = |name: &str| named(name).read().info().link;
    assert_eq!(link("xgb_regression"), Link::Identity);
    assert_eq!(link("xgb_binary"), Link::Logistic);
    assert_eq!(link("xgb_dart"), Link::Log);
    assert_eq!(link("xgb_multi_softmax"), Link::Softmax);
}

#[test]
fn names_of_inputs_and_categories_are_read() {
    let fixture = named("xgb_named");
    let model = fixture.read();
    assert_eq!(Some(&model.info().input_names), fixture.inputs.as_ref());
    for input in 0..5 {
        assert_eq!(model.categories(input), fixture.names.get(&input).cloned().unwrap_or_default());
    }
    assert!(named("xgb_regression").read().categories(4).is_empty());
}

#[test]
fn every_spelling_of_a_base_score_is_read() {
    let mut value = json_of("xgb_base_binary_logistic");
    let model = read_json(&value).unwrap();
    assert!((model.base()[0] - (0.3_f64 / 0.7).ln()).abs() < 1e-7);
    for spelling in [json!(0.3), json!("3E-1"), json!("0.3"), json!("[3E-1]"), json!("[ 0.3 ]"), json!([0.3])]
    {
        value["learner"]["learner_model_param"]["base_score"] = spelling.clone();
        assert_same(&model, &read_json(&value).unwrap_or_else(|error| panic!("{spelling}: {error}")));
    }
    for spelling in
        [json!("[0.3,0.3]"), json!("1E0"), json!("nan"), json!(0), json!(""), json!("[]"), json!(null)]
    {
        value["learner"]["learner_model_param"]["base_score"] = spelling.clone();
        assert!(read_json(&value).is_err(), "{spelling}");
    }
    let mut several = json_of("xgb_targets");
    let base = read_json(&several).unwrap().base().to_vec();
    assert_ne!(base[0].to_bits(), base[1].to_bits());
    several["learner"]["learner_model_param"]["base_score"] = json!("5E-1");
    assert_eq!(read_json(&several).unwrap().base(), [0.5, 0.5]);
}

fn trees_of(value: &mut Value) -> &mut Vec<Value> {
    value["learner"]["gradient_booster"]["model"]["trees"].as_array_mut().unwrap()
}

#[test]
fn older_ways_to_write_a_file_are_read() {
    let file = stored("old_regression.json.gz");
    assert!(file.windows(3).any(|word| word == b"NaN"));

    // Before 3.1 every node had a vector, and leaves no second child.
    let mut value = json_of("xgb_vector");
    let model = read_json(&value).unwrap();
    for tree in trees_of(&mut value) {
        let tree = tree.as_object_mut().unwrap();
        tree.remove("leaf_weights").unwrap();
        let left = tree["left_children"].as_array().unwrap().clone();
        for (left, right) in left.iter().zip(tree["right_children"].as_array_mut().unwrap()) {
            if *left == json!(-1) {
                *right = json!(-1);
            }
        }
    }
    value["learner"]["gradient_booster"]["model"].as_object_mut().unwrap().remove("cats").unwrap();
    assert_same(&model, &read_json(&value).unwrap());

    // Before 1.3 there were no categories, and flags were true and false.
    let model = named("xgb_stopped_dart").read();
    let mut value = json_of("xgb_stopped_dart");
    let booster = &mut value["learner"]["gradient_booster"]["gbtree"];
    booster["model"].as_object_mut().unwrap().remove("iteration_indptr").unwrap();
    for tree in booster["model"]["trees"].as_array_mut().unwrap() {
        let tree = tree.as_object_mut().unwrap();
        for list in
            ["split_type", "categories", "categories_nodes", "categories_segments", "categories_sizes"]
        {
            tree.remove(list).unwrap();
        }
        for flag in tree["default_left"].as_array_mut().unwrap() {
            *flag = json!(*flag == json!(1));
        }
    }
    value["learner"].as_object_mut().unwrap().remove("feature_types");
    let trees = value.to_string();
    let again = read_xgboost(trees.as_bytes());
    assert_same(&model, &again.unwrap());
}

#[track_caller]
fn refused(bytes: &[u8], words: &str) {
    let error = read_xgboost(bytes).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    refused(&stored("xgb_refused_linear.json.gz"), "gblinear is not supported");
    refused(&stored("xgb_refused_linear.ubj.gz"), "gblinear is not supported");
    refused(&stored("xgb_refused_hinge.json.gz"), "binary:hinge is not supported");
    refused(b"binf\0\0\0\0", "binary format");
    refused(b"", "EOF");
    refused(b"{}", "missing field `learner`");
    let mut value = json_of("xgb_regression");
    value["learner"]["objective"]["name"] = json!("reg:future");
    refused(value.to_string().as_bytes(), "the objective \"reg:future\"");
}

/// The file of `name` after a change of its first tree.
fn changed(name: &str, change: impl Fn(&mut Value)) -> Vec<u8> {
    let mut value = json_of(name);
    change(&mut trees_of(&mut value)[0]);
    value.to_string().into_bytes()
}

#[test]
fn lists_that_do_not_agree_are_refused() {
    let file = |change: fn(&mut Value)| changed("xgb_regression", change);
    refused(&file(|tree| tree["left_children"][0] = json!(0)), "tree 0: node 0 is reached more than once");
    refused(&file(|tree| tree["right_children"][0] = json!(100_000)), "tree 0: node 0 points to node 100000");
    refused(&file(|tree| tree["split_indices"][0] = json!(7)), "looks at input 7");
    refused(&file(|tree| tree["split_indices"][0] = json!(1.5)), "node 0 makes no sense");
    refused(&file(|tree| tree["default_left"][0] = json!(2)), "node 0 makes no sense");
    refused(&file(|tree| drop(tree["split_type"].as_array_mut().unwrap().pop())), "split_type");
    refused(
        &file(|tree| drop(tree.as_object_mut().unwrap().remove("categories_sizes"))),
        "list of its categories",
    );
    refused(&file(|tree| drop(tree["categories"].as_array_mut().unwrap().pop())), "add up");
    refused(&file(|tree| tree["tree_param"]["num_nodes"] = json!("3")), "one entry per node");
    refused(&file(|tree| drop(tree["default_left"].as_array_mut().unwrap().pop())), "one entry per node");
    let vector = |change: fn(&mut Value)| changed("xgb_vector", change);
    refused(&vector(|tree| drop(tree["leaf_weights"].as_array_mut().unwrap().pop())), "one vector per leaf");
    refused(&vector(|tree| tree["tree_param"]["size_leaf_vector"] = json!("1")), "another size");
    let mut value = json_of("xgb_regression");
    trees_of(&mut value).pop();
    refused(value.to_string().as_bytes(), "num_trees is 30, and there are 29");
}

#[test]
fn claims_of_size_cost_nothing() {
    let mut value = json_of("xgb_softprob");
    value["learner"]["learner_model_param"]["num_class"] = json!("4000000000");
    refused(value.to_string().as_bytes(), "4000000000 outputs");
    let mut value = json_of("xgb_regression");
    value["learner"]["learner_model_param"]["num_feature"] = json!("4000000000");
    refused(value.to_string().as_bytes(), "4000000000 features");
    // A category of 2^24 - 1 makes a set of 2 MiB, so 40 of them are too much.
    let file = changed("xgb_regression", |tree| {
        let (nodes, all): (usize, Vec<usize>) = (81, (0..40).collect());
        let leaves = |node: usize| node >= 40;
        let list = |of: &dyn Fn(usize) -> Value| Value::Array((0..nodes).map(of).collect());
        tree["tree_param"]["num_nodes"] = json!("81");
        tree["left_children"] = list(&|node| if leaves(node) { json!(-1) } else { json!(2 * node + 1) });
        tree["right_children"] = list(&|node| if leaves(node) { json!(-1) } else { json!(2 * node + 2) });
        tree["split_type"] = list(&|node| json!(u8::from(!leaves(node))));
        for key in ["split_indices", "split_conditions", "default_left"] {
            tree[key] = list(&|_| json!(0));
        }
        tree["categories"] = json!(vec![16_777_215; 40]);
        (tree["categories_nodes"], tree["categories_segments"]) = (json!(all), json!(all));
        tree["categories_sizes"] = json!(vec![1; 40]);
    });
    refused(&file, "too large");
}
