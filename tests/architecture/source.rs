//! The names in Rust source: paths, imports, called macros; each with line and module.
//!
//! It is read as tokens: comments and strings are not code, the arguments of a macro call are. Paths that a macro
//! assembles, and code in the examples of doc comments, are not found.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path in the code (`a::b`), one name of a `use`, or the name of a macro that is called (`print!`).
pub struct Mention {
    pub line: usize,
    pub segments: Vec<String>,
    pub scope: Scope,
}

/// The module of a token.
#[derive(Clone)]
pub struct Scope {
    /// From the root of the crate, inline modules included.
    pub path: Vec<String>,
    pub is_test: bool,
}

impl Scope {
    fn of_file(name: &str) -> Self {
        let inside = name.trim_start_matches("src/").trim_end_matches(".rs");
        let mut path: Vec<String> = inside.split('/').map(str::to_owned).collect();
        let is_test = path.iter().any(|part| part == "tests");
        if path
            .last()
            .is_some_and(|last| ["mod", "lib", "main"].contains(&last.as_str()))
        {
            path.pop();
        }
        Self { path, is_test }
    }
}

impl Mention {
    /// Returns the path from the root of the crate, if it is relative to crate, self or super.
    pub fn inside_crate(&self) -> Option<Vec<String>> {
        let mut absolute = match self.segments[0].as_str() {
            "crate" => Vec::new(),
            "self" | "super" => self.scope.path.clone(),
            _ => return None,
        };
        let leading = |segment: &&String| ["crate", "self", "super"].contains(&segment.as_str());
        for _super in self
            .segments
            .iter()
            .take_while(leading)
            .filter(|segment| *segment == "super")
        {
            absolute.pop();
        }
        absolute.extend(self.segments.iter().skip_while(leading).cloned());
        Some(absolute)
    }
}

/// A source file, read.
pub struct Source {
    /// Its path from the root of the package, with `/`.
    pub name: String,
    /// The module of `src/` that it belongs to; `lib` and `main` for the files of that name.
    pub module: String,
    /// The module of the file.
    pub scope: Scope,
    pub mentions: Vec<Mention>,
}

impl Source {
    /// Parses a source file. `name` is its path from the root of the package.
    pub fn read(name: &str, text: &str) -> Self {
        let tokens: TokenStream = text.parse().unwrap_or_else(|error| panic!("{name}: not Rust: {error}"));
        let mut mentions = Vec::new();
        let scope = Scope::of_file(name);
        scan(tokens, scope.clone(), &mut mentions);
        let module = name.trim_start_matches("src/").split('/').next().unwrap_or_default();
        Self {
            name: name.to_owned(),
            module: module.trim_end_matches(".rs").to_owned(),
            scope,
            mentions,
        }
    }

    pub fn breach(&self, mention: &Mention, rule: &str, help: &str) -> String {
        format!(
            "{}:{}: `{}`: {rule}; help: {help}",
            self.name,
            mention.line,
            mention.segments.join("::")
        )
    }
}

fn scan(stream: TokenStream, mut scope: Scope, mentions: &mut Vec<Mention>) {
    let tokens: Vec<TokenTree> = stream.into_iter().collect();
    // Between `#[cfg(test)]` and the end of the item below it.
    let mut in_test_item = false;
    let mut at = 0;
    while at < tokens.len() {
        let here = Scope {
            path: scope.path.clone(),
            is_test: scope.is_test || in_test_item,
        };
        match &tokens[at..] {
            [TokenTree::Punct(hash), TokenTree::Group(attribute), ..] if hash.as_char() == '#' => {
                in_test_item |= is_cfg_test(&attribute.stream());
                scan_attribute(attribute.stream(), &here, mentions);
                at += 2;
            }
            [
                TokenTree::Punct(hash),
                TokenTree::Punct(_),
                TokenTree::Group(attribute),
                ..,
            ] if hash.as_char() == '#' => {
                scope.is_test |= is_cfg_test(&attribute.stream());
                at += 3;
            }
            [
                TokenTree::Ident(word),
                TokenTree::Ident(name),
                TokenTree::Group(body),
                ..,
            ] if word == "mod" => {
                let mut inner = here;
                inner.path.push(name.to_string());
                scan(body.stream(), inner, mentions);
                in_test_item = false;
                at += 3;
            }
            [TokenTree::Ident(word), TokenTree::Ident(_), TokenTree::Ident(name), ..] if word == "extern" => {
                let line = name.span().start().line;
                let segments = vec![name.to_string()];
                mentions.push(Mention {
                    line,
                    segments,
                    scope: here,
                });
                at += 3;
            }
            [TokenTree::Ident(word), next, ..] if word == "use" && !is_punct(next, '<') => {
                let length = tokens[at..].iter().take_while(|token| !is_punct(token, ';')).count();
                scan_use(&tokens[at + 1..at + length], &[], &here, mentions);
                at += length;
            }
            [TokenTree::Ident(_), ..] => at += scan_path(&tokens[at..], &here, mentions),
            [TokenTree::Group(group), ..] => {
                scan(group.stream(), here, mentions);
                in_test_item &= group.delimiter() != Delimiter::Brace;
                at += 1;
            }
            [token, ..] => {
                in_test_item &= !is_punct(token, ';');
                at += 1;
            }
            [] => {}
        }
    }
}

/// Scans an attribute's arguments, and its strings that name an item: `serde(with = "crate::model::digest")`.
fn scan_attribute(stream: TokenStream, scope: &Scope, mentions: &mut Vec<Mention>) {
    scan(stream.clone(), scope.clone(), mentions);
    for token in stream {
        match token {
            TokenTree::Group(group) => scan_attribute(group.stream(), scope, mentions),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let text = text.trim_matches('"');
                if ["crate::", "super::", "self::"]
                    .iter()
                    .any(|root| text.starts_with(root))
                {
                    let segments = text.split("::").map(str::to_owned).collect();
                    mentions.push(Mention {
                        line: literal.span().start().line,
                        segments,
                        scope: scope.clone(),
                    });
                }
            }
            TokenTree::Ident(_) | TokenTree::Punct(_) => {}
        }
    }
}

/// Scans the names of a `use`, with its groups split up: `a::{b, c::d}` is `a::b` and `a::c::d`.
fn scan_use(tokens: &[TokenTree], prefix: &[String], scope: &Scope, mentions: &mut Vec<Mention>) {
    for tree in tokens
        .split(|token| is_punct(token, ','))
        .filter(|tree| !tree.is_empty())
    {
        let mut segments = prefix.to_vec();
        let mut group = None;
        for token in tree {
            match token {
                TokenTree::Ident(word) if word == "as" => break,
                TokenTree::Ident(word) if word == "self" && !segments.is_empty() => {}
                TokenTree::Ident(word) => segments.push(word.to_string()),
                TokenTree::Punct(star) if star.as_char() == '*' => segments.push("*".to_owned()),
                TokenTree::Group(inner) => group = Some(inner.stream()),
                TokenTree::Punct(_) | TokenTree::Literal(_) => {}
            }
        }
        match group {
            Some(inner) => scan_use(&inner.into_iter().collect::<Vec<_>>(), &segments, scope, mentions),
            None if segments.is_empty() => {}
            None => mentions.push(Mention {
                line: tree[0].span().start().line,
                segments,
                scope: scope.clone(),
            }),
        }
    }
}

/// Scans the path at the head of `tokens`. Returns the number of its tokens.
fn scan_path(tokens: &[TokenTree], scope: &Scope, mentions: &mut Vec<Mention>) -> usize {
    let mut segments = vec![tokens[0].to_string()];
    let mut length = 1;
    while let [colon, second, TokenTree::Ident(word), ..] = &tokens[length..]
        && is_punct(colon, ':')
        && is_punct(second, ':')
    {
        segments.push(word.to_string());
        length += 3;
    }
    if let [bang, TokenTree::Group(_), ..] = &tokens[length..]
        && is_punct(bang, '!')
        && let Some(last) = segments.last_mut()
    {
        last.push('!');
    } else if segments.len() == 1 {
        return length;
    }
    mentions.push(Mention {
        line: tokens[0].span().start().line,
        segments,
        scope: scope.clone(),
    });
    length
}

fn is_punct(token: &TokenTree, wanted: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == wanted)
}

fn is_cfg_test(attribute: &TokenStream) -> bool {
    let text: String = attribute.to_string().split_whitespace().collect();
    text == "cfg(test)" || text.starts_with("cfg(all(test,")
}
