//! The codes of findings: stable names, which specs, reports and the documentation use.

use std::fmt;
use std::str::FromStr;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It cannot work: nothing is written.
    Error,
    /// It probably will not do what is wanted.
    Warning,
}

impl Severity {
    /// `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Makes [`Code`] of one table: name, severity, and what it means in one line.
macro_rules! codes {
    ($($variant:ident $name:literal $severity:ident $meaning:literal)*) => {
        /// What kind of thing is wrong. Sorted by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// Every code, sorted by name.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Its name, in kebab case; it never changes.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// How bad it is where nothing else is said.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),* }
            }

            /// What it means, as one sentence without a full stop.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }
        }
    };
}

codes! {
    BrokenJson "broken-json" Error "a manifest that the runtime reads first is not JSON"
    BrokenShebang "broken-shebang" Error "a script on PATH names a program after #! that the image lacks"
    BudgetExceeded "budget-exceeded" Error "the compressed image is larger than max-size"
    DanglingSymlink "dangling-symlink" Warning "a symbolic link leads to nothing"
    DevFiles "dev-files" Warning "files of development, such as a version control's folder, are packed"
    EditableInstall "editable-install" Error "an editable installation points to a directory that the image lacks"
    EmptyVariable "empty-variable" Warning "a variable of the environment is set to nothing"
    EntrypointMissing "entrypoint-missing" Error "the program that the image starts is not in it"
    EntrypointNotExecutable "entrypoint-not-executable" Error "the program that the image starts cannot be executed"
    ForeignArchitecture "foreign-architecture" Warning "files for another platform lie beside those for this one"
    ForeignPath "foreign-path" Warning "a path of the machine that built it is written into a file"
    HealthcheckIgnored "healthcheck-ignored" Warning "podman passes over the health check of an OCI image"
    HealthcheckMissing "healthcheck-missing" Error "the command of the health check is not in the image"
    JavaTooOld "java-too-old" Error "a class is compiled for a newer Java than the image has"
    LibcTooOld "libc-too-old" Error "a program needs a newer C library than the image has"
    MissingImport "missing-import" Error "a module that the started program imports is not in the image"
    MissingJar "missing-jar" Warning "a Java archive names another one that is not in the image"
    MissingLibrary "missing-library" Error "a needed shared library is not where the loader looks"
    MissingLoader "missing-loader" Error "the dynamic loader that a program asks for is not in the image"
    MissingModule "missing-module" Error "a link in node_modules leads to nothing"
    MissingPlatformPackage "missing-platform-package" Error "a package's part for this platform is not there"
    MissingRequirement "missing-requirement" Warning "an installed Python package requires one that is not in the image"
    MissingVariable "missing-variable" Error "a variable that the image requires is not set"
    NodeTooOld "node-too-old" Error "the started program loads a module with require that the image's Node cannot load so"
    RunsAsRoot "runs-as-root" Warning "the image runs as root"
    Secret "secret" Warning "something that looks like a secret is packed"
    Setuid "setuid" Warning "a file runs with its owner's rights"
    Shadowed "shadowed" Warning "a file is replaced by a later layer, and shipped twice"
    ShebangMissing "shebang-missing" Error "the script that the image starts names a program after #! that the image lacks"
    StalePyc "stale-pyc" Warning "compiled Python does not match its source's time, and is compiled at every start"
    SymbolVersionMissing "symbol-version-missing" Error "a library of the image lacks a symbol version that is needed of it"
    SymlinkEscape "symlink-escape" Warning "a symbolic link climbs above the root of the image"
    UnknownGroup "unknown-group" Error "the image's group is not in its /etc/group"
    UnknownUser "unknown-user" Error "the image's user is not in its /etc/passwd"
    UnsupportedEngine "unsupported-engine" Warning "a package is for another version of its runtime than the image has"
    UnusedAllow "unused-allow" Warning "an `allow` of the spec matches no finding"
    UnwritableWorkdir "unwritable-workdir" Warning "the image's user cannot write its working directory or a volume"
    WorldWritable "world-writable" Warning "everybody may write a file"
    WrongArchitecture "wrong-architecture" Error "a program or library is made for another processor"
    WrongLibc "wrong-libc" Error "a program is made for another C library than the image has"
    WrongPython "wrong-python" Error "packages are installed for another version of Python than the image has"
}

impl fmt::Display for Code {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for Code {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        Self::ALL.iter().copied().find(|code| code.as_str() == text).ok_or(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kebab_case_sorted_and_read_back() {
        assert!(Code::ALL.is_sorted_by(|left, right| left.as_str() < right.as_str()));
        for code in Code::ALL {
            assert!(code.as_str().bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-'), "{code}");
            assert_eq!(code.as_str().parse(), Ok(*code));
        }
        assert_eq!("no-such-code".parse::<Code>(), Err(()));
    }
}
