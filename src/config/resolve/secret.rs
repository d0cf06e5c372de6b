//! Secrets: from a file, from the environment or, with a warning, inline.

use std::fs;

use secrecy::SecretString;

use super::Resolver;

/// The three places where a secret can be.
pub(super) struct SecretSources {
    pub(super) inline: Option<String>,
    pub(super) file: Option<String>,
    pub(super) env: Option<String>,
}

impl Resolver<'_> {
    /// The secret of `key` (`influxdb.token`) from `key`, `key_file` or `key_env`.
    /// `None` when there is none or an error was reported.
    pub(super) fn secret(&mut self, key: &str, sources: SecretSources) -> Option<SecretString> {
        let (file_key, env_key) = (format!("{key}_file"), format!("{key}_env"));
        let name = key.rsplit('.').next().unwrap_or(key);
        let given = [sources.inline.is_some(), sources.file.is_some(), sources.env.is_some()];
        if given.into_iter().filter(|is_given| *is_given).count() > 1 {
            let second = if sources.env.is_some() { &env_key } else { &file_key };
            let message = format!("the {name} is given more than once");
            self.error(second, message, format!("keep one of {name}, {name}_file and {name}_env"));
            return None;
        }
        if let Some(secret) = sources.inline {
            if !self.places.is_from_environment(key) {
                let message = format!("the {name} stands in the file, where backups and colleagues find it");
                self.warn(key, message, format!("use {name}_file or {name}_env"));
            }
            return Some(secret.into());
        }
        match (sources.file, sources.env) {
            (Some(file), _) => self.secret_file(&file_key, &file),
            (None, Some(variable)) => self.secret_variable(&env_key, &variable),
            (None, None) => None,
        }
    }

    /// The first line's content of a secret's file.
    pub(super) fn secret_file(&mut self, key: &str, file: &str) -> Option<SecretString> {
        let path = self.path(file);
        match fs::read_to_string(&path) {
            Ok(text) if !text.trim().is_empty() => Some(text.trim_end_matches(['\r', '\n']).into()),
            Ok(_) => {
                self.error(key, format!("the file {} is empty", path.display()), "put the secret into it");
                None
            }
            Err(error) => {
                let message = format!("the file {} can't be read: {error}", path.display());
                self.error(key, message, "paths are relative to the configuration file");
                None
            }
        }
    }

    /// The secret in an environment variable.
    pub(super) fn secret_variable(&mut self, key: &str, variable: &str) -> Option<SecretString> {
        // What looks like no name may be the secret itself, so it is not shown.
        if variable.starts_with(|c: char| c.is_ascii_digit())
            || !variable.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
        {
            self.error(key, "not the name of an environment variable", "write the name, not the secret");
            return None;
        }
        match self.overrides.lookup(variable) {
            Some(text) if !text.trim().is_empty() => Some(text.into()),
            found => {
                let state = if found.is_some() { "empty" } else { "not set" };
                let message = format!("the environment variable {variable} is {state}");
                self.error(key, message, "set it where the daemon is started, or name a file instead");
                None
            }
        }
    }
}
