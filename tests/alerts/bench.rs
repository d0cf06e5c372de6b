//! Windows and rules, made up.

use std::collections::BTreeMap;

use driftline::{
    alert::{
        AlertOutputs, AlertRecord, AlertSettings, Alerts, Labels, NoData, Notification, Rule, Severity,
        Template, Test,
    },
    event::EventTime,
    result::{BinShare, ColumnKind, FeatureResult, Scores, StreamKey, Verdict, WindowResult},
    window::WindowSettings,
};

pub(crate) const HOUR: i64 = 3_600_000;
/// 2026-01-01T00:00:00Z.
pub(crate) const START: i64 = 1_767_225_600_000;

/// `metric` is `measurement.field`.
pub(crate) fn rule(name: &str, metric: &str, raise: &str) -> Rule {
    let (measurement, field) = metric.split_once('.').unwrap();
    Rule {
        name: name.to_owned(),
        measurement: measurement.to_owned(),
        test: Test::Field { name: field.to_owned(), raise: raise.parse().unwrap(), clear: None },
        selectors: Vec::new(),
        raise_after: 1,
        resolve_after: 1,
        increase_over_ms: None,
        severity: Severity::Warning,
        labels: Labels::from([("team".to_owned(), "risk".to_owned())]),
        summary: Some(Template::new("{{ model }}/{{ feature }}: {{ value }}").unwrap()),
        description: None,
        annotations: BTreeMap::new(),
        no_data: NoData::Keep,
        inhibited_by: Vec::new(),
        mute: Vec::new(),
    }
}

pub(crate) fn psi_above(limit: &str) -> Rule {
    rule("shifted", "drift.psi", &format!("> {limit}"))
}

pub(crate) fn column(name: &str, psi: f64) -> FeatureResult {
    FeatureResult {
        n: 1_000,
        valid: 1_000,
        verdict: if psi > 0.1 { Verdict::Drifted } else { Verdict::Stable },
        effect: Some(psi),
        scores: Some(Scores {
            psi,
            ks: None,
            wasserstein: None,
            jensen_shannon: psi,
            hellinger: psi,
            total_variation: psi,
            l_infinity: psi,
            chi_square: None,
        }),
        bins: vec![BinShare { label: "a".to_owned(), reference: 0.5, window: psi.min(1.0) }],
        ..FeatureResult::empty(name, ColumnKind::Categorical)
    }
}

/// The window of a model that ends so many hours after [`START`]; without any
/// column it is empty.
pub(crate) fn window_of(model: &str, hour: i64, columns: Vec<FeatureResult>) -> WindowResult {
    let stream = StreamKey { model: model.to_owned(), version: "v1".to_owned(), variant: "none".to_owned() };
    let end = START + hour * HOUR;
    let events = if columns.is_empty() { 0 } else { 1_000 };
    let features =
        if columns.is_empty() { vec![FeatureResult::empty("age", ColumnKind::Categorical)] } else { columns };
    WindowResult {
        events,
        features,
        ..WindowResult::empty(stream, "1h", EventTime(end - HOUR), EventTime(end))
    }
}

/// The engine, and all that it gave.
pub(crate) struct Bench {
    pub(crate) alerts: Alerts,
    settings: AlertSettings,
    pub(crate) records: Vec<AlertRecord>,
    pub(crate) notifications: Vec<Notification>,
}

pub(crate) fn windows() -> WindowSettings {
    WindowSettings { size_ms: HOUR, slide_ms: HOUR, max_empty_windows: 5, ..WindowSettings::default() }
}

impl Bench {
    pub(crate) fn new(rules: Vec<Rule>) -> Self {
        let settings = AlertSettings {
            rules,
            mute_times: Vec::new(),
            group_wait_ms: 30_000,
            group_interval_ms: 300_000,
            repeat_interval_ms: 4 * HOUR,
        };
        Self::with(settings)
    }

    pub(crate) fn with(settings: AlertSettings) -> Self {
        let alerts = Alerts::new(settings.clone(), &windows());
        Self { alerts, settings, records: Vec::new(), notifications: Vec::new() }
    }

    pub(crate) fn take(&mut self, mut act: impl FnMut(&mut Alerts, &mut AlertOutputs)) {
        let mut out = AlertOutputs::default();
        act(&mut self.alerts, &mut out);
        self.records.append(&mut out.records);
        self.notifications.append(&mut out.notifications);
    }

    pub(crate) fn window(&mut self, window: &WindowResult, final_until: Option<i64>) {
        self.take(|alerts, out| alerts.window(window, final_until, out));
    }

    /// One column, `age`, of the model `credit`.
    pub(crate) fn psi(&mut self, hour: i64, psi: f64) {
        self.window(&window_of("credit", hour, vec![column("age", psi)]), None);
    }

    /// The clock, in seconds after [`START`].
    pub(crate) fn tick(&mut self, second: i64) {
        self.take(|alerts, out| alerts.tick(EventTime(START + second * 1_000), None, out));
    }

    /// Every second from one to the other.
    pub(crate) fn ticks(&mut self, seconds: std::ops::Range<i64>) {
        seconds.for_each(|second| self.tick(second));
    }

    /// Goes through a stored memory, perhaps with other rules.
    pub(crate) fn restart(&mut self, rules: Option<Vec<Rule>>) {
        let bytes = rmp_serde::to_vec_named(self.alerts.memory()).unwrap();
        let memory = rmp_serde::from_slice(&bytes).unwrap();
        if let Some(rules) = rules {
            self.settings.rules = rules;
        }
        self.alerts = Alerts::new(self.settings.clone(), &windows());
        self.take(|alerts, out| alerts.restore(&memory, out));
    }

    /// What was said so far: state, feature and hour.
    pub(crate) fn said(&mut self) -> Vec<String> {
        let said = self.records.drain(..).map(|record| {
            let hour = (record.at.0 - START) / HOUR;
            format!("{} {} {hour}", record.state.as_str(), record.alert.label("feature"))
        });
        said.collect()
    }

    /// What was told so far: reason, and the features by whether they fire.
    pub(crate) fn told(&mut self) -> Vec<String> {
        let names = |alerts: Vec<&driftline::alert::Alert>| {
            alerts.iter().map(|alert| alert.label("feature")).collect::<Vec<_>>().join("+")
        };
        let told = self.notifications.drain(..).map(|one| {
            let model = one.group.model.as_deref().unwrap_or("daemon");
            let (firing, over) = (names(one.firing().collect()), names(one.resolved().collect()));
            format!("{model} {}: {firing} / {over}", one.reason.as_str())
        });
        told.collect()
    }
}
