//! Marks files for the rules that select by path, kind and mode. Marks are determined once for each file, since most
//! rules need few files and images have very many.

use super::leftovers::is_leftover;
use super::modes::is_open;
use super::node_modules::may_be_package;
use super::python_settings::is_python_setting;
use crate::model::EntryPath;
use crate::tree::{Node, NodeKind};

/// The rules that may apply to a file. Each rule checks the file again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Marks(u8);

impl Marks {
    /// A symbolic link.
    pub const LINK: Self = Self(1);
    /// A file with more permissions than most need.
    pub const OPEN: Self = Self(1 << 1);
    /// Something that development leaves behind.
    pub const LEFTOVER: Self = Self(1 << 2);
    /// A file that Python reads at its start.
    pub const PYTHON_SETTING: Self = Self(1 << 3);
    /// Perhaps a package below `node_modules` itself, and every `package.json`.
    pub const NODE_PACKAGE: Self = Self(1 << 4);

    /// Returns the marks of the node at a path.
    pub fn of(path: &EntryPath, node: &Node) -> Self {
        let is_file = matches!(node.kind, NodeKind::File { .. });
        let marks = [
            (Self::LINK, matches!(node.kind, NodeKind::Symlink { .. })),
            (Self::OPEN, is_file && is_open(node.mode)),
            (Self::LEFTOVER, is_leftover(path)),
            (Self::PYTHON_SETTING, is_python_setting(path)),
            (Self::NODE_PACKAGE, may_be_package(path)),
        ];
        Self(
            marks
                .iter()
                .filter(|(_, is_so)| *is_so)
                .fold(0, |all, (mark, _)| all | mark.0),
        )
    }

    /// Returns `true` if all of `marks` are among these.
    pub fn has(self, marks: Self) -> bool {
        self.0 & marks.0 == marks.0
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::path;
    use super::*;

    fn file(at: &str, mode: u32) -> Marks {
        let kind = NodeKind::File {
            size_bytes: 1,
            layer: 0,
            stored_at: None,
        };
        Marks::of(
            &path(at),
            &Node {
                kind,
                mode,
                ..Node::plain_directory()
            },
        )
    }

    #[test]
    fn most_files_have_no_mark() {
        for at in [
            "app/main.js",
            "app/node_modules/a/lib/index.js",
            "usr/lib/python3/site-packages/a/b.py",
            "etc/passwd",
        ] {
            assert_eq!(file(at, 0o755), Marks::default(), "{at}");
        }
    }

    #[test]
    fn each_mark_is_told() {
        let kind = NodeKind::Symlink {
            target: b"x".as_slice().into(),
        };
        assert!(
            Marks::of(
                &path("a"),
                &Node {
                    kind,
                    ..Node::plain_directory()
                }
            )
            .has(Marks::LINK)
        );
        for mode in [0o666, 0o4755, 0o2755] {
            assert!(file("a", mode).has(Marks::OPEN), "{mode:o}");
        }
        for (at, mark) in [
            ("app/.git/HEAD", Marks::LEFTOVER),
            ("app/node_modules/.cache/x", Marks::LEFTOVER),
            ("a/.x.swp", Marks::LEFTOVER),
            ("v/pyvenv.cfg", Marks::PYTHON_SETTING),
            ("v/site-packages/a.pth", Marks::PYTHON_SETTING),
            ("app/package.json", Marks::NODE_PACKAGE),
            ("app/node_modules/a", Marks::NODE_PACKAGE),
            ("app/node_modules/@a/b", Marks::NODE_PACKAGE),
            ("app/node_modules/.pnpm/a@1/node_modules/a", Marks::NODE_PACKAGE),
        ] {
            assert_eq!(file(at, 0o644), mark, "{at}");
        }
    }
}
