//! Points read back through the crate `influxdb2`, which shares no code with the
//! writer.

use std::collections::BTreeMap;

use crate::support::servers::{Influx2, http::block_on};

/// A value of a field.
#[derive(Debug, Clone, PartialEq)]
pub enum Field {
    Float(f64),
    Integer(i64),
    Text(String),
}

impl Field {
    /// The number, of either kind.
    pub fn number(&self) -> f64 {
        match self {
            Self::Float(value) => *value,
            Self::Integer(value) => i32::try_from(*value).unwrap().into(),
            Self::Text(text) => panic!("{text:?} is no number"),
        }
    }
}

/// Which point: end of the window in milliseconds, then the values of the tags
/// `version`, `variant`, `feature` and `bin`, empty where it has no such tag.
pub type Key = (i64, [String; 4]);

/// Points by key, each with its fields by name.
pub type Points = BTreeMap<Key, BTreeMap<String, Field>>;

/// Every point of a measurement.
pub fn read(influx: &Influx2, bucket: &str, measurement: &str) -> Points {
    let query = format!(
        r#"from(bucket: "{bucket}") |> range(start: 0, stop: 2100-01-01T00:00:00Z)
  |> filter(fn: (r) => r._measurement == "{measurement}")
  |> map(fn: (r) => ({{r with end: int(v: r._time)}}))
  |> drop(columns: ["_time", "_start", "_stop", "_measurement"])"#
    );
    let client = influxdb2::Client::new(influx.url(), Influx2::ORG, Influx2::TOKEN);
    let query = influxdb2::models::Query::new(query);
    let mut points = Points::new();
    for record in block_on(client.query_raw(Some(query))).unwrap() {
        let values = &record.values;
        let text = |name: &str| match values.get(name) {
            Some(value) => value.string().unwrap_or_default(),
            None => String::new(),
        };
        let end_ms = values["end"].i64().unwrap() / 1_000_000;
        let key = (end_ms, ["version", "variant", "feature", "bin"].map(text));
        let value = &values["_value"];
        let field = value
            .f64()
            .map(Field::Float)
            .or_else(|| value.i64().map(Field::Integer))
            .or_else(|| value.string().map(Field::Text))
            .unwrap_or_else(|| panic!("{key:?}: a value of another type"));
        let twice = points.entry(key).or_default().insert(text("_field"), field);
        assert_eq!(twice, None, "a field twice in one point");
    }
    points
}
