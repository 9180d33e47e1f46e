//! Help for names of images that are invalid: what was probably meant.

use super::reference::{MAX_TAG_BYTES, REGISTRY_PREFIX, Reference, ReferenceError, is_in_tag};
use super::short_names::ShortNames;
use super::{Diagnostic, ErrorKind};

/// The form of a reference, for help texts.
const FORM: &str = "write it as REGISTRY/REPOSITORY[:TAG][@sha256:DIGEST], such as ghcr.io/me/app:1.0";

/// The form of a place on the disk, for help texts.
const PATH_FORM: &str = "write a layout as oci:DIR[:TAG], an archive as oci-archive:FILE or docker-archive:FILE";

/// Returns `true` for a text that looks like a path instead of a reference.
fn looks_like_path(text: &str) -> bool {
    text.starts_with(['.', '/']) || text.ends_with(".tar")
}

impl Diagnostic for ReferenceError {
    fn error_kind(&self) -> ErrorKind {
        ErrorKind::Input
    }
    fn help(&self) -> Option<String> {
        match self {
            Self::NoRegistry(text) | Self::Malformed { text, .. } if looks_like_path(text) => {
                Some(PATH_FORM.to_owned())
            }
            Self::NoRegistry(text) => ShortNames::default().question(text).or_else(|| Some(FORM.to_owned())),
            Self::Tag(text) => Some(tag_help(text)),
            Self::Malformed { text, .. } => {
                Some(repaired(text).map_or_else(|| FORM.to_owned(), |reference| format!("did you mean {reference}?")))
            }
        }
    }
}

/// Returns the reference that was probably meant: without a scheme, without a trailing slash, in lower case. Returns
/// `None` for a text with an `@`, since it may contain a password.
fn repaired(text: &str) -> Option<Reference> {
    let text = SCHEMES
        .iter()
        .find_map(|scheme| text.strip_prefix(scheme))
        .unwrap_or(text)
        .trim_end_matches('/');
    let plain = text.to_ascii_lowercase();
    [text, plain.as_str()]
        .into_iter()
        .filter(|text| !text.contains('@'))
        .find_map(|text| text.parse().ok())
}

/// Schemes that users copy from a browser or write for another program.
const SCHEMES: [&str; 4] = ["https://", "http://", REGISTRY_PREFIX, "oci://"];

/// Suggests a valid tag for an invalid one.
fn tag_help(text: &str) -> String {
    let dashed: String = text
        .chars()
        .map(|letter| if is_in_tag(letter) { letter } else { '-' })
        .collect();
    let tag = dashed.trim_start_matches(['.', '-']);
    match (tag.is_empty() || tag.len() > MAX_TAG_BYTES, text.contains('+')) {
        (true, _) => "use a tag such as \"1.0.0\" or \"latest\"".to_owned(),
        (false, true) => format!("write \"{tag}\": registries do not allow + in tags"),
        (false, false) => format!("write \"{tag}\""),
    }
}

#[cfg(test)]
mod tests {
    use super::super::{ImageName, Tag};
    use super::*;

    #[test]
    fn a_name_without_registry_is_refused_with_a_suggestion() {
        for (text, help) in [
            ("node:18-slim", "did you mean docker.io/library/node:18-slim?"),
            ("me/app", "did you mean docker.io/me/app?"),
        ] {
            let error = text.parse::<Reference>().unwrap_err();
            assert_eq!(error, ReferenceError::NoRegistry(text.to_owned()));
            assert_eq!(error.help().as_deref(), Some(help));
        }
    }

    #[test]
    fn the_help_names_what_was_probably_meant() {
        let help = |text: &str| text.parse::<Reference>().unwrap_err().help().unwrap();
        for text in [
            "https://ghcr.io/me/app:1",
            "docker://ghcr.io/me/app:1",
            "ghcr.io/Me/App:1",
            "ghcr.io/me/app:1/",
        ] {
            assert_eq!(help(text), "did you mean ghcr.io/me/app:1?", "{text}");
        }
        assert!(help("https://me:secret@ghcr.io/me/App").starts_with("write it as"));
        for (tag, expected) in [
            ("1.0.0+build.5", "write \"1.0.0-build.5\""),
            ("feature/login", "write \"feature-login\""),
            ("-x", "write \"x\""),
            ("", "such as"),
            ("é", "such as"),
        ] {
            let help = tag.parse::<Tag>().unwrap_err().help().unwrap();
            assert!(help.contains(expected), "{tag}: {help}");
        }
        assert!(help("ghcr.io/me/app:1.0+5").contains("write \"1.0-5\""));
    }

    #[test]
    fn a_path_is_said_how_to_name() {
        for text in ["./build/oci", "../x", "/srv/x.tar", "x.tar"] {
            assert_eq!(
                text.parse::<ImageName>().unwrap_err().help().as_deref(),
                Some(PATH_FORM),
                "{text}"
            );
        }
    }
}
