//! Driftline at work without any server.

pub mod traffic;
mod training;

pub use training::reference;
