//! Driftline watches machine-learning models in production.
//!
//! It reads prediction, feature and label events, sums them up per event-time
//! window, compares every window with a reference and writes the scores to
//! InfluxDB. The folders of `src/` follow the way of the data:
//!
//! | stage | what it takes | what it gives |
//! |---|---|---|
//! | [`source`] | Kafka topics, files | batches of raw messages ([`event::MessageBatch`]) |
//! | [`decode`] | raw messages | envelopes and rows of cells, or a reason to reject |
//! | [`profile`] | columns of cells | integer counts on a grid |
//! | [`reference`](mod@reference) | training data or a stretch of the stream | grids and their reference counts |
//! | [`window`] | event times | panes, watermarks, closed windows |
//! | [`drift`] | reference counts, window counts | scores |
//! | [`multivariate`] | samples of rows | whether features go together as they did |
//! | [`model`] | model files | what a model says of rows |
//! | [`explain`] | a model, samples of rows | attributions, and whether they have changed |
//! | [`experiment`] | events of several arms | which arm is better, and what is to be done |
//! | [`result`] | scores | window results, the type that every consumer reads |
//! | [`alert`] | window results, rules | alerts and notifications |
//! | [`explainer`] | rows that wait, models that are elsewhere | explanations, on threads of their own |
//! | [`sink`] | window results | points in InfluxDB |
//! | [`notify`] | notifications | what receivers get: webhooks, Alertmanager, chat, mail |
//! | [`checkpoint`] | the state between two steps | a file that a restart goes on from |
//!
//! [`pipeline`] wires them. Its heart, `pipeline::Core`, is one step function
//! without clock, thread, file or socket, so that a test can drive it through
//! any schedule. `source`, `explainer`, `sink`, `notify`, `checkpoint`, `ops`, `cli` and `demo` are the shell around
//! that core; `tests/architecture.rs` fails when the core imports the shell.

pub mod alert;
pub mod checkpoint;
pub mod cli;
mod client;
pub mod config;
pub mod decode;
pub mod demo;
pub mod drift;
pub mod event;
pub mod experiment;
pub mod explain;
pub mod explainer;
mod meaning;
pub mod model;
pub mod multivariate;
pub mod notify;
pub mod ops;
pub mod pipeline;
pub mod profile;
pub mod reference;
pub mod result;
pub mod sink;
pub mod source;
pub mod window;
