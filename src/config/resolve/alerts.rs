//! Alerts: rules from wherever they are, mute times, and who may silence.

use std::{
    borrow::Cow,
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use secrecy::SecretString;
use wildmatch::WildMatch;

use super::{Resolver, secret::SecretSources};
use crate::{
    alert::{AlertSettings, MuteTime},
    config::{
        keys::nearest,
        places::join,
        raw,
        rules::{self, Known, RuleCheck, Source},
    },
};

/// Where rule files are looked for when none are named.
const RULE_FILES: &str = "rules/*.toml";
/// Monday first.
const DAYS: [&str; 7] = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];

/// What `[alerts]` and `[[rules]]` say together.
pub(super) struct Alerts {
    pub(super) settings: AlertSettings,
    pub(super) api_token: Option<SecretString>,
}

impl Resolver<'_> {
    /// `models` are the names of all models, when all have one.
    pub(super) fn alerts(
        &mut self,
        raw: raw::Alerts,
        own: Vec<raw::Rule>,
        models: Option<&[String]>,
    ) -> Alerts {
        let mute_names: BTreeSet<String> =
            raw.mute_times.iter().filter_map(|mute| mute.name.clone()).collect();
        let mute_times = self.mute_times(raw.mute_times);
        let known = Known { models, mute_times: Some(mute_names.iter().map(String::as_str).collect()) };
        let mut sources = Vec::new();
        let mut default = rules::default_source(self.report);
        self.disable(&raw.disable, &mut default);
        if raw.default_rules {
            sources.push(default);
        }
        sources.push(Source::new(Cow::Borrowed(self.places), own));
        for (key, path) in self.rule_files(raw.rules.as_deref()) {
            sources.extend(self.rule_file(&key, &path));
        }
        let found = rules::resolve(sources, &known, self.report);
        let settings = AlertSettings {
            rules: found.iter().map(|found| found.check.rule.clone()).collect(),
            mute_times,
            group_wait_ms: raw.group_wait,
            group_interval_ms: raw.group_interval,
            repeat_interval_ms: raw.repeat_interval,
        };
        // Those that come with the program name both columns of predictions, of
        // which a model may have one.
        self.report.rule_checks = found
            .into_iter()
            .filter(|found| !found.is_default)
            .map(|found| found.check)
            .filter(|check| self.is_checkable(check, models))
            .collect();
        let token = SecretSources { inline: raw.api_token, file: raw.api_token_file, env: raw.api_token_env };
        Alerts { settings, api_token: self.secret("alerts.api_token", token) }
    }

    /// Whether all models that a rule selects have a file as reference.
    fn is_checkable(&self, check: &RuleCheck, models: Option<&[String]>) -> bool {
        let files = &self.report.reference_files;
        let has_file = |model: &String| files.iter().any(|file| file.model.as_ref() == Some(model));
        models.is_some_and(|models| models.iter().filter(|model| check.rule_is_about(model)).all(has_file))
    }

    /// Takes rules that are not wanted out of those that come with the program.
    fn disable(&mut self, disable: &[String], default: &mut Source<'_>) {
        let names: Vec<String> = default.names().cloned().collect();
        for (index, name) in disable.iter().enumerate() {
            if names.contains(name) {
                continue;
            }
            let hint = match nearest(name, names.iter().map(String::as_str)) {
                Some(meant) => format!("did you mean {meant:?}?"),
                None => format!("there are {}", names.join(", ")),
            };
            let message = format!("no rule {name:?} comes with Driftline");
            self.error(&format!("alerts.disable[{index}]"), message, hint);
        }
        default.leave_out(|name| disable.contains(name));
    }

    /// The rule files, each with the key that names it.
    fn rule_files(&mut self, patterns: Option<&[String]>) -> Vec<(String, PathBuf)> {
        let Some(patterns) = patterns else {
            let files = matching(&self.path(RULE_FILES)).unwrap_or_default();
            return files.into_iter().map(|path| ("alerts.rules".to_owned(), path)).collect();
        };
        let mut files: Vec<(String, PathBuf)> = Vec::new();
        for (index, pattern) in patterns.iter().enumerate() {
            let key = format!("alerts.rules[{index}]");
            let path = self.path(pattern);
            let found = if is_pattern(pattern) { matching(&path) } else { Ok(vec![path]) };
            match found {
                Ok(found) if found.is_empty() => {
                    let hint = "paths are relative to the configuration file";
                    self.error(&key, format!("no file is called {pattern:?}"), hint);
                }
                Ok(found) => {
                    let new = found.into_iter().filter(|path| !files.iter().any(|(_, known)| known == path));
                    let new: Vec<PathBuf> = new.collect();
                    files.extend(new.into_iter().map(|path| (key.clone(), path)));
                }
                Err(message) => {
                    self.error(&key, message, "write \"rules/*.toml\", relative to the configuration file");
                }
            }
        }
        files
    }

    fn rule_file(&mut self, key: &str, path: &Path) -> Option<Source<'static>> {
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) => {
                let message = format!("the file {} can't be read: {error}", path.display());
                self.error(key, message, "paths are relative to the configuration file");
                return None;
            }
        };
        match rules::read(&text, path, self.report) {
            Ok(source) => Some(source),
            Err(syntax_error) => {
                self.report.errors.push(*syntax_error);
                None
            }
        }
    }

    fn mute_times(&mut self, raw: Vec<raw::MuteTime>) -> Vec<MuteTime> {
        let mut names = BTreeSet::new();
        let mut mute_times = Vec::new();
        for (index, mute) in raw.into_iter().enumerate() {
            let path = format!("alerts.mute_times[{index}]");
            if let Some(name) = &mute.name
                && !names.insert(name.clone())
            {
                let message = format!("the mute time {name:?} stands here twice");
                self.error(&join(&path, "name"), message, "give each its own name");
            }
            mute_times.extend(self.mute_time(&path, mute));
        }
        mute_times
    }

    fn mute_time(&mut self, path: &str, raw: raw::MuteTime) -> Option<MuteTime> {
        let name = self.required(raw.name, &join(path, "name"), "name = \"nights\"");
        let days = self.days(&join(path, "days"), raw.days.as_deref());
        let hours = self.hours(path, raw.from.as_deref(), raw.until.as_deref());
        let zone = raw.time_zone;
        let mute = MuteTime::new(name.as_deref().unwrap_or_default(), days?, hours?, &zone);
        if mute.is_none() && !self.places.is_poisoned(&join(path, "time_zone")) {
            let message = format!("there is no time zone {zone:?}");
            self.error(&join(path, "time_zone"), message, "write \"UTC\" or \"Europe/Berlin\"");
        }
        name.and(mute)
    }

    fn days(&mut self, key: &str, days: Option<&[String]>) -> Option<[bool; 7]> {
        let Some(days) = days else {
            return (!self.places.is_poisoned(key)).then_some([true; 7]);
        };
        if days.is_empty() {
            self.error(key, "the list is empty", "leave it out for every day");
            return None;
        }
        let mut chosen = [false; 7];
        let mut is_fine = true;
        for (index, day) in days.iter().enumerate() {
            if let Some((_, slot)) = DAYS.into_iter().zip(&mut chosen).find(|(name, _)| name == day) {
                *slot = true;
                continue;
            }
            is_fine = false;
            let hint = format!("write {}", DAYS.join(", "));
            self.error(&format!("{key}[{index}]"), format!("{day:?} is no day"), hint);
        }
        is_fine.then_some(chosen)
    }

    /// `Some(None)` for whole days.
    #[expect(clippy::option_option, reason = "an error is told from there being no hours")]
    fn hours(&mut self, path: &str, from: Option<&str>, until: Option<&str>) -> Option<Option<(u16, u16)>> {
        let (from_key, until_key) = (join(path, "from"), join(path, "until"));
        if !self.are_known(&[&from_key, &until_key]) {
            return None;
        }
        let hint = "write both, such as from = \"22:00\" and until = \"06:00\", or neither for whole days";
        let (from, until) = match (from, until) {
            (None, None) => return Some(None),
            (Some(from), Some(until)) => (self.minute(&from_key, from), self.minute(&until_key, until)),
            (Some(_), None) => {
                self.error(&from_key, "the mute time has no end", hint);
                return None;
            }
            (None, Some(_)) => {
                self.error(&until_key, "the mute time has no beginning", hint);
                return None;
            }
        };
        let (from, until) = (from?, until?);
        if from == until {
            self.error(&until_key, "the mute time ends when it begins", hint);
            return None;
        }
        Some(Some((from, until)))
    }

    fn minute(&mut self, key: &str, text: &str) -> Option<u16> {
        let is_number = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        let number = |part: &str, limit: u16| {
            Some(part).filter(is_number)?.parse::<u16>().ok().filter(|number| *number < limit)
        };
        let minute = text
            .split_once(':')
            .and_then(|(hour, minute)| Some(number(hour, 24)? * 60 + number(minute, 60)?));
        if minute.is_none() {
            self.error(key, format!("{text:?} is no time of the day"), "write \"00:00\" to \"23:59\"");
        }
        minute
    }
}

fn is_pattern(path: &str) -> bool {
    path.contains(['*', '?'])
}

/// The files whose names match the last part of `pattern`, in order; none when
/// there is no such folder.
fn matching(pattern: &Path) -> Result<Vec<PathBuf>, String> {
    let folder = pattern.parent().unwrap_or(Path::new(""));
    if is_pattern(&folder.to_string_lossy()) {
        return Err("only the name of a file may have * and ?, no folder".to_owned());
    }
    let name = pattern.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let name = WildMatch::new(&name);
    let folder_read = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let Ok(entries) = fs::read_dir(folder_read) else { return Ok(Vec::new()) };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut files: Vec<PathBuf> =
        names.filter(|found| name.matches(found)).map(|found| folder.join(found)).collect();
    files.retain(|path| path.is_file());
    files.sort();
    Ok(files)
}
