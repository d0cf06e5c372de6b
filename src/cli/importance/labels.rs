//! What came of a row, and as which number it goes beside the model's outputs.
//!
//! Promises: nothing is guessed silently. Labels that are no numbers become
//! classes by the names of the model's outputs, or, of two classes, in order of
//! their names, which is told.

use std::{cmp::Ordering, collections::BTreeSet, sync::Arc};

use anyhow::bail;

use crate::{
    decode::{LooseValue, loose_value},
    explain::Loss,
    model::ModelInfo,
};

/// Labels that an error lists at most.
const LISTED: usize = 10;
/// Why a row is left out whose label is none of the model's classes.
const NO_CLASS: &str = "the label is none of the model's classes";
/// Why a row is left out whose label is no number, where one is needed.
const NO_NUMBER: &str = "the label is no number";

/// A label as it stands in the file.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Label {
    Number(f64),
    Bool(bool),
    Text(Arc<str>),
}

impl Label {
    /// The label in JSON. `Ok(None)` is no label; an error says why it is none
    /// that can be used.
    pub(super) fn read(json: &[u8], known: &mut BTreeSet<Arc<str>>) -> Result<Option<Self>, &'static str> {
        Ok(Some(match loose_value(json) {
            Some(LooseValue::Missing) => return Ok(None),
            Some(LooseValue::Number(number)) if number.is_finite() => Self::Number(number + 0.0),
            Some(LooseValue::Bool(flag)) => Self::Bool(flag),
            Some(LooseValue::Text(text)) => {
                let text = known.get(&*text).cloned().unwrap_or_else(|| Arc::from(&*text));
                known.insert(Arc::clone(&text));
                Self::Text(text)
            }
            Some(LooseValue::Number(_)) => return Err(NO_NUMBER),
            Some(LooseValue::Nested) | None => return Err("the label is of the wrong type"),
        }))
    }

    /// Numbers by their value, all else by its name.
    pub(super) fn order(&self, other: &Self) -> Ordering {
        match (self.number(), other.number()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => self.name().cmp(&other.name()),
        }
    }

    fn name(&self) -> String {
        match self {
            Self::Number(number) => number.to_string(),
            Self::Bool(flag) => flag.to_string(),
            Self::Text(text) => text.to_string(),
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Bool(flag) => Some(f64::from(u8::from(*flag))),
            Self::Text(_) => None,
        }
    }

    fn is_zero_or_one(&self) -> bool {
        self.number().is_some_and(|number| number.to_bits() == 0 || number.to_bits() == 1.0_f64.to_bits())
    }
}

/// Labels as numbers.
#[derive(Debug, PartialEq)]
pub(super) struct Numbered {
    /// One per label, where it has a number.
    pub(super) values: Vec<Option<f64>>,
    /// What a person should know.
    pub(super) note: Option<String>,
    /// Why the others have none.
    pub(super) otherwise: &'static str,
}

/// The numbers of labels for `loss` beside the outputs of a model; `positive` is
/// the label that is class 1.
pub(super) fn numbered(
    labels: &[Label],
    info: &ModelInfo,
    loss: Loss,
    positive: Option<&str>,
) -> anyhow::Result<Numbered> {
    let has_text = labels.iter().any(|label| matches!(label, Label::Text(_)));
    let has_numbers = labels.iter().any(|label| matches!(label, Label::Number(_)));
    let are_classes = matches!(loss, Loss::LogLoss | Loss::ZeroOne) || positive.is_some();
    if info.outputs > 2 {
        if positive.is_some() {
            bail!("--positive is for two classes, and the model has {} outputs", info.outputs);
        }
        return many_classes(labels, info);
    }
    if are_classes || (has_text && !has_numbers) {
        return two_classes(labels, info, positive);
    }
    Ok(Numbered { values: labels.iter().map(Label::number).collect(), note: None, otherwise: NO_NUMBER })
}

fn two_classes(labels: &[Label], info: &ModelInfo, positive: Option<&str>) -> anyhow::Result<Numbered> {
    const HINT: &str = "write labels as 0 and 1, or name the one that is class 1 with --positive";
    let numbered = |values, note| Ok(Numbered { values, note, otherwise: NO_CLASS });
    if positive.is_none() && labels.iter().all(Label::is_zero_or_one) {
        return numbered(labels.iter().map(Label::number).collect(), None);
    }
    let by_name = by_output(labels, info);
    if positive.is_none() && by_name.iter().all(Option::is_some) {
        return numbered(by_name, None);
    }
    let mut distinct: Vec<&Label> = Vec::new();
    for label in labels {
        if !distinct.contains(&label) && distinct.len() <= LISTED {
            distinct.push(label);
        }
    }
    distinct.sort_by(|a, b| a.order(b));
    let names: Vec<String> = distinct.iter().map(|label| label.name()).collect();
    if names.len() > 2 {
        bail!(
            "the labels are {}, and the model has two classes; {HINT}, and leave others out",
            listed(&names)
        );
    }
    let (one, note) = match (positive, names.as_slice()) {
        (Some(positive), _) if names.iter().any(|name| name == positive) => (positive.to_owned(), None),
        (Some(positive), _) => bail!("no label is {positive:?}; they are {}", listed(&names)),
        (None, [zero, one]) => (
            one.clone(),
            Some(format!(
                "the label {zero:?} is taken for class 0 and {one:?} for class 1, in order as scikit-learn numbers \
                 them; --positive {zero} takes them the other way round"
            )),
        ),
        (None, _) => bail!("all labels are {}, and which class that is is not known; {HINT}", listed(&names)),
    };
    let value = |label: &Label| Some(f64::from(u8::from(label.name() == one)));
    numbered(labels.iter().map(value).collect(), note)
}

fn many_classes(labels: &[Label], info: &ModelInfo) -> anyhow::Result<Numbered> {
    let mut values = by_output(labels, info);
    if values.iter().all(Option::is_none) {
        #[expect(clippy::cast_precision_loss, reason = "outputs are few")]
        let classes = info.outputs as f64;
        let is_class = |number: &f64| *number >= 0.0 && *number < classes && number.fract().abs() < 1e-9;
        values = labels.iter().map(|label| label.number().filter(is_class)).collect();
    }
    if values.iter().all(Option::is_none) {
        let names: Vec<String> =
            labels.iter().map(Label::name).collect::<BTreeSet<_>>().into_iter().take(LISTED + 1).collect();
        bail!(
            "the labels are {}, which are no outputs of the model; write each as the number of its output, from 0 to \
             {}{}",
            listed(&names),
            info.outputs.saturating_sub(1),
            if info.output_names.is_empty() {
                String::new()
            } else {
                format!(", or by its name: {}", listed(&info.output_names))
            }
        );
    }
    Ok(Numbered { values, note: None, otherwise: NO_CLASS })
}

/// The outputs whose names labels are.
fn by_output(labels: &[Label], info: &ModelInfo) -> Vec<Option<f64>> {
    let names = if info.outputs > 1 { info.output_names.as_slice() } else { &[] };
    let place = |label: &Label| names.iter().zip(0_u32..).find(|(name, _)| **name == label.name());
    labels.iter().map(|label| place(label).map(|(_, place)| f64::from(place))).collect()
}

fn listed(names: &[String]) -> String {
    let mut text = names.iter().take(LISTED).map(|name| format!("{name:?}")).collect::<Vec<_>>().join(", ");
    if names.len() > LISTED {
        text.push_str(", …");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Link;

    fn model(outputs: usize, names: &[&str]) -> ModelInfo {
        ModelInfo {
            kind: "test".to_owned(),
            inputs: 1,
            input_names: Vec::new(),
            outputs,
            output_names: names.iter().map(|&name| name.to_owned()).collect(),
            link: Link::Identity,
            fingerprint: 0,
        }
    }

    fn labels(json: &[&str]) -> Vec<Label> {
        let mut known = BTreeSet::new();
        json.iter().map(|json| Label::read(json.as_bytes(), &mut known).unwrap().unwrap()).collect()
    }

    fn values(json: &[&str], info: &ModelInfo, loss: Loss, positive: Option<&str>) -> Vec<Option<f64>> {
        numbered(&labels(json), info, loss, positive).unwrap().values
    }

    fn refusal(json: &[&str], info: &ModelInfo, positive: Option<&str>) -> String {
        numbered(&labels(json), info, Loss::LogLoss, positive).unwrap_err().to_string()
    }

    #[test]
    fn numbers_and_flags_are_themselves() {
        let one = model(1, &[]);
        assert_eq!(
            values(&["0", "1.0", "true"], &one, Loss::LogLoss, None),
            [Some(0.0), Some(1.0), Some(1.0)]
        );
        assert_eq!(
            values(&["2.5", "-0.0", "\"x\""], &one, Loss::Squared, None),
            [Some(2.5), Some(0.0), None]
        );
        let mut known = BTreeSet::new();
        assert_eq!(Label::read(b"null", &mut known), Ok(None));
        assert!(Label::read(b"NaN", &mut known).is_err() && Label::read(b"[1]", &mut known).is_err());
    }

    #[test]
    fn two_classes_are_in_order_unless_one_is_named() {
        let one = model(1, &[]);
        let yes_no = labels(&["\"yes\"", "\"no\""]);
        let found = numbered(&yes_no, &one, Loss::LogLoss, None).unwrap();
        assert_eq!(found.values, [Some(1.0), Some(0.0)]);
        assert!(found.note.unwrap().contains("\"no\" is taken for class 0 and \"yes\" for class 1"));
        let turned = numbered(&yes_no, &one, Loss::Squared, Some("no")).unwrap();
        assert_eq!((turned.values, turned.note), (vec![Some(0.0), Some(1.0)], None));
        assert_eq!(values(&["10", "9"], &one, Loss::ZeroOne, None), [Some(1.0), Some(0.0)]);
        assert_eq!(values(&["1", "0"], &one, Loss::ZeroOne, Some("0")), [Some(0.0), Some(1.0)]);
        // Of a model that names its two outputs their order counts.
        let named = model(2, &["yes", "no"]);
        assert_eq!(values(&["\"yes\"", "\"no\""], &named, Loss::LogLoss, None), [Some(0.0), Some(1.0)]);
    }

    #[test]
    fn what_can_t_be_told_is_refused_with_what_to_do() {
        let one = model(1, &[]);
        assert!(refusal(&["\"a\"", "\"b\"", "\"c\""], &one, None).contains("\"a\", \"b\", \"c\""));
        assert!(refusal(&["\"a\"", "\"a\""], &one, None).contains("--positive"));
        assert!(refusal(&["\"a\"", "\"b\""], &one, Some("z")).contains("no label is \"z\""));
        assert!(
            refusal(&["\"a\""], &model(3, &["x", "y", "z"]), None).contains("from 0 to 2, or by its name")
        );
        assert!(refusal(&["1"], &model(3, &[]), Some("1")).contains("two classes"));
    }

    #[test]
    fn classes_are_outputs_by_name_or_number() {
        let named = model(3, &["x", "y", "z"]);
        assert_eq!(
            values(&["\"z\"", "\"x\"", "\"w\""], &named, Loss::LogLoss, None),
            [Some(2.0), Some(0.0), None]
        );
        for info in [named, model(3, &[])] {
            assert_eq!(
                values(&["2", "0", "3", "0.5"], &info, Loss::ZeroOne, None),
                [Some(2.0), Some(0.0), None, None]
            );
        }
    }
}
