//! An event of an experiment allocates nothing, once its window and its unit are known.
//!
//! An allocator that remembers its peak sees whatever is allocated, also what is freed
//! again at once. Labels and answers of shadows that wait are kept, and not in here.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss
)]

use std::{collections::BTreeMap, sync::Arc};

use driftline::{
    decode::{EventMapping, FieldSource, JsonPointer},
    event::{MessageBatch, PartitionId},
    experiment::{
        ArmSource, Condition, Covariate, ExperimentSettings, MetricSettings, MetricValue, Statistic,
        UnitSource,
    },
    pipeline::{Core, CoreSettings, Input, ModelSpec, Outputs, ReferenceSpec},
    reference::{ColumnRole, ReferenceBuilder, Value},
    result::Better,
    window::WindowSettings,
};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

const TIME: i64 = 1_767_225_600_000;

fn core(experiments: Vec<ExperimentSettings>) -> Core {
    let mut builder = ReferenceBuilder::new("credit", &BTreeMap::new(), 10);
    for row in 0..200_u32 {
        builder.push_row([
            ("amount", ColumnRole::Feature, Value::Number(f64::from(row))),
            ("prediction", ColumnRole::Prediction, Value::Number(f64::from(row) / 200.0)),
        ]);
    }
    let reference = Arc::new(builder.finish("test".to_owned()).unwrap().0);
    let reference = ReferenceSpec::Ready { reference, covers_until: None };
    let core = Core::new(CoreSettings {
        mapping: EventMapping::default(),
        windows: WindowSettings::default(),
        models: vec![ModelSpec::new("credit", reference)],
        max_message_bytes: 1 << 20,
        delivered_until: None,
    });
    core.with_experiments(experiments)
}

fn field(pointer: &str) -> FieldSource {
    FieldSource::Pointer(JsonPointer::parse(pointer).unwrap())
}

/// Arms and units by numbers, and every kind of metric that needs no label.
fn experiment() -> ExperimentSettings {
    let metric = |name, statistic, value| MetricSettings::new(name, Better::Higher, statistic, value);
    let of = |pointer| MetricValue::Field(field(pointer));
    let covariates = vec![Covariate::Prediction, Covariate::Feature("amount".to_owned())];
    let metrics = vec![
        MetricSettings { covariates, ..metric("mean", Statistic::Mean, of("/cost")) },
        metric("rate", Statistic::Rate(Condition::Equals("7".into())), of("/code")),
        metric("class", Statistic::Rate(Condition::Equals("yes".into())), MetricValue::PredictedClass),
        metric("ratio", Statistic::Ratio(field("/code")), of("/cost")),
        metric("tail", Statistic::Quantile(0.95), of("/cost")),
    ];
    ExperimentSettings {
        arm: ArmSource::Field(field("/arm")),
        unit: UnitSource::Field(field("/customer")),
        ..ExperimentSettings::new("e", "credit", &["1", "2"], metrics)
    }
}

fn batch(first: i64) -> MessageBatch {
    let mut batch = MessageBatch::default();
    for offset in first..first + 500 {
        let (arm, customer) = (1 + offset % 2, 10_000_000_000_000_000_000_u64 + (offset % 100) as u64);
        let (cost, code, amount) = (0.5 + (offset % 7) as f64, offset % 9, offset % 50);
        let payload = format!(
            r#"{{"time":{TIME},"model":"credit","arm":{arm},"customer":{customer},"cost":{cost},"code":{code},"features":{{"amount":{amount}}},"prediction":0.5,"prediction_class":"yes"}}"#
        );
        batch.push(PartitionId(0), offset, None, Some(payload.as_bytes()));
    }
    batch
}

/// Bytes that are taken at most at one time while a batch is read that is like those
/// before.
fn taken(mut core: Core) -> usize {
    let topics = ["events".to_owned()];
    let mut out = Outputs::default();
    let batches: Vec<MessageBatch> = (0..40).map(|index| batch(index * 500)).collect();
    let (last, first) = batches.split_last().unwrap();
    for batch in first {
        core.step(Input::Batch { batch, topics: &topics, now: None }, &mut out);
    }
    let before = ALLOCATOR.current_usage();
    ALLOCATOR.reset_peak_usage();
    core.step(Input::Batch { batch: last, topics: &topics, now: None }, &mut out);
    let taken = ALLOCATOR.peak_usage() - before;
    assert!(out.rejects.is_empty());
    core.step(Input::End, &mut out);
    let events: u64 =
        out.experiments.last().map_or(20_000, |result| result.arms.iter().map(|arm| arm.events).sum());
    assert_eq!(events, 20_000);
    taken
}

#[test]
fn an_event_of_an_experiment_allocates_nothing() {
    // What is freed at once is seen.
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    drop(std::hint::black_box(before.to_string()));
    assert!(ALLOCATOR.peak_usage() > before);

    let (without, with) = (taken(core(Vec::new())), taken(core(vec![experiment()])));
    println!("{without} bytes without, {with} with an experiment");
    assert_eq!(with, without);
}
