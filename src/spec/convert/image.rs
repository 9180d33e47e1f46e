//! Reads `[image]`, `[[users]]`, `[[groups]]`, `[[dirs]]` and `[check]`.

use super::super::error::Problem;
use super::super::{Base, CheckSpec, DEFAULT_MTIME_S, DirSpec, Group, IgnoreFile, ImageSpec, PlatformSpec, User};
use super::context::Input;
use super::inherited::{check_family, compression, ownership};
use super::layers::{LayerContext, layers};
use super::members::{MEMBER_PREFIX, check_in_workspace};
use super::values::{
    account_name, annotations, id, image_path, image_path_below_root, mode, mtime_s, owner, platform_name, size_bytes,
};
use crate::model::{Compression, Family, Platform, Reference, ReferenceError, Repository, Tag, escape, name_help};

/// The default ignore file.
pub(in super::super) const DEFAULT_IGNORE_FILE: &str = ".ocitectignore";

/// The name for an image without a base, which is the default.
const SCRATCH: &str = "scratch";

/// Reads the settings of `[image]` that are the same for all platforms.
pub(in super::super) fn identity(image: Input<'_>) -> Result<ImageSpec, Problem> {
    let platforms = image.required("platforms", platforms)?;
    let index = image.optional("index", Input::boolean)?.unwrap_or(true);
    if !index && platforms.len() > 1 {
        return Err(Problem::new(image.span_of("index"), "several platforms need an index")
            .help("remove index = false, or build a single platform"));
    }
    Ok(ImageSpec {
        media_types: image.optional("media-types", media_types)?.unwrap_or(Family::Oci),
        name: image.optional("name", repository)?,
        tags: match image.get("tags") {
            Some(input) => tags(input)?,
            None => vec![tag("latest", image)?],
        },
        platforms,
        index,
    })
}

fn media_types(input: Input<'_>) -> Result<Family, Problem> {
    match input.text()? {
        "docker" => Ok(Family::Docker),
        "oci" => Ok(Family::Oci),
        other => {
            let other = escape(other.as_bytes());
            Err(input.problem(format!("unknown variant `{other}`, expected `oci` or `docker`")))
        }
    }
}

fn repository(input: Input<'_>) -> Result<Repository, Problem> {
    let name = input.text()?;
    match name.parse::<Reference>() {
        Ok(Reference {
            repository,
            tag: None,
            digest: None,
        }) => Ok(repository),
        Ok(reference) => input.refuse(
            "`name` must be a repository without tag or digest",
            format!("write name = \"{}\", and the tag in `tags`", reference.repository),
        ),
        Err(error) => {
            let help = matches!(error, ReferenceError::NoRegistry(_)).then(|| name_help(name));
            Err(Problem::of(&input.node.span, &error).help_if(help))
        }
    }
}

fn tag(text: &str, input: Input<'_>) -> Result<Tag, Problem> {
    text.parse().map_err(|error| Problem::of(&input.node.span, &error))
}

/// Reads the tags in order, without duplicates: two variables may have the same value.
fn tags(input: Input<'_>) -> Result<Vec<Tag>, Problem> {
    let mut tags: Vec<Tag> = Vec::new();
    for tag in input.list(|input| tag(input.text()?, input))? {
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tags.is_empty() {
        input.refuse("`tags` must not be empty", "remove the key to use [\"latest\"]")
    } else {
        Ok(tags)
    }
}

fn platforms(input: Input<'_>) -> Result<Vec<Platform>, Problem> {
    let platforms = input.list(platform_name)?;
    for (at, platform) in platforms.iter().enumerate() {
        if let Some(first) = platforms[..at].iter().position(|known| known.is_same_as(platform)) {
            let span = |at: usize| &input.node.items()[at].span;
            let message = format!("{platform} is the same platform as {}", platforms[first]);
            return Err(Problem::new(span(at), message).context(span(first), "the same platform"));
        }
    }
    if platforms.is_empty() {
        input.refuse("`platforms` must not be empty", "such as \"linux/amd64\"")
    } else {
        Ok(platforms)
    }
}

/// Reads the merged document of one platform.
pub(in super::super) fn platform(
    document: Input<'_>,
    image_spec: &ImageSpec,
    platform: &Platform,
) -> Result<PlatformSpec, Problem> {
    let image = document.required("image", Ok)?;
    let compression = compression(image, Compression::Gzip(Compression::GZIP_DEFAULT_LEVEL))?;
    check_family(image_spec.media_types, compression, image)?;
    let around = LayerContext {
        image: image_spec,
        platform,
        ownership: ownership(image)?,
        compression,
    };
    let base_text = image.optional("base", Input::locked_name)?;
    Ok(PlatformSpec {
        platform: platform.clone(),
        base: image.optional("base", base)?.unwrap_or(Base::Scratch),
        base_text: base_text.unwrap_or_else(|| SCRATCH.to_owned()),
        max_size_bytes: image.optional("max-size", size_bytes)?,
        annotations: annotations(image)?,
        compression,
        mtime_s: image.optional("mtime", mtime_s)?.unwrap_or(DEFAULT_MTIME_S),
        ignore_file: ignore_file(image)?,
        users: users(document)?,
        groups: groups(document)?,
        dirs: document.list_of("dirs", dir)?,
        layers: layers(&around, document)?,
        check: document.optional("check", check)?.unwrap_or_default(),
    })
}

fn base(input: Input<'_>) -> Result<Base, Problem> {
    let text = input.text()?;
    if text == SCRATCH {
        return Ok(Base::Scratch);
    }
    if let Some(id) = text.strip_prefix(MEMBER_PREFIX) {
        check_in_workspace(input)?;
        return Ok(Base::Member(id.to_owned()));
    }
    input.image_name(text).map(Base::Image)
}

fn ignore_file(image: Input<'_>) -> Result<IgnoreFile, Problem> {
    let named = image.optional("ignore-file", |input| {
        let name = input.text()?;
        if name.is_empty() || name.contains('\0') {
            return Err(input.problem("not a valid path of an ignore file"));
        }
        Ok(name)
    })?;
    let directory = image.get("ignore-file").map_or(image.context.directory, |input| {
        image.context.directory_at(&input.node.span)
    });
    Ok(IgnoreFile {
        path: directory.join(named.unwrap_or(DEFAULT_IGNORE_FILE)),
        required: named.is_some(),
    })
}

fn users(document: Input<'_>) -> Result<Vec<User>, Problem> {
    let inputs = document.items("users");
    let mut users: Vec<User> = Vec::new();
    for input in &inputs {
        let user = user(*input)?;
        let twice = |key: &str, message: String, other: usize| {
            Problem::new(input.span_of(key), message).context(inputs[other].span_of(key), "first here")
        };
        if let Some(other) = users.iter().position(|other| other.name == user.name) {
            let message = format!("the user \"{}\" is defined twice", escape(user.name.as_bytes()));
            return Err(twice("name", message, other));
        }
        if let Some(other) = users.iter().position(|other| other.uid == user.uid) {
            let message = format!("the uid {} is used by another user", user.uid);
            return Err(twice("uid", message, other));
        }
        users.push(user);
    }
    Ok(users)
}

fn user(input: Input<'_>) -> Result<User, Problem> {
    let name = input.required("name", account_name)?;
    let uid = input.required("uid", id)?;
    let home = input.optional("home", account_path)?;
    let shell = input.optional("shell", account_path)?;
    Ok(User {
        gid: input.optional("gid", id)?.unwrap_or(uid),
        group: input.optional("group", account_name)?.unwrap_or_else(|| name.clone()),
        home: home.unwrap_or_else(|| format!("/home/{name}")),
        shell: shell.unwrap_or_else(|| "/bin/sh".to_owned()),
        place: input.place_of("name"),
        name,
        uid,
    })
}

/// Reads a path that becomes part of a line of passwd.
fn account_path(input: Input<'_>) -> Result<String, Problem> {
    if input
        .text()?
        .contains(|character: char| character == ':' || character.is_control())
    {
        return Err(input.problem("a path in passwd must not contain colons or control characters"));
    }
    image_path(input)
}

fn groups(document: Input<'_>) -> Result<Vec<Group>, Problem> {
    let inputs = document.items("groups");
    let mut groups: Vec<Group> = Vec::new();
    for input in &inputs {
        let group = group(*input)?;
        let same = |other: &Group| other.name == group.name || other.gid == group.gid;
        if let Some(other) = groups.iter().position(same) {
            let key = if groups[other].name == group.name {
                "name"
            } else {
                "gid"
            };
            let message = "the name or the id of this group is used by another group";
            return Err(
                Problem::new(input.span_of(key), message).context(inputs[other].span_of("name"), "the other group")
            );
        }
        groups.push(group);
    }
    Ok(groups)
}

fn group(input: Input<'_>) -> Result<Group, Problem> {
    Ok(Group {
        name: input.required("name", account_name)?,
        gid: input.required("gid", id)?,
        members: input.list_of("members", account_name)?,
        place: input.place_of("name"),
    })
}

fn dir(input: Input<'_>) -> Result<DirSpec, Problem> {
    Ok(DirSpec {
        path: input.required("path", image_path_below_root)?,
        owner: input.optional("owner", owner)?,
        mode: input.optional("mode", mode)?,
        place: input.place_of("path"),
    })
}

fn check(input: Input<'_>) -> Result<CheckSpec, Problem> {
    Ok(CheckSpec {
        allow: input.list_of("allow", allowed)?,
        is_shared_allow: input
            .get("allow")
            .is_some_and(|allow| allow.context.source.root_of(&allow.node.span).is_some()),
        deny: input.list_of("deny", denied)?,
    })
}

fn allowed(input: Input<'_>) -> Result<(String, String), Problem> {
    match input.text()?.split_once(':') {
        Some((code, pattern)) if (code == "*" || is_code(code)) && !pattern.is_empty() => {
            Ok((code.to_owned(), pattern.to_owned()))
        }
        _ => input.refuse(
            "expected code:pattern",
            "such as \"runs-as-root:/**\"; the code may be *",
        ),
    }
}

fn denied(input: Input<'_>) -> Result<String, Problem> {
    let code = input.string()?;
    if is_code(&code) {
        Ok(code)
    } else {
        input.refuse("unknown check code", "use a code such as runs-as-root")
    }
}

fn is_code(code: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !code.is_empty() && code.bytes().all(is_plain)
}
