use super::*;

fn shown(parts: Parts) -> String {
    let (system, architecture, variant) = parts;
    variant.map_or_else(
        || format!("{system}/{architecture}"),
        |variant| format!("{system}/{architecture}/{variant}"),
    )
}

#[test]
fn every_name_of_the_tables_is_known_and_every_alias_leads_to_one() {
    for (system, architectures) in PORTS {
        for architecture in *architectures {
            assert_eq!(
                unknown_part(system, architecture, None),
                None,
                "{system}/{architecture}"
            );
        }
    }
    for (_, system) in SYSTEM_ALIASES {
        assert!(architectures_of(system).is_some(), "{system}");
    }
    for (name, architecture, variant) in ARCHITECTURE_ALIASES {
        assert!(PORTS.iter().any(|(_, known)| known.contains(architecture)), "{name}");
        assert!(
            variant.is_none_or(|variant| variants_of(architecture).contains(&variant)),
            "{name}"
        );
        assert!(
            !PORTS.iter().any(|(_, known)| known.contains(name)),
            "{name} is a name of its own"
        );
    }
    for (text, part) in [
        (("linx", "amd64", None), UnknownPart::System),
        (("linux", "amd46", None), UnknownPart::Architecture),
        (("Linux", "amd64", None), UnknownPart::System),
        (("darwin", "386", None), UnknownPart::Pair),
        (("linux", "wasm", None), UnknownPart::Pair),
        (("linux", "386", Some("v1")), UnknownPart::Variant),
        (("linux", "arm", Some("7")), UnknownPart::Variant),
    ] {
        assert_eq!(unknown_part(text.0, text.1, text.2), Some(part), "{text:?}");
    }
}

/// containerd's `platforms.Normalize` (normalizeOS and normalizeArch of containerd/platforms, database.go), case by
/// case.
#[test]
fn names_are_normalised_as_containerd_does() {
    for (from, to) in [
        (("Linux", "AMD64", None), "linux/amd64"),
        (("macos", "aarch64", None), "darwin/arm64"),
        (("linux", "x86_64", None), "linux/amd64"),
        (("linux", "x86-64", Some("v1")), "linux/amd64"),
        (("linux", "amd64", Some("v2")), "linux/amd64/v2"),
        (("linux", "i386", Some("x")), "linux/386"),
        (("linux", "aarch64", Some("8")), "linux/arm64"),
        (("linux", "arm64", Some("V8")), "linux/arm64"),
        (("linux", "arm64", Some("v8.0")), "linux/arm64"),
        (("linux", "arm64", Some("v9.0")), "linux/arm64/v9"),
        (("linux", "armhf", Some("v6")), "linux/arm/v7"),
        (("linux", "armel", None), "linux/arm/v6"),
        (("linux", "arm", None), "linux/arm/v7"),
        (("linux", "arm", Some("6")), "linux/arm/v6"),
        (("linux", "arm", Some("")), "linux/arm/v7"),
        (("linux", "s390x", Some("")), "linux/s390x"),
        (("unheard", "of", Some("x")), "unheard/of/x"),
    ] {
        assert_eq!(shown(normalized(from.0, from.1, from.2)), to, "{from:?}");
    }
}

/// containerd's `platformVector` (compare.go of containerd/platforms).
#[test]
fn a_lower_variant_serves_and_the_nearest_is_fewest_steps_away() {
    for (architecture, wanted, offered, steps) in [
        ("amd64", Some("v3"), Some("v2"), Some(1)),
        ("amd64", Some("v3"), None, Some(2)),
        ("amd64", None, Some("v2"), None),
        ("arm", Some("v8"), Some("v5"), Some(3)),
        ("arm", Some("v6"), Some("v7"), None),
        ("arm64", Some("v8.2"), None, Some(2)),
        ("arm64", Some("v9"), Some("v8.5"), Some(1)),
        ("arm64", Some("v9"), None, Some(6)),
        ("arm64", Some("v9"), Some("v8.6"), None),
        ("arm64", Some("v9.2"), Some("v9.1"), Some(1)),
        ("arm64", None, Some("v8.1"), None),
        ("arm64", None, Some("v9"), None),
        ("ppc64le", Some("power10"), None, Some(2)),
        ("ppc64le", None, Some("power9"), None),
        ("riscv64", Some("rva22u64"), Some("rva20u64"), Some(1)),
        ("386", Some("sse2"), None, None),
        ("amd64", Some("x"), None, None),
        ("amd64", Some("x"), Some("x"), Some(0)),
    ] {
        assert_eq!(
            steps_below(architecture, wanted, offered),
            steps,
            "{architecture} {wanted:?} {offered:?}"
        );
    }
}

#[test]
fn what_was_meant_is_found() {
    for (text, wanted) in [
        ("linux/aarch64", "linux/arm64"),
        ("linux/x86_64", "linux/amd64"),
        ("linux/i386", "linux/386"),
        ("linux/armhf", "linux/arm/v7"),
        ("linux/amd46", "linux/amd64"),
        ("linx/amd64", "linux/amd64"),
        ("macos/arm64", "darwin/arm64"),
        ("linux/arm/7", "linux/arm/v7"),
        ("linux/arm/v7l", "linux/arm/v7"),
        ("linux/x64", "linux/amd64"),
        ("linux/ppc64el", "linux/ppc64le"),
        ("linux/armv7l", "linux/arm/v7"),
        ("Linux/AMD64", "linux/amd64"),
        ("LINUX/ARM/V7", "linux/arm/v7"),
        ("linux/arm64v8", "linux/arm64"),
        ("linux/aarch64/v8", "linux/arm64"),
        ("linux/arm64/8", "linux/arm64"),
        ("linux/x86_64/v3", "linux/amd64/v3"),
        ("linux/amd64v3", "linux/amd64/v3"),
        ("linux/amd64/3", "linux/amd64/v3"),
        ("linux-amd64", "linux/amd64"),
        ("linux_x86_64", "linux/amd64"),
        ("linux-arm-v7", "linux/arm/v7"),
        ("linux\\arm64", "linux/arm64"),
        ("amd64", "linux/amd64"),
        ("arm64/v8", "linux/arm64"),
        ("arm64/linux", "linux/arm64"),
        ("linux", "linux/amd64"),
        ("linux/", "linux/amd64"),
        ("win32/x64", "windows/amd64"),
        ("wasi/wasm32", "wasi/wasm"),
        ("linux/riscv", "linux/riscv64"),
        ("linux/s390", "linux/s390x"),
        ("linux/aarc64", "linux/arm64"),
        ("lunix/arm64", "linux/arm64"),
        (" linux/amd64 ", "linux/amd64"),
    ] {
        assert_eq!(meant(text).map(shown).as_deref(), Some(wanted), "{text}");
    }
    for text in [
        "",
        "x",
        "plan10/vax",
        "linux/vax",
        "linux/amd64/v3/x",
        "darwin/386",
        "linux/amd64/v9",
    ] {
        assert_eq!(meant(text), None, "{text}");
    }
}
