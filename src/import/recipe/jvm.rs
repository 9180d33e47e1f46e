//! Programs for the Java virtual machine: a jar is the same for all platforms.

use super::super::artifacts::Artifacts;
use super::super::draft::{Draft, Expected, Files, Layer, Start, literal};
use super::super::layout::default_platforms;
use super::super::project::{Jars, JvmProject, JvmTool, Project};
use super::super::tree::ProjectTree;
use super::image_name::name_of;
use crate::model::escape;

/// The Java of the base if only a jar was found.
const DEFAULT_JAVA: u32 = 21;

/// Returns the spec of a Java program.
pub fn draft(tree: &ProjectTree, artifacts: &Artifacts, project: &Project) -> Draft {
    let jvm = project.jvm.as_ref();
    let java = jvm.map_or(DEFAULT_JAVA, |jvm| jvm.java);
    let name = jvm
        .and_then(|jvm| jvm.name.clone())
        .or_else(|| jar_name(artifacts.jars.first()?));
    let base = format!("docker.io/library/eclipse-temurin:{java}-jre");
    let origin = jvm.map_or("the jar that was found", |jvm| jvm.path);
    let mut draft = Draft::new(name_of(name.as_deref(), tree), origin, &base, default_platforms());
    draft.base_comment = vec![format!(
        "Java {java} or newer runs classes that are compiled for Java {java}."
    )];
    draft.workdir = Some("/app".to_owned());
    match jvm.map(|jvm| (&jvm.jars, jvm)) {
        Some((Jars::Quarkus, jvm)) => add_quarkus(&mut draft, jvm),
        Some((Jars::Directory(class), jvm)) => add_directory(&mut draft, jvm, class, tree),
        _ => add_jar(&mut draft, jvm, artifacts, name.as_deref()),
    }
    if jvm.is_some_and(|jvm| jvm.is_war) {
        draft
            .notes
            .push("pom.xml builds a web archive (war): take a base with a server such as Tomcat".to_owned());
    }
    draft
}

/// The name in `target/shop-1.0.jar`.
fn jar_name(path: &str) -> Option<String> {
    let stem = path.rsplit('/').next()?.strip_suffix(".jar")?;
    let version = stem.match_indices('-').map(|(at, _)| at);
    let end = version
        .filter(|at| stem[at + 1..].starts_with(|character: char| character.is_ascii_digit()))
        .min();
    Some(stem[..end.unwrap_or(stem.len())].to_owned())
}

/// The directory where the build tool puts jars.
fn directory(jvm: &JvmProject) -> &'static str {
    match jvm.tool {
        JvmTool::Maven => "target",
        JvmTool::Gradle => "build/libs",
    }
}

fn add_jar(draft: &mut Draft, jvm: Option<&JvmProject>, artifacts: &Artifacts, name: Option<&str>) {
    let preferred = |jar: &&String| name.is_some_and(|name| jar_name(jar).as_deref() == Some(name));
    let found = artifacts.jars.iter().find(preferred).or(artifacts.jars.first());
    let from = match (found, jvm, name) {
        (Some(jar), _, _) => jar.clone(),
        (None, Some(jvm), Some(name)) => format!("{}/{name}-*.jar", directory(jvm)),
        (None, Some(jvm), None) => format!("{}/*.jar", directory(jvm)),
        (None, None, _) => "dist/app.jar".to_owned(),
    };
    let commands = jvm.map_or(Vec::new(), jar_commands);
    let mut comment = vec!["A jar is the same for all platforms.".to_owned()];
    if !commands.is_empty() {
        comment[0].push_str(" Build it first:");
    }
    let is_thin = jvm.is_some_and(|jvm| jvm.jars == Jars::Thin);
    if is_thin {
        comment.push(
            "It holds no other jars. If the program needs some, pack them too: see docs/guides/java.md of ocitect."
                .to_owned(),
        );
        draft
            .notes
            .push("the build writes a jar without its dependencies: pack them too if it has any".to_owned());
    }
    let others = artifacts.jars.iter().filter(|jar| Some(*jar) != found);
    draft
        .notes
        .extend(others.map(|jar| format!("{} is not packed", escape(jar.as_bytes()))));
    draft.layers.push(Layer {
        name: "app".to_owned(),
        comment,
        commands: commands.clone(),
        files: vec![Files::new(&literal(&from), "/app/app.jar")],
        is_optional: false,
    });
    draft.start = Start::Entrypoint(vec!["java".to_owned(), "-jar".to_owned(), "/app/app.jar".to_owned()]);
    draft.expected.push(Expected {
        path: from,
        commands,
        platform: None,
    });
}

fn jar_commands(jvm: &JvmProject) -> Vec<String> {
    match (jvm.tool, &jvm.jars) {
        (JvmTool::Maven, _) => vec![format!("{} --batch-mode package", jvm.command)],
        (JvmTool::Gradle, Jars::Whole) => vec![format!("{} assemble", jvm.command)],
        (JvmTool::Gradle, _) => vec![format!("{} jar", jvm.command)],
    }
}

fn add_quarkus(draft: &mut Draft, jvm: &JvmProject) {
    let (from, command) = match jvm.tool {
        JvmTool::Maven => ("target/quarkus-app", "--batch-mode package"),
        JvmTool::Gradle => ("build/quarkus-app", "quarkusBuild"),
    };
    let commands = vec![format!("{} {command}", jvm.command)];
    draft.layers.push(Layer {
        name: "app".to_owned(),
        comment: vec!["Jars are the same for all platforms. Build them first:".to_owned()],
        commands: commands.clone(),
        files: vec![Files::new(from, "/app")],
        is_optional: false,
    });
    draft.start = Start::Entrypoint(vec![
        "java".to_owned(),
        "-jar".to_owned(),
        "/app/quarkus-run.jar".to_owned(),
    ]);
    draft.ports = vec!["8080".to_owned()];
    draft.expected.push(Expected {
        path: from.to_owned(),
        commands,
        platform: None,
    });
}

/// Gradle's plugin `application` puts all jars into one directory.
fn add_directory(draft: &mut Draft, jvm: &JvmProject, class: &str, tree: &ProjectTree) {
    let name = jvm
        .name
        .clone()
        .or_else(|| tree.name())
        .unwrap_or_else(|| draft.name.clone());
    let from = format!("build/install/{name}/lib");
    let commands = vec![format!("{} installDist", jvm.command)];
    draft.layers.push(Layer {
        name: "app".to_owned(),
        comment: vec!["Jars are the same for all platforms. Build them first:".to_owned()],
        commands: commands.clone(),
        files: vec![Files::new(&literal(&from), "/app/lib")],
        is_optional: false,
    });
    let words = ["java", "-cp", "/app/lib/*"].map(str::to_owned);
    draft.start = Start::Entrypoint(words.into_iter().chain([literal(class)]).collect());
    draft.expected.push(Expected {
        path: from,
        commands,
        platform: None,
    });
}
