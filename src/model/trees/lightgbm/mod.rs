//! Models of LightGBM: the text that `save_model` writes, versions 3 and 4.
//!
//! Why: the text holds everything that the library predicts by.
//!
//! Promises: every row ends in the leaves in which it ends in the library.
//! Thresholds are compared as `f64`; where a split knows no missing values, NaN
//! is taken for 0; where zero is missing, what is as near to it as 1e-35 is, too;
//! what is no category of a split's set, NaN among it, goes right. Shrinkage and
//! the score that boosting began with are in the leaves already.
//!
//! Raw outputs are the library's raw scores, with two exceptions that give them
//! their name: the factor `sigmoid` is in the leaves, so that raw outputs are
//! logarithms of odds; and a random forest's trees are averaged, which
//! `predict(raw_score=True)` leaves out.
//!
//! Categories of inputs are their codes. [`TreeEnsemble::categories`] has the
//! names of a pandas data frame's, where the file says which they are.
//!
//! Refuses: linear trees, `reg_sqrt`, `cross_entropy_lambda` and objectives that
//! are not in the list below; lines that are not known, since each of them may
//! change what is predicted; and a text that ends before its trees do. A model
//! without an objective was trained by one of the user's own: its predictions
//! are its raw outputs, as in the library.

mod build;
mod text;

use super::{Tree, TreeEnsemble, xgboost::MOST_INPUTS};
use crate::model::{Link, ModelError, ModelInfo};
use build::tree;
use text::{Header, Sections};

/// What errors call the format.
const FORMAT: &str = "LightGBM model";

fn malformed(problem: impl Into<String>) -> ModelError {
    ModelError::Malformed { format: FORMAT, problem: problem.into() }
}

fn unsupported(feature: impl Into<String>, hint: &'static str) -> ModelError {
    ModelError::Unsupported { format: FORMAT, feature: feature.into(), hint }
}

/// Reads a model file of LightGBM.
///
/// # Errors
/// When the text is no such file, or holds what is not understood.
pub fn read_lightgbm(text: &[u8]) -> Result<TreeEnsemble, ModelError> {
    let fingerprint = crate::profile::row_hash(text);
    let text = std::str::from_utf8(text).map_err(|error| malformed(error.to_string()))?;
    let sections = Sections::of(text)?;
    let header = &sections.header;
    let (inputs, outputs) = shape(header, sections.trees.len())?;
    let objective = Objective::of(header.value("objective").unwrap_or_default())?;
    // Every output's trees are averaged, not their sum over all outputs.
    #[expect(clippy::cast_precision_loss, reason = "there are fewer trees than 2^53")]
    let averaged = if header.is_averaged { (sections.trees.len() / outputs) as f64 } else { 1.0 };
    let trees: Result<Vec<Tree>, _> = (sections.trees.iter().enumerate())
        .map(|(number, fields)| {
            let output = number % outputs;
            let amount = |leaf: f64| leaf / averaged * objective.sigmoid;
            tree(fields, inputs, (output, outputs), amount)
        })
        .collect();
    let names: Vec<String> = header.words("feature_names").map(str::to_owned).collect();
    if names.len() != inputs {
        return Err(malformed(format!("{} feature_names for {inputs} features", names.len())));
    }
    let info = ModelInfo {
        kind: "LightGBM".into(),
        inputs,
        input_names: names,
        outputs,
        output_names: Vec::new(),
        link: objective.link,
        fingerprint,
    };
    let ensemble =
        TreeEnsemble::new(info, Vec::new(), trees?).map_err(|error| malformed(error.to_string()))?;
    Ok(ensemble.with_categories(categories(header, &sections.pandas)))
}

/// Numbers of inputs and outputs.
fn shape(header: &Header<'_>, trees: usize) -> Result<(usize, usize), ModelError> {
    let inputs = header.number("max_feature_idx")?.saturating_add(1);
    if inputs > MOST_INPUTS {
        return Err(unsupported(format!("a model of {inputs} features"), "there may be up to 1,048,576"));
    }
    let outputs = header.number("num_tree_per_iteration")?;
    let classes = header.number("num_class")?;
    if outputs == 0 || outputs != classes {
        return Err(malformed(format!("num_tree_per_iteration is {outputs}, and num_class {classes}")));
    }
    let sizes = header.words("tree_sizes").count();
    if trees == 0 || trees != sizes || !trees.is_multiple_of(outputs) {
        return Err(malformed(format!(
            "{trees} trees, {sizes} tree_sizes and {outputs} trees per iteration"
        )));
    }
    Ok((inputs, outputs))
}

/// What the line `objective` says.
struct Objective {
    link: Link,
    /// The raw score times this is what the link is applied to.
    sigmoid: f64,
}

impl Objective {
    fn of(line: &str) -> Result<Self, ModelError> {
        const HINT: &str = "serve the model and name its server";
        let mut words = line.split_whitespace();
        let name = words.next().unwrap_or_default();
        let (link, has_sigmoid) = match name {
            "" | "regression" | "regression_l1" | "huber" | "fair" | "quantile" | "mape" | "lambdarank"
            | "rank_xendcg" => (Link::Identity, false),
            "binary" | "multiclassova" => (Link::Logistic, true),
            "cross_entropy" => (Link::Logistic, false),
            "multiclass" => (Link::Softmax, false),
            "poisson" | "gamma" | "tweedie" => (Link::Log, false),
            _ => return Err(unsupported(format!("the objective {name:?}"), HINT)),
        };
        let mut sigmoid = None;
        for word in words {
            match word.split_once(':') {
                Some(("sigmoid", factor)) if has_sigmoid => sigmoid = factor.parse().ok(),
                Some(("num_class", _)) if name.starts_with("multiclass") => {}
                _ => return Err(unsupported(format!("the objective {line:?}"), HINT)),
            }
        }
        let sigmoid = if has_sigmoid { sigmoid.unwrap_or(f64::NAN) } else { 1.0 };
        if sigmoid.is_finite() && sigmoid > 0.0 {
            return Ok(Self { link, sigmoid });
        }
        Err(malformed(format!("the objective {line:?} has no sigmoid above 0")))
    }
}

/// The names of every input's categories by their codes. The file lists those
/// of the data frame's columns of pandas' type, without saying which columns
/// these are: where the lists do not match the inputs with categories one by
/// one, there are no names.
fn categories(header: &Header<'_>, lists: &[Vec<String>]) -> Vec<Vec<String>> {
    // An input of numbers has `[least:greatest]`, one of categories its codes.
    let codes: Vec<Option<Vec<i64>>> = (header.words("feature_infos"))
        .map(|info| info.split(':').map(|code| code.parse().ok()).collect())
        .collect();
    let mut left = lists.iter();
    let named: Option<Vec<Vec<String>>> = codes
        .iter()
        .map(|codes| {
            let Some(codes) = codes else { return Some(Vec::new()) };
            let names = left.next()?;
            let fits = |&code: &i64| usize::try_from(code).map_or(true, |code| code < names.len());
            codes.iter().all(fits).then(|| names.clone())
        })
        .collect();
    named.filter(|_| left.next().is_none()).unwrap_or_default()
}
