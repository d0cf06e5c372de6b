//! Bodies of requests from a JSON template: all protocols but tensors are one.

use serde_json::Value;

use super::values::{Columns, quoted};
use crate::model::{PredictError, Rows};

/// What stands for the rows, as lists.
const ROWS: &str = "$rows";
/// What stands for the rows, as objects.
const RECORDS: &str = "$records";
/// What stands for the names of the inputs.
const COLUMNS: &str = "$columns";

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Text(String),
    Rows { with_names: bool },
}

/// A body with places for rows.
#[derive(Debug)]
pub(super) struct Template(Vec<Piece>);

impl Template {
    /// Reads a template. The names of the inputs are put in at once.
    ///
    /// # Errors
    /// When it is no JSON, or has no place for rows, or several.
    pub(super) fn parse(text: &str, columns: &Columns) -> Result<Self, String> {
        let value =
            serde_json::from_str(text).map_err(|error| format!("its request is not JSON: {error}"))?;
        let names: Vec<&str> = columns.quoted_names().collect();
        let mut template = Self(vec![Piece::Text(String::new())]);
        template.add(&value, &format!("[{}]", names.join(",")));
        match template.0.iter().filter(|piece| matches!(piece, Piece::Rows { .. })).count() {
            1 => Ok(template),
            0 => Err(format!("its request has no place for rows; write \"{ROWS}\" where they belong")),
            _ => Err("its request has several places for rows; keep one".to_owned()),
        }
    }

    /// The body for some rows, `first` being the number of the first.
    pub(super) fn body(
        &self,
        columns: &Columns,
        rows: Rows<'_>,
        first: usize,
    ) -> Result<String, PredictError> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Text(text) => out.push_str(text),
                Piece::Rows { with_names } => {
                    let (open, close) = if *with_names { ('{', '}') } else { ('[', ']') };
                    out.push('[');
                    for (index, row) in rows.iter().enumerate() {
                        if index > 0 {
                            out.push(',');
                        }
                        out.push(open);
                        columns.write_row(&mut out, first + index, row, *with_names)?;
                        out.push(close);
                    }
                    out.push(']');
                }
            }
        }
        Ok(out)
    }

    /// Adds a value. Its depth is bounded by the parser.
    fn add(&mut self, value: &Value, names: &str) {
        match value {
            Value::String(text) if text == ROWS => self.0.push(Piece::Rows { with_names: false }),
            Value::String(text) if text == RECORDS => self.0.push(Piece::Rows { with_names: true }),
            Value::String(text) if text == COLUMNS => self.text(names),
            Value::Array(values) => {
                for (index, value) in values.iter().enumerate() {
                    self.text(if index == 0 { "[" } else { "," });
                    self.add(value, names);
                }
                self.text(if values.is_empty() { "[]" } else { "]" });
            }
            Value::Object(members) => {
                for (index, (key, value)) in members.iter().enumerate() {
                    self.text(if index == 0 { "{" } else { "," });
                    self.text(&quoted(key));
                    self.text(":");
                    self.add(value, names);
                }
                self.text(if members.is_empty() { "{}" } else { "}" });
            }
            plain => self.text(&plain.to_string()),
        }
    }

    fn text(&mut self, more: &str) {
        if let Some(Piece::Text(text)) = self.0.last_mut() {
            text.push_str(more);
        } else {
            self.0.push(Piece::Text(more.to_owned()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::explainer::remote::{settings::Missing, values::Kind};

    fn columns() -> Columns {
        let inputs = vec![
            ("a\"ge".to_owned(), Kind::Number),
            ("t".to_owned(), Kind::texts(&["x".to_owned(), "$rows".to_owned()])),
        ];
        Columns::new(inputs, Missing::Null)
    }

    fn body(template: &str) -> Result<String, String> {
        let columns = columns();
        let template = Template::parse(template, &columns)?;
        let rows = Rows::new(&[1.0, 0.0, f64::NAN, 1.0], 2);
        template.body(&columns, rows, 1).map_err(|error| error.to_string())
    }

    #[test]
    fn rows_records_and_columns_go_where_they_belong() {
        let text = r#"{"x": ["$rows", {}, [], null, "\"$rows", 1.5], "c": "$columns", "$rows": true}"#;
        let expected =
            r#"{"$rows":true,"c":["a\"ge","t"],"x":[[[1.0,"x"],[null,"$rows"]],{},[],null,"\"$rows",1.5]}"#;
        assert_eq!(body(text).unwrap(), expected);
        assert_eq!(body(r#""$records""#).unwrap(), r#"[{"a\"ge":1.0,"t":"x"},{"a\"ge":null,"t":"$rows"}]"#);
    }

    #[test]
    fn templates_without_one_place_for_rows_are_refused() {
        for (text, why) in [
            ("{", "not JSON"),
            ("{}", "no place for rows; write \"$rows\""),
            (r#"{"$rows": 1}"#, "no place"),
            (r#"["$rows", "$records"]"#, "several places"),
        ] {
            let error = body(text).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
        let deep = format!("{}\"$rows\"{}", "[".repeat(100_000), "]".repeat(100_000));
        assert!(body(&deep).unwrap_err().contains("recursion"));
    }
}
