//! `Mount=` of quadlets: `type=image,source=NAME,destination=/x` (podman-run(1), `--mount`).

use std::ops::Range;

use super::unit::Setting;

/// Keys of the image that is mounted.
const SOURCE_KEYS: [&str; 2] = ["source", "src"];

/// The images that a setting mounts.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct MountedImages {
    /// Their names, with their places.
    pub(super) names: Vec<(String, Range<usize>)>,
    /// Whether the value is written so that the places are those of its text.
    pub(super) is_plain: bool,
}

/// Returns the images that a `Mount=` names. Several mounts may be in one value, with spaces between them.
pub(super) fn mounted_images(setting: &Setting<'_>) -> MountedImages {
    let continuation = setting.continuation.as_deref();
    let is_plain = continuation.is_none() && !setting.value.contains(['"', '\'', '\\']);
    if is_plain {
        return MountedImages {
            names: images(setting.value, setting.span.start),
            is_plain,
        };
    }
    // What it means is known well enough to see whether an image is ours.
    let value = format!("{}{}", setting.value, continuation.unwrap_or_default());
    let value = value.replace(['"', '\'', '\\'], "");
    // A line that ends after a comma goes on in the next one.
    let value = value
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .replace(", ", ",")
        .replace(" ,", ",");
    let names = images(&value, 0);
    let names = names.into_iter().map(|(name, _)| (name, setting.span.clone()));
    MountedImages {
        names: names.collect(),
        is_plain,
    }
}

fn images(value: &str, start: usize) -> Vec<(String, Range<usize>)> {
    let mut images = Vec::new();
    for (word, offset) in split(value, char::is_whitespace) {
        let fields: Vec<(&str, usize)> = split(word, |letter| letter == ',').collect();
        if !fields.iter().any(|(field, _)| *field == "type=image") {
            continue;
        }
        for (field, inside) in fields {
            let Some((key, name)) = field.split_once('=') else {
                continue;
            };
            if SOURCE_KEYS.contains(&key) && !name.is_empty() {
                let at = start + offset + inside + key.len() + "=".len();
                images.push((name.to_owned(), at..at + name.len()));
            }
        }
    }
    images
}

/// Returns the parts between separators, with their offsets.
fn split(text: &str, is_separator: impl Fn(char) -> bool) -> impl Iterator<Item = (&str, usize)> {
    text.split(is_separator)
        .map(move |part| (part, part.as_ptr() as usize - text.as_ptr() as usize))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deploy::pin::unit::settings;

    fn names(text: &str) -> (Vec<String>, bool) {
        let text = format!("[Container]\nMount={text}\n");
        let found = mounted_images(&settings(&text)[0]);
        for (name, place) in found.names.iter().filter(|_| found.is_plain) {
            assert_eq!(&text[place.clone()], name);
        }
        (found.names.into_iter().map(|(name, _)| name).collect(), found.is_plain)
    }

    #[test]
    fn images_are_the_sources_of_mounts_of_their_type() {
        for (value, expected, is_plain) in [
            ("type=image,source=a/b:1,destination=/x", &["a/b:1"][..], true),
            ("destination=/x,src=a,type=image,rw=true", &["a"], true),
            ("type=image,source=a  type=image,src=b", &["a", "b"], true),
            ("type=bind,source=/a,destination=/x", &[], true),
            ("source=a,destination=/x", &[], true),
            ("type=image,source=,destination=/x", &[], true),
            ("\"type=image,source=a,destination=/x y\"", &["a"], false),
            ("type=image,\\\n  source=a", &["a"], false),
            ("type=image, \\\n  # c\n  source=a", &["a"], false),
            ("type=bind,'source=/a'", &[], false),
        ] {
            let expected = expected.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(names(value), (expected, is_plain), "{value}");
        }
    }
}
