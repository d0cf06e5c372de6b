//! Models of XGBoost: `.json` and `.ubj` files of the boosters `gbtree` and
//! `dart`.
//!
//! Why: these are what production models most often are, and their files hold
//! everything that the library predicts by.
//!
//! Promises: every row ends in the leaves in which it ends in the library: values
//! and thresholds are compared as `f32`, missing values go the way that each
//! split says, and what is no known category goes left. Weights of `dart`,
//! several classes or targets, several trees per round and leaves with a value
//! per output are in the trees. The library adds in `f32` and this in `f64`, so
//! they differ by the rounding of its sums.
//!
//! After early stopping the file holds more trees than the best ones, and the
//! library's two interfaces disagree: `XGBClassifier` and its kin predict up to
//! the best iteration, `Booster.predict` by all trees. [`read_xgboost`] does the
//! first, since it is what early stopping is for and what the documentation tells
//! users of `Booster` to do by hand; [`read_xgboost_whole`] does the second.
//! Without early stopping they are the same.
//!
//! Categories of inputs are their codes. XGBoost 3.1 and later keep the names
//! that codes had in the data frame, which is [`TreeEnsemble::categories`].
//!
//! Refuses: `gblinear`, whose missing values count as 0 and not as missing;
//! `binary:hinge`, whose predictions are steps; objectives that are not in the
//! list below; files of the old binary format, and memory snapshots (pickles).
//! Predictions of `multi:softmax` are numbers of classes in the library; here
//! they are shares, as those of `multi:softprob`.

mod build;
mod file;
mod json;
mod ubjson;

use super::{Tree, TreeEnsemble};
use crate::model::{Link, ModelError, ModelInfo};
use build::{Shape, tree};
use file::{Booster, Categories, CategoryNames, File, Forest, Learner, Number, Parameters};

/// What errors call the format.
const FORMAT: &str = "XGBoost model";

/// Inputs of a model at most: explanations keep rows of so many numbers.
pub(in crate::model) const MOST_INPUTS: usize = 1 << 20;

fn malformed(problem: impl Into<String>) -> ModelError {
    ModelError::Malformed { format: FORMAT, problem: problem.into() }
}

fn unsupported(feature: impl Into<String>, hint: &'static str) -> ModelError {
    ModelError::Unsupported { format: FORMAT, feature: feature.into(), hint }
}

/// Reads a model file of XGBoost, JSON or UBJ. After early stopping the trees
/// end with the best iteration.
///
/// # Errors
/// When the bytes are no such file, or hold what is not understood.
pub fn read_xgboost(bytes: &[u8]) -> Result<TreeEnsemble, ModelError> {
    let learner = learner(bytes)?;
    let best = learner.attributes.best_iteration;
    ensemble(learner, best, crate::profile::row_hash(bytes))
}

/// Like [`read_xgboost`], with all trees after early stopping, too: for models
/// that are served by `Booster.predict` without a range of iterations.
///
/// # Errors
/// When the bytes are no such file, or hold what is not understood.
pub fn read_xgboost_whole(bytes: &[u8]) -> Result<TreeEnsemble, ModelError> {
    ensemble(learner(bytes)?, None, crate::profile::row_hash(bytes))
}

fn learner(bytes: &[u8]) -> Result<Learner, ModelError> {
    const HINT: &str = "save the model again with save_model(\"model.ubj\") or (\"model.json\")";
    if bytes.starts_with(b"binf") || bytes.starts_with(b"bs64") {
        return Err(unsupported("the binary format of before 1.0", HINT));
    }
    // The second byte of an object is the kind of its first key's length in UBJ,
    // and a quote or white space in JSON.
    let is_ubj = bytes.first() == Some(&b'{') && bytes.get(1).is_some_and(|next| b"LlIUi$#".contains(next));
    let file: File = if is_ubj {
        ubjson::from_ubjson(bytes).map_err(|error| malformed(error.to_string()))?
    } else {
        serde_json::from_slice(&json::with_nulls(bytes)).map_err(|error| malformed(error.to_string()))?
    };
    Ok(file.learner)
}

fn ensemble(learner: Learner, best: Option<Number>, fingerprint: u64) -> Result<TreeEnsemble, ModelError> {
    let (forest, weights) = forest(learner.gradient_booster)?;
    let (link, to_raw) = objective(&learner.objective.name)?;
    let Forest { gbtree_model_param, iteration_indptr, tree_info, trees, cats } = forest;
    let (Some(parameters), Some(groups), Some(trees)) = (gbtree_model_param, tree_info, trees) else {
        return Err(malformed("the booster has no gbtree_model_param, tree_info or trees"));
    };
    let count = parameters.num_trees.whole().map_or(usize::MAX, |count| count as usize);
    if trees.is_empty() || trees.len() != count || groups.len() != count {
        return Err(malformed(format!(
            "num_trees is {}, and there are {} trees and {} entries in tree_info",
            parameters.num_trees.0,
            trees.len(),
            groups.len()
        )));
    }
    let shape = shape(&learner.parameters, &trees)?;
    let per_round = parameters.num_parallel_tree.and_then(Number::whole).unwrap_or(1).max(1) as usize;
    let per_round = if shape.vector > 1 { per_round } else { per_round.saturating_mul(shape.outputs) };
    let used = match best {
        Some(best) => used_trees(best, iteration_indptr.as_deref(), per_round, count)?,
        None => count,
    };
    if weights.as_ref().is_some_and(|weights| weights.len() != count) {
        return Err(malformed("weight_drop has another length than trees"));
    }
    let weight = |number: usize| weights.as_ref().and_then(|weights| weights.get(number)).copied();
    let mut words = build::MOST_WORDS;
    let trees: Result<Vec<Tree>, _> = (trees.iter().zip(groups).take(used).enumerate())
        .map(|(number, (file, group))| {
            let weight = weight(number).map_or(1.0, Number::single);
            tree(file, shape, group, weight, &mut words)
                .map_err(|problem| malformed(format!("tree {number}: {problem}")))
        })
        .collect();
    let names = learner.feature_names;
    if !names.is_empty() && names.len() != shape.inputs {
        return Err(malformed(format!("{} feature_names for {} features", names.len(), shape.inputs)));
    }
    let info = ModelInfo {
        kind: "XGBoost".into(),
        inputs: shape.inputs,
        input_names: names,
        outputs: shape.outputs,
        output_names: Vec::new(),
        link,
        fingerprint,
    };
    let base = base(&learner.parameters.base_score.0, shape.outputs, to_raw)?;
    let ensemble = TreeEnsemble::new(info, base, trees?).map_err(|error| malformed(error.to_string()))?;
    Ok(ensemble.with_categories(categories(cats, shape.inputs)?))
}

/// The trees and, of `dart`, the weight of each.
fn forest(booster: Booster) -> Result<(Forest, Option<Vec<Number>>), ModelError> {
    let missing = || malformed(format!("the booster {:?} has no model", booster.name));
    match booster.name.as_str() {
        "gbtree" => Ok((booster.model.ok_or_else(missing)?, None)),
        "dart" => {
            let weights = booster.weight_drop.ok_or_else(|| malformed("dart has no weight_drop"))?;
            Ok((booster.gbtree.ok_or_else(missing)?.model, Some(weights)))
        }
        "gblinear" => Err(unsupported(
            "the booster gblinear",
            "it takes missing values for 0, which no exact explanation here does: serve the model and name its server",
        )),
        name => Err(unsupported(format!("the booster {name:?}"), "gbtree and dart are read")),
    }
}

/// What a base score, which is in the unit of predictions, is as a raw output.
type ToRaw = fn(f64) -> f64;

/// How raw outputs become predictions, and a base score a raw output.
fn objective(name: &str) -> Result<(Link, ToRaw), ModelError> {
    let same = |base: f64| base;
    Ok(match name {
        "reg:squarederror"
        | "reg:linear"
        | "reg:squaredlogerror"
        | "reg:pseudohubererror"
        | "reg:absoluteerror"
        | "reg:quantileerror"
        | "binary:logitraw"
        | "rank:pairwise"
        | "rank:ndcg"
        | "rank:map" => (Link::Identity, same),
        "binary:logistic" | "reg:logistic" => (Link::Logistic, |base| -(1.0 / base - 1.0).ln()),
        "count:poisson" | "reg:gamma" | "reg:tweedie" | "survival:cox" | "survival:aft" => {
            (Link::Log, f64::ln)
        }
        "multi:softprob" | "multi:softmax" => (Link::Softmax, same),
        "binary:hinge" => {
            return Err(unsupported(
                "the objective binary:hinge",
                "its predictions are steps of the raw output: serve the model and name its server",
            ));
        }
        _ => {
            return Err(unsupported(
                format!("the objective {name:?}"),
                "serve the model and name its server",
            ));
        }
    })
}

/// Numbers of inputs and outputs. Outputs are bounded by what the file holds,
/// so that memory is, too.
fn shape(parameters: &Parameters, trees: &[file::TreeFile]) -> Result<Shape, ModelError> {
    let inputs = parameters.num_feature.whole().map(|inputs| inputs as usize).filter(|&inputs| inputs > 0);
    let inputs = inputs.ok_or_else(|| malformed("num_feature is no number above 0"))?;
    if inputs > MOST_INPUTS {
        return Err(unsupported(format!("a model of {inputs} features"), "there may be up to 1,048,576"));
    }
    let classes = parameters.num_class.whole();
    let targets = parameters.num_target.map_or(Some(1), Number::whole);
    let (Some(classes), Some(targets)) = (classes, targets) else {
        return Err(malformed("num_class or num_target is no whole number"));
    };
    let outputs = classes.max(targets).max(1) as usize;
    let vector =
        trees.first().and_then(|tree| tree.tree_param.size_leaf_vector).map_or(Some(1), Number::whole);
    let vector = vector.ok_or_else(|| malformed("size_leaf_vector is no whole number"))?.max(1) as usize;
    if vector > 1 && vector != outputs {
        return Err(malformed(format!("leaves have {vector} values, and the model has {outputs} outputs")));
    }
    let written =
        trees.iter().map(|tree| tree.leaf_weights.as_ref().map_or(0, Vec::len).max(tree.base_weights.len()));
    if outputs > written.max().unwrap_or(0).max(trees.len()) {
        return Err(malformed(format!("{outputs} outputs, and fewer trees or values in leaves")));
    }
    Ok(Shape { inputs, outputs, vector })
}

/// How many trees belong to the iterations up to the best one.
fn used_trees(
    best: Number,
    starts: Option<&[Number]>,
    per_round: usize,
    count: usize,
) -> Result<usize, ModelError> {
    let rounds = best.whole().map(|best| best as usize + 1);
    let used = rounds.and_then(|rounds| match starts {
        Some(starts) => starts.get(rounds).and_then(|end| end.whole()).map(|end| end as usize),
        None => rounds.checked_mul(per_round),
    });
    used.filter(|used| (1..=count).contains(used))
        .ok_or_else(|| malformed(format!("best_iteration is {}, and the trees end before it", best.0)))
}

/// The base score of every output as a raw output.
fn base(scores: &[Number], outputs: usize, to_raw: ToRaw) -> Result<Vec<f64>, ModelError> {
    let base: Vec<f64> = match scores {
        [one] => vec![to_raw(one.single()); outputs],
        several => several.iter().map(|score| to_raw(score.single())).collect(),
    };
    if base.len() != outputs {
        return Err(malformed(format!("{} values of base_score for {outputs} outputs", base.len())));
    }
    if base.iter().all(|base| base.is_finite()) {
        return Ok(base);
    }
    Err(malformed("base_score is not within what the objective predicts"))
}

/// The names of every input's categories by their codes.
fn categories(cats: Option<Categories>, inputs: usize) -> Result<Vec<Vec<String>>, ModelError> {
    let Some(Categories { enc }) = cats else { return Ok(Vec::new()) };
    if !enc.is_empty() && enc.len() != inputs {
        return Err(malformed(format!("cats has {} entries for {inputs} features", enc.len())));
    }
    let names: Option<_> = enc.iter().map(category_names).collect();
    names.ok_or_else(|| malformed("cats has an entry that is neither texts nor numbers"))
}

fn category_names(names: &CategoryNames) -> Option<Vec<String>> {
    let Some(offsets) = &names.offsets else {
        return Some(names.values.iter().map(|number| number.0.to_string()).collect());
    };
    if names.values.iter().any(|byte| !(0.0..128.0).contains(&byte.0)) {
        return Some(Vec::new());
    }
    let letter = |byte: &Number| byte.whole().and_then(char::from_u32);
    let letters: Vec<char> = names.values.iter().map(letter).collect::<Option<_>>()?;
    let place = |offset: &Number| offset.whole().map(|offset| offset as usize);
    let places: Vec<usize> = offsets.iter().map(place).collect::<Option<_>>()?;
    if places.last().is_some_and(|&end| end != letters.len())
        || places.first().is_some_and(|&start| start != 0)
    {
        return None;
    }
    places.windows(2).map(|ends| Some(letters.get(*ends.first()?..*ends.last()?)?.iter().collect())).collect()
}
