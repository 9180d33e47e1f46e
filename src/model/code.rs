//! The codes of findings: stable names for specs, reports and the documentation.

use std::fmt;
use std::str::FromStr;

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// It cannot work: nothing is written.
    Error,
    /// The image probably does not do what the user wants.
    Warning,
}

impl Severity {
    /// Returns `error` or `warning`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
        }
    }
}

/// Defines [`Code`] from one table: name, severity, and meaning in one line.
macro_rules! codes {
    ($($variant:ident $name:literal $severity:ident $meaning:literal)*) => {
        /// The kind of a finding. Sorted by name.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code {
            $(#[doc = $meaning] $variant,)*
        }

        impl Code {
            /// Every code, sorted by name.
            pub const ALL: &'static [Self] = &[$(Self::$variant),*];

            /// Returns its name, in kebab case. The name never changes.
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $name),* }
            }

            /// Returns its severity, unless the spec changes it.
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),* }
            }

            /// Returns its meaning, as one sentence without a full stop.
            pub fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning),* }
            }
        }
    };
}

codes! {
    BrokenJson "broken-json" Error "a manifest that the runtime reads at startup is not valid JSON"
    BrokenShebang "broken-shebang" Error "the #! line of a script on PATH names a program that is not in the image"
    BudgetExceeded "budget-exceeded" Error "the compressed image is larger than max-size"
    DanglingSymlink "dangling-symlink" Warning "a symbolic link points to a path that does not exist"
    DependencyMissing "dependency-missing" Error "a service depends on one that does not exist"
    DevFiles "dev-files" Warning "development files, such as a .git directory, are packed"
    EditableInstall "editable-install" Error "an editable installation points to a directory that is not in the image"
    EmptyVariable "empty-variable" Warning "an environment variable is set to an empty string"
    EntrypointMissing "entrypoint-missing" Error "the program that the image starts is not in the image"
    EntrypointNotExecutable "entrypoint-not-executable" Error "the program that the image starts cannot be executed"
    ForeignArchitecture "foreign-architecture" Warning "files for another platform are packed beside those for this one"
    ForeignPath "foreign-path" Warning "a file contains a path of the machine that built it"
    HealthcheckIgnored "healthcheck-ignored" Warning "podman ignores the health check of an image with an OCI manifest"
    HealthcheckMissing "healthcheck-missing" Error "the command of the health check is not in the image"
    ImageNotInWorkspace "image-not-in-workspace" Warning "the image of a service is like that of a member, and no member has it"
    JavaTooOld "java-too-old" Error "a class is compiled for a newer Java than the image has"
    LibcTooOld "libc-too-old" Error "a program needs a newer C library than the image has"
    MissingEnvFile "missing-env-file" Error "an env file of a service does not exist"
    MissingImport "missing-import" Error "a module that the program imports at startup is not in the image"
    MissingJar "missing-jar" Warning "the Class-Path of a jar names a library that is not in the image"
    MissingLibrary "missing-library" Error "a required shared library is not in the loader's search path"
    MissingLoader "missing-loader" Error "the dynamic loader that a program needs is not in the image"
    MissingModule "missing-module" Error "a link in node_modules points to a path that does not exist"
    MissingPlatformPackage "missing-platform-package" Error "the part of a package for this platform is missing"
    MissingRequirement "missing-requirement" Warning "an installed Python package requires another one that is missing"
    MissingVariable "missing-variable" Error "an environment variable that the image requires is not set"
    NoHealthCheck "no-health-check" Error "a service waits until another one is healthy, which has no health check"
    NodeTooOld "node-too-old" Error "an ES module is loaded with require, which the image's Node does not support"
    NotEvaluated "not-evaluated" Warning "a part of a compose file that may matter is not evaluated"
    RunsAsRoot "runs-as-root" Warning "the image runs as root"
    Secret "secret" Warning "the image contains what looks like a secret"
    Setuid "setuid" Warning "a file runs with the rights of its owner or group"
    Shadowed "shadowed" Warning "a file is replaced by a later layer and shipped twice"
    ShebangMissing "shebang-missing" Error "the #! line of the started script names a program that is not in the image"
    StalePyc "stale-pyc" Warning "a compiled Python file does not match its source and is not used"
    SymbolVersionMissing "symbol-version-missing" Error "a library does not define a required symbol version"
    SymlinkEscape "symlink-escape" Warning "a symbolic link points above the root of the image"
    UnknownGroup "unknown-group" Error "the image's group does not exist in /etc/group"
    UnknownUser "unknown-user" Error "the image's user does not exist in /etc/passwd"
    UnsetInterpolation "unset-interpolation" Warning "a compose file uses a variable that is not set"
    UnsupportedEngine "unsupported-engine" Warning "a package requires another runtime version than the image has"
    UnusedAllow "unused-allow" Warning "an `allow` entry of the spec matches no finding"
    UnwritableWorkdir "unwritable-workdir" Warning "the image's user cannot write to the working directory or a volume"
    WorldWritable "world-writable" Warning "every user can write to a file or directory"
    WrongArchitecture "wrong-architecture" Error "a program or library is built for another processor"
    WrongLibc "wrong-libc" Error "a program is built for another C library than the image has"
    WrongPython "wrong-python" Error "packages are installed for another version of Python than the image has"
}

impl Code {
    /// Returns `true` for codes that are only found if the command line says how the image is deployed.
    pub fn is_of_deployment(self) -> bool {
        matches!(
            self,
            Self::DependencyMissing
                | Self::ImageNotInWorkspace
                | Self::MissingEnvFile
                | Self::MissingVariable
                | Self::NoHealthCheck
                | Self::NotEvaluated
                | Self::UnsetInterpolation
        )
    }
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
            assert!(
                code.as_str()
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte == b'-'),
                "{code}"
            );
            assert_eq!(code.as_str().parse(), Ok(*code));
        }
        assert_eq!("no-such-code".parse::<Code>(), Err(()));
    }
}
