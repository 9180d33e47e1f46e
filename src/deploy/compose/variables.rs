//! The variables that a compose file may use.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use super::env_file::{EnvFileError, EnvFormat, read_env_file};
use super::template::Budget;

/// The variables of the shell and of env files. The shell takes precedence, and later files take precedence over
/// earlier ones, as in Compose.
#[derive(Default)]
pub struct Variables {
    /// Those that no file replaces: of the shell, and then of the files that include the one that they are for.
    given: Vec<Arc<BTreeMap<String, String>>>,
    files: Arc<BTreeMap<String, String>>,
    /// Variables of env files that are not set, and that an empty string stands for: the file, the line and the name.
    pub(super) unset: Vec<(PathBuf, usize, String)>,
    /// The paths of the files.
    pub(super) paths: Vec<PathBuf>,
}

impl std::fmt::Debug for Variables {
    /// Omits the values, which may be secrets.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&String> = self.files.keys().collect();
        formatter
            .debug_struct("Variables")
            .field("files", &names)
            .finish_non_exhaustive()
    }
}

impl Variables {
    /// Creates the variables of the shell alone.
    pub fn of_shell(shell: BTreeMap<String, String>) -> Self {
        Self {
            given: vec![Arc::new(shell)],
            ..Self::default()
        }
    }

    /// Returns the variables of an included file, which takes over all of these. Its own env files set what these do not.
    pub(super) fn of_include(&self) -> Self {
        let mut given = self.given.clone();
        given.push(Arc::clone(&self.files));
        Self {
            given,
            paths: self.paths.clone(),
            ..Self::default()
        }
    }

    /// Adds the variables of an env file's text. Its values may use variables of the shell, of earlier files, and of
    /// earlier lines.
    ///
    /// # Errors
    /// Returns [`EnvFileError`] for a line that Compose refuses, and for values that are too large.
    pub fn with_file(self, path: PathBuf, text: &str) -> Result<Self, EnvFileError> {
        self.with_file_within(path, text, &Budget::default())
    }

    /// Adds the variables of an env file's text, within a budget for several files.
    pub(super) fn with_file_within(mut self, path: PathBuf, text: &str, budget: &Budget) -> Result<Self, EnvFileError> {
        let known = |name: &str| self.get(name);
        let entries = read_env_file(&path, text, EnvFormat::Compose, &known, &|_| None, budget)?;
        let files = Arc::make_mut(&mut self.files);
        for entry in entries {
            for name in entry.unset {
                self.unset.push((path.clone(), entry.line, name));
            }
            files.insert(entry.name, entry.value);
        }
        self.paths.push(path);
        Ok(self)
    }

    /// Returns the value of a variable; `None` if it is not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut given = self.given.iter();
        given
            .find_map(|variables| variables.get(name))
            .or_else(|| self.files.get(name))
            .map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_comes_first_and_later_files_before_earlier_ones() {
        let shell = [("A", "shell"), ("NONE", "")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let variables = Variables::of_shell(shell.into());
        let variables = variables
            .with_file("one".into(), "A=one\nB=one\nC=one\nNONE=one\n")
            .unwrap();
        let variables = variables.with_file("two".into(), "B=two\nD=$A-$C-$X\n").unwrap();
        let found = ["A", "B", "C", "D", "NONE", "X"].map(|name| variables.get(name));
        let expected = [
            Some("shell"),
            Some("two"),
            Some("one"),
            Some("shell-one-"),
            Some(""),
            None,
        ];
        assert_eq!(found, expected);
        assert_eq!(variables.unset, [("two".into(), 2, "X".to_owned())]);
        assert!(!format!("{variables:?}").contains("shell-one"), "no value is shown");
    }
}
