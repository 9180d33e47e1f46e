//! A TOML file with the line numbers of its values. Unknown keys are ignored: other tools own these files and know more
//! keys.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::model::{Pipes, escape, escape_path, read_input};
use crate::store::StoreError;

/// Size limit of one file, in bytes. Files in use have some kilobytes, with hundreds of aliases.
pub(super) const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) path: Arc<Path>,
    /// Line number, from 1.
    line: usize,
}

impl fmt::Display for Place {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}:{}", escape_path(&self.path), self.line)
    }
}

impl Place {
    /// Returns an error about this line. `reason` must not quote a header's value, or a part of an address that may be
    /// a password.
    pub(super) fn invalid(&self, reason: impl Into<String>) -> StoreError {
        StoreError::malformed(self.to_string(), reason)
    }
}

/// A file's text.
pub(super) struct File {
    path: Arc<Path>,
    text: String,
}

impl File {
    /// Reads a file. Returns `None` if it does not exist.
    pub(super) fn read(path: &Path) -> Result<Option<Self>, StoreError> {
        let unusable = |reason: &str| StoreError::malformed(escape_path(path), reason);
        let bytes = match read_input(path, Pipes::Read, MAX_FILE_BYTES) {
            Ok(bytes) => bytes,
            Err(cause) => match cause.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => return Ok(None),
                io::ErrorKind::FileTooLarge => return Err(unusable(&cause.to_string())),
                _ => return Err(StoreError::io("read", path, cause)),
            },
        };
        let text = String::from_utf8(bytes).map_err(|_| unusable("it is not UTF-8"))?;
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
    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'_>>, StoreError> {
        DeTable::parse(&self.text).map_err(|error| {
            let offset = error.span().map_or(0, |span| span.start);
            self.place(offset).invalid(escape(error.message().as_bytes()))
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
        Some(Value {
            file: self.file,
            key,
            value: self.table.get(key)?,
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
    pub(super) fn flag(&self, key: &'static str) -> Result<bool, StoreError> {
        self.value(key).map_or(Ok(false), |value| value.boolean())
    }

    /// Returns a string that is not empty, with its value.
    pub(super) fn text(&self, key: &'static str) -> Result<Option<(&'a str, Value<'a>)>, StoreError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let text = value.string()?;
        Ok((!text.is_empty()).then_some((text, value)))
    }

    /// Returns the items of a list, none by default.
    pub(super) fn list(&self, key: &'static str) -> Result<Vec<Value<'a>>, StoreError> {
        self.value(key).map_or(Ok(Vec::new()), |value| value.list())
    }

    /// Reports a key that other tools read and this one does not.
    pub(super) fn warn_of_proxy(&self) {
        if let Some(value) = self.value("proxy") {
            tracing::warn!(place = %value.place(), "the key `proxy` is ignored: proxies are configured in the environment");
        }
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
    pub(super) fn invalid(&self, reason: impl fmt::Display) -> StoreError {
        self.place().invalid(format!("`{}`: {reason}", self.key))
    }

    /// Returns the items, if they are not too many.
    pub(super) fn bounded<T>(&self, items: Vec<T>, limit: usize) -> Result<Vec<T>, StoreError> {
        if items.len() > limit {
            return Err(self.invalid(format!("there are more than {limit}")));
        }
        Ok(items)
    }

    /// Returns the value as a string.
    pub(super) fn string(&self) -> Result<&'a str, StoreError> {
        self.value.get_ref().as_str().ok_or_else(|| self.mismatch("a string"))
    }

    /// Returns the value as a boolean.
    pub(super) fn boolean(&self) -> Result<bool, StoreError> {
        let value = self.value.get_ref().as_bool();
        value.ok_or_else(|| self.mismatch("true or false"))
    }

    /// Returns the value as a list.
    pub(super) fn list(&self) -> Result<Vec<Value<'a>>, StoreError> {
        self.members().ok_or_else(|| self.mismatch("a list"))
    }

    /// Returns the items of a list, or a single value as a list of itself.
    pub(super) fn one_or_list(&self) -> Vec<Value<'a>> {
        self.members().unwrap_or_else(|| vec![*self])
    }

    /// Returns `true` if the value is a list.
    pub(super) fn is_list(&self) -> bool {
        self.value.get_ref().is_array()
    }

    /// Returns the value as a table.
    pub(super) fn table(&self) -> Result<Table<'a>, StoreError> {
        let table = self.value.get_ref().as_table();
        Ok(Table {
            file: self.file,
            table: table.ok_or_else(|| self.mismatch("a table"))?,
            offset: self.value.span().start,
        })
    }

    fn members(&self) -> Option<Vec<Value<'a>>> {
        let list = self.value.get_ref().as_array()?;
        Some(list.iter().map(|value| Value { value, ..*self }).collect())
    }

    fn mismatch(&self, expected: &str) -> StoreError {
        let found = match self.value.get_ref() {
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
