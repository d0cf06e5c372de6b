//! Defaults ← file ← environment ← flags, by the crate `config`.
//!
//! The crate would turn 20.9 into 21, lower-case the names of variables and
//! forget lines, so it only layers values that were checked before, and
//! variables reach a fixed list of keys: the single values of [`KEYS`].

use std::{collections::BTreeMap, fmt, sync::LazyLock};

use ::config::{Config, ConfigError, Map, Source, Value};

use super::{
    check::{Tree, default_value},
    keys::{self, KEYS, KeySpec},
    places::{Part, Places},
    problem::{Place, Report},
    raw,
    typed::Typed,
};

/// What overrides the file: environment variables and, over them, flags.
#[derive(Clone, Default)]
pub struct Overrides {
    environment: BTreeMap<String, String>,
    flags: Vec<(String, String)>,
}

impl fmt::Debug for Overrides {
    /// Names only: values may be secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let flags: Vec<&str> = self.flags.iter().map(|(key, _)| key.as_str()).collect();
        f.debug_struct("Overrides").field("flags", &flags).finish_non_exhaustive()
    }
}

impl Overrides {
    /// Nothing is overridden, and no variable is there to take a secret from.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// The environment of this process. Variables that are not UTF-8 are left out.
    #[must_use]
    pub fn from_process() -> Self {
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        Self { environment, flags: Vec::new() }
    }

    /// Adds a variable to the environment.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Self {
        self.environment.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Sets a single value by its key path, such as `log.level`, over
    /// everything else.
    #[must_use]
    pub fn flag(mut self, key: &str, value: &str) -> Self {
        self.flags.push((key.to_owned(), value.to_owned()));
        self
    }

    /// A variable that the configuration names.
    pub(super) fn lookup(&self, name: &str) -> Option<&str> {
        self.environment.get(name).map(String::as_str)
    }

    /// Variables whose names promise to set a key.
    fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment
            .iter()
            .filter(|(name, _)| name.starts_with("DRIFTLINE_"))
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }
}

/// One layer: checked values by key path.
#[derive(Debug, Clone, Default)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, ConfigError> {
        Ok(self.0.clone())
    }
}

/// Lays the overrides over the file's tree.
pub(super) fn merge(
    file: Tree,
    overrides: &Overrides,
    places: &mut Places,
    report: &mut Report,
) -> Result<raw::File, ConfigError> {
    let environment = environment_layer(overrides, places, report);
    let flags = flag_layer(overrides, places, report);
    let mut defaults = Layer::default();
    for spec in KEYS.iter().filter(|spec| !spec.path.contains("[]")) {
        let section = spec.path.split('.').next().unwrap_or_default();
        let is_optional = matches!(section, "kafka" | "influxdb");
        let is_there = file.contains_key(section)
            || [&environment, &flags].iter().any(|layer| layer.0.keys().any(|key| is_within(key, section)));
        // Tables merge, so a default for one that is set would mix with it.
        if let Some(value) = default_value(spec)
            && (is_there || !is_optional)
            && (!places.is_set(spec.path) || places.is_poisoned(spec.path))
        {
            defaults.0.insert(spec.path.to_owned(), value);
        }
    }
    Config::builder()
        .add_source(defaults)
        .add_source(Layer(file))
        .add_source(environment)
        .add_source(flags)
        .build()?
        .try_deserialize()
}

fn is_within(key: &str, section: &str) -> bool {
    key.strip_prefix(section).is_some_and(|rest| rest.starts_with('.'))
}

fn environment_layer(overrides: &Overrides, places: &mut Places, report: &mut Report) -> Layer {
    let known: Vec<(String, &KeySpec)> =
        KEYS.iter().filter_map(|spec| Some((spec.variable()?, spec))).collect();
    let mut layer = Layer::default();
    for (name, text) in overrides.variables() {
        let place = Place::Environment(name.to_owned());
        if let Some((_, spec)) = known.iter().find(|(variable, _)| variable == name) {
            set(&mut layer, spec, text, place, (places, report));
        } else if name.contains("__") {
            let meant = keys::nearest(&name.to_lowercase(), LOWER.iter().map(String::as_str));
            let hint = meant.map(|meant| format!("did you mean {}?", meant.to_uppercase()));
            let mut problem = places.problem("", Part::Key, "sets no key".to_owned(), hint);
            problem.place = place;
            report.warnings.push(problem);
        }
    }
    layer
}

/// The names of all variables in lower case, as suggestions want them.
static LOWER: LazyLock<Vec<String>> =
    LazyLock::new(|| KEYS.iter().filter_map(KeySpec::variable).map(|name| name.to_lowercase()).collect());

fn flag_layer(overrides: &Overrides, places: &mut Places, report: &mut Report) -> Layer {
    let mut layer = Layer::default();
    for (key, text) in &overrides.flags {
        if let Some(spec) = keys::scalar(key) {
            set(&mut layer, spec, text, Place::Flag, (places, report));
            continue;
        }
        let settable = KEYS.iter().filter(|spec| spec.variable().is_some()).map(|spec| spec.path);
        let hint = match keys::nearest(key, settable) {
            Some(meant) => format!("did you mean {meant:?}?"),
            None => "only single values outside of lists can be set on the command line".to_owned(),
        };
        let mut problem = places.problem(key, Part::Key, "no such key".to_owned(), Some(hint));
        problem.place = Place::Flag;
        report.errors.push(problem);
    }
    layer
}

fn set(layer: &mut Layer, spec: &KeySpec, text: &str, place: Place, sinks: (&mut Places, &mut Report)) {
    let (places, report) = sinks;
    match Typed::from_outside(text, spec.kind).check(spec.kind) {
        Ok(value) => {
            places.record_outside(spec.path, place);
            layer.0.insert(spec.path.to_owned(), value);
        }
        Err(mismatch) => {
            let mut problem = places.problem(spec.path, Part::Value, mismatch.message, mismatch.hint);
            problem.place = place;
            report.errors.push(problem);
            places.poison(spec.path);
        }
    }
}
