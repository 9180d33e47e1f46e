//! A TOML file with the line numbers of its values. Unknown keys are ignored: other tools own these files and know more
//! keys.

use std::io::{self, Read as _};
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::error::{ConfigError, Place};
use crate::model::{InputFile, Pipes, escape};

/// Size limit of one file, in bytes. Files in use have some kilobytes, with hundreds of aliases.
pub(super) const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A file's text.
pub(super) struct File {
    path: Arc<Path>,
    text: String,
}

impl File {
    /// Reads a file. Returns `None` if it does not exist.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, ConfigError> {
        let failed = |cause| ConfigError::Read {
            path: path.to_owned(),
            cause,
        };
        let file = match InputFile::open(path, Pipes::Read) {
            Ok(file) => file,
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                return Ok(None);
            }
            Err(error) => return Err(failed(error)),
        };
        let mut bytes = Vec::new();
        file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(failed)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(ConfigError::TooLarge {
                path: path.to_owned(),
                limit_bytes: MAX_FILE_BYTES,
            });
        }
        let text = String::from_utf8(bytes).map_err(|_| ConfigError::NotUtf8 { path: path.to_owned() })?;
        Ok(Some(Self {
            path: Arc::from(path),
            text,
        }))
    }

    /// Returns a text as if it had been read from `path`.
    #[cfg(test)]
    pub(super) fn of(path: &str, text: &str) -> Self {
        Self {
            path: Arc::from(Path::new(path)),
            text: text.to_owned(),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Parses the file. The parser's message is shown without its excerpt of the file, which may have a secret.
    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'_>>, ConfigError> {
        DeTable::parse(&self.text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            ConfigError::invalid(&self.place(offset), escape(error.message().as_bytes()))
        })
    }

    /// Returns the top-level table, as parsed by [`File::parse`].
    pub(super) fn root<'a>(&'a self, parsed: &'a Spanned<DeTable<'a>>) -> Table<'a> {
        Table {
            file: self,
            table: parsed.get_ref(),
            offset: 0,
        }
    }

    fn place(&self, offset: usize) -> Place {
        let before = self.text.as_bytes().get(..offset).unwrap_or(self.text.as_bytes());
        Place {
            path: Arc::clone(&self.path),
            line: 1 + before.iter().filter(|byte| **byte == b'\n').count(),
        }
    }
}

/// A table of a file.
#[derive(Clone, Copy)]
pub(super) struct Table<'a> {
    file: &'a File,
    table: &'a DeTable<'a>,
    offset: usize,
}

impl<'a> Table<'a> {
    /// Returns where the table begins.
    pub(super) fn place(&self) -> Place {
        self.file.place(self.offset)
    }

    /// Returns the file.
    pub(super) fn file(&self) -> &'a File {
        self.file
    }

    /// Returns the value of a key.
    pub(super) fn value(&self, key: &'static str) -> Option<Value<'a>> {
        let value = self.table.get(key)?;
        Some(Value {
            file: self.file,
            key,
            value,
        })
    }

    /// Returns all keys with their values, in the order of the file. `name` names a value in messages.
    pub(super) fn entries(&self, name: &'static str) -> Vec<(&'a str, Value<'a>)> {
        let mut entries: Vec<_> = self.table.iter().collect();
        entries.sort_by_key(|(key, _)| key.span().start);
        let value = |value| Value {
            file: self.file,
            key: name,
            value,
        };
        entries
            .into_iter()
            .map(|(key, found)| (key.get_ref().as_ref(), value(found)))
            .collect()
    }

    /// Returns a boolean value, `false` by default.
    pub(super) fn flag(&self, key: &'static str) -> Result<bool, ConfigError> {
        Ok(self
            .value(key)
            .map(|value| value.boolean())
            .transpose()?
            .unwrap_or(false))
    }
}

/// A value of a file, with its key.
#[derive(Clone, Copy)]
pub(super) struct Value<'a> {
    file: &'a File,
    key: &'static str,
    value: &'a Spanned<DeValue<'a>>,
}

impl<'a> Value<'a> {
    /// Returns its place in the file.
    pub(super) fn place(&self) -> Place {
        self.file.place(self.value.span().start)
    }

    /// Returns an error about the value. `reason` must not quote a possible secret.
    pub(super) fn invalid(&self, reason: impl std::fmt::Display) -> ConfigError {
        ConfigError::invalid(&self.place(), format!("`{}`: {reason}", self.key))
    }

    /// Returns the value as a string.
    pub(super) fn string(&self) -> Result<&'a str, ConfigError> {
        match self.value.get_ref() {
            DeValue::String(text) => Ok(text.as_ref()),
            other => Err(self.mismatch("a string", other)),
        }
    }

    /// Returns the value as a boolean.
    pub(super) fn boolean(&self) -> Result<bool, ConfigError> {
        match self.value.get_ref() {
            DeValue::Boolean(value) => Ok(*value),
            other => Err(self.mismatch("true or false", other)),
        }
    }

    /// Returns the value as a list.
    pub(super) fn list(&self) -> Result<Vec<Value<'a>>, ConfigError> {
        match self.value.get_ref() {
            DeValue::Array(list) => Ok(self.members(list)),
            other => Err(self.mismatch("a list", other)),
        }
    }

    /// Returns the items of a list, or a single value as a list of itself.
    pub(super) fn one_or_list(&self) -> Vec<Value<'a>> {
        match self.value.get_ref() {
            DeValue::Array(list) => self.members(list),
            _ => vec![*self],
        }
    }

    /// Returns `true` if the value is a list.
    pub(super) fn is_list(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Array(_))
    }

    /// Returns the value as a table.
    pub(super) fn table(&self) -> Result<Table<'a>, ConfigError> {
        match self.value.get_ref() {
            DeValue::Table(table) => Ok(Table {
                file: self.file,
                table,
                offset: self.value.span().start,
            }),
            other => Err(self.mismatch("a table", other)),
        }
    }

    fn members(&self, list: &'a DeArray<'a>) -> Vec<Value<'a>> {
        list.iter()
            .map(|value| Value {
                file: self.file,
                key: self.key,
                value,
            })
            .collect()
    }

    fn mismatch(&self, expected: &str, found: &DeValue<'_>) -> ConfigError {
        let found = match found {
            DeValue::String(_) => "a string",
            DeValue::Integer(_) | DeValue::Float(_) => "a number",
            DeValue::Boolean(_) => "true or false",
            DeValue::Datetime(_) => "a time",
            DeValue::Array(_) => "a list",
            DeValue::Table(_) => "a table",
        };
        self.invalid(format!("expected {expected}, found {found}"))
    }
}
