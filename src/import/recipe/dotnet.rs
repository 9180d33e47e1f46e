//! .NET programs: without a runtime identifier, what `dotnet publish` writes is the same for all platforms.

use super::super::artifacts::Artifacts;
use super::super::draft::{Draft, Expected, Files, Layer, Start, User, literal, shell_word};
use super::super::layout::default_platforms;
use super::super::project::{DotnetProject, Project};
use super::super::tree::{ProjectTree, file_name, parent};
use super::image_name::name_of;

/// Where the command in the spec publishes to.
const OUTPUT: &str = "dist/app";

/// Returns the spec of a .NET program.
pub fn draft(tree: &ProjectTree, artifacts: &Artifacts, project: &Project) -> Draft {
    let dotnet = project.dotnet.as_ref();
    let published = artifacts
        .dotnet
        .iter()
        .max_by_key(|path| (is_published(path), std::cmp::Reverse(path.len())));
    let assembly = match (dotnet, published) {
        (_, Some(path)) => file_name(path).trim_end_matches(".runtimeconfig.json").to_owned(),
        (Some(dotnet), None) => dotnet.assembly.clone(),
        (None, None) => "App".to_owned(),
    };
    let version = dotnet.map_or(DotnetProject::DEFAULT_VERSION, |dotnet| &dotnet.version);
    let runtime = if dotnet.is_some_and(|dotnet| dotnet.is_web) {
        "aspnet"
    } else {
        "runtime"
    };
    let base = format!("mcr.microsoft.com/dotnet/{runtime}:{version}");
    let origin = dotnet.map_or("the .NET program that was found", |dotnet| &dotnet.path);
    let mut draft = Draft::new(name_of(Some(&assembly), tree), origin, &base, default_platforms());
    if dotnet.is_none_or(|dotnet| dotnet.has_user()) {
        draft.user = User::OfBase("app");
    }
    let from = published.map_or(OUTPUT, |path| parent(path)).to_owned();
    let commands: Vec<String> = dotnet
        .map(|dotnet| {
            let paths = format!("--output {} {}", shell_word(&from), shell_word(&dotnet.path));
            format!("dotnet publish --configuration Release -p:UseAppHost=false {paths}")
        })
        .into_iter()
        .collect();
    draft.layers.push(Layer {
        name: "app".to_owned(),
        comment: vec!["The same files serve all platforms. Publish them first:".to_owned()],
        commands: commands.clone(),
        files: vec![Files::new(&literal(&from), "/app").exclude(&["*.pdb"])],
        is_optional: false,
    });
    draft.workdir = Some("/app".to_owned());
    draft.start = Start::Entrypoint(vec!["dotnet".to_owned(), literal(&format!("/app/{assembly}.dll"))]);
    if runtime == "aspnet" && draft.user == User::OfBase("app") {
        draft.ports = vec!["8080".to_owned()];
    }
    draft.expected.push(Expected {
        path: format!("{from}/{assembly}.dll"),
        commands,
        platform: None,
    });
    draft
}

/// Returns `true` for a path that `dotnet publish` wrote, rather than `dotnet build`.
fn is_published(path: &str) -> bool {
    path.split('/').any(|part| part == "publish") || !path.starts_with("bin/")
}
