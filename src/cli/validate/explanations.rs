//! What `driftline validate` says of explanations: whether the model can be read,
//! whether its inputs can be made of the reference's features, what a row costs,
//! and whether the logged predictions are this model's at all.
//!
//! Models in files are read and asked about the reference's sample; servers are
//! asked with `--connect` only.

use std::{collections::BTreeMap, sync::Arc};

use tokio::runtime::Runtime;

use crate::{
    cli::event_files::plural,
    config::{ExplainKeys, ModelSettings, Problem, ReferenceFile, Settings},
    explain::{ExplainError, Explainer, InputErrors, InputMap, InputSchema, SurrogateExplainer},
    explainer::{
        ExplainerSettings, LoadError, ModelAccess, ModelSource, PrepareError, PreparedModel, load_inputs,
        load_model,
    },
    model::ModelInfo,
    ops::grouped,
    reference::Reference,
    result::{LoggedGap, PREDICTION},
};

/// With a larger share of other predictions, the model is not the one that made
/// them. The rule `other_model` resolves below it.
const OTHER_MODEL: f64 = 0.1;

/// A configuration without errors, and what it names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked<'a> {
    pub(super) settings: &'a Settings,
    pub(super) keys: &'a [ExplainKeys],
    pub(super) reference_files: &'a [ReferenceFile],
    /// By model, where they can be read.
    pub(super) references: &'a [(&'a str, Option<&'a Reference>)],
}

/// What was found out about the models of a configuration.
#[derive(Debug, Default)]
pub(super) struct Findings {
    pub(super) errors: Vec<Problem>,
    pub(super) warnings: Vec<Problem>,
    /// What would be explained how, by model.
    pub(super) lines: BTreeMap<String, Vec<String>>,
}

/// One model that is explained.
#[derive(Clone, Copy)]
struct Subject<'a> {
    model: &'a ModelSettings,
    explain: &'a ExplainerSettings,
    keys: &'a ExplainKeys,
    reference: Option<&'a Reference>,
    reference_file: Option<&'a ReferenceFile>,
    slide_ms: i64,
}

impl<'a> Checked<'a> {
    fn subjects(self) -> impl Iterator<Item = Subject<'a>> {
        self.settings.models.iter().filter_map(move |model| {
            let of = |(name, reference): &(&str, Option<&'a Reference>)| {
                (*name == model.name).then_some(*reference).flatten()
            };
            Some(Subject {
                model,
                explain: model.explain.as_ref()?,
                keys: self.keys.iter().find(|keys| keys.model == model.name)?,
                reference: self.references.iter().find_map(of),
                reference_file: self
                    .reference_files
                    .iter()
                    .find(|file| file.model.as_deref() == Some(&*model.name)),
                slide_ms: self.settings.windows.slide_ms,
            })
        })
    }
}

/// Looks at all models that are explained, and asks those in files.
pub(super) fn check(checked: Checked<'_>) -> Findings {
    let mut findings = Findings::default();
    for subject in checked.subjects() {
        let line = match &subject.explain.source {
            ModelSource::Surrogate => subject.surrogate(),
            ModelSource::Server(_) => {
                subject.schema().map(|_| "explained by a model server, which --connect asks".to_owned())
            }
            ModelSource::File { path, runtime } => match subject.reference {
                Some(reference) => subject.ask(reference, &mut findings),
                None => subject.schema().and_then(|schema| {
                    let width = schema.as_ref().map(InputSchema::len);
                    let model = load_model(path, runtime.as_ref(), width)?;
                    Ok(format!(
                        "explained by {}; its inputs are held against the reference once there is one",
                        kind(model.info())
                    ))
                }),
            },
        };
        match line {
            Ok(line) => findings.lines.entry(subject.model.name.clone()).or_default().insert(0, line),
            Err(error) => findings.errors.extend(subject.problems(&error)),
        }
    }
    findings
}

/// Asks the models that are servers; one line each, and whether it is good news.
pub(super) fn connect(checked: Checked<'_>) -> Vec<(bool, String)> {
    let mut steps = Vec::new();
    for subject in
        checked.subjects().filter(|subject| matches!(subject.explain.source, ModelSource::Server(_)))
    {
        let name = &subject.model.name;
        let Some(reference) = subject.reference else {
            steps.push((
                true,
                format!("explanations of {name}: not asked, the reference is still to be learned"),
            ));
            continue;
        };
        let mut findings = Findings::default();
        match subject.ask(reference, &mut findings) {
            Ok(line) => {
                steps.push((true, format!("explanations of {name}: {line}")));
                let more = findings.lines.into_values().flatten();
                steps.extend(more.map(|line| (true, format!("explanations of {name}: {line}"))));
            }
            Err(error) => steps.push((false, format!("explanations of {name}: {error}"))),
        }
        for warning in findings.warnings {
            eprintln!("warning: {warning}");
        }
    }
    steps
}

impl Subject<'_> {
    /// The schema of inputs, where one is named, held against the reference.
    fn schema(self) -> Result<Option<InputSchema>, PrepareError> {
        let Some(path) = &self.explain.inputs else { return Ok(None) };
        let schema = load_inputs(path)?;
        if let Some(reference) = self.reference {
            InputMap::of_schema(&schema, reference)?;
        }
        Ok(Some(schema))
    }

    /// Whether a surrogate can be fitted to the reference.
    fn surrogate(self) -> Result<String, PrepareError> {
        let schema = self.schema()?;
        if let Some(reference) = self.reference {
            SurrogateExplainer::new(&Arc::new(reference.clone()), schema.as_ref(), &self.explain.explain)?;
        }
        Ok("explained by a surrogate that is fitted to each window: a ranking of features, no more"
            .to_owned())
    }

    /// Reads or reaches the model and asks it about the reference's sample: how
    /// it would be explained. What else is worth knowing goes into `findings`.
    fn ask(self, reference: &Reference, findings: &mut Findings) -> Result<String, PrepareError> {
        let runtime = runtime()?;
        let access = ModelAccess::alone(self.explain, runtime.handle())?;
        let Some(prepared) = PreparedModel::new(self.explain, reference, &access)? else {
            return Ok("explained by a surrogate".to_owned());
        };
        let mut warn = |message: String, hint: &str| {
            let keys = ["inputs", "model", "server"];
            findings.warnings.push(self.keys.problem(&keys, message, Some(hint.to_owned())));
        };
        for note in prepared.inputs.notes() {
            warn(note.clone(), "leave it out, or look whether it is written as the events write it");
        }
        let explainer = prepared.explainer(self.explain, reference)?;
        if let Some(message) = unusable(&explainer, reference) {
            warn(message, "declare a number for it, or one for all others with unknown");
        }
        let (line, affordable) = self.cost(&explainer);
        if affordable == 0 {
            warn(
                "the budget allows no row of a window".to_owned(),
                "raise evaluations_per_second, or lower background_rows or most_rounds",
            );
        }
        match told_gap(&explainer, reference) {
            Ok(line) => findings.lines.entry(self.model.name.clone()).or_default().push(line),
            Err(message) => {
                let hint = "usually another version of the model made them, or features are prepared otherwise than \
                            here (scales, categories, missing values); a class or log-odds that is logged in place \
                            of what the model gives does the same";
                let keys = ["model", "server"];
                findings.warnings.push(self.keys.problem(&keys, message, Some(hint.to_owned())));
            }
        }
        Ok(line)
    }

    /// What a row costs, and how many rows of a window the budget allows.
    fn cost(self, explainer: &Explainer) -> (String, u64) {
        let wanted = self.explain.rows.rows as u64;
        let affordable = explainer.rows_within(self.explain.evaluations_per_window(self.slide_ms, 1), wanted);
        let evaluations = explainer.evaluations_per_row();
        let up_to = if evaluations > 1 { "up to " } else { "" };
        let rows = if affordable < wanted {
            format!("{} of the {} rows", grouped(affordable), grouped(wanted))
        } else {
            format!("all {} rows", grouped(wanted))
        };
        let line = format!(
            "explained by {}: {} with {}, {up_to}{} a row; the budget allows {rows} of a window of one version",
            kind(explainer.info()),
            explainer.usual_method().as_str(),
            plural(explainer.background().rows().len() as u64, "background row"),
            plural(evaluations, "evaluation"),
        );
        (line, affordable)
    }

    /// An error by the keys that it is about.
    fn problems(self, error: &PrepareError) -> Vec<Problem> {
        let one =
            |keys: &[&str], hint: Option<String>| vec![self.keys.problem(keys, error.to_string(), hint)];
        let see = || Some("docs/explanations.md says which models are read, and how".to_owned());
        match error {
            PrepareError::Load(LoadError::Inputs { source, .. }) | PrepareError::Inputs(source) => {
                self.input_problems(source)
            }
            PrepareError::Load(error) if Some(error.path()) == self.explain.inputs.as_deref() => {
                one(&["inputs"], Some("name a file that can be read".to_owned()))
            }
            PrepareError::Load(LoadError::Runtime { .. }) => one(&["runtime"], see()),
            PrepareError::Load(_) => one(&["model"], see()),
            PrepareError::Remote(_) | PrepareError::Refused(_) => one(&["server"], None),
            PrepareError::Explain(ExplainError::NoSample) => {
                let message = "the reference keeps no rows, which explanations are made beside".to_owned();
                let hint = format!(
                    "make it again with this configuration: driftline reference --config FILE --model {} --from FILE",
                    self.model.name
                );
                match self.reference_file {
                    Some(file) => vec![file.problem(message, hint)],
                    None => vec![self.keys.problem(&[], message, Some(hint))],
                }
            }
            PrepareError::Explain(ExplainError::Output { .. }) => one(&["outputs"], None),
            PrepareError::Explain(_) => one(&["inputs", "model", "server", "surrogate"], None),
            PrepareError::Metrics(_) | PrepareError::Runtime(_) | PrepareError::Panicked(_) => one(&[], None),
        }
    }

    fn input_problems(self, errors: &InputErrors) -> Vec<Problem> {
        let keys = ["inputs", "model", "server", "surrogate"];
        let file = self.explain.inputs.as_ref().map(|path| path.display().to_string());
        let problem = |error: &crate::explain::InputError| {
            let key = Some(error.key.clone()).filter(|key| !key.is_empty());
            let parts = [file.clone(), key, Some(error.problem.clone())];
            let message = parts.into_iter().flatten().collect::<Vec<_>>().join(": ");
            self.keys.problem(&keys, message, Some(error.hint.clone()))
        };
        errors.0.iter().map(problem).collect()
    }
}

/// Carries the requests to models that are servers.
fn runtime() -> Result<Runtime, PrepareError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.map_err(PrepareError::Runtime)
}

fn kind(info: &ModelInfo) -> String {
    let (inputs, outputs) = (plural(info.inputs as u64, "input"), plural(info.outputs as u64, "output"));
    format!("{}, {inputs}, {outputs}", info.kind)
}

/// The sampled rows of the reference that the inputs can't be made of.
fn unusable(explainer: &Explainer, reference: &Reference) -> Option<String> {
    let (mut rows, mut unusable, mut first) = (0_u64, 0_u64, None);
    for (_, cells) in reference.sample.iter().flat_map(crate::profile::RowSample::rows) {
        rows += 1;
        if let Err(error) = explainer.inputs().encode(cells, &mut Vec::new()) {
            unusable += 1;
            first = first.or_else(|| {
                Some(match explainer.inputs().culprit(cells) {
                    Some((feature, Some(category))) => {
                        format!("{error}: feature {feature:?} is {category:?}")
                    }
                    Some((feature, None)) => format!("{error}: feature {feature:?}"),
                    None => error.to_string(),
                })
            });
        }
    }
    let first = first?;
    let of = format!("{} of the reference's {}", grouped(unusable), plural(rows, "sampled row"));
    Some(format!("{of} can't be explained; the first since {first}"))
}

/// Whether the logged predictions are the model's; an error says how far off.
fn told_gap(explainer: &Explainer, reference: &Reference) -> Result<String, String> {
    let Some(gap) = explainer.logged_gap() else {
        let is_logged = reference.columns.iter().any(|column| column.name == PREDICTION);
        return Ok(if is_logged {
            "which predictions are this model's is not looked at: not exactly one output is explained"
                .to_owned()
        } else {
            "which predictions are this model's is not known: the reference has none".to_owned()
        });
    };
    let LoggedGap { rows, median, p95, tolerance, share } = gap;
    if *share > OTHER_MODEL {
        return Err(format!(
            "the predictions in the reference are not this model's: {:.0}% of {} differ by more than {tolerance:.2e}; \
             half of all by {median:.3e} or more, and one in twenty by {p95:.3e} or more",
            100.0 * share,
            plural(*rows, "sampled row"),
        ));
    }
    let others = if *share > 0.0 { format!(", but for {:.1}%", 100.0 * share) } else { String::new() };
    Ok(format!("the logged predictions are this model's: {} of the reference{others}", plural(*rows, "row")))
}
