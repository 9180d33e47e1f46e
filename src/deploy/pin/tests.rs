//! Arbitrary files: whatever they contain, only digests are added.

use std::sync::Arc;

use proptest::collection::vec;
use proptest::prelude::{ProptestConfig, proptest};
use proptest::sample::select;

use super::{PinOptions, PinnedImage, PinnedImages, plan};
use crate::deploy::text_file::TextFile;

const REFERENCE: &str = "ghcr.io/me/app:1.0";

/// Beginnings of files.
const HEADS: [&str; 6] = [
    "services:\n",
    "\u{feff}services:\r\n",
    "apiVersion: v1\nkind: Pod\nspec:\n",
    "values:\n",
    "[Container]\n",
    "",
];

/// Lines of files. None of them has a digest, or a key that pinning renames or removes. `I` is an image of ours.
const LINES: [&str; 29] = [
    "  N: {image: I}\n",
    "  N: {image: 'I', x: [y]} # c\n",
    "  N:\n    image: \"I\"\n",
    "  N:\r\n    image:   I  # I\r\n",
    "  N: &N\n    image: &i I\n",
    "  N: {image: *i}\n",
    "  N: {<<: *a, user: x}\n",
    "  a: &a {image: I}\n",
    "  N: *a\n",
    "  N: {image: postgres}\n",
    "  N: {image: '${X}'}\n",
    "  N: {image: 'other:${X:-1}'}\n",
    "  N:\n    image: |\n      I\n",
    "  N:\n    command: |\n      image: I\n",
    "  N: {volumes: [{type: image, source: I}]}\n",
    "  N: {containers: [{image: I}, {image: !!str I}]}\n",
    "  N: {containers:\n    - image: I }\n",
    "  N: {volumes: [{image: {reference: I}}]}\n",
    "  N: {repository: ghcr.io/me/app, tag: 1.0}\n",
    "  N: {repository: ghcr.io/me/app, tag: &t '1.0'}\n",
    "  N: {repository: other, tag: *t}\n",
    "Image=I\n",
    "; Image=I\n",
    "Mount=type=image,source=I,destination=/x\n",
    "Mount=type=image,\\\n src=I\n",
    "  N: {image: {name: ghcr.io/me/app, tag: 1.0}}\n",
    "# I\n\n",
    "---\n",
    "  \u{e4}: [\t\"\\u00e4\", \u{2028}]\n",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn only_digests_are_added(head in select(&HEADS[..]), lines in vec(select(&LINES[..]), 0..6)) {
        let digest = format!("sha256:{}", "a".repeat(64));
        let metadata = format!(r#"{{"name":"ghcr.io/me/app","tags":["1.0"],"digest":"{digest}"}}"#);
        let images = PinnedImages::new(PinnedImage::from_metadata(metadata.as_bytes(), "m").unwrap().images).unwrap();
        let pin = |text: &str| {
            let file = Arc::new(TextFile::new("f".into(), text.to_owned()));
            plan(&file, &images, PinOptions::default()).inspect_err(|error| {
                error.render(false);
            })
        };
        let named = lines.iter().enumerate().map(|(index, line)| line.replace('N', &format!("n{index}")));
        let text = format!("{head}{}", named.collect::<String>()).replace('I', REFERENCE).replace(&format!("{REFERENCE}mage"), "Image");
        if let Ok(first) = pin(&text) {
            assert_eq!(first.text.replace(&format!("@{digest}"), ""), text);
            let second = pin(&first.text).unwrap();
            assert_eq!(&second.text, &first.text);
            assert!(!second.images.iter().any(|image| image.is_changed()));
            assert_eq!(first.images.len(), second.images.len());
        }
    }
}
