//! Whole projects, and the specs that are proposed for them.

pub mod projects;

use std::path::Path;

use self::projects::{HELLO_AMD64, HELLO_ARM64, project, project_of_bytes};
use super::{Proposal, propose};
use crate::spec::{Inputs, PlatformSpec, Spec};

/// What is proposed for a project, and its spec for the first platform, which must be valid for all.
fn proposed(files: &[(&str, &str)]) -> (Proposal, PlatformSpec) {
    let directory = project(files);
    of(directory.path())
}

fn of(directory: &Path) -> (Proposal, PlatformSpec) {
    let proposal = propose(directory).unwrap();
    let spec = Spec::parse(&proposal.text, Path::new("ocitect.toml"), &Inputs::default())
        .unwrap_or_else(|error| panic!("{}\n{}", error.render(false).unwrap_or_default(), proposal.text));
    let mut platforms = spec.platforms().iter().map(|platform| spec.platform(platform).unwrap());
    let first = platforms.next().unwrap();
    platforms.for_each(drop);
    (proposal, first)
}

#[track_caller]
fn says(text: &str, expected: &[&str]) {
    for expected in expected {
        assert!(text.contains(expected), "{expected:?} in\n{text}");
    }
}

#[test]
fn of_several_manifests_one_is_chosen() {
    let page = r#"{"name":"page","scripts":{"build":"vite build","dev":"vite"}}"#;
    let server = r#"{"name":"web","scripts":{"start":"node server.js"}}"#;
    let rust = "[package]\nname = \"tool\"\n";
    let maturin = "[build-system]\nbuild-backend = \"maturin\"\n[project]\nname = \"fast\"\n";
    for (files, expected) in [
        (
            vec![("go.mod", "module x/api\n"), ("package.json", page)],
            "registry.example.com/api",
        ),
        (
            vec![
                ("package.json", server),
                ("requirements.txt", "x\n"),
                ("src/web/__main__.py", ""),
            ],
            "python:3.12-slim",
        ),
        (
            vec![("Cargo.toml", rust), ("src/main.rs", ""), ("package.json", server)],
            "registry.example.com/tool",
        ),
        (
            vec![("Cargo.toml", rust), ("src/lib.rs", ""), ("pyproject.toml", maturin)],
            "python:3.12-slim",
        ),
        (
            vec![("Cargo.toml", rust), ("src/lib.rs", ""), ("package.json", server)],
            "node:22-slim",
        ),
        (vec![("package.json", page)], "nginx-unprivileged"),
        (
            vec![("package.json", page), ("dist/index.html", "")],
            "nginx-unprivileged",
        ),
        (vec![("package.json", server), ("dist/index.html", "")], "node:22-slim"),
        (vec![("index.html", "")], "nginx-unprivileged"),
        (vec![("README.md", "")], "base = \"scratch\""),
    ] {
        says(&proposed(&files).0.text, &[expected]);
    }
}

#[test]
fn a_program_that_only_lies_there_is_not_the_image() {
    let manifest = r#"{"name":"web","main":"server.js"}"#;
    let directory = project_of_bytes(&[
        ("package.json", manifest.as_bytes()),
        ("server.js", b""),
        ("bin/ffmpeg", HELLO_AMD64),
    ]);
    says(&of(directory.path()).0.text, &["node:22-slim"]);
    // A program of the project's own name is one that was made from it.
    let directory = project_of_bytes(&[("package.json", manifest.as_bytes()), ("dist/web", HELLO_AMD64)]);
    says(
        &of(directory.path()).0.text,
        &[
            "base = \"scratch\"",
            "from = \"dist/web\"",
            "platforms = [\"linux/amd64\"]",
        ],
    );
}

#[test]
fn programs_decide_platforms_and_paths() {
    let directory = project_of_bytes(&[
        ("go.mod", b"module x/api\n"),
        ("cmd/api/main.go", b""),
        ("cmd/worker/main.go", b""),
        ("dist/linux_amd64/api", HELLO_AMD64),
        ("dist/linux_arm64/api", HELLO_ARM64),
        ("dist/linux_amd64/worker", HELLO_AMD64),
        ("dist/linux_arm64/worker", HELLO_ARM64),
        ("dist/linux_amd64/only", HELLO_AMD64),
    ]);
    let (proposal, spec) = of(directory.path());
    says(
        &proposal.text,
        &[
            "from = \"dist/linux_${arch}/api\", to = \"/usr/bin/api\"",
            "from = \"dist/linux_${arch}/worker\", to = \"/usr/bin/worker\"",
            "-o dist/linux_arm64/worker ./cmd/worker\n",
            "entrypoint = [\"/usr/bin/api\"]",
        ],
    );
    assert!(proposal.missing.is_empty(), "{:?}", proposal.missing);
    assert_eq!((spec.base_text.as_str(), spec.users.len()), ("scratch", 1));
    says(
        &proposal.notes.join("\n"),
        &["only is not packed: it is not built for all platforms"],
    );
}

#[test]
fn a_program_of_one_platform_alone_says_which_is_missing() {
    let directory = project_of_bytes(&[
        ("Dockerfile", b"FROM scratch\n"),
        ("dist/amd64/hello", HELLO_AMD64),
        ("dist/arm64/other", HELLO_ARM64),
    ]);
    let (proposal, _) = of(directory.path());
    assert_eq!(
        proposal.missing,
        ["dist/arm64/hello is missing: build it for linux/arm64, or remove linux/arm64 from `platforms`"]
    );
    says(
        &proposal.notes.join("\n"),
        &["found a Dockerfile, which init does not read; docs/guides/dockerfile.md"],
    );
}

#[test]
fn paths_without_a_common_form_are_variables_of_platforms() {
    let directory = project_of_bytes(&[
        ("go.mod", b"module x/api\n"),
        ("dist/api_linux_amd64_v1/api", HELLO_AMD64),
        ("dist/api_linux_arm64_v8.0/api", HELLO_ARM64),
    ]);
    let (proposal, _) = of(directory.path());
    says(
        &proposal.text,
        &[
            "PROGRAM = \"dist/api_linux_amd64_v1/api\"",
            "from = \"${PROGRAM}\"",
            "[platform.\"linux/arm64\"]\nvars = { PROGRAM = \"dist/api_linux_arm64_v8.0/api\" }",
        ],
    );
    assert!(proposal.missing.is_empty(), "{:?}", proposal.missing);
}

#[test]
fn what_is_missing_comes_with_its_command() {
    let (proposal, _) = proposed(&[("go.mod", "module x/api\n"), ("main.go", "")]);
    let command = |arch: &str| {
        format!(
            "dist/{arch}/api is missing: build it with `CGO_ENABLED=0 GOOS=linux GOARCH={arch} go build -trimpath \
             -ldflags=-s -o dist/{arch}/api .`"
        )
    };
    assert_eq!(proposal.missing, [command("amd64"), command("arm64")]);
    let (proposal, _) = proposed(&[
        ("Cargo.toml", "[package]\nname = \"api\"\n"),
        ("src/main.rs", ""),
        ("Cargo.lock", ""),
    ]);
    says(
        &proposal.missing[1],
        &[
            "target/aarch64-unknown-linux-musl/release/api is missing",
            "`cargo build --release --locked --target aarch64-unknown-linux-musl`",
        ],
    );
}

#[test]
fn node_dependencies_are_installed_by_the_projects_manager() {
    let manifest = r#"{"name":"@acme/Shop","main":"dist/main.js","scripts":{"build":"tsc"},"dependencies":{"a":"1"}}"#;
    for (file, expected) in [
        (
            "package-lock.json",
            "npm ci --prefix dist/x64 --omit=dev --os=linux --cpu=x64 --libc=glibc",
        ),
        ("pnpm-lock.yaml", "pnpm install --dir dist/x64 --prod --frozen-lockfile"),
        (
            "yarn.lock",
            "yarn install --production --frozen-lockfile --modules-folder dist/x64/node_modules",
        ),
        ("README", "npm install --prefix dist/x64"),
    ] {
        let (proposal, spec) = proposed(&[("package.json", manifest), ("dist/main.js", ""), (file, "")]);
        says(
            &proposal.text,
            &[
                expected,
                "registry.example.com/shop\"",
                "cmd = [\"node\", \"dist/main.js\"]",
                "run build",
            ],
        );
        // The directory of results holds the dependencies, too.
        says(
            &proposal.text,
            &["from = \"dist\", to = \"/app/dist\", exclude = [\"/x64\", \"/arm64\"]"],
        );
        assert_eq!(
            (spec.base_text.as_str(), spec.users.len()),
            ("docker.io/library/node:22-slim", 0)
        );
        assert_eq!(proposal.missing.len(), 2, "{:?}", proposal.missing);
    }
    let berry = [("package.json", manifest), ("yarn.lock", ""), (".yarnrc.yml", "")];
    says(
        &proposed(&berry).0.text,
        &["yarn config set supportedArchitectures.cpu --json '[\"arm64\"]'"],
    );
    let (proposal, _) = proposed(&berry);
    says(
        &proposal.missing[2],
        &["dist/main.js is missing: build it with `yarn run build`"],
    );
    let (proposal, _) = proposed(&[("package.json", r#"{"name":"lib"}"#)]);
    says(
        &proposal.notes.join("\n"),
        &["package.json does not say what is started"],
    );
}

#[test]
fn python_dependencies_are_installed_by_the_projects_tool() {
    let manifest = "[project]\nname = \"hello-web\"\nrequires-python = \">=3.13\"\ndependencies = [\"fastapi\"]\n\
        [project.scripts]\nhello-web = \"hello.cli:main\"\n";
    for (file, expected) in [
        (
            "uv.lock",
            "uv pip install --target dist/aarch64 --only-binary :all: --python-version 3.13",
        ),
        ("poetry.lock", "poetry export --output dist/requirements.txt"),
        (
            "requirements.txt",
            "--platform manylinux2014_aarch64 --requirement requirements.txt",
        ),
        ("README", "--platform manylinux2014_aarch64 dist/hello_web-*.whl"),
    ] {
        let (proposal, spec) = proposed(&[("pyproject.toml", manifest), ("src/hello/__init__.py", ""), (file, "")]);
        says(
            &proposal.text,
            &[expected, "from hello.cli import main; sys.exit(main())", "uvicorn"],
        );
        assert_eq!(spec.base_text, "docker.io/library/python:3.13-slim");
        says(&proposal.missing[0], &["dist/x86_64 is missing"]);
        assert_eq!(
            proposal.text.contains("from = \"src/hello\", to = \"/app/hello\""),
            file != "README"
        );
    }
}

#[test]
fn wheels_are_unpacked() {
    let manifest = "[project]\nname = \"hello-web\"\n[project.scripts]\nx = \"hello:main\"\n";
    let pure = [
        ("pyproject.toml", manifest),
        ("uv.lock", ""),
        ("dist/hello_web-1.0-py3-none-any.whl", ""),
    ];
    let (proposal, _) = proposed(&pure);
    says(
        &proposal.text,
        &["from = \"dist/hello_web-*.whl\", to = \"/app/site-packages\", unpack = true"],
    );
    says(
        &proposal.found.join("\n"),
        &["dist/hello_web-1.0-py3-none-any.whl: wheel for any"],
    );
    assert!(proposal.missing.is_empty(), "{:?}", proposal.missing);
    let (proposal, spec) = proposed(&[("dist/fast-1.0-cp312-cp312-musllinux_1_2_aarch64.whl", "")]);
    says(
        &proposal.text,
        &["platforms = [\"linux/arm64\"]", "dist/fast-*musllinux*${machine}.whl"],
    );
    assert_eq!(spec.base_text, "docker.io/library/python:3.12-alpine");
}

#[test]
fn java_and_dotnet_are_the_same_for_all_platforms() {
    let pom = "<project><artifactId>shop</artifactId><java.version>21</java.version></project>";
    let (proposal, spec) = proposed(&[("pom.xml", pom), ("mvnw", "")]);
    says(
        &proposal.text,
        &["from = \"target/shop-*.jar\", to = \"/app/app.jar\"", "uid = 10001"],
    );
    assert_eq!(
        proposal.missing,
        ["target/shop-*.jar is missing: build it with `./mvnw --batch-mode package`"]
    );
    assert_eq!(spec.base_text, "docker.io/library/eclipse-temurin:21-jre");
    let (proposal, _) = proposed(&[
        ("pom.xml", pom),
        ("target/shop-1.0.jar", ""),
        ("target/shop-1.0-sources.jar", ""),
    ]);
    says(&proposal.text, &["from = \"target/shop-1.0.jar\""]);
    assert!(proposal.missing.is_empty());
    let gradle = "plugins { application }\napplication { mainClass = \"com.example.Main\" }\n";
    let (proposal, _) = proposed(&[
        ("build.gradle.kts", gradle),
        ("settings.gradle.kts", "rootProject.name = \"shop\"\n"),
    ]);
    says(
        &proposal.text,
        &[
            "from = \"build/install/shop/lib\"",
            "\"/app/lib/*\", \"com.example.Main\"",
            "installDist",
        ],
    );

    let web = "<Project Sdk=\"Microsoft.NET.Sdk.Web\"><TargetFramework>net8.0</TargetFramework></Project>";
    let (proposal, spec) = proposed(&[("Shop.csproj", web)]);
    says(
        &proposal.text,
        &[
            "user = \"app\"",
            "ports = [\"8080\"]",
            "[\"dotnet\", \"/app/Shop.dll\"]",
        ],
    );
    says(
        &proposal.missing[0],
        &[
            "dist/app/Shop.dll is missing",
            "-p:UseAppHost=false --output dist/app Shop.csproj",
        ],
    );
    assert_eq!(
        (spec.base_text.as_str(), spec.users.len()),
        ("mcr.microsoft.com/dotnet/aspnet:8.0", 0)
    );
    let published = "bin/Release/net8.0/publish/Shop.runtimeconfig.json";
    let (proposal, _) = proposed(&[
        ("Shop.csproj", web),
        (published, "{}"),
        ("bin/Debug/Shop.runtimeconfig.json", "{}"),
    ]);
    says(
        &proposal.text,
        &["from = \"bin/Release/net8.0/publish\", to = \"/app\""],
    );
}

#[test]
fn names_of_others_stay_values() {
    let manifest = "{\"name\":\"x\\n[[layers]]\\n\\u0000\\\"\",\"main\":\"a\\\"b\\n\\u001b[31m${x}.js\",\
        \"dependencies\":{\"a\":\"1\"},\"scripts\":{\"build\":\"x\"}}";
    let (proposal, _) = proposed(&[("package.json", manifest), ("a\"b\n\u{1b}[31m${x}.js", "")]);
    says(
        &proposal.text,
        &["registry.example.com/x-layers\"", "a\\\"b\\u000A\\u001B[31m$${x}.js"],
    );
    assert!(
        proposal.found.iter().all(|line| !line.contains(['\n', '\u{1b}'])),
        "{:?}",
        proposal.found
    );
    assert!(!proposal.text.contains("\n[[layers]]\n\u{0}"));
}

#[test]
fn the_same_project_gives_the_same_spec() {
    let files = [
        ("go.mod", "module x/api\n"),
        ("cmd/a/a.go", ""),
        ("cmd/b/b.go", ""),
        ("dist/x", ""),
    ];
    assert_eq!(proposed(&files).0, proposed(&files).0);
}
