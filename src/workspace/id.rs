//! IDs of members.

use std::path::Path;

use crate::spec::DEFAULT_NAME;

/// Returns the ID of the member with this spec: the name of its directory for `ocitect.toml`, else the file's name
/// without its extension. Returns `None` if that is no valid ID.
pub(super) fn id_of(spec: &Path) -> Option<String> {
    let is_default = spec.file_name().is_some_and(|name| name == DEFAULT_NAME);
    let name = if is_default {
        spec.parent()?.file_name()?
    } else {
        spec.file_stem()?
    };
    name.to_str().filter(|name| is_valid_part(name)).map(str::to_owned)
}

/// Returns the ID of a cell of a member's matrix, with the values of the axes in their order.
///
/// # Errors
/// Returns the first value that is not valid in an ID.
pub(super) fn cell_id<'a>(member: &str, values: &'a [String]) -> Result<String, &'a str> {
    match values.iter().find(|value| !is_valid_part(value)) {
        Some(invalid) => Err(invalid),
        None => Ok(format!("{member}/{}", values.join("/"))),
    }
}

fn is_valid_part(part: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
    !part.is_empty() && part.bytes().all(is_plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_names_of_directories_files_and_cells() {
        for (path, id) in [
            ("ws/agents/planner/ocitect.toml", Some("planner")),
            ("ws/servers.toml", Some("servers")),
            ("servers.v2.toml", Some("servers.v2")),
            ("ws/with space/ocitect.toml", None),
            ("ocitect.toml", None),
        ] {
            assert_eq!(id_of(Path::new(path)).as_deref(), id, "{path}");
        }
        let values = ["mail".to_owned(), "alpine".to_owned()];
        assert_eq!(cell_id("servers", &values).as_deref(), Ok("servers/mail/alpine"));
        assert_eq!(cell_id("servers", &["ok".to_owned(), "a b".to_owned()]), Err("a b"));
    }
}
