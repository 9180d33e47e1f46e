//! What becomes of one reference: which image it is, what it is replaced by, and why it is refused.

use super::super::listed::{shortened, shown};
use super::images::{Choice, NoChoice, PinnedImage, PinnedImages, choose};
use super::name::{Hole, Pattern, Syntax, WrittenName, full_name};
use crate::model::{Digest, Tag};

/// Images, and how references get their digests.
#[derive(Debug, Clone, Copy)]
pub(super) struct Rules<'a> {
    pub(super) images: &'a PinnedImages,
    /// Whether the tag of the image replaces another one.
    pub(super) retag: bool,
}

/// Why a reference is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) message: String,
    pub(super) help: String,
}

impl Refusal {
    pub(super) fn new(message: impl Into<String>, help: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            help: help.into(),
        }
    }
}

/// What a reference is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict<'a> {
    /// One of our images, and the reference to write.
    Ours { choice: Choice<'a>, reference: String },
    /// An image of others.
    Other,
}

impl<'a> Rules<'a> {
    /// Returns `true` if a repository is one of ours, however it is written.
    pub(super) fn is_ours(&self, name: &str) -> bool {
        !self.images.of(&full_name(name)).is_empty()
    }

    /// Decides about a whole reference.
    pub(super) fn reference(&self, text: &str, syntax: Syntax) -> Result<Verdict<'a>, Refusal> {
        if let Some(pattern) = Pattern::of(text, syntax) {
            return self.open_reference(text, &pattern, syntax);
        }
        let written = WrittenName::split(text);
        let images = self.images.of(&full_name(written.name));
        if images.is_empty() {
            return Ok(Verdict::Other);
        }
        let choice = self.choose(written.name, images, written.tag, written.digest)?;
        let reference = match (written.tag, written.digest, choice.tag) {
            // A digest without a tag was written on purpose: not every tool accepts both.
            (None, Some(_), _) | (_, _, None) => format!("{}@{}", written.name, choice.image.digest),
            (_, _, Some(tag)) => format!("{}:{tag}@{}", written.name, choice.image.digest),
        };
        Ok(Verdict::Ours { choice, reference })
    }

    /// Refuses a reference with variables if it may be one of ours.
    fn open_reference(&self, text: &str, pattern: &Pattern, syntax: Syntax) -> Result<Verdict<'a>, Refusal> {
        match self.images.names().find(|name| pattern.may_be(name)) {
            None => Ok(Verdict::Other),
            Some(name) => Err(open(text, pattern.hole, name, syntax)),
        }
    }

    /// Chooses the image for the tag and the digest that are written beside the name of one of ours.
    pub(super) fn choose(
        &self,
        name: &str,
        images: &'a [PinnedImage],
        tag: Option<&str>,
        digest: Option<&str>,
    ) -> Result<Choice<'a>, Refusal> {
        let shown = shown(name);
        if let Some(tag) = tag
            && let Err(error) = shortened(tag).parse::<Tag>()
        {
            return Err(Refusal::new(error.to_string(), "correct the tag"));
        }
        let digest = match digest.map(|digest| shortened(digest).parse::<Digest>()) {
            Some(Err(error)) => return Err(Refusal::new(error.to_string(), "correct the digest, or remove it")),
            Some(Ok(digest)) => Some(digest),
            None => None,
        };
        // A digest alone says which image is meant, as long as it is one of ours.
        let by_digest = images
            .iter()
            .find(|image| tag.is_none() && Some(image.digest) == digest);
        if let Some(image) = by_digest {
            return Ok(Choice {
                image,
                tag: image.tags.first().map(Tag::as_str),
            });
        }
        let choice = choose(images, tag, self.retag).map_err(|error| match error {
            NoChoice::OtherTag(tags) => {
                let tags = tags.join(", ");
                Refusal::new(
                    format!(
                        "{shown} has the tag {}, and the image to pin has {tags}",
                        tag.unwrap_or_default()
                    ),
                    "correct the tag, or replace it with --retag",
                )
            }
            NoChoice::Several(tags) => Refusal::new(
                format!(
                    "{shown} has no tag, and there are images with the tags {}",
                    tags.join(", ")
                ),
                "add one of these tags",
            ),
        })?;
        let other = images
            .iter()
            .find(|image| Some(image.digest) == digest && image.digest != choice.image.digest);
        match other {
            Some(other) => {
                let tags: Vec<String> = other.tags.iter().map(Tag::to_string).collect();
                Err(Refusal::new(
                    format!(
                        "{shown} has the tag {} with the digest of {}",
                        choice.tag.unwrap_or_default(),
                        tags.join(", ")
                    ),
                    "remove the digest, or correct the tag",
                ))
            }
            None => Ok(choice),
        }
    }

    /// Decides about a repository whose tag is written elsewhere. Returns its images; none if it is not one of ours.
    pub(super) fn repository(&self, name: &str) -> Result<&'a [PinnedImage], Refusal> {
        if let Some(pattern) = Pattern::of(name, Syntax::Manifest) {
            self.open_reference(name, &pattern, Syntax::Manifest)?;
            return Ok(&[]);
        }
        let written = WrittenName::split(name);
        let images = self.images.of(&full_name(written.name));
        if !images.is_empty() && (written.tag.is_some() || written.digest.is_some()) {
            let shown = shown(name);
            return Err(Refusal::new(
                format!("the repository \"{shown}\" has a tag or a digest"),
                "write only the repository",
            ));
        }
        Ok(images)
    }
}

/// Returns the refusal of a text that may be the image `name`.
fn open(text: &str, hole: Hole, name: &str, syntax: Syntax) -> Refusal {
    let shown = shown(text);
    let refusal = |what: &str, help: &str| Refusal::new(format!("cannot pin \"{shown}\": {what}"), help);
    match (hole, syntax) {
        (Hole::Variable, Syntax::Compose) => refusal(
            &format!("with its variables it may be {name}"),
            "write the pinned images to a file of their own with --override FILE, or pin the value of the variable",
        ),
        (Hole::Variable, _) => refusal(
            &format!("with its variables it may be {name}"),
            "pin the value of the variable where it is set",
        ),
        (Hole::Template, _) => refusal(
            &format!("it is a template, not YAML, and may be {name}"),
            "pin the file that its values come from, such as values.yaml",
        ),
        (Hole::Specifier, _) => refusal(
            &format!("with its specifiers it may be {name}"),
            "write the image without % specifiers",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn images() -> PinnedImages {
        let image = |name: &str, tags: &[&str], letter: &str| PinnedImage {
            repository: name.parse().unwrap(),
            tags: tags.iter().map(|tag| tag.parse().unwrap()).collect(),
            digest: format!("sha256:{}", letter.repeat(64)).parse().unwrap(),
            is_untagged: false,
        };
        PinnedImages::new([
            image("ghcr.io/me/app", &["1.0", "latest"], "a"),
            image("docker.io/me/two", &["1"], "b"),
            image("docker.io/me/two", &["2"], "c"),
            image("docker.io/tool", &["3"], "d"),
        ])
        .unwrap()
    }

    fn decide(text: &str, retag: bool) -> Result<Option<String>, String> {
        let images = images();
        let rules = Rules { images: &images, retag };
        match rules.reference(text, Syntax::Compose) {
            Ok(Verdict::Ours { reference, .. }) => Ok(Some(reference)),
            Ok(Verdict::Other) => Ok(None),
            Err(refusal) => Err(refusal.message),
        }
    }

    #[test]
    fn our_images_get_tag_and_digest_and_keep_their_names_as_written() {
        let of = |letter: &str| format!("@sha256:{}", letter.repeat(64));
        for (text, expected) in [
            ("ghcr.io/me/app:1.0", format!("ghcr.io/me/app:1.0{}", of("a"))),
            ("ghcr.io/me/app", format!("ghcr.io/me/app:latest{}", of("a"))),
            (
                &format!("ghcr.io/me/app:1.0{}", of("f")),
                format!("ghcr.io/me/app:1.0{}", of("a")),
            ),
            (
                &format!("ghcr.io/me/app{}", of("f")),
                format!("ghcr.io/me/app{}", of("a")),
            ),
            ("me/two:2", format!("me/two:2{}", of("c"))),
            (
                "index.docker.io/me/two:1",
                format!("index.docker.io/me/two:1{}", of("b")),
            ),
            (&format!("me/two{}", of("c")), format!("me/two{}", of("c"))),
            ("tool", format!("tool:3{}", of("d"))),
            (
                "docker.io/library/tool:3",
                format!("docker.io/library/tool:3{}", of("d")),
            ),
        ] {
            assert_eq!(decide(text, false), Ok(Some(expected)), "{text}");
        }
        let retagged = Ok(Some(format!("tool:3{}", of("d"))));
        assert_eq!(decide("tool:2", true), retagged);
    }

    #[test]
    fn images_of_others_are_left() {
        for text in [
            "",
            "postgres:16",
            "ghcr.io/me/other",
            "me/app:1.0",
            "ghcr.io/me/app/x",
            "postgres:${V}",
        ] {
            assert_eq!(decide(text, true), Ok(None), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_pinned_safely_is_refused() {
        let of = |letter: &str| format!("sha256:{}", letter.repeat(64));
        for (text, reason) in [
            (
                "ghcr.io/me/app:2.0",
                "has the tag 2.0, and the image to pin has 1.0, latest",
            ),
            ("ghcr.io/me/app:", "is not a tag"),
            ("ghcr.io/me/app:a b", "is not a tag"),
            ("ghcr.io/me/app@sha256:ab", "is not a digest"),
            ("ghcr.io/me/app@1.0", "is not a digest"),
            ("me/two", "has no tag, and there are images with the tags 1, 2"),
            (&format!("me/two:1@{}", of("c")), "has the tag 1 with the digest of 2"),
            ("ghcr.io/me/app:${TAG}", "with its variables it may be ghcr.io/me/app"),
            ("{{ .Values.image }}", "it is a template"),
            (
                &format!("ghcr.io/me/app:{}", "x".repeat(1_000_000)),
                "x\u{2026}\" is not a tag",
            ),
            (&"${A}".repeat(100_000), "${A}\u{2026}\": with its variables"),
        ] {
            let refused = decide(text, false).unwrap_err();
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}
