//! Real failures of these systems, reproduced: each is detected before anything is written, with its own code.

use std::collections::BTreeSet;

use crate::support::{Outcome, part};
use crate::systems::system::{System, assert_untouched};

const ARM64_STORE: &str = "dist/arm64/node_modules/.pnpm";

/// Checks that a build with a push ends with exit status 3, errors of exactly these codes, and these words, and without
/// a request to the registry.
#[track_caller]
fn refused(system: &System, name: &str, codes: &[&str], words: &[&str]) -> Outcome {
    let repository = format!("systems/refused/{name}");
    let reference = format!("{}/{repository}:1", part("REGISTRY_OPEN"));
    let outcome = system
        .run("build", &["-o", "oci:image", "--push", "-t", &reference])
        .expect(3)
        .says(words);
    let code = |line: &str| Some(line.strip_prefix("error[")?.split_once(']')?.0.to_owned());
    let found: BTreeSet<String> = outcome.stderr.lines().filter_map(code).collect();
    assert_eq!(
        found,
        codes.iter().map(|code| (*code).to_owned()).collect(),
        "{}",
        outcome.stderr
    );
    assert_untouched(&repository);
    assert!(!system.sandbox.path("image").exists());
    outcome
}

/// Returns the folder of a package in the store of Eliza's arm64 workspace.
fn store(package: &str) -> String {
    let name = package.rsplit_once('@').unwrap().0.replace('+', "/");
    format!("{ARM64_STORE}/{package}/node_modules/{name}")
}

#[test]
fn the_right_systems_have_no_error() {
    for system in [System::eliza(), System::agent_runner()] {
        let outcome = system.run("check", &[]).expect(0);
        assert!(outcome.stdout.contains("0 errors, "), "{}", outcome.stdout);
        assert!(!outcome.stdout.contains("error["), "{}", outcome.stdout);
    }
}

#[test]
fn eliza_a_trailing_comma_in_package_json() {
    let system = System::eliza();
    system.edit(
        "dist/x64/package.json",
        "\"rollup\": \"4.68.2\"",
        "\"rollup\": \"4.68.2\",",
    );
    let words = [
        "linux/amd64 /app/package.json: is not valid JSON: a comma after the last item (line 26, column 23)",
        "         26 |     \"rollup\": \"4.68.2\",\n            |                       ^\n",
    ];
    refused(&system, "comma", &["broken-json"], &words);
}

/// The packages of Eliza with native parts: the folder of the package in the store, its part for arm64 with its
/// version, and the native file of that part, which the part for x64 has too.
const NATIVE: [(&str, &str, &str, [&str; 2]); 4] = [
    (
        "rollup@4.68.2",
        "@rollup/rollup-linux-arm64-gnu",
        "4.68.2",
        ["rollup.linux-arm64-gnu.node", "rollup.linux-x64-gnu.node"],
    ),
    (
        "@anush008+tokenizers@0.6.0",
        "@anush008/tokenizers-linux-arm64-gnu",
        "0.6.0",
        ["tokenizers.linux-arm64-gnu.node", "tokenizers.linux-x64-gnu.node"],
    ),
    (
        "@swc+core@1.16.22",
        "@swc/core-linux-arm64-gnu",
        "1.16.22",
        ["swc.linux-arm64-gnu.node", "swc.linux-x64-gnu.node"],
    ),
    (
        "esbuild@0.28.2",
        "@esbuild/linux-arm64",
        "0.28.2",
        ["bin/esbuild", "bin/esbuild"],
    ),
];

#[test]
fn eliza_the_part_for_the_platform_of_each_native_package_is_missing() {
    for (package, part, version, _) in NATIVE {
        let system = System::eliza();
        let stored = format!("{}@{version}", part.replace('/', "+"));
        system.remove(&format!("{ARM64_STORE}/{stored}"));
        system.remove(&format!("{ARM64_STORE}/{package}/node_modules/{part}"));
        system.remove(&format!("{ARM64_STORE}/node_modules/{part}"));
        let name = package.rsplit_once('@').unwrap().0.replace('+', "/");
        let outcome = refused(
            &system,
            "missing-part",
            &["missing-platform-package"],
            &["linux/arm64", &name, part],
        );
        assert!(!outcome.stderr.contains("]: linux/amd64 /app"), "{}", outcome.stderr);
    }
}

#[test]
fn eliza_the_part_of_each_native_package_is_for_another_processor() {
    for (_, part, version, [native, other]) in NATIVE {
        let system = System::eliza();
        let folder = store(&format!("{}@{version}", part.replace('/', "+")));
        let source = format!(
            "npm/{}@{version}/{other}",
            part.replace('/', "+").replace("arm64", "x64")
        );
        system.put(&source, &format!("{folder}/{native}"));
        refused(
            &system,
            "wrong-part",
            &["wrong-architecture"],
            &["linux/arm64", part, native],
        );
    }
}

#[test]
fn eliza_the_whole_workspace_is_for_another_processor() {
    let system = System::eliza();
    system.edit(
        "ocitect.toml",
        "from = \"dist/${node_arch}/node_modules\"",
        "from = \"dist/arm64/node_modules\"",
    );
    system.edit("ocitect.toml", "from = \"dist/${node_arch}\"", "from = \"dist/arm64\"");
    let outcome = refused(&system, "all-arm64", &["wrong-architecture"], &["linux/amd64"]);
    for package in [
        "@rollup/rollup-linux-arm64-gnu",
        "@swc/core-linux-arm64-gnu",
        "@esbuild/linux-arm64",
    ] {
        assert!(outcome.stderr.contains(package), "{package} in:\n{}", outcome.stderr);
    }
    assert!(!outcome.stderr.contains("]: linux/arm64 "), "{}", outcome.stderr);
}

#[test]
fn eliza_a_package_of_the_workspace_is_not_packed() {
    let system = System::eliza();
    system.remove("dist/arm64/packages/core");
    refused(
        &system,
        "workspace",
        &["missing-module"],
        &["linux/arm64", "@eliza/core"],
    );
}

#[test]
fn eliza_a_musl_base_below_modules_for_glibc() {
    let system = System::eliza().on("REAL_MUSL");
    // Node, curl and the user do not exist either, which is not tested here.
    let allow = "allow = [\"entrypoint-missing:/**\", \"shebang-missing:/**\", \"healthcheck-missing:/**\", \
                 \"unknown-user:/**\", \"broken-shebang:/**\"]";
    let spec = system.read("ocitect.toml");
    let spec = spec.replace("owner = \"node\"", "owner = \"1000\"") + &format!("\n[check]\n{allow}\n");
    system.write("ocitect.toml", spec);
    let words = ["linux/amd64", "musl", "glibc"];
    refused(&system, "musl", &["wrong-libc"], &words);
}

#[test]
fn eliza_a_required_variable_is_not_set() {
    let system = System::eliza();
    let given = system.path("given.env").display().to_string();
    system.write("given.env", "OPENAI_API_KEY=\nOTHER=1\n");
    let outcome = system.run("check", &["--env-file", &given]).expect(3);
    assert!(
        outcome
            .stdout
            .contains("error[missing-variable]: linux/amd64, linux/arm64 /: "),
        "{}",
        outcome.stdout
    );
    assert!(outcome.stdout.contains("OPENAI_API_KEY"), "{}", outcome.stdout);
    system.write("given.env", "OPENAI_API_KEY=sk-none\n");
    system.run("check", &["--env-file", &given]).expect(0);
}

#[test]
fn eliza_a_stand_in_base_that_could_never_run_it() {
    let system = System::eliza().on("BASE");
    // The stand-in has a shell and the user node, but neither Node nor curl.
    let outcome = refused(
        &system,
        "stand-in",
        &["healthcheck-missing", "shebang-missing"],
        &["node", "curl"],
    );
    assert!(
        outcome.stderr.contains("/usr/local/bin/pnpm") || outcome.stderr.contains("pnpm.cjs"),
        "{}",
        outcome.stderr
    );
}

#[test]
fn eliza_the_start_command_is_misspelt() {
    let system = System::eliza();
    system.edit(
        "ocitect.toml",
        "cmd = [\"pnpm\", \"start\"]",
        "cmd = [\"pnmp\", \"start\"]",
    );
    refused(&system, "misspelt", &["entrypoint-missing"], &["pnmp"]);
}

#[test]
fn agent_runner_as_root_is_denied_where_the_spec_says_so() {
    let system = System::agent_runner();
    system.edit("ocitect.toml", "user = \"stigmer\"\nworkdir", "workdir");
    let outcome = system.run("check", &[]).expect(0);
    assert!(
        outcome
            .stdout
            .contains("warning[runs-as-root]: linux/amd64, linux/arm64 /: "),
        "{}",
        outcome.stdout
    );
    let spec = system.read("ocitect.toml");
    system.write("ocitect.toml", spec + "\n[check]\ndeny = [\"runs-as-root\"]\n");
    refused(&system, "root", &["runs-as-root"], &[]);
}

#[test]
fn agent_runner_over_its_budget() {
    let system = System::agent_runner();
    system.edit("ocitect.toml", "max-size = \"100MB\"", "max-size = \"40MB\"");
    refused(
        &system,
        "budget",
        &["budget-exceeded"],
        &["but max-size is 40000000 bytes", "dependencies "],
    );
}

#[test]
fn agent_runner_a_health_check_that_could_never_answer() {
    let system = System::agent_runner();
    system.edit(
        "ocitect.toml",
        "\"-m\", \"agent_runner.health\"",
        "\"-m\", \"agent_runner.healthy\"",
    );
    refused(
        &system,
        "health-module",
        &["healthcheck-missing"],
        &["agent_runner.healthy"],
    );
    let system = System::agent_runner();
    system.edit(
        "ocitect.toml",
        "test = [\"CMD\", \"/app/.venv/bin/python\", \"-m\", \"agent_runner.health\"]",
        "test = \"curl -f http://localhost:8080/health || exit 1\"",
    );
    refused(&system, "health-curl", &["healthcheck-missing"], &["curl"]);
}

#[test]
fn agent_runner_a_console_script_of_the_build_machine() {
    let system = System::agent_runner();
    let script = "dist/arm64/venv/bin/agent-runner";
    system.edit(
        script,
        "#!/app/.venv/bin/python",
        "#!/home/builder/src/agent-runner/.venv/bin/python",
    );
    let words = [
        "linux/arm64",
        "/app/.venv/bin/agent-runner",
        "/home/builder/src/agent-runner/.venv/bin/python",
    ];
    refused(&system, "console-script", &["shebang-missing"], &words);
    // A file that the image does not start.
    let system = System::agent_runner();
    system.write("dist/amd64/venv/bin/f2py", "#!/home/builder/.venv/bin/python\n");
    std::fs::set_permissions(
        system.path("dist/amd64/venv/bin/f2py"),
        std::os::unix::fs::PermissionsExt::from_mode(0o755),
    )
    .unwrap();
    refused(
        &system,
        "other-script",
        &["broken-shebang"],
        &["linux/amd64 /app/.venv/bin/f2py"],
    );
}

#[test]
fn agent_runner_a_user_that_nobody_made() {
    let system = System::agent_runner();
    system.edit(
        "ocitect.toml",
        "user = \"stigmer\"\nworkdir",
        "user = \"worker\"\nworkdir",
    );
    refused(&system, "user", &["unknown-user"], &["worker"]);
}

#[test]
fn agent_runner_extensions_for_another_processor() {
    let system = System::agent_runner();
    system.edit(
        "ocitect.toml",
        "from = \"dist/${arch}/venv\"",
        "from = \"dist/arm64/venv\"",
    );
    let outcome = refused(
        &system,
        "extensions",
        &["wrong-architecture"],
        &["linux/amd64", "numpy", "pydantic_core"],
    );
    assert!(!outcome.stderr.contains("]: linux/arm64 "), "{}", outcome.stderr);
}

#[test]
fn agent_runner_an_editable_installation() {
    let system = System::agent_runner();
    let packages = "dist/amd64/venv/lib/python3.11/site-packages";
    system.write(
        &format!("{packages}/__editable__.graphton-0.1.0.pth"),
        "/home/builder/src/libs/graphton/src\n",
    );
    refused(
        &system,
        "editable",
        &["editable-install"],
        &["linux/amd64", "/home/builder/src/libs/graphton/src"],
    );
}
