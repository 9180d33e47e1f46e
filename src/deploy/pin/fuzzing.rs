//! Properties that hold for every file that is pinned. Compiled for tests and fuzzers only: the target in `tests/fuzz`
//! checks them on bytes from libFuzzer, and the tests here on the seeds and on arbitrary files.

use std::sync::Arc;

use super::{PinOptions, PinnedImage, PinnedImages, Plan, override_file, override_part, plan};
use crate::deploy::problem::{FileError, decode};
use crate::deploy::text_file::TextFile;
use crate::model::fuzzing::{check_error, check_text};

/// The name of the image that files are pinned to. It has the tag `1.0`.
const NAME: &str = "ghcr.io/me/app";

/// Returns the digest of the image.
fn digest() -> String {
    format!("sha256:{}", "a".repeat(64))
}

fn images() -> PinnedImages {
    let metadata = format!(r#"{{"name":"{NAME}","tags":["1.0"],"digest":"{}"}}"#, digest());
    let images =
        PinnedImage::from_metadata(metadata.as_bytes(), "m").and_then(|metadata| PinnedImages::new(metadata.images));
    images.unwrap_or_default()
}

/// Checks a file: it is pinned, or refused with messages that contain nothing a terminal would interpret. A file that is
/// pinned already stays as it is, and an override file is pinned itself.
pub fn pin(data: &[u8]) {
    let file = match decode("f.yaml".into(), data.to_vec()) {
        Ok(file) => Arc::new(file),
        Err(error) => return check(&error),
    };
    let images = images();
    for retag in [false, true] {
        let options = PinOptions { retag };
        match plan(&file, &images, options) {
            Ok(first) => check_plan(&file, &first, &images, options),
            Err(error) => check(&error),
        }
    }
    match override_part(&file, &images, PinOptions::default()) {
        Ok(part) => {
            let text = override_file([&part]);
            let written = Arc::new(TextFile::new("o.yaml".into(), text.clone()));
            let again = plan(&written, &images, PinOptions::default());
            let again = again.inspect_err(|error| panic!("the override file is refused: {error}\n{text}"));
            assert!(again.is_ok_and(|again| again.text == text && again.others.is_empty()));
        }
        Err(error) => check(&error),
    }
}

/// Checks that nothing but digests of the image is added, and that a second run changes nothing.
fn check_plan(file: &Arc<TextFile>, first: &Plan, images: &PinnedImages, options: PinOptions) {
    let changed_count = first.images.iter().filter(|image| image.is_changed()).count();
    assert!(changed_count > 0 || first.text == file.text, "{:?}", first.images);
    assert!(changed_count == 0 || first.text.contains(&digest()));
    let pinned = Arc::new(TextFile::new("f.yaml".into(), first.text.clone()));
    let second = plan(&pinned, images, options).inspect_err(|error| panic!("{error}\n{}", first.text));
    if let Ok(second) = second {
        assert_eq!(second.text, first.text);
        assert_eq!(second.images.len(), first.images.len());
        assert!(!second.images.iter().any(|image| image.is_changed()));
        assert_eq!(second.others.len(), first.others.len());
    }
}

fn check(error: &FileError) {
    check_error(error);
    if let Some(text) = error.render(false) {
        check_text(&text);
    }
    error.render(true);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, proptest};

    use super::*;
    use crate::model::fuzzing::replay;

    #[test]
    fn the_seeds_of_deployment_files_hold() {
        replay("pin", pin);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(1000))]

        #[test]
        fn any_text_is_pinned_or_refused(text in "\\PC*") {
            pin(text.as_bytes());
        }

        #[test]
        fn any_value_is_pinned_or_refused(value in "(ghcr.io/me/)?app(:1.0)?[ -~\u{e4}\u{7}\n]{0,8}", quote in "['\"]?") {
            pin(format!("services:\n  web: {{image: {quote}{value}{quote}}}\n").as_bytes());
            pin(format!("image:\n  repository: {quote}{value}{quote}\n  tag: 1.0\n").as_bytes());
            pin(format!("images:\n- name: {quote}{value}{quote}\nresources: []\n").as_bytes());
            pin(format!("[Container]\nImage={value}\nMount=type=image,source={quote}{value}{quote},dst=/x\n").as_bytes());
        }
    }
}
