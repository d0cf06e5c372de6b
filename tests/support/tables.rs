//! One table written as CSV, NDJSON and Parquet.

use std::{
    fmt::Write,
    fs::File,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow::{
    array::{ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray},
    datatypes::{DataType, Field, Schema},
};
use parquet::arrow::ArrowWriter;

/// A column of any of the types that all three formats share.
pub enum Column {
    Int(&'static str, Vec<Option<i64>>),
    Float(&'static str, Vec<Option<f64>>),
    Text(&'static str, Vec<Option<&'static str>>),
    Bool(&'static str, Vec<Option<bool>>),
}

impl Column {
    fn name(&self) -> &'static str {
        match self {
            Self::Int(name, _) | Self::Float(name, _) | Self::Text(name, _) | Self::Bool(name, _) => name,
        }
    }

    fn rows(&self) -> usize {
        match self {
            Self::Int(_, values) => values.len(),
            Self::Float(_, values) => values.len(),
            Self::Text(_, values) => values.len(),
            Self::Bool(_, values) => values.len(),
        }
    }

    /// As a CSV field and as JSON.
    fn written(&self, row: usize) -> (String, String) {
        match self {
            Self::Int(_, values) => both(values[row].map(|value| value.to_string())),
            Self::Float(_, values) => both(values[row].map(|value| format!("{value:?}"))),
            Self::Bool(_, values) => both(values[row].map(|value| value.to_string())),
            Self::Text(_, values) => values[row].map_or_else(
                || both(None),
                |text| {
                    (format!("\"{}\"", text.replace('"', "\"\"")), serde_json::Value::from(text).to_string())
                },
            ),
        }
    }

    fn array(&self) -> (DataType, ArrayRef) {
        match self {
            Self::Int(_, values) => (DataType::Int64, Arc::new(Int64Array::from(values.clone()))),
            Self::Float(_, values) => (DataType::Float64, Arc::new(Float64Array::from(values.clone()))),
            Self::Text(_, values) => (DataType::Utf8, Arc::new(StringArray::from(values.clone()))),
            Self::Bool(_, values) => (DataType::Boolean, Arc::new(BooleanArray::from(values.clone()))),
        }
    }
}

fn both(value: Option<String>) -> (String, String) {
    let json = value.clone().unwrap_or_else(|| "null".to_owned());
    (value.unwrap_or_default(), json)
}

/// Writes the table in each format; the paths are CSV, NDJSON, Parquet.
pub fn write_all(directory: &Path, name: &str, columns: &[Column]) -> [PathBuf; 3] {
    let paths = ["csv", "ndjson", "parquet"].map(|extension| directory.join(format!("{name}.{extension}")));
    let names: Vec<&str> = columns.iter().map(Column::name).collect();
    let (mut csv, mut ndjson) = (names.join(",") + "\n", String::new());
    for row in 0..columns[0].rows() {
        let fields: Vec<(String, String)> = columns.iter().map(|column| column.written(row)).collect();
        let texts: Vec<&str> = fields.iter().map(|(text, _)| text.as_str()).collect();
        csv += &(texts.join(",") + "\n");
        let members: Vec<String> =
            names.iter().zip(&fields).map(|(name, (_, json))| format!("\"{name}\": {json}")).collect();
        writeln!(ndjson, "{{{}}}", members.join(", ")).unwrap();
    }
    std::fs::write(&paths[0], csv).unwrap();
    std::fs::write(&paths[1], ndjson).unwrap();
    let (types, arrays): (Vec<_>, Vec<_>) = columns.iter().map(Column::array).unzip();
    let fields: Vec<Field> = names.iter().zip(types).map(|(name, of)| Field::new(*name, of, true)).collect();
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays).unwrap();
    let mut writer = ArrowWriter::try_new(File::create(&paths[2]).unwrap(), batch.schema(), None).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    paths
}
