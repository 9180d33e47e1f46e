//! Reads the imports of a Python source (The Python Language Reference, "The import statement"; "Lexical analysis").
//!
//! Statements are only read, never run. An import counts as certain if it is at the outermost level of the file: not
//! below `if`, `try`, `def` and similar, and not after the file has certainly ended.

/// Greatest size of a source that is read, in bytes. Larger ones are generated tables.
pub const MAX_SOURCE_BYTES: u64 = 512 * 1024;

/// Imports of one source that are kept. The longest known sources have some hundred.
const MAX_IMPORTS: usize = 2_000;

/// Longest logical line that is looked at, in bytes.
const MAX_LINE_BYTES: usize = 64 * 1024;

/// Words that begin a statement with a block. A statement on the same line is not certain to run.
const COMPOUND: &[&str] = &[
    "async", "class", "def", "elif", "else", "except", "finally", "for", "if", "match", "try", "while", "with",
];

/// Beginnings of statements after which nothing of a file runs.
const ENDS: &[&str] = &["raise", "sys.exit(", "exit(", "quit(", "os._exit(", "os.exec"];

/// Names in a source that change the search for modules, or add modules.
const PATH_MARKS: &[&[u8]] = &[
    b"sys.path",
    b"meta_path",
    b"path_hooks",
    b"addsitedir",
    b"__path__",
    b"sys.modules",
    b"declare_namespace",
    b"extend_path",
];

/// Names in a source that open libraries.
const LIBRARY_MARKS: &[&[u8]] = &[b"CDLL", b"cdll", b"RTLD_GLOBAL", b"dlopen", b"LoadLibrary"];

/// One `import a.b` or `from a.b import c, d`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Import {
    /// Dots before the module: 0 is absolute.
    pub level: usize,
    /// The module, with dots; empty for `from . import x`.
    pub module: String,
    /// The names that `from` imports; `None` for `import`.
    pub names: Option<Vec<String>>,
    /// The line, from 1.
    pub line: u32,
    /// When it happens.
    pub kind: ImportKind,
}

/// When an import happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ImportKind {
    /// Whenever the source is run to its end.
    Certain,
    /// In a `try` whose handlers go on without it.
    Tried,
    /// Below something else: nothing is known.
    Other,
}

/// The facts about a Python source.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Source {
    /// In the order of the file.
    pub imports: Vec<Import>,
    /// `true` if it mentions a name that changes the search for modules.
    pub changes_search: bool,
    /// `true` if it mentions a name that opens shared libraries.
    pub opens_libraries: bool,
}

/// Reads the imports of a source. A file that is not Python gives few or no imports.
pub fn read_source(bytes: &[u8]) -> Source {
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let mentions = |marks: &[&[u8]]| marks.iter().any(|mark| memchr::memmem::find(bytes, mark).is_some());
    let mut source = Source {
        imports: Vec::new(),
        changes_search: mentions(PATH_MARKS),
        opens_libraries: mentions(LIBRARY_MARKS),
    };
    let mut lines = Lines { bytes, at: 0, line: 1 };
    let mut has_ended = false;
    let mut blocks = TryBlocks::default();
    while let Some(line) = lines.next_line() {
        if line.text.is_empty() {
            continue;
        }
        let first = line
            .text
            .split(|character: char| !character.is_alphanumeric())
            .next()
            .unwrap_or_default();
        blocks.end_before(&line, first, &mut source.imports);
        if line.indent == 0 && ENDS.iter().any(|end| line.text.starts_with(end)) {
            has_ended = true;
        }
        let is_plain = !has_ended && !COMPOUND.contains(&first);
        let kind = match line.indent {
            0 if is_plain => ImportKind::Certain,
            _ if is_plain && blocks.is_outermost_body(&line) => ImportKind::Tried,
            _ => ImportKind::Other,
        };
        let from = source.imports.len();
        for statement in line.text.split([';', ':']) {
            parse_import(statement.trim(), line.number, kind, &mut source.imports);
            if source.imports.len() >= MAX_IMPORTS {
                return source;
            }
        }
        let to = if is_plain { source.imports.len() } else { from };
        blocks.take_line(&line, first, from..to);
    }
    blocks.end_all(&mut source.imports);
    source
}

/// The `try` blocks that a line is in, the outermost first.
#[derive(Debug, Default)]
struct TryBlocks {
    open: Vec<TryBlock>,
    /// Indentations of the functions that contain the line. A `try` around a function does not catch the imports in its
    /// body.
    functions: Vec<usize>,
}

impl TryBlocks {
    /// Ends the blocks that do not contain the line.
    fn end_before(&mut self, line: &Line, first: &str, imports: &mut [Import]) {
        let is_clause = matches!(first, "except" | "else" | "finally");
        let goes_on = |indent: usize| indent < line.indent || is_clause && indent == line.indent;
        while let Some(block) = self.open.pop_if(|block| !goes_on(block.indent)) {
            block.end(imports);
        }
        while self.functions.pop_if(|indent| *indent >= line.indent).is_some() {}
    }

    fn end_all(self, imports: &mut [Import]) {
        for block in self.open.into_iter().rev() {
            block.end(imports);
        }
    }

    /// Returns `true` for a line of the body of a `try` at the outermost level, below nothing else.
    fn is_outermost_body(&self, line: &Line) -> bool {
        let outermost = self.open.first().filter(|block| block.indent == 0);
        self.functions.is_empty() && outermost.is_some_and(|block| block.is_body(line.indent))
    }

    /// Records a line, and the imports that happen when it is run.
    fn take_line(&mut self, line: &Line, first: &str, imports: std::ops::Range<usize>) {
        let function = self.functions.last().copied();
        for block in &mut self.open {
            let catches = function.is_none_or(|function| block.indent > function);
            block.take_line(line, first, if catches { imports.clone() } else { 0..0 });
        }
        let is_function = first == "def" || line.text.starts_with("async def ");
        if is_function {
            self.functions.push(line.indent);
        } else if first == "try" {
            self.open.push(TryBlock {
                indent: line.indent,
                ..TryBlock::default()
            });
        }
    }
}

/// A `try`, line by line.
#[derive(Debug, Default)]
struct TryBlock {
    /// Indentation of the block itself.
    indent: usize,
    /// Indentation of the body's statements.
    body_indent: Option<usize>,
    /// Indentation of the last handler's statements.
    handler_indent: Option<usize>,
    /// `true` once a handler has begun.
    has_handler: bool,
    /// `true` once the body has ended.
    has_clause: bool,
    /// `true` if the last handler was seen to raise.
    raises: bool,
    /// `true` if a handler goes on.
    goes_on: bool,
    /// The imports of the body, at any depth.
    imports: Vec<usize>,
    /// Those of them that are below nothing else in it.
    direct: Vec<usize>,
}

impl TryBlock {
    fn is_body(&self, indent: usize) -> bool {
        !self.has_clause && self.body_indent.is_none_or(|body| body == indent)
    }

    fn take_line(&mut self, line: &Line, first: &str, imports: std::ops::Range<usize>) {
        if line.indent == self.indent {
            // The handler before this one is whole.
            self.goes_on |= self.has_handler && !self.raises;
            self.raises = first != "except" || is_raising(line.text.rsplit(':').next().unwrap_or_default().trim());
            self.has_handler |= first == "except";
            self.has_clause = true;
            self.handler_indent = None;
        } else if self.has_clause {
            // An exception in a function of the handler is raised later, or never.
            let indent = *self.handler_indent.get_or_insert(line.indent);
            self.raises |= indent == line.indent && is_raising(&line.text);
        } else {
            if *self.body_indent.get_or_insert(line.indent) == line.indent {
                self.direct.extend(imports.clone());
            }
            self.imports.extend(imports);
        }
    }

    /// Ends the `try`. If a handler continues, the source continues without the imports of the body. If every handler
    /// raises again, the body of a `try` at the outermost level always runs when the source runs to its end.
    fn end(mut self, imports: &mut [Import]) {
        self.goes_on |= self.has_handler && !self.raises;
        if self.goes_on {
            set_kind(imports, &self.imports, ImportKind::Tried);
        } else if self.has_handler && self.indent == 0 {
            set_kind(imports, &self.direct, ImportKind::Certain);
        }
    }
}

fn set_kind(imports: &mut [Import], changed: &[usize], kind: ImportKind) {
    for at in changed {
        if let Some(import) = imports.get_mut(*at) {
            import.kind = kind;
        }
    }
}

fn is_raising(statement: &str) -> bool {
    statement == "raise" || statement.starts_with("raise ") || statement.starts_with("sys.exit(")
}

fn parse_import(statement: &str, line: u32, kind: ImportKind, imports: &mut Vec<Import>) {
    if let Some(rest) = statement.strip_prefix("import ") {
        for part in rest.split(',') {
            let module = part.split_whitespace().next().unwrap_or_default();
            if is_dotted_name(module) {
                imports.push(Import {
                    level: 0,
                    module: module.to_owned(),
                    names: None,
                    line,
                    kind,
                });
            }
        }
    } else if let Some(rest) = statement.strip_prefix("from") {
        let is_word =
            |at: &usize| rest[..*at].ends_with([' ', '.']) && rest[at + "import".len()..].starts_with([' ', '(', '*']);
        let Some(at) = rest.match_indices("import").map(|(at, _)| at).find(is_word) else {
            return;
        };
        let module = rest[..at].trim();
        let names = &rest[at + "import".len()..];
        let name = module.trim_start_matches(['.', ' ']);
        let level = module.matches('.').count() - name.matches('.').count();
        let is_module = if name.is_empty() {
            level > 0
        } else {
            is_dotted_name(name)
        };
        if !rest.starts_with([' ', '.']) || !is_module {
            return;
        }
        let names = names.trim_matches([' ', '(', ')']).split(',');
        let names = names
            .filter_map(|part| part.split_whitespace().next())
            .filter(|name| is_dotted_name(name));
        let names = Some(names.map(str::to_owned).collect());
        imports.push(Import {
            level,
            module: name.to_owned(),
            names,
            line,
            kind,
        });
    }
}

fn is_dotted_name(text: &str) -> bool {
    let is_part = |part: &str| {
        part.starts_with(|first: char| first.is_alphabetic() || first == '_')
            && part
                .chars()
                .all(|character| character.is_alphanumeric() || character == '_')
    };
    text.split('.').all(is_part)
}

/// Logical lines, without comments, and with each string as an empty one.
struct Lines<'a> {
    bytes: &'a [u8],
    at: usize,
    line: u32,
}

struct Line {
    text: String,
    number: u32,
    /// Blanks before it.
    indent: usize,
}

impl Lines<'_> {
    fn next_line(&mut self) -> Option<Line> {
        if self.at >= self.bytes.len() {
            return None;
        }
        let number = self.line;
        let indent = self.bytes[self.at..]
            .iter()
            .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\x0c'))
            .count();
        let mut text: Vec<u8> = Vec::new();
        let mut depth = 0usize;
        while let Some(byte) = self.bytes.get(self.at).copied() {
            self.at += 1;
            match byte {
                b'\n' => {
                    self.line += 1;
                    if depth == 0 {
                        break;
                    }
                    text.push(b' ');
                }
                b'\\' if matches!(self.bytes.get(self.at), Some(b'\n')) => {
                    self.at += 1;
                    self.line += 1;
                    text.push(b' ');
                }
                b'\\' if self.bytes[self.at..].starts_with(b"\r\n") => {
                    self.at += 2;
                    self.line += 1;
                    text.push(b' ');
                }
                b'#' => self.skip_to_line_end(),
                b'\'' | b'"' => {
                    self.skip_string(byte);
                    text.push(b'"');
                }
                b'(' | b'[' | b'{' => {
                    depth += 1;
                    text.push(byte);
                }
                b')' | b']' | b'}' => {
                    depth = depth.saturating_sub(1);
                    text.push(byte);
                }
                b'\t' | b'\r' => text.push(b' '),
                _ => text.push(byte),
            }
            if text.len() > MAX_LINE_BYTES {
                text.clear();
            }
        }
        let text = String::from_utf8_lossy(&text).trim().to_owned();
        Some(Line { text, number, indent })
    }

    fn skip_to_line_end(&mut self) {
        let rest = &self.bytes[self.at..];
        self.at += memchr::memchr(b'\n', rest).unwrap_or(rest.len());
    }

    /// Skips a string whose first quote was read. One with single quotes ends at the line's end at the latest.
    fn skip_string(&mut self, quote: u8) {
        let is_long = self.bytes[self.at..].starts_with(&[quote, quote]);
        if is_long {
            self.at += 2;
        }
        while let Some(byte) = self.bytes.get(self.at).copied() {
            self.at += 1;
            match byte {
                b'\\' => {
                    // A backslash keeps the next quote from ending the string, in raw strings too.
                    self.line += u32::from(self.bytes.get(self.at) == Some(&b'\n'));
                    self.at += 1;
                }
                b'\n' if !is_long => {
                    self.at -= 1;
                    return;
                }
                b'\n' => self.line += 1,
                _ if byte == quote && !is_long => return,
                _ if byte == quote && self.bytes[self.at..].starts_with(&[quote, quote]) => {
                    self.at += 2;
                    return;
                }
                _ => {}
            }
        }
    }
}

#[cfg(test)]
mod tests;
