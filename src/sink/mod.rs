//! Where results go: InfluxDB; and where refused events go: a topic.
//!
//! [`Points`] turns window results into lines by the tables of
//! [`schema`](crate::result::schema),
//! [`write_point`] makes a line that every server reads the same way, and
//! [`InfluxSink`] delivers lines in order, for as long as it takes.
//! [`DeadLetters`] publishes the events that could not be used.

mod dead_letters;
mod influxdb;
mod line_protocol;
mod points;
mod settings;

pub use dead_letters::{DeadLetters, Full};
pub use influxdb::{CheckStep, InfluxSink, Pacing, SinkError, SinkStatus, check};
pub use line_protocol::{Encoded, FieldValue, RESERVED, write_point};
pub use points::{Points, Written};
pub use settings::{InfluxApi, InfluxSettings};
