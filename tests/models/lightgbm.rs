//! LightGBM: its raw scores and predictions, and what its text may say.

use driftline::model::{Link, Missing, Model, Node, Rows, Split, Test, Tree, TreeEnsemble, read_lightgbm};

use crate::fixtures::{models_of, stored};

/// Scores of four rows are stored as one sum with these weights.
const WEIGHTS: [f64; 4] = [1.0, 2.0, 3.0, 4.0];

fn text_of(name: &str) -> String {
    String::from_utf8(stored(&format!("{name}.txt.gz"))).unwrap()
}

#[test]
fn raw_scores_are_the_libraries() {
    for fixture in models_of("lightgbm") {
        let model = fixture.read();
        let outputs = model.info().outputs;
        let bytes = stored(&fixture.raw);
        let mut expected = bytes.chunks_exact(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap()));
        for (block, rows) in fixture.raw(&model).chunks(outputs * 4).enumerate() {
            for output in 0..outputs {
                let raw =
                    WEIGHTS.iter().enumerate().map(|(row, weight)| weight * rows[row * outputs + output]);
                let (ours, theirs) = (raw.sum::<f64>(), expected.next().unwrap());
                let gap = (ours - theirs).abs();
                assert!(
                    gap <= 1e-12 * theirs.abs().max(1.0),
                    "{}, block {block}: {ours} {theirs}",
                    fixture.name
                );
            }
        }
        assert_eq!(expected.next(), None);
    }
}

#[test]
fn predictions_are_the_libraries() {
    for fixture in models_of("lightgbm") {
        fixture.check_predictions(&fixture.read(), 1e-12);
    }
}

fn splits(model: &TreeEnsemble) -> impl Iterator<Item = &Split> {
    model.trees().iter().flat_map(Tree::nodes).filter_map(|node| match node {
        Node::Split(split) => Some(split),
        Node::Leaf(_) => None,
    })
}

#[test]
fn fixtures_have_what_they_are_for() {
    let count = |name: &str, is_wanted: fn(&Split) -> bool| {
        let fixture = models_of("lightgbm").into_iter().find(|fixture| fixture.name == name).unwrap();
        splits(&fixture.read()).filter(|split| is_wanted(split)).count()
    };
    assert!(count("lgb_regression", |split| matches!(&split.test, Test::In(words) if words.len() > 1)) > 3);
    assert!(count("lgb_regression", |split| split.missing == Missing::Left) > 10);
    assert!(count("lgb_regression", |split| split.missing == Missing::As(0.0)) > 3);
    assert!(count("lgb_binary", |split| split.zero_is_missing && split.missing == Missing::Left) > 3);
    assert!(count("lgb_binary", |split| split.zero_is_missing && split.missing == Missing::Right) > 3);
    let is_set = |split: &Split| matches!(split.test, Test::In(_));
    assert!(count("lgb_no_missing", |split| split.missing == Missing::As(0.0)) > 30);
    assert!(count("lgb_no_missing", is_set) > 3);
    let stump = read_lightgbm(text_of("lgb_stump").as_bytes()).unwrap();
    assert!(stump.trees().iter().all(|tree| tree.nodes().len() == 1));
}

#[test]
fn objectives_have_their_links() {
    let link = |name: &str| read_lightgbm(text_of(name).as_bytes()).unwrap().info().link;
    assert_eq!(link("lgb_regression"), Link::Identity);
    assert_eq!(link("lgb_custom"), Link::Identity);
    assert_eq!(link("lgb_binary"), Link::Logistic);
    assert_eq!(link("lgb_one_against_all"), Link::Logistic);
    assert_eq!(link("lgb_multiclass"), Link::Softmax);
    assert_eq!(link("lgb_tweedie"), Link::Log);
}

#[test]
fn names_of_inputs_and_categories_are_read() {
    let fixture = models_of("lightgbm").into_iter().find(|fixture| fixture.name == "lgb_named").unwrap();
    let model = fixture.read();
    assert_eq!(Some(&model.info().input_names), fixture.inputs.as_ref());
    for input in 0..5 {
        assert_eq!(model.categories(input), fixture.names.get(&input).cloned().unwrap_or_default());
    }
    // A list too few, and nobody knows whose it is.
    let text = text_of("lgb_named").replace(", [5, 10, 20]", "");
    let model = read_lightgbm(text.as_bytes()).unwrap();
    assert!((0..5).all(|input| model.categories(input).is_empty()));
}

#[track_caller]
fn refused(text: &str, words: &str) {
    let error = read_lightgbm(text.as_bytes()).unwrap_err().to_string();
    assert!(error.contains(words), "{error}");
}

#[test]
fn what_is_not_understood_is_refused_by_name() {
    refused(&text_of("lgb_refused_linear"), "a linear tree");
    let text = text_of("lgb_regression");
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "{from}");
        text.replacen(from, to, 1)
    };
    refused(&with("objective=regression", "objective=regression sqrt"), "the objective \"regression sqrt\"");
    refused(&with("objective=regression", "objective=cross_entropy_lambda"), "cross_entropy_lambda");
    refused(&with("objective=regression", "objective=binary"), "no sigmoid");
    refused(&with("objective=regression", "objective=binary sigmoid:-1"), "no sigmoid");
    refused(&with("objective=", "objectiv="), "the line \"objectiv\" in the header");
    refused(&with("num_cat=", "nun_cat="), "the line \"nun_cat\" in the Tree=0");
    refused(&with("version=v4", "version=v2"), "version \"v2\"");
    refused(&with("\nTree=3\n", "\nTree=4\n"), "the line \"Tree\" in the Tree=2");
    refused(&with("num_leaves=15", "num_leaves=14"), "one entry per leaf or split");
    refused(&with("left_child=1", "left_child=x"), "left_child has a word");
    refused(&with("left_child=1", "left_child=0"), "reached more than once");
    refused(&with("end of trees", ""), "the line \"feature_importances:\"");
    refused(&with("num_class=1", "num_class=2"), "num_class 2");
    refused(&with("max_feature_idx=6", "max_feature_idx=7"), "7 feature_names for 8");
    refused(&with("tree_sizes=", "tree_sizes=1 "), "26 tree_sizes");
    refused(&with("end of parameters", ""), "end of parameters");
    refused("", "the first line");
}

#[test]
fn a_split_over_categories_has_no_default() {
    let text = text_of("lgb_regression");
    let with_default = |line: &str| match line.strip_prefix("decision_type=") {
        // The first bit is that of categories, the second that of the default.
        Some(words) => {
            let word =
                |word: &str| word.parse().map(|bits: u8| (bits | (bits & 1) << 1).to_string()).unwrap();
            format!("decision_type={}\n", words.split(' ').map(word).collect::<Vec<_>>().join(" "))
        }
        None => format!("{line}\n"),
    };
    let changed: String = text.lines().map(with_default).collect();
    assert_ne!(text, changed);
    let (one, other) = (read_lightgbm(text.as_bytes()), read_lightgbm(changed.as_bytes()));
    assert_eq!(one.unwrap().trees(), other.unwrap().trees());
}

#[test]
fn windows_line_ends_are_read() {
    let text = text_of("lgb_regression");
    let (unix, windows) =
        (read_lightgbm(text.as_bytes()), read_lightgbm(text.replace('\n', "\r\n").as_bytes()));
    assert_eq!(unix.unwrap().trees(), windows.unwrap().trees());
}

#[test]
fn what_is_nearly_zero_is_missing_as_in_the_library() {
    // The library's constant is an `f32`, which is a little above 1e-35.
    let model = read_lightgbm(text_of("lgb_binary").as_bytes()).unwrap();
    let split = splits(&model).find(|split| split.zero_is_missing && split.missing == Missing::Left).unwrap();
    let edge = f64::from(1e-35_f32);
    assert!(split.goes_left(edge) && split.goes_left(-edge) && split.goes_left(f64::NAN));
    let mut out = Vec::new();
    assert!(model.predict(Rows::new(&[0.0; 6], 6), &mut out).is_err() && out.is_empty());
}
