//! Reads which modules a JavaScript source loads: `require("name")` of CommonJS and `import … from "name"` of
//! ECMAScript, and whether it certainly loads them at its start (Node.js, "Modules").
//!
//! This is not a parser. Code in a function, under a condition or in a `try` may never run, or may fail without harm.
//! If the text cannot be read to its end, nothing is known.

mod tokens;

use std::collections::VecDeque;

use tokens::{Kind, Tokens};

/// Which of the two systems of modules loads it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum System {
    /// `require`.
    CommonJs,
    /// `import`.
    Ecma,
}

/// How sure it is that a module is loaded when the source starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Surety {
    /// It is, and nothing catches a failure.
    Certain,
    /// Under a condition, or inside a function.
    Perhaps,
    /// In a `try`, which goes on without it.
    Tried,
}

/// One module that a source loads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Load {
    /// The name, as written.
    pub name: Box<str>,
    /// How it is loaded.
    pub system: System,
    /// Whether it certainly is.
    pub surety: Surety,
}

/// The modules that a source loads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Script {
    /// In the order of the source; nothing if it was not understood to its end.
    pub loads: Vec<Load>,
    /// `true` if it contains an `import` or `export`, which only ECMAScript modules may have.
    pub is_ecma: bool,
    /// `true` if it changes how modules are found.
    pub changes_modules: bool,
}

/// Greatest size of a source that is read, in bytes. Applications that are bundled into one file have some megabytes.
pub(super) const MAX_SCRIPT_BYTES: u64 = 16 * 1024 * 1024;

/// Names in a source that change how modules are found.
const HOOKS: &[&str] = &[
    "_resolveFilename",
    "_nodeModulePaths",
    "_findPath",
    "_initPaths",
    "globalPaths",
    "registerHooks",
    "module.register(",
    "process.env.NODE_PATH",
    "module-alias",
    "app-module-path",
    "tsconfig-paths",
    "pnpapi",
    ".paths.push(",
    ".paths.unshift(",
];

/// Reads the modules that a source loads. Bytes that are not text are replaced.
pub(super) fn read_script(bytes: &[u8]) -> Script {
    let text = String::from_utf8_lossy(bytes);
    let changes_modules = HOOKS.iter().any(|hook| text.contains(hook));
    Script {
        changes_modules,
        ..loads(&text).unwrap_or_default()
    }
}

/// Words behind which a condition, a loop or a `try` begins.
const CONDITIONS: &[&str] = &[
    "if", "else", "for", "while", "do", "switch", "with", "case", "default", "try", "catch", "finally",
];

/// Words before parentheses that are not those of a call.
const HEADS: &[&str] = &["if", "for", "while", "switch", "with", "catch"];

/// Words that cannot end a statement.
const OPEN_WORDS: &[&str] = &[
    "else",
    "do",
    "try",
    "finally",
    "typeof",
    "in",
    "of",
    "instanceof",
    "new",
    "delete",
    "void",
    "case",
    "extends",
    "const",
    "let",
    "var",
    "function",
    "class",
    "import",
    "export",
    "from",
    "default",
    "async",
    "await",
];

/// Words behind which a brace begins an object.
const BEFORE_OBJECT: &[&str] = &[
    "return", "typeof", "case", "in", "of", "default", "yield", "await", "throw", "import", "export", "delete", "void",
];

/// Brackets that are open at once: code that people or bundlers write has far fewer.
const MAX_DEPTH: usize = 2_000;

/// The kind of an open bracket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bracket {
    /// The file itself, and blocks of statements.
    Block,
    /// `{` of an object, of names that are imported, of a pattern.
    Object,
    /// `(` of a condition or a loop: it does not end a statement.
    Head,
    /// `(` and `[`.
    Group,
    /// `${`.
    Substitution,
}

#[derive(Debug, Clone, Copy)]
struct Level {
    bracket: Bracket,
    /// The surety for all of it.
    surety: Surety,
    /// The surety up to the end of the statement.
    statement: Surety,
    /// The surety up to the end of the expression.
    expression: Surety,
    in_function: bool,
    /// A `function` or `class` whose brace is still to come.
    awaits_body: bool,
}

impl Level {
    fn new(bracket: Bracket, surety: Surety, in_function: bool) -> Self {
        Self {
            bracket,
            surety,
            statement: surety,
            expression: surety,
            in_function,
            awaits_body: false,
        }
    }

    fn here(&self) -> Surety {
        self.surety.max(self.statement).max(self.expression)
    }

    fn end_statement(&mut self) {
        (self.statement, self.expression, self.awaits_body) = (self.surety, self.surety, false);
    }
}

/// Returns the modules that a source loads. Returns `None` if it cannot be parsed to its end.
fn loads(text: &str) -> Option<Script> {
    let mut reader = Reader {
        found: Script::default(),
        levels: vec![Level::new(Bracket::Block, Surety::Certain, false)],
        before: None,
        before_that: None,
        closed: None,
        awaits_from: false,
        declares_require: false,
    };
    let mut tokens = Tokens::new(text);
    // Two tokens ahead: `require`, `(`, the name, `)`.
    let mut ahead: VecDeque<_> = tokens.by_ref().take(4).collect();
    while let Some(token) = ahead.pop_front() {
        reader.take(token, ahead.make_contiguous())?;
        ahead.extend(tokens.next());
    }
    if tokens.is_broken || reader.levels.len() != 1 {
        return None;
    }
    if reader.declares_require {
        reader.found.loads.retain(|load| load.system == System::Ecma);
    }
    Some(reader.found)
}

struct Reader<'a> {
    found: Script,
    levels: Vec<Level>,
    before: Option<Kind<'a>>,
    before_that: Option<Kind<'a>>,
    /// The bracket that ended with the token before.
    closed: Option<Bracket>,
    /// `true` behind `import` and `export`, up to `from`.
    awaits_from: bool,
    declares_require: bool,
}

impl<'a> Reader<'a> {
    fn take(&mut self, token: tokens::Token<'a>, ahead: &[tokens::Token<'a>]) -> Option<()> {
        if token.after_line_end {
            self.end_line(token.kind);
        }
        let closed = self.closed.take();
        match token.kind {
            Kind::Word(word) => self.word(word, ahead, closed)?,
            Kind::Mark(mark) => self.mark(mark, closed)?,
            Kind::Substitution => self.open(Bracket::Substitution, self.here(), false)?,
            Kind::SubstitutionEnd => self.close(&[Bracket::Substitution])?,
            Kind::Text(name) => self.text(name),
            Kind::Value => {}
        }
        (self.before_that, self.before) = (self.before, Some(token.kind));
        Some(())
    }

    fn level(&mut self) -> Option<&mut Level> {
        self.levels.last_mut()
    }

    fn here(&self) -> Surety {
        self.levels.last().map_or(Surety::Perhaps, Level::here)
    }

    /// A statement may end with its line (ECMA-262, "Automatic Semicolon Insertion").
    fn end_line(&mut self, next: Kind<'a>) {
        let may_end = match self.before {
            Some(Kind::Word(word)) => !OPEN_WORDS.contains(&word),
            Some(Kind::Text(_) | Kind::Value) => true,
            Some(Kind::Mark(")")) => self.closed != Some(Bracket::Head),
            Some(Kind::Mark(mark)) => matches!(mark, "]" | "}" | "++" | "--"),
            _ => false,
        };
        let may_begin = match next {
            Kind::Word(word) => !matches!(
                word,
                "in" | "of" | "instanceof" | "else" | "catch" | "finally" | "from" | "as"
            ),
            Kind::Text(_) => true,
            _ => false,
        };
        let level = self.levels.last_mut().filter(|level| level.bracket == Bracket::Block);
        if let Some(level) = level.filter(|_| may_end && may_begin) {
            level.end_statement();
        }
    }

    fn word(&mut self, word: &'a str, ahead: &[tokens::Token<'a>], closed: Option<Bracket>) -> Option<()> {
        if matches!(self.before, Some(Kind::Mark("." | "?." | "#"))) {
            return Some(());
        }
        let is_key = matches!(ahead.first().map(|next| next.kind), Some(Kind::Mark(":")));
        let is_exported = self.before == Some(Kind::Word("export"));
        let level = self.level()?;
        let in_block = level.bracket == Bracket::Block;
        if is_key && !in_block {
            return Some(());
        }
        // A word cannot follow a brace within one statement, these aside.
        if closed == Some(Bracket::Block)
            && in_block
            && !matches!(
                word,
                "else" | "catch" | "finally" | "while" | "in" | "of" | "instanceof" | "from"
            )
        {
            level.end_statement();
        }
        match word {
            "function" | "class" => level.awaits_body = true,
            "return" if !level.in_function => self
                .levels
                .iter_mut()
                .for_each(|level| level.surety = level.surety.max(Surety::Perhaps)),
            _ if in_block && CONDITIONS.contains(&word) && !is_exported => {
                level.statement = level.statement.max(Surety::Perhaps);
            }
            "import" | "export" if self.levels.len() == 1 => self.import(word, ahead),
            "require" => self.require(ahead),
            _ => {}
        }
        Some(())
    }

    fn import(&mut self, word: &str, ahead: &[tokens::Token<'a>]) {
        let next = ahead.first().map(|next| next.kind);
        self.awaits_from = match (word, next) {
            ("import", Some(Kind::Mark("(" | "."))) => return,
            (_, Some(Kind::Text(_) | Kind::Mark("{" | "*"))) | ("import", Some(Kind::Word(_))) => true,
            _ => false,
        };
        self.found.is_ecma = true;
    }

    fn require(&mut self, ahead: &[tokens::Token<'a>]) {
        if matches!(
            self.before,
            Some(Kind::Word("const" | "let" | "var" | "function" | "class"))
        ) {
            self.declares_require = true;
        }
        let kinds = (ahead.first(), ahead.get(1), ahead.get(2));
        let (Some(open), Some(name), Some(close)) = kinds else {
            return;
        };
        if let (Kind::Mark("("), Kind::Text(Some(name)), Kind::Mark(")")) = (open.kind, name.kind, close.kind) {
            let surety = self.here();
            self.found.loads.push(Load {
                name: name.into(),
                system: System::CommonJs,
                surety,
            });
        }
    }

    /// The name of `import "name"` and of `… from "name"`.
    fn text(&mut self, name: Option<&'a str>) {
        let is_name = matches!(self.before, Some(Kind::Word("from" | "import")));
        if self.awaits_from && is_name && self.levels.len() == 1 {
            self.awaits_from = false;
            let load = |name: &str| Load {
                name: name.into(),
                system: System::Ecma,
                surety: Surety::Certain,
            };
            self.found.loads.extend(name.map(load));
        }
    }

    fn mark(&mut self, mark: &str, closed: Option<Bracket>) -> Option<()> {
        match mark {
            "(" => {
                let is_head = matches!(self.before, Some(Kind::Word(word)) if HEADS.contains(&word))
                    || matches!(
                        (self.before_that, self.before),
                        (Some(Kind::Word("for")), Some(Kind::Word("await")))
                    );
                let is_head = is_head && !matches!(self.before_that, Some(Kind::Mark("." | "?." | "#")));
                self.open(if is_head { Bracket::Head } else { Bracket::Group }, self.here(), false)
            }
            "[" => self.open(Bracket::Group, self.here(), false),
            ")" | "]" => self.close(&[Bracket::Head, Bracket::Group]),
            "{" => self.open_brace(closed),
            "}" => self.close(&[Bracket::Block, Bracket::Object]),
            ";" => {
                self.awaits_from = false;
                self.level()?.end_statement();
                Some(())
            }
            "," => {
                let level = self.level()?;
                level.expression = level.surety;
                Some(())
            }
            "=>" | "?" | "&&" | "||" | "??" | "&&=" | "||=" | "??=" => {
                let level = self.level()?;
                level.expression = level.expression.max(Surety::Perhaps);
                Some(())
            }
            _ => Some(()),
        }
    }

    fn open(&mut self, bracket: Bracket, surety: Surety, is_function: bool) -> Option<()> {
        let in_function = is_function || self.levels.last()?.in_function;
        self.levels.push(Level::new(bracket, surety, in_function));
        (self.levels.len() <= MAX_DEPTH).then_some(())
    }

    fn open_brace(&mut self, closed: Option<Bracket>) -> Option<()> {
        let surety = self.here();
        let perhaps = surety.max(Surety::Perhaps);
        let level = self.level()?;
        let awaits_body = std::mem::take(&mut level.awaits_body);
        let is_pattern = level.bracket == Bracket::Group && !awaits_body;
        match self.before {
            Some(Kind::Word("try")) => self.open(Bracket::Block, surety.max(Surety::Tried), false),
            Some(Kind::Word("else" | "do" | "finally")) => self.open(Bracket::Block, perhaps, false),
            _ if awaits_body => self.open(Bracket::Block, perhaps, true),
            // A loop, a condition; or a method.
            Some(Kind::Mark(")")) => self.open(Bracket::Block, perhaps, closed != Some(Bracket::Head)),
            Some(Kind::Mark("=>")) => self.open(Bracket::Block, perhaps, true),
            Some(Kind::Word(word)) if BEFORE_OBJECT.contains(&word) => self.open(Bracket::Object, surety, false),
            // `catch {`, and blocks with a name.
            Some(Kind::Word("catch")) => self.open(Bracket::Block, perhaps, false),
            Some(Kind::Word("const" | "let" | "var")) => self.open(Bracket::Object, surety, false),
            Some(Kind::Word(_)) => self.open(Bracket::Block, perhaps, true),
            Some(Kind::Mark(";" | "}")) | None if !is_pattern => self.open(Bracket::Block, perhaps, false),
            Some(Kind::Mark("{")) if level_is_block(&self.levels) => self.open(Bracket::Block, perhaps, false),
            _ => self.open(Bracket::Object, surety, false),
        }
    }

    fn close(&mut self, expected: &[Bracket]) -> Option<()> {
        let level = self.levels.pop()?;
        self.closed = Some(level.bracket);
        (expected.contains(&level.bracket) && !self.levels.is_empty()).then_some(())
    }
}

fn level_is_block(levels: &[Level]) -> bool {
    levels.last().is_some_and(|level| level.bracket == Bracket::Block)
}

#[cfg(test)]
mod tests;
