//! Rows of a Parquet file, whose types are kept: text stays text even where it
//! reads as a number.

use std::{
    fs::File,
    path::{Path, PathBuf},
};

use arrow::{
    array::{
        Array, ArrayRef, AsArray, BooleanArray, Float64Array, Int64Array, LargeStringArray, RecordBatch,
        UInt64Array,
    },
    compute::cast,
    datatypes::{DataType, Float64Type, Int64Type, TimeUnit, UInt64Type},
    error::ArrowError,
};
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use super::{FileError, FileValue, Read, TableRow};
use crate::event::EventTime;

/// Rows that are unpacked at a time.
const BATCH_ROWS: usize = 1_024;

#[derive(Debug)]
pub(super) struct ParquetRows {
    path: PathBuf,
    reader: ParquetRecordBatchReader,
    columns: Vec<String>,
    batch: Vec<Values>,
    batch_rows: usize,
    next: usize,
    rows_before: u64,
    rows_total: u64,
    bytes_total: u64,
}

/// One column of a batch in one of a few types.
#[derive(Debug)]
enum Values {
    Bool(BooleanArray),
    Int(Int64Array),
    UInt(UInt64Array),
    Float(Float64Array),
    Text(LargeStringArray),
    /// Decimals, written out, so that none of their digits is lost.
    Decimal(LargeStringArray),
    /// Milliseconds since the epoch.
    Time(Int64Array, TimeUnit),
    Null,
    Nested(ArrayRef),
}

impl ParquetRows {
    pub(super) fn open(path: &Path) -> Result<Self, FileError> {
        let io = |source| FileError::Io { path: path.to_owned(), source };
        let malformed = |what: String| FileError::Malformed {
            path: path.to_owned(),
            line: 0,
            what: format!("not Parquet: {what}"),
        };
        let file = File::open(path).map_err(io)?;
        let bytes_total = file.metadata().map_err(io)?.len();
        if bytes_total == 0 {
            return Err(FileError::Empty { path: path.to_owned() });
        }
        let builder =
            ParquetRecordBatchReaderBuilder::try_new(file).map_err(|error| malformed(error.to_string()))?;
        let columns = builder.schema().fields().iter().map(|field| field.name().clone()).collect();
        let rows_total = u64::try_from(builder.metadata().file_metadata().num_rows()).unwrap_or(0);
        let reader =
            builder.with_batch_size(BATCH_ROWS).build().map_err(|error| malformed(error.to_string()))?;
        Ok(Self {
            path: path.to_owned(),
            reader,
            columns,
            batch: Vec::new(),
            batch_rows: 0,
            next: 0,
            rows_before: 0,
            rows_total,
            bytes_total,
        })
    }

    pub(super) fn columns(&self) -> &[String] {
        &self.columns
    }

    pub(super) fn position(&self) -> u64 {
        let done = u128::from(self.rows_before + self.next as u64);
        let bytes = u128::from(self.bytes_total) * done / u128::from(self.rows_total.max(1));
        u64::try_from(bytes).unwrap_or(self.bytes_total)
    }

    pub(super) fn read(&mut self, row: &mut TableRow) -> Result<Read, FileError> {
        while self.next == self.batch_rows {
            self.rows_before += self.batch_rows as u64;
            (self.batch_rows, self.next) = (0, 0);
            let Some(batch) = self.reader.next() else { return Ok(Read::End) };
            let unpacked = batch.and_then(|batch| Ok((batch.num_rows(), unpack(&batch)?)));
            (self.batch_rows, self.batch) = unpacked.map_err(|error| FileError::Malformed {
                path: self.path.clone(),
                line: self.rows_before + 1,
                what: format!("the file is damaged: {error}"),
            })?;
        }
        row.begin(self.rows_before + self.next as u64 + 1);
        for values in &self.batch {
            push(values, self.next, row);
        }
        self.next += 1;
        Ok(Read::Row)
    }
}

fn unpack(batch: &RecordBatch) -> Result<Vec<Values>, ArrowError> {
    batch.columns().iter().map(values_of).collect()
}

fn values_of(array: &ArrayRef) -> Result<Values, ArrowError> {
    use DataType as T;
    let text = |array: &ArrayRef| Ok::<_, ArrowError>(cast(array, &T::LargeUtf8)?.as_string::<i64>().clone());
    Ok(match array.data_type() {
        T::Boolean => Values::Bool(array.as_boolean().clone()),
        T::Int8 | T::Int16 | T::Int32 | T::Int64 | T::UInt8 | T::UInt16 | T::UInt32 => {
            Values::Int(cast(array, &T::Int64)?.as_primitive::<Int64Type>().clone())
        }
        T::UInt64 => Values::UInt(array.as_primitive::<UInt64Type>().clone()),
        T::Float16 | T::Float32 | T::Float64 => {
            Values::Float(cast(array, &T::Float64)?.as_primitive::<Float64Type>().clone())
        }
        T::Utf8 | T::LargeUtf8 | T::Utf8View | T::Date32 | T::Date64 => Values::Text(text(array)?),
        T::Decimal32(..) | T::Decimal64(..) | T::Decimal128(..) | T::Decimal256(..) => {
            Values::Decimal(text(array)?)
        }
        T::Dictionary(_, of) => values_of(&cast(array, of)?)?,
        T::Timestamp(unit, _) => {
            Values::Time(cast(array, &T::Int64)?.as_primitive::<Int64Type>().clone(), *unit)
        }
        T::Null => Values::Null,
        _ => Values::Nested(ArrayRef::clone(array)),
    })
}

fn push(values: &Values, index: usize, row: &mut TableRow) {
    let is_null = match values {
        Values::Bool(array) => array.is_null(index),
        Values::Int(array) | Values::Time(array, _) => array.is_null(index),
        Values::UInt(array) => array.is_null(index),
        Values::Float(array) => array.is_null(index),
        Values::Text(array) | Values::Decimal(array) => array.is_null(index),
        Values::Nested(array) => array.is_null(index),
        Values::Null => true,
    };
    if is_null {
        return row.push(FileValue::Missing);
    }
    match values {
        Values::Bool(array) => row.push(FileValue::Bool(array.value(index))),
        #[expect(
            clippy::cast_precision_loss,
            reason = "the text keeps all digits, and all numbers are doubles"
        )]
        Values::Int(array) => {
            let value = array.value(index);
            row.push(FileValue::Number(value as f64, &value.to_string()));
        }
        #[expect(
            clippy::cast_precision_loss,
            reason = "the text keeps all digits, and all numbers are doubles"
        )]
        Values::UInt(array) => {
            let value = array.value(index);
            row.push(FileValue::Number(value as f64, &value.to_string()));
        }
        Values::Float(array) => row.push_f64(array.value(index)),
        Values::Text(array) => row.push(FileValue::Text(array.value(index))),
        Values::Decimal(array) => row.push_text_as_value(array.value(index)),
        Values::Time(array, unit) => {
            let per_ms = match unit {
                TimeUnit::Second => return push_time(row, array.value(index).saturating_mul(1_000)),
                TimeUnit::Millisecond => 1,
                TimeUnit::Microsecond => 1_000,
                TimeUnit::Nanosecond => 1_000_000,
            };
            push_time(row, array.value(index).div_euclid(per_ms));
        }
        Values::Null | Values::Nested(_) => row.push(FileValue::Nested("[]")),
    }
}

fn push_time(row: &mut TableRow, ms: i64) {
    row.push(FileValue::Text(&EventTime(ms).to_string()));
}
