//! What stands in a model file of XGBoost, in either encoding.
//!
//! Why: the schema (<https://xgboost.readthedocs.io/en/stable/tutorials/saving_model.html>,
//! held against what 1.7, 2.1, 3.0 and 3.2 write) spells one thing in several ways: numbers
//! as text, flags as numbers, a base score as a number, as text or as a list in
//! text. Here every spelling becomes one type. Nothing is judged yet.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, SeqAccess, Visitor},
};

#[derive(Deserialize)]
pub(super) struct File {
    pub(super) learner: Learner,
}

#[derive(Deserialize)]
pub(super) struct Learner {
    #[serde(default)]
    pub(super) attributes: Attributes,
    #[serde(default)]
    pub(super) feature_names: Vec<String>,
    pub(super) gradient_booster: Booster,
    #[serde(rename = "learner_model_param")]
    pub(super) parameters: Parameters,
    pub(super) objective: Objective,
}

#[derive(Deserialize, Default)]
pub(super) struct Attributes {
    pub(super) best_iteration: Option<Number>,
}

#[derive(Deserialize)]
pub(super) struct Parameters {
    pub(super) base_score: Numbers,
    pub(super) num_class: Number,
    pub(super) num_feature: Number,
    pub(super) num_target: Option<Number>,
}

#[derive(Deserialize)]
pub(super) struct Objective {
    pub(super) name: String,
}

/// `gbtree` has a model, `dart` has one inside with a weight per tree.
#[derive(Deserialize)]
pub(super) struct Booster {
    pub(super) name: String,
    pub(super) model: Option<Forest>,
    pub(super) gbtree: Option<Inner>,
    pub(super) weight_drop: Option<Vec<Number>>,
}

#[derive(Deserialize)]
pub(super) struct Inner {
    pub(super) model: Forest,
}

/// Everything is optional, since a linear model stands at the same place.
#[derive(Deserialize)]
pub(super) struct Forest {
    pub(super) gbtree_model_param: Option<ForestParameters>,
    pub(super) iteration_indptr: Option<Vec<Number>>,
    pub(super) tree_info: Option<Vec<Number>>,
    pub(super) trees: Option<Vec<TreeFile>>,
    pub(super) cats: Option<Categories>,
}

#[derive(Deserialize)]
pub(super) struct ForestParameters {
    pub(super) num_trees: Number,
    pub(super) num_parallel_tree: Option<Number>,
}

/// One tree, node by node.
#[derive(Deserialize)]
pub(super) struct TreeFile {
    pub(super) tree_param: TreeParameters,
    pub(super) left_children: Vec<Number>,
    /// Of a leaf of a tree with vectors, since 3.1: the vector's number.
    pub(super) right_children: Vec<Number>,
    pub(super) split_indices: Vec<Number>,
    /// Thresholds, and the amounts of leaves.
    pub(super) split_conditions: Vec<Number>,
    pub(super) default_left: Vec<Number>,
    /// Of a tree with vectors before 3.1: a vector per node.
    pub(super) base_weights: Vec<Number>,
    /// Since 3.1: the vectors of the leaves.
    pub(super) leaf_weights: Option<Vec<Number>>,
    /// 1 where a split is over categories. The fields from here on have been
    /// there since 1.3.
    pub(super) split_type: Option<Vec<Number>>,
    pub(super) categories: Option<Vec<Number>>,
    pub(super) categories_nodes: Option<Vec<Number>>,
    pub(super) categories_segments: Option<Vec<Number>>,
    pub(super) categories_sizes: Option<Vec<Number>>,
}

#[derive(Deserialize)]
pub(super) struct TreeParameters {
    pub(super) num_nodes: Number,
    pub(super) size_leaf_vector: Option<Number>,
}

/// The categories by their codes, since 3.1: an entry per feature.
#[derive(Deserialize)]
pub(super) struct Categories {
    pub(super) enc: Vec<CategoryNames>,
}

#[derive(Deserialize)]
pub(super) struct CategoryNames {
    /// Of texts: where each begins in `values`, and the end.
    pub(super) offsets: Option<Vec<Number>>,
    /// Of texts their bytes, signed; of numbers the numbers.
    pub(super) values: Vec<Number>,
}

/// A number, however it is spelled; NaN where it is none, or null.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Number(pub(super) f64);

impl Number {
    /// The number as a whole one from 0 on.
    pub(super) fn whole(self) -> Option<u32> {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
        let whole = (self.0 >= 0.0 && self.0 <= f64::from(u32::MAX) && self.0.fract() == 0.0)
            .then_some(self.0 as u32);
        whole
    }

    /// The number as the `f32` that the library wrote.
    pub(super) fn single(self) -> f64 {
        #[expect(clippy::cast_possible_truncation, reason = "it was an `f32` before it was written")]
        let single = self.0 as f32;
        single.into()
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl Visitor<'_> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number")
    }

    fn visit_unit<E>(self) -> Result<Number, E> {
        Ok(Number(f64::NAN))
    }

    fn visit_bool<E>(self, flag: bool) -> Result<Number, E> {
        Ok(Number(f64::from(u8::from(flag))))
    }

    #[expect(clippy::cast_precision_loss, reason = "codes and numbers of nodes are far below 2^53")]
    fn visit_i64<E>(self, number: i64) -> Result<Number, E> {
        Ok(Number(number as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "codes and numbers of nodes are far below 2^53")]
    fn visit_u64<E>(self, number: u64) -> Result<Number, E> {
        Ok(Number(number as f64))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Number, E> {
        Ok(Number(number))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Number, E> {
        number(text).ok_or_else(|| E::custom(format_args!("{text:?} is no number")))
    }
}

fn number(text: &str) -> Option<Number> {
    text.trim().parse().ok().map(Number)
}

/// Some numbers: as one, as a list, or as either in text.
pub(super) struct Numbers(pub(super) Vec<Number>);

impl<'de> Deserialize<'de> for Numbers {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(NumbersVisitor)
    }
}

struct NumbersVisitor;

impl<'de> Visitor<'de> for NumbersVisitor {
    type Value = Numbers;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a number or a list of numbers")
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<Numbers, E> {
        NumberVisitor.visit_i64(number).map(|number| Numbers(vec![number]))
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Numbers, E> {
        NumberVisitor.visit_u64(number).map(|number| Numbers(vec![number]))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Numbers, E> {
        Ok(Numbers(vec![Number(number)]))
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Numbers, E> {
        let list = text.trim().strip_prefix('[').and_then(|list| list.strip_suffix(']'));
        let numbers: Option<Vec<_>> = list.unwrap_or(text).split(',').map(number).collect();
        numbers.map(Numbers).ok_or_else(|| E::custom(format_args!("{text:?} is no list of numbers")))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Numbers, A::Error> {
        let mut numbers = Vec::new();
        while let Some(number) = list.next_element()? {
            numbers.push(number);
        }
        Ok(Numbers(numbers))
    }
}
