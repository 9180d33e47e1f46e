//! Every mistake of a workspace is named before anything is written.

use super::write_stack;
use crate::support::Sandbox;

/// Replaces a text in a file of the workspace.
fn edit(sandbox: &Sandbox, path: &str, from: &str, to: &str) {
    let text = std::fs::read_to_string(sandbox.path(path)).unwrap();
    assert!(text.contains(from), "{path}: {text}");
    sandbox.write(path, text.replace(from, to));
}

#[test]
fn mistakes_are_errors_with_help() {
    let planner = "agents/planner/ocitect.toml";
    for (path, from, to, expected) in [
        (
            "ocitect.toml",
            "\"base\",",
            "\"basis\",",
            &["the member \"basis\" does not exist", "help:"][..],
        ),
        (
            planner,
            "workspace:base",
            "workspace:bass",
            &["there is no member \"bass\"", "did you mean base?"],
        ),
        (
            "base/ocitect.toml",
            "[image]\n",
            "[image]\nbase = \"workspace:planner\"\n",
            &["base → planner → base"],
        ),
        (
            planner,
            "ws/planner",
            "ws/base",
            &["planner", "base", "are both named reg.example.com/ws/base:1.0"],
        ),
        (
            "servers.toml",
            "\"billing\",",
            "\"auth\",",
            &["two members have the ID servers/auth"],
        ),
        (
            "base/ocitect.toml",
            "[image]\n",
            "[image]\nplatforms = [\"linux/amd64\"]\n",
            &["is built for linux/arm64, but its base \"base\" is not"],
        ),
        (
            planner,
            "base = \"workspace:base\"\n",
            "base = \"workspace:base\"\nplatforms = [\"linux/amd64\", \"linux/arm64\", \"linux/386\"]\n",
            &["planner is built for linux/386, but its base \"base\" is not"],
        ),
        (
            planner,
            "base = \"workspace:base\"\n[[layers]]\nname = \"app\"\nfiles = [{ from = \"notes\"",
            "platforms = [\"linux/386\"]\n[[layers]]\nname = \"app\"\nfiles = [{ from = \"workspace:base#/opt\"",
            &["planner is built for linux/386, but \"base\", whose files it takes, is not"],
        ),
        (
            planner,
            "name = \"reg.example.com/ws/planner\"\n",
            "",
            &["planner has no name"],
        ),
        (
            "ocitect.toml",
            "members =",
            "member =",
            &["ocitect.toml:3:1", "unknown key `member`"],
        ),
        (
            "ocitect.toml",
            "compression = \"none\"",
            "compression = \"lz4\"",
            &["ocitect.toml:9", "must be one of"],
        ),
        (
            "servers.toml",
            "port = \"25\"",
            "port = 25",
            &["servers.toml:3", "wrong type"],
        ),
        (
            "servers.toml",
            "{ server = \"mail\", port",
            "{ name = \"mail\", port",
            &["has no `server`"],
        ),
        (
            "servers.toml",
            "\"billing\",",
            "\"bil/ling\",",
            &[
                "servers.toml: the value \"bil/ling\" of `matrix` is not valid",
                "use letters",
            ],
        ),
        (
            "ocitect.toml",
            "[\"base\", \"agents/*\", \"servers.toml\"]",
            "[\"other/*\"]",
            &["ocitect.toml has no members", "add directories or spec files"],
        ),
        (planner, "\"notes\"", "\"lost\"", &["cannot build planner", "lost"]),
    ] {
        let sandbox = Sandbox::new();
        write_stack(&sandbox, "reg.example.com");
        edit(&sandbox, path, from, to);
        let failed = sandbox.run(&["build"]);
        assert_ne!(failed.code, 0, "{to}");
        let said = &failed.stderr;
        assert!(expected.iter().all(|text| said.contains(text)), "{to}: {said}");
        assert!(!sandbox.path("build").exists(), "{to}");
    }
}

#[test]
fn a_lockfile_of_a_member_is_not_ignored() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    for lock in ["agents/planner/ocitect.lock", "servers.lock"] {
        sandbox.write(lock, "version = 2\nimages = []\n");
        for command in [&["build"][..], &["build", "base"], &["lock"]] {
            let words = [
                format!("{lock} is not used: the members share "),
                "/ocitect.lock\nhelp: ".to_owned(),
                "help: move its pins there, or delete it and run `ocitect lock`".to_owned(),
            ];
            let failed = sandbox.run(command).expect(2);
            assert!(
                words.iter().all(|word| failed.stderr.contains(word)),
                "{}",
                failed.stderr
            );
        }
        std::fs::remove_file(sandbox.path(lock)).unwrap();
    }
    sandbox
        .ok(&["build", "base"])
        .says(&["1 image: 1 written, 0 unchanged"]);
}

#[test]
fn options_that_do_not_fit_are_refused() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    for (arguments, expected) in [
        (
            &["build", "-t", "reg.example.com/x:1"][..],
            "a workspace has several names",
        ),
        (
            &["build", "-o", "oci-archive:all.tar"],
            "cannot hold the images of a workspace",
        ),
        (&["build", "-o", "oci:all:1.0"], "cannot hold the images of a workspace"),
        (&["build", "-p", "planer"], "did you mean planner?"),
        (&["build", "-p", "linux/amd64"], "use --platform linux/amd64"),
        (&["build", "-p", "planner", "--exclude", "p*"], "no member is selected"),
        (
            &["build", "agents/planner", "-p", "writer"],
            "the path names one of them",
        ),
        (&["build", "--set", "prot=1"], "no member has a variable \"prot\""),
        (
            &["build", "--set", "server=auth"],
            "no member has a variable \"server\"",
        ),
        (
            &["build", "-p", "servers", "--exclude", "servers"],
            "no member is selected",
        ),
        (&["check", "--sarif"], "--sarif describes one image"),
    ] {
        sandbox.run(arguments).expect(2).says(&[expected]);
    }
    let alone = Sandbox::new();
    alone.spec("[image]\nplatforms = [\"linux/amd64\"]\n");
    alone
        .run(&["build", "-p", "planner"])
        .expect(2)
        .says(&["belongs to none"]);
    alone.spec("[image]\nplatforms = [\"linux/amd64\"]\nbase = \"workspace:base\"\n");
    alone.run(&["build"]).expect(2).says(&["belongs to none"]);
    alone.spec("[image]\nplatforms = [\"linux/amd64\"]\n[matrix]\na = [\"1\"]\n");
    alone
        .run(&["build"])
        .expect(2)
        .says(&["only for members of a workspace"]);
}

#[test]
fn findings_of_all_members_are_shown_and_nothing_is_written() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    for agent in ["planner", "writer"] {
        let path = format!("agents/{agent}/ocitect.toml");
        let text = std::fs::read_to_string(sandbox.path(&path)).unwrap();
        sandbox.write(&path, format!("{text}[config]\nentrypoint = [\"/app/gone\"]\n"));
    }
    let failed = sandbox.run(&["build"]).expect(3);
    let said = &failed.stderr;
    for expected in [
        "planner:\n",
        "writer:\n",
        "/app/gone",
        "the check found 4 errors; nothing was written",
    ] {
        assert!(said.contains(expected), "{expected}: {said}");
    }
    assert!(!sandbox.path("build").exists());
    let checked = sandbox.run(&["check", "-p", "writer"]).expect(3);
    assert!(checked.stdout.contains("entrypoint-missing"), "{}", checked.stdout);
    sandbox.ok(&["check", "-p", "servers/*"]);
}

#[test]
fn the_help_names_the_spec_of_a_base_of_the_workspace() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    let planner = "agents/planner/ocitect.toml";
    let text = std::fs::read_to_string(sandbox.path(planner)).unwrap();
    sandbox.write(planner, format!("{text}[config]\nentrypoint = [\"tool\"]\n"));
    let checked = sandbox.run(&["check", "-p", "planner"]).expect(3).stdout;
    let help = "  help: pack tool into a directory on PATH, or add it to the base in ./base/ocitect.toml\n";
    assert!(checked.contains(help), "{checked}");
    // From within the member, and for another base.
    let checked = sandbox.run(&["check", "agents/planner"]).expect(3).stdout;
    assert!(checked.contains("add it to the base in "), "{checked}");
    sandbox.write(
        planner,
        text.replace("workspace:base", "scratch") + "[config]\nentrypoint = [\"tool\"]\n",
    );
    let checked = sandbox.run(&["check", "-p", "planner"]).expect(3).stdout;
    assert!(checked.contains("or use a base image that contains it\n"), "{checked}");
}

#[test]
fn a_program_of_the_base_is_known_to_its_dependents() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    let planner = "agents/planner/ocitect.toml";
    let text = std::fs::read_to_string(sandbox.path(planner)).unwrap();
    sandbox.write(planner, format!("{text}[config]\nentrypoint = [\"/opt/tool\"]\n"));
    sandbox.run(&["check", "-p", "planner"]).expect(3);
    let base = std::fs::read_to_string(sandbox.path("base/ocitect.toml")).unwrap();
    let with_tool = base.replace(
        "files = [",
        "files = [{ from = \"tool\", to = \"/opt/tool\", mode = \"0755\" }, ",
    );
    sandbox
        .write("base/ocitect.toml", with_tool)
        .write("base/tool", "no script\n");
    sandbox.run(&["check", "-p", "planner"]).expect(0);
}

#[test]
fn errors_of_all_members_are_shown() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    for agent in ["planner", "writer"] {
        std::fs::remove_file(sandbox.path(format!("agents/{agent}/notes"))).unwrap();
    }
    let failed = sandbox.run(&["build"]);
    assert_ne!(failed.code, 0);
    failed.says(&["cannot build planner", "cannot build writer"]);
}

#[test]
fn members_whose_base_failed_are_named() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    edit(
        &sandbox,
        "agents/writer/ocitect.toml",
        "workspace:base",
        "workspace:planner",
    );
    std::fs::remove_file(sandbox.path("agents/planner/notes")).unwrap();
    sandbox
        .run(&["build", "-p", "writer"])
        .expect(2)
        .says(&["writer is not built: planner failed", "cannot build planner"]);
    std::fs::remove_file(sandbox.path("shared.txt")).unwrap();
    let failed = sandbox.run(&["build", "--progress", "json"]).expect(2);
    let events = failed
        .stderr
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap());
    let errors: Vec<_> = events.filter(|event| event["event"] == "error").collect();
    let members: Vec<&str> = errors.iter().map(|error| error["member"].as_str().unwrap()).collect();
    assert_eq!(members, ["planner", "servers/auth", "servers/billing", "servers/mail"]);
    assert!(errors.iter().all(|error| error["exit_code"] == 2), "{errors:#?}");
}

#[test]
fn tags_of_the_command_line_name_one_image_each() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    let spec = std::fs::read_to_string(sandbox.path("servers.toml")).unwrap();
    let one_name = spec.replace("ws/${server}\"", "ws/server\"\ntags = [\"${server}\"]");
    assert_ne!(spec, one_name);
    sandbox.write("servers.toml", one_name);
    sandbox.ok(&["list"]);
    sandbox
        .run(&["build", "-t", "9"])
        .expect(2)
        .says(&["are both named reg.example.com/ws/server:9"]);
    // The tag belongs to a member that is not selected.
    sandbox
        .run(&["build", "-p", "servers/auth", "-t", "mail"])
        .expect(2)
        .says(&["servers/mail"]);
    sandbox.ok(&["build", "-p", "servers/auth", "-t", "9"]);
}

#[test]
fn a_member_is_one_whichever_way_leads_to_it() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    let digest = sandbox.ok(&["build", "-p", "planner"]).digest();
    let link = |at: &str, to: &str| std::os::unix::fs::symlink(to, sandbox.path(at)).unwrap();
    link("elsewhere", "agents");
    link("planner", "agents/planner");
    std::fs::create_dir(sandbox.path("agents/planner/.git")).unwrap();
    for path in [
        "agents/planner",
        "elsewhere/planner",
        "planner",
        "agents/../planner/ocitect.toml",
    ] {
        assert_eq!(sandbox.ok(&["build", path]).digest(), digest, "{path}");
    }
    let root = sandbox.path("ocitect.toml");
    std::fs::remove_file(&root).unwrap();
    link("ocitect.toml", "gone.toml");
    sandbox
        .run(&["build", "agents/planner"])
        .expect(2)
        .says(&["ocitect.toml"]);
}

#[test]
fn bases_by_platform_are_needed_for_theirs_alone() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    let base = std::fs::read_to_string(sandbox.path("base/ocitect.toml")).unwrap();
    let for_arm64 = base.replace("ws/base\"", "ws/arm\"\nplatforms = [\"linux/arm64\"]");
    sandbox
        .write("agents/arm/ocitect.toml", for_arm64)
        .write("agents/arm/common.txt", "for arm64\n");
    let planner = "agents/planner/ocitect.toml";
    let text = std::fs::read_to_string(sandbox.path(planner)).unwrap();
    sandbox.write(
        planner,
        format!("{text}[platform.\"linux/arm64\"]\nimage.base = \"workspace:arm\"\n"),
    );
    sandbox.ok(&["build", "-p", "planner"]);
    for platform in ["linux/amd64", "linux/arm64"] {
        sandbox.ok(&["build", "-p", "planner", "--platform", platform]);
    }
}

#[test]
fn a_member_needs_no_finding_that_the_defaults_allow() {
    let sandbox = Sandbox::new();
    write_stack(&sandbox, "reg.example.com");
    edit(
        &sandbox,
        "ocitect.toml",
        "[defaults.config]",
        "[defaults.check]\nallow = [\"entrypoint-missing:/app/*\"]\n[defaults.config]",
    );
    let planner = "agents/planner/ocitect.toml";
    let text = std::fs::read_to_string(sandbox.path(planner)).unwrap();
    sandbox.write(planner, format!("{text}[config]\nentrypoint = [\"/app/gone\"]\n"));
    let checked = sandbox.ok(&["check"]);
    assert!(!checked.stdout.contains("unused-allow"), "{}", checked.stdout);
    assert!(checked.stdout.contains("allowed"), "{}", checked.stdout);
    // Its own entries are its own business.
    let writer = "agents/writer/ocitect.toml";
    let text = std::fs::read_to_string(sandbox.path(writer)).unwrap();
    sandbox.write(
        writer,
        format!("{text}[check]\nallow = [\"entrypoint-missing:/app/*\"]\n"),
    );
    let checked = sandbox.ok(&["check"]);
    assert_eq!(
        checked.stdout.matches("warning[unused-allow]").count(),
        1,
        "{}",
        checked.stdout
    );
}
