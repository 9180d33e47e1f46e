//! The variables that a compose file may use.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::env_file::{EnvFileError, EnvFormat, read_env_file};
use super::template::Budget;

/// The variables of the shell and of env files. The shell takes precedence, and later files take precedence over
/// earlier ones, as in Compose.
#[derive(Default)]
pub struct Variables {
    shell: BTreeMap<String, String>,
    files: BTreeMap<String, String>,
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
            shell,
            ..Self::default()
        }
    }

    /// Adds the variables of an env file's text. Its values may use variables of the shell, of earlier files, and of
    /// earlier lines.
    ///
    /// # Errors
    /// Returns [`EnvFileError`] for a line that Compose refuses, and for values that are too large.
    pub fn with_file(mut self, path: PathBuf, text: &str) -> Result<Self, EnvFileError> {
        let known = |name: &str| self.get(name);
        let entries = read_env_file(&path, text, EnvFormat::Compose, &known, &|_| None, &Budget::default())?;
        for entry in entries {
            for name in entry.unset {
                self.unset.push((path.clone(), entry.line, name));
            }
            self.files.insert(entry.name, entry.value);
        }
        self.paths.push(path);
        Ok(self)
    }

    /// Returns the value of a variable; `None` if it is not set.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.shell
            .get(name)
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
