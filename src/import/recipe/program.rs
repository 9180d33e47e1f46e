//! Programs that the system itself runs: Go, Rust, C, and whatever else was found as ELF files.

use std::collections::{BTreeMap, BTreeSet};

use super::super::artifacts::{Artifacts, Linkage, Program};
use super::super::draft::{Draft, Files, Layer, Start, literal, shell_word};
use super::super::layout::{Layout, PATH_VARIABLE, default_platforms, expand, layout_of, programs_by_name};
use super::super::project::Project;
use super::super::tree::{ProjectTree, parent};
use super::image_name::name_of;
use crate::model::{Platform, escape};

/// The glibc of Debian 12, and a base that has it. Programs for a newer one get the newest Debian.
const DEBIAN_12_GLIBC: (u32, u32) = (2, 36);

/// Most programs that one spec packs.
const MAX_PACKED: usize = 20;

/// One program of the image, and where it is for each platform.
struct Chosen {
    name: String,
    layout: Layout,
}

/// Returns the spec of a program.
pub fn draft(tree: &ProjectTree, artifacts: &Artifacts, project: &Project) -> Draft {
    let by_name = programs_by_name(&artifacts.programs);
    let main = choose_main(&by_name, tree, project);
    let platforms = main.layout.platforms.clone();
    let mut draft = Draft::new(
        name_of(Some(&main.name), tree),
        &origin(artifacts, project),
        "scratch",
        platforms,
    );
    if !main.layout.paths.is_empty() {
        draft.platform_variable = Some((PATH_VARIABLE, main.layout.paths.clone()));
    }
    let built = programs_at(&by_name, &main);
    let built: BTreeSet<&Platform> = built.iter().map(|program| &program.platform).collect();
    let main_name = main.name.clone();
    let mut chosen = vec![main];
    for (name, programs) in by_name.iter().filter(|(name, _)| **name != main_name) {
        let other = layout_of(programs, tree).map(|layout| Chosen {
            name: name.clone(),
            layout,
        });
        let is_built = |other: &Chosen| {
            let found = programs_at(&by_name, other);
            other.layout.paths.is_empty() && built.iter().all(|one| found.iter().any(|it| it.platform == **one))
        };
        match other.filter(is_built) {
            Some(other) if chosen.len() < MAX_PACKED => chosen.push(other),
            _ => draft.notes.push(format!(
                "{} is not packed: it is not built for all platforms",
                shown(name)
            )),
        }
    }
    let packed: Vec<&Program> = chosen.iter().flat_map(|one| programs_at(&by_name, one)).collect();
    set_base(&mut draft, &packed);
    let directory = if draft.base == "scratch" {
        "/usr/bin"
    } else {
        "/usr/local/bin"
    };
    draft.layers = layers(&draft, &chosen, project, directory);
    draft.start = Start::Entrypoint(vec![literal(&format!("{directory}/{}", chosen[0].name))]);
    for one in &chosen {
        draft.expect(
            |platform| one.layout.path(platform),
            |platform| commands(one, platform, project),
        );
    }
    note_libraries(&mut draft, &packed);
    let is_library = project.cargo.as_ref().is_some_and(|cargo| cargo.programs.is_empty()) && project.go.is_none();
    if is_library && packed.is_empty() {
        draft
            .notes
            .push("Cargo.toml names no program: the package is a library".to_owned());
    }
    draft
}

/// The program that the manifests name, else the one that is built for most platforms, else one to be built.
fn choose_main(by_name: &BTreeMap<String, Vec<&Program>>, tree: &ProjectTree, project: &Project) -> Chosen {
    let names = project.names();
    let named = names.iter().find(|name| by_name.contains_key(*name));
    let count = |name: &&String| by_name.get(*name).map_or(0, Vec::len);
    let found = named.or_else(|| by_name.keys().rev().max_by_key(count));
    let name = found.or(names.first()).cloned().unwrap_or_else(|| name_of(None, tree));
    let layout = by_name.get(&name).and_then(|programs| layout_of(programs, tree));
    Chosen {
        layout: layout.unwrap_or_else(|| default_layout(&name, project)),
        name,
    }
}

/// The programs that a spec packs from this layout.
fn programs_at<'a>(by_name: &BTreeMap<String, Vec<&'a Program>>, chosen: &Chosen) -> Vec<&'a Program> {
    let programs = by_name.get(&chosen.name).into_iter().flatten().copied();
    programs
        .filter(|program| chosen.layout.path(&program.platform) == program.path)
        .collect()
}

fn shown(text: &str) -> String {
    escape(text.as_bytes())
}

fn origin(artifacts: &Artifacts, project: &Project) -> String {
    let manifest = if project.go.is_some() {
        Some("go.mod")
    } else {
        project.cargo.as_ref().map(|_| "Cargo.toml")
    };
    match (artifacts.programs.is_empty(), manifest) {
        (true, manifest) => manifest.unwrap_or("an empty project").to_owned(),
        (false, Some(manifest)) => format!("the programs that were found and {manifest}"),
        (false, None) => "the programs that were found".to_owned(),
    }
}

/// Where the guides put programs.
fn default_layout(name: &str, project: &Project) -> Layout {
    let is_rust = project.go.is_none() && project.cargo.as_ref().is_some_and(|cargo| !cargo.programs.is_empty());
    let name = literal(name);
    let from = if is_rust {
        format!("target/${{machine}}-unknown-linux-musl/release/{name}")
    } else {
        format!("dist/${{arch}}/{name}")
    };
    Layout {
        from,
        platforms: default_platforms(),
        paths: BTreeMap::new(),
    }
}

/// The base that has what the programs need.
fn set_base(draft: &mut Draft, packed: &[&Program]) {
    let glibc: Vec<Option<(u32, u32)>> = packed
        .iter()
        .filter_map(|program| match &program.linkage {
            Linkage::Glibc(version) => Some(*version),
            Linkage::Other(_) => Some(None),
            Linkage::Static | Linkage::Musl => None,
        })
        .collect();
    let needs_musl = packed.iter().any(|program| program.linkage == Linkage::Musl);
    if let Some(newest) = glibc.iter().max() {
        let is_newer = newest.is_some_and(|version| version > DEBIAN_12_GLIBC);
        draft.base = format!("docker.io/library/debian:{}-slim", if is_newer { 13 } else { 12 });
        draft.base_comment = vec![
            "The program needs glibc, and not an older one than it was linked with.".to_owned(),
            "Debian's slim images have no certificates: add the package ca-certificates to a base of your own, or \
             see the certificates in docs/guides/static.md of ocitect."
                .to_owned(),
        ];
        if needs_musl {
            draft
                .notes
                .push("some programs need glibc and others musl: build all of them for one of the two".to_owned());
        }
    } else if needs_musl {
        draft.base = "docker.io/library/alpine:3".to_owned();
        draft.base_comment = vec!["The program needs musl, which Alpine has.".to_owned()];
    } else {
        draft.base_comment = vec![
            "A static program needs no base image.".to_owned(),
            "gcr.io/distroless/static-debian12:nonroot has certificates, time zones and the user nonroot.".to_owned(),
        ];
    }
}

fn layers(draft: &Draft, chosen: &[Chosen], project: &Project, directory: &str) -> Vec<Layer> {
    let files = |one: &Chosen| Files {
        is_executable: true,
        ..Files::new(&one.layout.from, &literal(&format!("{directory}/{}", one.name)))
    };
    let layout = &chosen[0].layout;
    let all = |platform: &Platform| chosen.iter().flat_map(|one| commands(one, platform, project)).collect();
    let mut app = Layer {
        name: "app".to_owned(),
        commands: draft.commands(all),
        files: chosen.iter().map(files).collect(),
        ..Layer::default()
    };
    app.comment = if app.commands.is_empty() {
        vec!["Build the program for each platform before the image.".to_owned()]
    } else {
        vec!["Build the program for each platform before the image:".to_owned()]
    };
    if layout.from.contains("${arch}") {
        app.comment.insert(0, "`${arch}` is amd64, arm64, ...".to_owned());
    } else if layout.from.contains("${machine}") {
        app.comment.insert(0, "`${machine}` is x86_64, aarch64, ...".to_owned());
    }
    let mut layers = vec![app];
    if draft.base == "scratch" {
        let from = "docker://docker.io/library/alpine:3#/etc/ssl/certs/ca-certificates.crt";
        layers.push(Layer {
            name: "certificates".to_owned(),
            comment: vec!["A program that opens TLS connections needs certificates:".to_owned()],
            files: vec![Files::new(from, "/etc/ssl/certs/")],
            is_optional: true,
            ..Layer::default()
        });
    }
    layers
}

/// The commands that build a program for a platform.
fn commands(chosen: &Chosen, platform: &Platform, project: &Project) -> Vec<String> {
    let name = chosen.name.as_str();
    let path = chosen.layout.path(platform);
    let output = shell_word(&path);
    if let Some(go) = &project.go {
        let package = go
            .programs
            .iter()
            .find(|(known, _)| known == name)
            .or(go.programs.first());
        let package = shell_word(package.map_or(".", |(_, package)| package));
        let variables = match (platform.architecture.as_str(), platform.variant.as_deref()) {
            ("arm", Some(variant)) => format!("GOARCH=arm GOARM={}", variant.trim_start_matches('v')),
            (architecture, _) => format!("GOARCH={architecture}"),
        };
        return vec![format!(
            "CGO_ENABLED=0 GOOS=linux {variables} go build -trimpath -ldflags=-s -o {output} {package}"
        )];
    }
    let Some(cargo) = &project.cargo else { return Vec::new() };
    let locked = if cargo.is_locked { " --locked" } else { "" };
    let program = if cargo.programs.len() > 1 {
        format!(" --bin {}", shell_word(name))
    } else {
        String::new()
    };
    let build = format!("cargo build --release{locked}{program}");
    let parts: Vec<&str> = parent(&path).split('/').collect();
    match parts[..] {
        ["target", "release"] => vec![build],
        ["target", triple, "release"] => vec![format!("{build} --target {}", shell_word(triple))],
        _ => {
            let triple = expand("${machine}-unknown-linux-musl", platform);
            let copy = format!("install -D target/{triple}/release/{} {output}", shell_word(name));
            vec![format!("{build} --target {triple}"), copy]
        }
    }
}

fn note_libraries(draft: &mut Draft, packed: &[&Program]) {
    for program in packed.iter().filter(|program| !program.libraries.is_empty()) {
        let libraries: Vec<String> = program.libraries.iter().map(|name| shown(name)).collect();
        draft.notes.push(format!(
            "{} needs {}: take a base that has it, or pack it in a layer",
            shown(&program.path),
            libraries.join(", ")
        ));
    }
}
