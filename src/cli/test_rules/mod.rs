//! `driftline test-rules`: unit tests of rules, windows in, alerts out.
//!
//! Why: a rule that was never seen to fire, or to stay quiet, is a guess. A
//! test gives a few series of values, one per window, and says which alerts
//! fire after which window; nothing else may.
//!
//! Promises: the rules are judged by the very code that the daemon runs. Every
//! failed expectation is told, not the first one only.

mod file;
mod run;
mod values;

use std::path::{Path, PathBuf};

use self::{
    file::{Test, TestFile},
    run::{Failure, check},
};
use super::{Exit, event_files::plural};
use crate::{
    alert::Rule,
    config::{default_rules, load_rules},
};

/// Arguments of `driftline test-rules`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Files of tests; docs/alerts.md says what is in one
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Run only tests whose names have this in them
    #[arg(long, value_name = "TEXT")]
    name: Option<String>,
}

pub(super) fn run(args: &Args) -> Exit {
    let (mut count, mut failed, mut broken) = (0, 0, false);
    for path in &args.files {
        println!("{}", path.display());
        match read(path) {
            Err(errors) => {
                broken = true;
                for error in errors {
                    eprintln!("error: {error}");
                }
            }
            Ok((file, rules)) => {
                let is_wanted = |test: &&Test| args.name.as_ref().is_none_or(|name| test.name.contains(name));
                for test in file.tests.iter().filter(is_wanted) {
                    count += 1;
                    let failures = check(test, &file, &rules);
                    failed += usize::from(!failures.is_empty());
                    report(test, &failures);
                }
            }
        }
    }
    println!("{}, {failed} failed", plural(count, "test"));
    if broken {
        return Exit::Config;
    }
    if count == 0 {
        let name = args.name.as_deref().unwrap_or_default();
        eprintln!("error: no test has {name:?} in its name");
        return Exit::Failure;
    }
    if failed > 0 { Exit::Failure } else { Exit::Success }
}

fn report(test: &Test, failures: &[Failure]) {
    println!("  {:<6}  {}", if failures.is_empty() { "ok" } else { "FAILED" }, test.name);
    for failure in failures {
        for line in failure.to_string().lines() {
            println!("          {line}");
        }
    }
}

/// A file of tests with the rules that it is about.
fn read(path: &Path) -> Result<(TestFile, Vec<Rule>), Vec<String>> {
    let file = TestFile::read(path).map_err(|error| vec![error])?;
    let base = path.parent().unwrap_or(Path::new(""));
    let (mut rules, mut errors) = (Vec::new(), Vec::new());
    if file.default_rules {
        rules.extend(default_rules());
    }
    for name in &file.rules {
        // Whether people are told is what no test is about.
        match load_rules(&base.join(name), None) {
            Ok(found) => {
                rules.retain(|rule: &Rule| !found.iter().any(|other| other.name == rule.name));
                rules.extend(found);
            }
            Err(found) => errors.extend(found.errors.iter().map(ToString::to_string)),
        }
    }
    if errors.is_empty() && rules.is_empty() {
        errors.push(format!("{}: rules: there are none to test; name a file of [[rules]]", path.display()));
    }
    errors.extend(file.problems(path, &rules));
    if errors.is_empty() { Ok((file, rules)) } else { Err(errors) }
}
