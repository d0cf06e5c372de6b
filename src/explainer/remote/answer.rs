//! Predictions out of answers.
//!
//! Promises: as many numbers for each row as the model has outputs, all finite.
//! Refuses labels, `null`, which is what NaN becomes, and everything that would
//! have to be guessed at.

use serde_json::Value;

use crate::client::cut;

/// Longest text of an answer that is shown, in characters.
const MAX_SHOWN: usize = 40;

/// What an answer must hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    /// Rows that were sent.
    pub(super) rows: usize,
    /// Numbers for each; `None` when the answer is to show it.
    pub(super) outputs: Option<usize>,
}

/// Numbers for a row.
pub(super) const MOST_OUTPUTS: usize = 4_096;

/// Objects of an answer for each row, and those around them.
const OBJECTS_PER_ROW: usize = 32;
const OBJECTS_AROUND: usize = 4_096;

/// Reads an answer's JSON.
///
/// An object of a few bytes takes some hundred when it is read, so that an answer
/// of a few megabytes could take most of the memory. Brackets are counted before:
/// those in texts, too, of which no server has that many.
pub(super) fn json(bytes: &[u8], rows: usize) -> Result<Value, String> {
    let most = rows.saturating_mul(OBJECTS_PER_ROW).saturating_add(OBJECTS_AROUND);
    if memchr::memchr_iter(b'{', bytes).count() > most {
        return Err(format!("its answer holds more than {most} objects"));
    }
    serde_json::from_slice(bytes).map_err(|error| {
        if [&b"NaN"[..], b"Infinity"].iter().any(|word| memchr::memmem::find(bytes, word).is_some()) {
            "its answer holds NaN or Infinity".to_owned()
        } else {
            format!("its answer is not JSON: {error}")
        }
    })
}

/// The numbers of a list with one prediction per row; `inside` leads to them
/// within each.
pub(super) fn predictions(list: &Value, inside: Option<&str>, wanted: Wanted) -> Result<Vec<f64>, String> {
    let Value::Array(list) = list else {
        return Err(format!("its predictions are {}, not a list", what(list)));
    };
    same_rows(list.len(), wanted)?;
    let mut numbers = Vec::new();
    let mut outputs = wanted.outputs;
    for prediction in list {
        let value = match inside {
            None => prediction,
            Some(pointer) => prediction.pointer(pointer).ok_or_else(|| {
                format!("there is nothing at {pointer} in a prediction, which is {}", what(prediction))
            })?,
        };
        let before = numbers.len();
        flatten(value, &mut numbers)?;
        outputs = Some(same_outputs(numbers.len() - before, outputs)?);
    }
    Ok(numbers)
}

/// The numbers of a tensor whose first dimension is the rows.
pub(super) fn tensor(shape: Option<&Value>, data: &Value, wanted: Wanted) -> Result<Vec<f64>, String> {
    let shape: Option<Vec<u64>> =
        shape.and_then(Value::as_array).and_then(|dimensions| dimensions.iter().map(Value::as_u64).collect());
    let Some((rows, others)) = shape.as_deref().and_then(<[u64]>::split_first) else {
        return Err("its answer holds a tensor without a shape".to_owned());
    };
    let as_count = |count: u64| usize::try_from(count).unwrap_or(usize::MAX);
    same_rows(as_count(*rows), wanted)?;
    let width = others.iter().try_fold(1_u64, |width, dimension| width.checked_mul(*dimension));
    let outputs = same_outputs(as_count(width.unwrap_or(u64::MAX)), wanted.outputs)?;
    if !data.is_array() {
        return Err(format!("the data of its tensor are {}, not a list", what(data)));
    }
    let mut numbers = Vec::new();
    flatten(data, &mut numbers)?;
    if numbers.len() != wanted.rows * outputs {
        let given = numbers.len();
        return Err(format!("its tensor holds {given} numbers, which is not what its shape says"));
    }
    Ok(numbers)
}

/// Appends a number, or those of nested lists. Their depth is bounded by the
/// parser.
fn flatten(value: &Value, out: &mut Vec<f64>) -> Result<(), String> {
    match value {
        Value::Number(number) => {
            out.extend(number.as_f64());
            Ok(())
        }
        Value::Array(values) => values.iter().try_for_each(|value| flatten(value, out)),
        Value::Null => Err("a prediction is null, which is what NaN becomes in JSON".to_owned()),
        Value::String(_) | Value::Bool(_) => Err(format!(
            "a prediction is {}; let the server give probabilities or a score instead",
            what(value)
        )),
        Value::Object(_) => Err(format!(
            "a prediction is {}; set prediction to the place of the numbers inside it",
            what(value)
        )),
    }
}

fn same_rows(given: usize, wanted: Wanted) -> Result<(), String> {
    if given == wanted.rows {
        return Ok(());
    }
    Err(format!("it gives {given} predictions for {} rows", wanted.rows))
}

/// How many numbers there are for a row.
fn same_outputs(given: usize, wanted: Option<usize>) -> Result<usize, String> {
    match wanted {
        Some(wanted) if given != wanted => Err(format!(
            "it gives {given} numbers for a row, where output_names, its metadata or its first answer said {wanted}"
        )),
        _ if !(1..=MOST_OUTPUTS).contains(&given) => {
            Err(format!("it gives {given} numbers for a row, and 1 to {MOST_OUTPUTS} can be read"))
        }
        _ => Ok(given),
    }
}

/// A value in a message.
pub(super) fn what(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(flag) => format!("the label {flag}"),
        Value::Number(number) => format!("the number {number}"),
        Value::String(text) => format!("the label {:?}", cut(text, MAX_SHOWN)),
        Value::Array(_) => "a list".to_owned(),
        Value::Object(members) => {
            let names: Vec<&str> = members.keys().map(String::as_str).collect();
            format!("an object of {}", cut(&names.join(", "), MAX_SHOWN))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, inside: Option<&str>, rows: usize, outputs: usize) -> Result<Vec<f64>, String> {
        let outputs = Some(outputs).filter(|outputs| *outputs > 0);
        predictions(&json(text.as_bytes(), rows)?, inside, Wanted { rows, outputs })
    }

    #[test]
    fn predictions_of_every_shape_are_read() {
        assert_eq!(read("[1, 2.5]", None, 2, 1).unwrap(), [1.0, 2.5]);
        assert_eq!(read("[[1], [2e0]]", None, 2, 1).unwrap(), [1.0, 2.0]);
        assert_eq!(read("[[0.25, 0.75], [[1], [0]]]", None, 2, 2).unwrap(), [0.25, 0.75, 1.0, 0.0]);
        assert_eq!(read(r#"[{"p": {"yes": 0.5}}]"#, Some("/p/yes"), 1, 1).unwrap(), [0.5]);
        assert_eq!(read("[]", None, 0, 1).unwrap(), Vec::<f64>::new());
        // As many outputs as the answer shows.
        assert_eq!(read("[[1, 2], [3, 4]]", None, 2, 0).unwrap(), [1.0, 2.0, 3.0, 4.0]);
        assert!(read("[[1, 2], 3]", None, 2, 0).unwrap_err().contains("1 numbers for a row"));
        assert!(read("[[]]", None, 1, 0).unwrap_err().contains("0 numbers for a row, and 1 to 4096"));
        let many = format!("[[{}]]", vec!["1"; 4_097].join(","));
        assert!(read(&many, None, 1, 0).unwrap_err().contains("4097 numbers for a row"));
    }

    #[test]
    fn what_would_have_to_be_guessed_at_is_refused() {
        for (text, inside, why) in [
            ("[1]", None, "1 predictions for 2 rows"),
            (
                "[1, [1, 2]]",
                None,
                "2 numbers for a row, where output_names, its metadata or its first answer said 1",
            ),
            ("[1, []]", None, "0 numbers for a row"),
            ("[1, null]", None, "null, which is what NaN becomes"),
            ("[1, NaN]", None, "holds NaN or Infinity"),
            ("[1, 1e999]", None, "not JSON: number out of range"),
            (r#"[1, "spam"]"#, None, "the label \"spam\"; let the server give probabilities"),
            ("[1, true]", None, "the label true; let the server give probabilities"),
            (r#"[1, {"p": 1, "q": 2}]"#, None, "an object of p, q; set prediction to the place"),
            (r#"[{"p": 1}, {"q": 2}]"#, Some("/p"), "nothing at /p in a prediction, which is an object of q"),
            (r#"{"p": 1}"#, None, "are an object of p, not a list"),
            ("0.5", None, "are the number 0.5, not a list"),
            ("", None, "not JSON"),
            ("[1, 2] x", None, "not JSON"),
        ] {
            let error = read(text, inside, 2, 1).unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
        let objects = format!("[{}]", vec![r#"{"":0}"#; 4_129].join(","));
        assert!(read(&objects, Some("/"), 1, 1).unwrap_err().contains("more than 4128 objects"));
        assert!(read(&"[".repeat(100_000), None, 1, 1).unwrap_err().contains("recursion"));
    }

    #[test]
    fn a_tensor_holds_what_its_shape_says() {
        let read = |shape: &str, data: &str| {
            let shape = json(shape.as_bytes(), 2).unwrap();
            tensor(Some(&shape), &json(data.as_bytes(), 2).unwrap(), Wanted { rows: 2, outputs: Some(2) })
        };
        for (shape, data) in [("[2,2]", "[1,2,3,4]"), ("[2,2]", "[[1,2],[3,4]]"), ("[2,1,2]", "[1,2,3,4]")] {
            assert_eq!(read(shape, data).unwrap(), [1.0, 2.0, 3.0, 4.0]);
        }
        for (shape, data, why) in [
            ("[2,2]", "[1,2,3]", "holds 3 numbers"),
            ("[3,2]", "[1,2,3,4]", "3 predictions for 2 rows"),
            ("[2,3]", "[1,2,3,4]", "3 numbers for a row"),
            ("[2,18446744073709551615,2]", "[1,2,3,4]", "numbers for a row"),
            ("[2,-1]", "[1,2,3,4]", "without a shape"),
            ("[]", "[1,2,3,4]", "without a shape"),
            ("[2,2]", "7", "are the number 7, not a list"),
            ("[2,2]", "[1,2,3,null]", "null"),
        ] {
            let error = read(shape, data).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
