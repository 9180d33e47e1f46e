//! The failures of a script that is passed to an interpreter.

use super::failure::{Failure, Kind, elsewhere, found_instead, listed};
use super::program::Setting;
use crate::model::{EntryPath, escape};

/// Returns the failure for a directory where a script or an archive is started.
pub(super) fn started_directory(setting: &Setting<'_>, tool: &str, at: EntryPath) -> Box<Failure> {
    let inside = setting.subject.below(&at).filter(|(_, node)| !node.is_directory());
    let extension = at
        .file_name()
        .rsplit(|byte| *byte == b'.')
        .next()
        .unwrap_or_default()
        .to_vec();
    let is_alike = |path: &EntryPath| path.file_name().rsplit(|byte| *byte == b'.').next() == Some(&extension);
    let alike: Vec<EntryPath> = inside
        .map(|(path, _)| path)
        .filter(|path| is_alike(path))
        .take(2)
        .cloned()
        .collect();
    let help = match &alike[..] {
        [one] => format!("use {one}, or pack that file as {at}: if `from` is a directory, it is packed as a directory"),
        _ => {
            format!("use a file in it, or pack the file as {at}: if `from` is a directory, it is packed as a directory")
        }
    };
    Box::new(Failure {
        kind: Kind::Missing,
        message: format!("runs this path with {}, but it is a directory", escape(tool.as_bytes())),
        expected: "a file".to_owned(),
        found: "a directory".to_owned(),
        help,
        path: at,
    })
}

/// Returns the failure for a script that does not exist. `tried` lists the alternatives.
pub(super) fn missing_script(setting: &Setting<'_>, tool: &str, at: EntryPath, tried: Option<&str>) -> Box<Failure> {
    let places = elsewhere(setting.subject, at.as_bytes(), false);
    let folder = at.parent().unwrap_or_default();
    let help = match &places[..] {
        [] => format!("pack it with a `files` entry (`to = \"{folder}/\"`), or change the arguments of {tool}"),
        places => format!(
            "a file of this name is at {}: use that path, or pack it at {at}",
            listed(places)
        ),
    };
    let workdir = format!("{at}{}", tried.map(|tried| format!(", or {tried}")).unwrap_or_default());
    Box::new(Failure {
        kind: Kind::Missing,
        message: format!(
            "runs this script with {}, but it is not in the image",
            escape(tool.as_bytes())
        ),
        expected: workdir,
        found: found_instead(setting.subject, &at),
        help,
        path: at,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::testing::{Image, Thing};

    #[test]
    fn the_message_says_where_such_a_file_is() {
        let subject = Image::new("linux/amd64")
            .own("app/there.x", 0o644, Thing::Unread(1))
            .own("srv/lib/gone.jar", 0o644, Thing::Unread(1))
            .subject();
        let at = EntryPath::new(b"/app/gone.jar").unwrap();
        let failure = missing_script(&Setting::of(&subject), "java", at, None);
        assert_eq!(
            failure.message,
            "runs this script with java, but it is not in the image"
        );
        assert_eq!((&*failure.expected, &*failure.found), ("/app/gone.jar", "nothing"));
        assert_eq!(
            failure.help,
            "a file of this name is at /srv/lib/gone.jar: use that path, or pack it at /app/gone.jar"
        );
    }
}
