//! .NET's project files. They are XML; the few elements that matter are found by their text.

use super::super::tree::{DOTNET_ENDINGS, ProjectTree, file_name};
use super::version::leading_number;
use crate::model::escape;

/// A .NET program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DotnetProject {
    /// The project file.
    pub path: String,
    /// The assembly's name, without `.dll`.
    pub assembly: String,
    /// The version of .NET: `8.0`.
    pub version: String,
    /// `true` if it needs ASP.NET Core.
    pub is_web: bool,
}

/// The first .NET whose frameworks are named `netN.0`, as its images are.
const FIRST_VERSION: u32 = 5;

/// The first .NET whose images have the user `app`.
const FIRST_VERSION_WITH_USER: u32 = 8;

impl DotnetProject {
    /// The version if no project file names one that images exist for.
    pub const DEFAULT_VERSION: &str = "8.0";

    pub(super) fn read(tree: &ProjectTree) -> Option<Self> {
        let is_program = |text: &str| text.contains("Microsoft.NET.Sdk.Web") || text.contains("<OutputType>Exe");
        let found: Vec<(&str, &str)> = tree.manifests_ending(&DOTNET_ENDINGS).collect();
        let (path, text) = found.iter().find(|(_, text)| is_program(text)).or(found.first())?;
        let stem = file_name(path).rsplit_once('.').map_or(*path, |(stem, _)| stem);
        let framework = element(text, "TargetFramework").or_else(|| element(text, "TargetFrameworks"));
        let version = framework.and_then(|name| name.split(';').next()?.strip_prefix("net"));
        let version = version.filter(|version| {
            version.contains('.') && leading_number(version).is_some_and(|major| major >= FIRST_VERSION)
        });
        let version = version.map(|text| text.split('-').next().unwrap_or(text));
        let is_plain = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        Some(Self {
            path: (*path).to_owned(),
            assembly: element(text, "AssemblyName")
                .filter(|name| !name.contains('$'))
                .unwrap_or(stem)
                .to_owned(),
            version: version.filter(is_plain).unwrap_or(Self::DEFAULT_VERSION).to_owned(),
            is_web: text.contains("Microsoft.NET.Sdk.Web"),
        })
    }

    /// Returns `true` if the images of this version have the user `app`.
    pub fn has_user(&self) -> bool {
        leading_number(&self.version).is_some_and(|major| major >= FIRST_VERSION_WITH_USER)
    }

    pub(super) fn describe(&self) -> String {
        let kind = if self.is_web { "ASP.NET Core" } else { ".NET" };
        format!("{}: {kind} {} project", escape(self.path.as_bytes()), self.version)
    }
}

/// The text of the first element of this name without attributes.
pub(super) fn element<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, after) = text.split_once(&format!("<{name}>"))?;
    let content = after.split('<').next().unwrap_or_default().trim();
    (!content.is_empty()).then_some(content)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::tests::projects::project;

    fn read(files: &[(&str, &str)]) -> DotnetProject {
        DotnetProject::read(&ProjectTree::read(project(files).path()).unwrap()).unwrap()
    }

    #[test]
    fn the_program_of_a_solution_is_found() {
        let web = "<Project Sdk=\"Microsoft.NET.Sdk.Web\"><TargetFramework>net9.0</TargetFramework></Project>";
        let library = "<Project Sdk=\"Microsoft.NET.Sdk\"><TargetFramework>net9.0</TargetFramework></Project>";
        let found = read(&[("src/Lib/Lib.csproj", library), ("src/Web/Web.csproj", web)]);
        assert_eq!(
            (found.assembly.as_str(), found.version.as_str(), found.is_web),
            ("Web", "9.0", true)
        );
        assert!(found.has_user());
    }

    #[test]
    fn versions_without_images_give_the_default() {
        for (framework, expected) in [
            ("net6.0", "6.0"),
            ("net8.0-linux", "8.0"),
            ("net48", "8.0"),
            ("netcoreapp3.1", "8.0"),
            ("x", "8.0"),
        ] {
            let text = format!("<TargetFramework>{framework}</TargetFramework><AssemblyName>$(X)</AssemblyName>");
            let found = read(&[("App.csproj", &text)]);
            assert_eq!((found.assembly.as_str(), found.version.as_str()), ("App", expected));
        }
    }
}
