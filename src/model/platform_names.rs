//! The names of platforms: the known operating systems, architectures and variants (Go's `go tool dist list`, as
//! image-spec, config.md requires; image-index.md, "Platform Variants"), their aliases, and suggestions for misspelled
//! names.

use super::nearest::nearest;

/// Go's ports: an operating system and its architectures. Go does not release its port `linux/sparc64`. `wasi` is not a
/// GOOS, but WebAssembly runtimes use it.
const PORTS: &[(&str, &[&str])] = &[
    ("aix", &["ppc64"]),
    ("android", &["386", "amd64", "arm", "arm64"]),
    ("darwin", &["amd64", "arm64"]),
    ("dragonfly", &["amd64"]),
    ("freebsd", &["386", "amd64", "arm", "arm64", "riscv64"]),
    ("illumos", &["amd64"]),
    ("ios", &["amd64", "arm64"]),
    ("js", &["wasm"]),
    (
        "linux",
        &[
            "386", "amd64", "arm", "arm64", "loong64", "mips", "mips64", "mips64le", "mipsle", "ppc64", "ppc64le",
            "riscv64", "s390x", "sparc64",
        ],
    ),
    ("netbsd", &["386", "amd64", "arm", "arm64"]),
    (
        "openbsd",
        &["386", "amd64", "arm", "arm64", "mips64", "ppc64", "riscv64"],
    ),
    ("plan9", &["386", "amd64", "arm"]),
    ("solaris", &["amd64"]),
    ("wasi", &["wasm"]),
    ("wasip1", &["wasm"]),
    ("windows", &["386", "amd64", "arm", "arm64"]),
];

/// Variants of an architecture, the least demanding first. Programs for a variant run on all later ones.
const VARIANTS: &[(&str, &[&str])] = &[
    ("amd64", &["v1", "v2", "v3", "v4"]),
    ("arm", &["v5", "v6", "v7", "v8"]),
    (
        "arm64",
        &[
            "v8", "v8.0", "v8.1", "v8.2", "v8.3", "v8.4", "v8.5", "v8.6", "v8.7", "v8.8", "v8.9", "v9", "v9.0", "v9.1",
            "v9.2", "v9.3", "v9.4", "v9.5", "v9.6", "v9.7",
        ],
    ),
    ("ppc64le", &["power8", "power9", "power10"]),
    ("riscv64", &["rva20u64", "rva22u64", "rva23u64"]),
];

/// Other names of operating systems.
const SYSTEM_ALIASES: &[(&str, &str)] = &[
    ("apple", "darwin"),
    ("gnu", "linux"),
    ("lunix", "linux"),
    ("mac", "darwin"),
    ("macos", "darwin"),
    ("macosx", "darwin"),
    ("osx", "darwin"),
    ("sunos", "solaris"),
    ("win", "windows"),
    ("win32", "windows"),
    ("win64", "windows"),
];

/// Other names of architectures (in the kernel, Debian, Node.js, Docker Hub), with the architecture and the variant.
const ARCHITECTURE_ALIASES: &[(&str, &str, Option<&str>)] = &[
    ("aarch64", "arm64", None),
    ("amd", "amd64", None),
    ("arm32", "arm", None),
    ("arm32v5", "arm", Some("v5")),
    ("arm32v6", "arm", Some("v6")),
    ("arm32v7", "arm", Some("v7")),
    ("arm5", "arm", Some("v5")),
    ("arm6", "arm", Some("v6")),
    ("arm7", "arm", Some("v7")),
    ("arm64v8", "arm64", None),
    ("arm64v9", "arm64", Some("v9")),
    ("arm8", "arm64", None),
    ("armel", "arm", Some("v6")),
    ("armhf", "arm", Some("v7")),
    ("armv5", "arm", Some("v5")),
    ("armv5l", "arm", Some("v5")),
    ("armv5te", "arm", Some("v5")),
    ("armv5tel", "arm", Some("v5")),
    ("armv6", "arm", Some("v6")),
    ("armv6hf", "arm", Some("v6")),
    ("armv6l", "arm", Some("v6")),
    ("armv7", "arm", Some("v7")),
    ("armv7a", "arm", Some("v7")),
    ("armv7hf", "arm", Some("v7")),
    ("armv7l", "arm", Some("v7")),
    ("armv8", "arm64", None),
    ("armv8l", "arm", Some("v8")),
    ("armv9", "arm64", Some("v9")),
    ("i386", "386", None),
    ("i486", "386", None),
    ("i586", "386", None),
    ("i686", "386", None),
    ("ia32", "386", None),
    ("intel64", "amd64", None),
    ("loongarch64", "loong64", None),
    ("mips64el", "mips64le", None),
    ("mipsel", "mipsle", None),
    ("power64le", "ppc64le", None),
    ("powerpc64", "ppc64", None),
    ("powerpc64le", "ppc64le", None),
    ("ppc64el", "ppc64le", None),
    ("ppcle", "ppc64le", None),
    ("riscv", "riscv64", None),
    ("riscv64gc", "riscv64", None),
    ("rv64", "riscv64", None),
    ("s390", "s390x", None),
    ("wasm32", "wasm", None),
    ("x32", "386", None),
    ("x64", "amd64", None),
    ("x86", "386", None),
    ("x86-64", "amd64", None),
    ("x8664", "amd64", None),
    ("x86_64", "amd64", None),
    ("x86_64_v2", "amd64", Some("v2")),
    ("x86_64_v3", "amd64", Some("v3")),
    ("x86_64_v4", "amd64", Some("v4")),
    ("x86-64-v2", "amd64", Some("v2")),
    ("x86-64-v3", "amd64", Some("v3")),
    ("x86-64-v4", "amd64", Some("v4")),
    ("x86_64-v2", "amd64", Some("v2")),
    ("x86_64-v3", "amd64", Some("v3")),
    ("x86_64-v4", "amd64", Some("v4")),
    ("zarch", "s390x", None),
];

/// Operating system, architecture and variant.
pub(super) type Parts = (String, String, Option<String>);

/// The part of a platform that is not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownPart {
    /// The operating system is not a GOOS.
    System,
    /// The architecture is not a GOARCH.
    Architecture,
    /// Both are known, but there is no port for the pair.
    Pair,
    /// The architecture does not have the variant.
    Variant,
}

/// Returns the first part of a platform that is not known; `None` if all are known.
pub(super) fn unknown_part(system: &str, architecture: &str, variant: Option<&str>) -> Option<UnknownPart> {
    let Some(architectures) = architectures_of(system) else {
        return Some(UnknownPart::System);
    };
    if !architectures.contains(&architecture) {
        let is_known = PORTS.iter().any(|(_, known)| known.contains(&architecture));
        return Some(if is_known {
            UnknownPart::Pair
        } else {
            UnknownPart::Architecture
        });
    }
    let is_known = variant.is_none_or(|variant| variants_of(architecture).contains(&variant));
    (!is_known).then_some(UnknownPart::Variant)
}

/// Returns the names that are valid in place of the unknown part.
pub(super) fn known_names(part: UnknownPart, system: &str, architecture: &str) -> Vec<&'static str> {
    match part {
        UnknownPart::System => PORTS.iter().map(|(known, _)| *known).collect(),
        UnknownPart::Architecture | UnknownPart::Pair => architectures_of(system).unwrap_or_default().to_vec(),
        UnknownPart::Variant => variants_of(architecture).to_vec(),
    }
}

fn architectures_of(system: &str) -> Option<&'static [&'static str]> {
    PORTS
        .iter()
        .find(|(known, _)| *known == system)
        .map(|(_, architectures)| *architectures)
}

fn variants_of(architecture: &str) -> &'static [&'static str] {
    VARIANTS
        .iter()
        .find(|(known, _)| *known == architecture)
        .map_or(&[], |(_, variants)| variants)
}

/// Returns a platform as normalized by containerd's `platforms.Normalize`: lower case, aliases of the most usual
/// architectures replaced, and no variant if every processor of the architecture has it.
pub(super) fn normalized(system: &str, architecture: &str, variant: Option<&str>) -> Parts {
    let system = system.to_ascii_lowercase();
    let system = if system == "macos" { "darwin".to_owned() } else { system };
    let architecture = architecture.to_ascii_lowercase();
    let variant = variant
        .map(str::to_ascii_lowercase)
        .filter(|variant| !variant.is_empty());
    let variant = variant.as_deref();
    let (architecture, variant) = match &*architecture {
        "i386" => ("386", None),
        "x86_64" | "x86-64" | "amd64" => ("amd64", with_v(variant).filter(|variant| variant != "v1")),
        "aarch64" | "arm64" => (
            "arm64",
            with_v(variant).filter(|variant| variant != "v8" && variant != "v8.0"),
        ),
        "armhf" => ("arm", Some("v7".to_owned())),
        "armel" => ("arm", Some("v6".to_owned())),
        "arm" => ("arm", with_v(variant).or_else(|| Some("v7".to_owned()))),
        other => (other, variant.map(str::to_owned)),
    };
    let variant = if variant.as_deref() == Some("v9.0") {
        Some("v9".to_owned())
    } else {
        variant
    };
    (system, architecture.to_owned(), variant)
}

/// Adds a `v` to a variant that is only a number.
fn with_v(variant: Option<&str>) -> Option<String> {
    let variant = variant?;
    let is_number = variant.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    Some(if is_number {
        format!("v{variant}")
    } else {
        variant.to_owned()
    })
}

/// Returns how many steps the variant `offered` of an architecture is below `wanted`, both normalized; `None` if its
/// programs are not known to run there.
///
/// The order is that of containerd's `platforms.Only`. A 64-bit Arm of version 9.x includes 8.(x+5). For ppc64le and
/// riscv64, which containerd does not order, a missing variant is the lowest one.
pub(super) fn steps_below(architecture: &str, wanted: Option<&str>, offered: Option<&str>) -> Option<u32> {
    if wanted == offered {
        return Some(0);
    }
    let number = |variant: &str| variant.strip_prefix('v')?.parse::<u32>().ok();
    match architecture {
        "amd64" => wanted
            .map_or(Some(1), number)?
            .checked_sub(offered.map_or(Some(1), number)?),
        "arm" => wanted
            .map_or(Some(7), number)?
            .checked_sub(offered.map_or(Some(7), number)?),
        "arm64" => arm64_steps(wanted.unwrap_or("v8"), offered.unwrap_or("v8")),
        "ppc64le" | "riscv64" => {
            let known = variants_of(architecture);
            let at = |variant: Option<&str>| match variant {
                None => Some(0),
                Some(variant) => known.iter().position(|known| *known == variant),
            };
            u32::try_from(at(wanted)?.checked_sub(at(offered)?)?).ok()
        }
        _ => None,
    }
}

fn arm64_steps(wanted: &str, offered: &str) -> Option<u32> {
    /// The minor version of 8 that 9.0 includes.
    const NINE_IS_EIGHT_POINT: u32 = 5;
    let version = |variant: &str| -> Option<(u32, u32)> {
        let number = variant.strip_prefix('v')?;
        let (major, minor) = number.split_once('.').unwrap_or((number, "0"));
        Some((major.parse().ok()?, minor.parse().ok()?))
    };
    match (version(wanted)?, version(offered)?) {
        ((wanted, minor), (offered, other)) if wanted == offered => minor.checked_sub(other),
        ((9, minor), (8, other)) => {
            let reach = minor.checked_add(NINE_IS_EIGHT_POINT)?;
            reach.checked_sub(other)?.checked_add(minor)?.checked_add(1)
        }
        _ => None,
    }
}

/// Returns the platform that was probably meant by a text; `None` if no platform is similar.
pub(super) fn meant(text: &str) -> Option<Parts> {
    let text = text.trim().to_ascii_lowercase();
    let (system, architecture, variant) = take_apart(&text)?;
    let system = match system {
        Some(word) => meant_system(&word)?,
        None => "linux",
    };
    let architectures = architectures_of(system)?;
    let Some(word) = architecture else {
        return Some((system.to_owned(), usual_architecture(architectures).to_owned(), None));
    };
    let (architecture, of_alias) = match architecture_alias(&word) {
        Some((architecture, variant)) => (architecture, variant),
        None => meant_architecture(&word, architectures)?,
    };
    let variant = match variant {
        Some(variant) => Some(meant_variant(&variant, architecture)?),
        None => of_alias.map(str::to_owned),
    };
    // `arm64/v8` and `armhf` are suggested in their usual spelling.
    let variant = variant.filter(|variant| !matches!((architecture, &**variant), ("arm64", "v8") | ("amd64", "v1")));
    let is_known = unknown_part(system, architecture, variant.as_deref()).is_none();
    is_known.then(|| (system.to_owned(), architecture.to_owned(), variant))
}

/// Splits a text into the words for operating system, architecture and variant, with any separators and in either
/// order.
fn take_apart(text: &str) -> Option<(Option<String>, Option<String>, Option<String>)> {
    let mut words: Vec<String> = text
        .split(['/', '\\'])
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect();
    if let [only] = &words[..] {
        words = part_by_marks(only);
    }
    let is_system =
        |word: &str| architectures_of(word).is_some() || SYSTEM_ALIASES.iter().any(|(name, _)| *name == word);
    let mut words = words.into_iter();
    let first = words.next()?;
    let second = words.next();
    let third = words.next();
    if words.next().is_some() {
        return None;
    }
    match second {
        None if is_system(&first) => Some((Some(first), None, None)),
        None => Some((None, Some(first), None)),
        // An architecture and its variant without an operating system, or architecture and operating system swapped.
        Some(second) if !is_system(&first) && architecture_alias(&first).is_some() => {
            if is_system(&second) {
                Some((Some(second), Some(first), third))
            } else {
                Some((None, Some(first), Some(second)))
            }
        }
        Some(second) => Some((Some(first), Some(second), third)),
    }
}

/// Splits `linux-arm-v7` or `linux_amd64`. The operating system is the part before the first separator, if it is one.
fn part_by_marks(word: &str) -> Vec<String> {
    let Some((system, rest)) = word.split_once(['-', '_', ':', '.', ' ', ',']) else {
        return vec![word.to_owned()];
    };
    let is_system = architectures_of(system).is_some() || SYSTEM_ALIASES.iter().any(|(name, _)| *name == system);
    if !is_system {
        return vec![word.to_owned()];
    }
    if architecture_alias(rest).is_some() {
        return vec![system.to_owned(), rest.to_owned()];
    }
    let parts = rest
        .split(['-', '_', ':', '.', ' ', ','])
        .filter(|part| !part.is_empty());
    std::iter::once(system).chain(parts).map(str::to_owned).collect()
}

fn meant_system(word: &str) -> Option<&'static str> {
    if let Some((known, _)) = PORTS.iter().find(|(known, _)| *known == word) {
        return Some(known);
    }
    if let Some((_, system)) = SYSTEM_ALIASES.iter().find(|(name, _)| *name == word) {
        return Some(system);
    }
    let near = nearest(word, PORTS.iter().map(|(known, _)| *known))?;
    PORTS.iter().map(|(known, _)| *known).find(|known| *known == near)
}

/// Returns the architecture for an alias, or for its own name.
fn architecture_alias(word: &str) -> Option<(&'static str, Option<&'static str>)> {
    let known = PORTS
        .iter()
        .flat_map(|(_, known)| known.iter())
        .find(|known| **known == word);
    if let Some(known) = known {
        return Some((known, None));
    }
    let (_, architecture, variant) = ARCHITECTURE_ALIASES.iter().find(|(name, ..)| *name == word)?;
    Some((architecture, *variant))
}

/// Returns the architecture for a name with an attached variant (`amd64v3`, `arm-v7`), or for a misspelled name.
fn meant_architecture(
    word: &str,
    architectures: &'static [&'static str],
) -> Option<(&'static str, Option<&'static str>)> {
    for (architecture, variants) in VARIANTS {
        let rest = word
            .strip_prefix(architecture)
            .map(|rest| rest.trim_start_matches(['-', '_', '.', ':', ' ']));
        let attached = rest.and_then(|rest| {
            variants
                .iter()
                .find(|variant| **variant == rest || variant[1..] == *rest)
        });
        if let Some(variant) = attached {
            return Some((architecture, Some(variant)));
        }
    }
    let aliases = ARCHITECTURE_ALIASES
        .iter()
        .map(|(name, ..)| *name)
        .filter(|name| name.len() > MIN_NEAR_ALIAS_BYTES);
    let near = nearest(word, architectures.iter().copied()).or_else(|| nearest(word, aliases))?;
    architecture_alias(near)
}

/// Least length of aliases that are suggested. Shorter ones are similar to too many words.
const MIN_NEAR_ALIAS_BYTES: usize = 4;

fn meant_variant(word: &str, architecture: &str) -> Option<String> {
    let known = variants_of(architecture);
    let is_meant = |variant: &&&str| {
        let number = variant.trim_start_matches(|letter: char| letter.is_ascii_alphabetic());
        **variant == word
            || number == word
            || word.trim_end_matches(|letter: char| letter.is_ascii_alphabetic()) == **variant
    };
    known.iter().find(is_meant).map(|variant| (*variant).to_owned())
}

/// Returns the architecture that is most likely meant by an operating system alone.
fn usual_architecture(architectures: &[&'static str]) -> &'static str {
    let usual = ["amd64", "wasm"]
        .into_iter()
        .find(|usual| architectures.contains(usual));
    usual.or_else(|| architectures.first().copied()).unwrap_or("amd64")
}

#[cfg(test)]
mod tests;
