//! Helpers that several test crates share.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test crate uses a part")]

pub mod credit;
pub mod dashboards;
pub mod experiments;
pub mod explanations;
pub mod log;
pub mod mock_kafka;
pub mod results;
pub mod servers;
pub mod stand_in;
pub mod tables;
