//! The metrics of a whole daemon against their documentation.

use std::{collections::BTreeSet, fs, path::Path};

use driftline::{
    config::{self, Overrides},
    pipeline::daemon::{self, Hooks},
};
use prometheus::proto::{LabelPair, Metric, MetricFamily, MetricType};

use crate::{
    bench::{PATIENCE, TOPIC, database, wait_for_events},
    experiments::with_experiment,
    explanations::{explained, from_server, model_server},
    support::servers::{eventually, or_skip, promtool},
};

/// `| name | type | labels | meaning |`, as documented.
fn row(family: &MetricFamily) -> String {
    let kind = match family.get_field_type() {
        MetricType::COUNTER => "counter",
        MetricType::GAUGE => "gauge",
        MetricType::HISTOGRAM => "histogram",
        other => panic!("{other:?}"),
    };
    let labels = family.get_metric().iter().flat_map(Metric::get_label);
    let labels: BTreeSet<&str> = labels.map(LabelPair::name).collect();
    let labels: Vec<String> = labels.into_iter().map(|label| format!("`{label}`")).collect();
    format!("| `{}` | {kind} | {} | {} |", family.name(), labels.join(", "), family.help())
}

#[test]
fn every_metric_is_documented_and_every_documented_one_is_there() {
    let bench = explained();
    let (database, server) = (database(), model_server());
    let receiver = "[[receivers]]\nname = \"pager\"\ntype = \"webhook\"\nurl = \"http://127.0.0.1:1/\"\n";
    let text = bench.config("metrics", &database, "[http]\nlisten = \"127.0.0.1:0\"") + receiver;
    let text = with_experiment(&from_server(&bench, &text, &server), "");
    let file = bench.folder.join("driftline.toml");
    let loaded = config::load_text(&text, &file, &Overrides::none()).unwrap();
    let daemon = daemon::start(&loaded.settings, Hooks::default()).unwrap();
    driftline::ops::ReloadMetrics::register(daemon.registry()).unwrap();
    bench.mock.write(TOPIC, 0, "not JSON");
    bench.publish(0..400, 1);
    wait_for_events(&database, 400);
    eventually("the model's server is asked", PATIENCE, || (!server.seen().is_empty()).then_some(()));
    let families = daemon.registry().gather();
    let page = driftline::ops::render(daemon.registry()).unwrap();
    daemon.stop().unwrap();

    let rows: Vec<String> = families.iter().map(row).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/metrics.md");
    let documented = fs::read_to_string(&path).unwrap_or_default();
    let documented: Vec<&str> = documented.lines().filter(|line| line.starts_with("| `")).collect();
    assert_eq!(documented, rows, "docs/metrics.md should have these rows:\n{}\n", rows.join("\n"));
    let Some(verdict) = or_skip(promtool(&String::from_utf8(page).unwrap())) else { return };
    assert_eq!(verdict, Ok(()));
}
