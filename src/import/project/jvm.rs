//! Maven's `pom.xml` and Gradle's build files. They are searched for the few things that matter, and not evaluated.

use super::super::tree::ProjectTree;
use super::dotnet::element;
use super::version::leading_number;
use crate::model::escape;

/// The Java version of the base if the project needs no newer one: a version with long-term support.
const DEFAULT_JAVA: u32 = 21;

/// Newer versions than this in a manifest are mistakes.
const MAX_JAVA: u32 = 99;

/// What builds a project.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JvmTool {
    /// Maven.
    Maven,
    /// Gradle.
    Gradle,
}

/// What the build writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Jars {
    /// One jar that holds its dependencies.
    Whole,
    /// A jar that needs others beside it.
    Thin,
    /// The directory of Quarkus.
    Quarkus,
    /// Jars in a directory, and the class to start: Gradle's plugin `application`.
    Directory(String),
}

/// A project for the Java virtual machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JvmProject {
    /// The manifest.
    pub path: &'static str,
    /// What builds it.
    pub tool: JvmTool,
    /// The command of the build tool: `./mvnw` or `mvn`.
    pub command: &'static str,
    /// The artifact's name.
    pub name: Option<String>,
    /// The Java version of the base.
    pub java: u32,
    /// What the build writes.
    pub jars: Jars,
    /// `true` for a web archive, which needs a server.
    pub is_war: bool,
}

impl JvmProject {
    pub(super) fn read(tree: &ProjectTree) -> Option<Self> {
        if let Some(text) = tree.text("pom.xml") {
            return Some(maven(text, tree));
        }
        let path = ["build.gradle.kts", "build.gradle"]
            .into_iter()
            .find(|path| tree.text(path).is_some());
        let settings = ["settings.gradle.kts", "settings.gradle"]
            .into_iter()
            .find(|path| tree.text(path).is_some());
        let path = path.or(settings)?;
        Some(gradle(path, tree))
    }

    pub(super) fn describe(&self) -> String {
        let tool = match self.tool {
            JvmTool::Maven => "Maven",
            JvmTool::Gradle => "Gradle",
        };
        let name = self
            .name
            .as_ref()
            .map_or(String::new(), |name| format!(" {}", escape(name.as_bytes())));
        format!("{}: {tool} project{name}, Java {}", self.path, self.java)
    }
}

fn maven(text: &str, tree: &ProjectTree) -> JvmProject {
    let own = own_elements(text);
    let java = [
        "maven.compiler.release",
        "java.version",
        "maven.compiler.target",
        "release",
        "target",
    ];
    let java = java.iter().find_map(|name| java_version(element(text, name)?));
    let packs_dependencies = [
        "spring-boot-maven-plugin",
        "maven-shade-plugin",
        "maven-assembly-plugin",
    ];
    let jars = if text.contains("quarkus-maven-plugin") {
        Jars::Quarkus
    } else if packs_dependencies.iter().any(|plugin| text.contains(plugin)) || !text.contains("<dependency>") {
        Jars::Whole
    } else {
        Jars::Thin
    };
    JvmProject {
        path: "pom.xml",
        tool: JvmTool::Maven,
        command: if tree.has_file("mvnw") { "./mvnw" } else { "mvn" },
        name: element(&own, "artifactId")
            .filter(|name| !name.contains('$'))
            .map(str::to_owned),
        java: java.unwrap_or(DEFAULT_JAVA).max(DEFAULT_JAVA),
        jars,
        is_war: element(&own, "packaging") == Some("war"),
    }
}

/// A `pom.xml` without the parts that name other artifacts.
fn own_elements(text: &str) -> String {
    let mut own = text.to_owned();
    for name in [
        "parent",
        "dependencies",
        "dependencyManagement",
        "build",
        "profiles",
        "reporting",
    ] {
        let end = format!("</{name}>");
        while let Some(begin) = own.find(&format!("<{name}>")) {
            let length = own[begin..].find(&end).map_or(own.len() - begin, |at| at + end.len());
            own.replace_range(begin..begin + length, "");
        }
    }
    own
}

fn gradle(path: &'static str, tree: &ProjectTree) -> JvmProject {
    let text = tree.text(path).unwrap_or_default();
    let settings = ["settings.gradle.kts", "settings.gradle"]
        .into_iter()
        .find_map(|path| tree.text(path));
    let name = settings.and_then(|text| quoted_after(text, "rootProject.name"));
    let numbers = [
        "JavaLanguageVersion.of(",
        "jvmToolchain(",
        "JavaVersion.VERSION_",
        "sourceCompatibility",
    ];
    let java = numbers.iter().find_map(|before| {
        let (_, after) = text.split_once(before)?;
        java_version(after.trim_start_matches([' ', '=', '\'', '"', '(']))
    });
    let packs_dependencies = ["org.springframework.boot", "shadow"]
        .iter()
        .any(|plugin| text.contains(plugin));
    let jars = match quoted_after(text, "mainClass") {
        _ if text.contains("io.quarkus") => Jars::Quarkus,
        _ if packs_dependencies => Jars::Whole,
        Some(class) => Jars::Directory(class),
        None => Jars::Thin,
    };
    JvmProject {
        path,
        tool: JvmTool::Gradle,
        command: if tree.has_file("gradlew") {
            "./gradlew"
        } else {
            "gradle"
        },
        name,
        java: java.unwrap_or(DEFAULT_JAVA).max(DEFAULT_JAVA),
        jars,
        is_war: false,
    }
}

/// The number of a Java version: `17`, and `8` of `1.8`.
fn java_version(text: &str) -> Option<u32> {
    let text = text
        .strip_prefix("1.")
        .or_else(|| text.strip_prefix("1_"))
        .unwrap_or(text);
    leading_number(text).filter(|version| (1..=MAX_JAVA).contains(version))
}

/// The first text in quotes after a word, on the same line.
fn quoted_after(text: &str, word: &str) -> Option<String> {
    let (_, after) = text.split_once(word)?;
    let mut parts = after.lines().next()?.split(['\'', '"']);
    let content = parts.nth(1)?;
    parts.next()?;
    (!content.is_empty() && !content.contains('$')).then(|| content.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::import::tests::projects::project;

    fn read(files: &[(&str, &str)]) -> JvmProject {
        JvmProject::read(&ProjectTree::read(project(files).path()).unwrap()).unwrap()
    }

    #[test]
    fn a_pom_says_its_own_name_and_not_its_parents() {
        let pom = "<project>\n<parent><artifactId>spring-boot-starter-parent</artifactId></parent>\n\
            <artifactId>shop</artifactId>\n<properties><java.version>25</java.version></properties>\n\
            <dependencies><dependency><artifactId>web</artifactId></dependency></dependencies>\n\
            <build><plugins><plugin><artifactId>spring-boot-maven-plugin</artifactId></plugin></plugins></build></project>";
        let found = read(&[("pom.xml", pom), ("mvnw", "")]);
        assert_eq!(found.name.as_deref(), Some("shop"));
        assert_eq!((found.java, found.jars, found.command), (25, Jars::Whole, "./mvnw"));
        let thin = "<project><artifactId>x</artifactId><dependency></dependency><parent></project>";
        assert_eq!(read(&[("pom.xml", thin)]).jars, Jars::Thin);
        let old = "<project><artifactId>x</artifactId><maven.compiler.target>1.8</maven.compiler.target></project>";
        assert_eq!(
            (read(&[("pom.xml", old)]).java, read(&[("pom.xml", old)]).jars),
            (DEFAULT_JAVA, Jars::Whole)
        );
    }

    #[test]
    fn gradle_files_are_searched() {
        let settings = "rootProject.name = 'shop'\n";
        let kotlin = "plugins { application }\njava { toolchain { languageVersion = JavaLanguageVersion.of(24) } }\n\
            application {\n  mainClass = \"com.example.Main\"\n}\n";
        let found = read(&[
            ("build.gradle.kts", kotlin),
            ("settings.gradle", settings),
            ("gradlew", ""),
        ]);
        assert_eq!(
            (found.name.as_deref(), found.java, found.command),
            (Some("shop"), 24, "./gradlew")
        );
        assert_eq!(found.jars, Jars::Directory("com.example.Main".to_owned()));
        let boot = "plugins { id 'org.springframework.boot' version '3.3.0' }\nsourceCompatibility = '17'\n";
        let found = read(&[("build.gradle", boot)]);
        assert_eq!((found.jars, found.java, found.name), (Jars::Whole, DEFAULT_JAVA, None));
    }
}
