//! Converts `[image]`, `[[users]]`, `[[groups]]`, `[[dirs]]` and `[check]`.

use super::super::at::{At, Text};
use super::super::error::Problem;
use super::super::raw::{self, Document, MediaTypes};
use super::super::{Base, CheckSpec, DEFAULT_MTIME_S, DirSpec, Group, IgnoreFile, ImageSpec, PlatformSpec, User};
use super::context::Context;
use super::inherited::{check_family, compression, ownership};
use super::layers;
use super::values::{
    account_name, annotations, id, image_path, image_path_below_root, mode, mtime_s, owner, parse_platform, size_bytes,
};
use crate::model::{Family, Platform, Reference, ReferenceError, Repository, Tag, escape, name_help};

/// The default ignore file.
pub(in super::super) const DEFAULT_IGNORE_FILE: &str = ".ocitectignore";

/// The name for an image without a base, which is the default.
const SCRATCH: &str = "scratch";

/// Converts the settings that are the same for all platforms.
pub(in super::super) fn identity(image: &raw::Image) -> Result<ImageSpec, Problem> {
    let platforms = platforms(&image.platforms)?;
    let index = image.index.as_ref().is_none_or(|index| index.value);
    if let Some(said) = image.index.as_ref().filter(|_| !index && platforms.len() > 1) {
        return Err(Problem::new(&said.span, "several platforms need an index")
            .help("remove index = false, or build a single platform"));
    }
    let media_types = match image.media_types {
        Some(MediaTypes::Docker) => Family::Docker,
        Some(MediaTypes::Oci) | None => Family::Oci,
    };
    let name = image.name.as_ref().map(repository).transpose()?;
    Ok(ImageSpec {
        name,
        tags: tags(image.tags.as_ref())?,
        platforms,
        index,
        media_types,
    })
}

fn repository(name: &Text) -> Result<Repository, Problem> {
    match name.value.parse::<Reference>() {
        Ok(Reference {
            repository,
            tag: None,
            digest: None,
        }) => Ok(repository),
        Ok(reference) => Err(
            Problem::new(&name.span, "`name` must be a repository without tag or digest").help(format!(
                "write name = \"{}\", and the tag in `tags`",
                reference.repository
            )),
        ),
        Err(error @ ReferenceError::NoRegistry(_)) => Err(Problem::of(&name.span, &error).help(name_help(&name.value))),
        Err(error) => Err(Problem::of(&name.span, &error)),
    }
}

/// Returns the tags in order, without duplicates: two variables may have the same value.
fn tags(tags: Option<&At<Vec<Text>>>) -> Result<Vec<Tag>, Problem> {
    let parse = |text: &Text| {
        text.value
            .parse::<Tag>()
            .map_err(|error| Problem::of(&text.span, &error))
    };
    let Some(tags) = tags else {
        return Ok(vec![parse(&At {
            value: "latest".to_owned(),
            span: 0..0,
        })?]);
    };
    let mut parsed: Vec<Tag> = Vec::new();
    for text in &tags.value {
        let tag = parse(text)?;
        if !parsed.contains(&tag) {
            parsed.push(tag);
        }
    }
    if parsed.is_empty() {
        Err(Problem::new(&tags.span, "`tags` must not be empty").help("remove the key to use [\"latest\"]"))
    } else {
        Ok(parsed)
    }
}

fn platforms(platforms: &At<Vec<Text>>) -> Result<Vec<Platform>, Problem> {
    let mut parsed: Vec<Platform> = Vec::new();
    for text in &platforms.value {
        let platform = parse_platform(text)?;
        if let Some(at) = parsed.iter().position(|known| known.is_same_as(&platform)) {
            return Err(
                Problem::new(&text.span, format!("{platform} is the same platform as {}", parsed[at]))
                    .context(&platforms.value[at].span, "the same platform"),
            );
        }
        parsed.push(platform);
    }
    if parsed.is_empty() {
        Err(Problem::new(&platforms.span, "`platforms` must not be empty").help("such as \"linux/amd64\""))
    } else {
        Ok(parsed)
    }
}

/// Converts the merged document of one platform.
pub(in super::super) fn platform(
    context: Context<'_>,
    document: &Document,
    image_spec: &ImageSpec,
    platform: &Platform,
) -> Result<PlatformSpec, Problem> {
    let image = &document.image.value;
    let compression = compression(image.compression.as_ref(), image.level.as_ref(), None)?;
    check_family(
        image_spec.media_types,
        compression,
        image.compression.as_ref(),
        &image.annotations,
    )?;
    let ownership = ownership(image.owner.as_ref(), image.mode.as_ref(), image.dir_mode.as_ref())?;
    let around = layers::LayerContext {
        context,
        image: image_spec,
        platform,
        ownership,
        compression: image,
    };
    Ok(PlatformSpec {
        platform: platform.clone(),
        base: image
            .base
            .as_ref()
            .map_or(Ok(Base::Scratch), |text| base(context, text))?,
        base_text: image
            .base
            .as_ref()
            .map_or_else(|| SCRATCH.to_owned(), |text| text.value.clone()),
        max_size_bytes: image.max_size.as_ref().map(size_bytes).transpose()?,
        annotations: annotations(&image.annotations)?,
        compression,
        mtime_s: image.mtime.as_ref().map_or(Ok(DEFAULT_MTIME_S), mtime_s)?,
        ignore_file: ignore_file(context, image.ignore_file.as_ref())?,
        users: users(context, &document.users)?,
        groups: groups(context, &document.groups)?,
        dirs: document
            .dirs
            .iter()
            .map(|dir| dir_spec(context, dir))
            .collect::<Result<_, _>>()?,
        layers: layers::layers(&around, &document.layers)?,
        check: check(&document.check)?,
    })
}

fn base(context: Context<'_>, text: &Text) -> Result<Base, Problem> {
    if text.value == SCRATCH {
        return Ok(Base::Scratch);
    }
    if text.value.starts_with("workspace:") {
        return Err(Problem::new(&text.span, "`workspace:` as a base is not supported yet")
            .help("build the other image first, and use its layout: oci:DIR[:TAG]"));
    }
    context.image_name(&text.value, &text.span).map(Base::Image)
}

fn ignore_file(context: Context<'_>, named: Option<&Text>) -> Result<IgnoreFile, Problem> {
    let name = named.map_or(DEFAULT_IGNORE_FILE, |text| text.value.as_str());
    match named {
        Some(text) if name.is_empty() || name.contains('\0') => {
            Err(Problem::new(&text.span, "not a valid path of an ignore file"))
        }
        _ => Ok(IgnoreFile {
            path: context.directory.join(name),
            required: named.is_some(),
        }),
    }
}

fn users(context: Context<'_>, users: &[At<raw::User>]) -> Result<Vec<User>, Problem> {
    let mut made: Vec<User> = Vec::new();
    for (at, user) in users.iter().enumerate() {
        let user = &user.value;
        let name = account_name(&user.name)?;
        let uid = id(&user.uid)?;
        if let Some(other) = made.iter().position(|other| other.name == name) {
            return Err(Problem::new(
                &user.name.span,
                format!("the user \"{}\" is defined twice", escape(name.as_bytes())),
            )
            .context(&users[other].value.name.span, "first here"));
        }
        if let Some(other) = made.iter().position(|other| other.uid == uid) {
            return Err(Problem::new(
                &users[at].value.uid.span,
                format!("the uid {uid} is used by another user"),
            )
            .context(&users[other].value.uid.span, "first here"));
        }
        let home = user.home.as_ref().map(account_path).transpose()?;
        let shell = user.shell.as_ref().map(account_path).transpose()?;
        made.push(User {
            gid: user.gid.as_ref().map_or(Ok(uid), id)?,
            group: user.group.as_ref().map_or_else(|| Ok(name.clone()), account_name)?,
            home: home.unwrap_or_else(|| format!("/home/{name}")),
            shell: shell.unwrap_or_else(|| "/bin/sh".to_owned()),
            place: context.place(&user.name.span),
            name,
            uid,
        });
    }
    Ok(made)
}

/// Converts a path that becomes part of a line of passwd.
fn account_path(text: &Text) -> Result<String, Problem> {
    if text
        .value
        .contains(|character: char| character == ':' || character.is_control())
    {
        return Err(Problem::new(
            &text.span,
            "a path in passwd must not contain colons or control characters",
        ));
    }
    image_path(text)
}

fn groups(context: Context<'_>, groups: &[At<raw::Group>]) -> Result<Vec<Group>, Problem> {
    let mut made: Vec<Group> = Vec::new();
    for group in groups.iter().map(|group| &group.value) {
        let name = account_name(&group.name)?;
        let gid = id(&group.gid)?;
        if let Some(other) = made.iter().position(|other| other.name == name || other.gid == gid) {
            let span = if made[other].name == name {
                &group.name.span
            } else {
                &group.gid.span
            };
            return Err(
                Problem::new(span, "the name or the id of this group is used by another group")
                    .context(&groups[other].value.name.span, "the other group"),
            );
        }
        let members = group.members.iter().map(account_name).collect::<Result<_, _>>()?;
        made.push(Group {
            name,
            gid,
            members,
            place: context.place(&group.name.span),
        });
    }
    Ok(made)
}

fn dir_spec(context: Context<'_>, dir: &At<raw::Dir>) -> Result<DirSpec, Problem> {
    let dir = &dir.value;
    Ok(DirSpec {
        path: image_path_below_root(&dir.path)?,
        owner: dir.owner.as_ref().map(owner).transpose()?,
        mode: dir.mode.as_ref().map(mode).transpose()?,
        place: context.place(&dir.path.span),
    })
}

fn check(check: &raw::Check) -> Result<CheckSpec, Problem> {
    let code = |code: &str| {
        !code.is_empty()
            && code
                .bytes()
                .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    };
    let allow =
        check.allow.iter().map(|text| match text.value.split_once(':') {
            Some((name, pattern)) if (name == "*" || code(name)) && !pattern.is_empty() => {
                Ok((name.to_owned(), pattern.to_owned()))
            }
            _ => Err(Problem::new(&text.span, "expected code:pattern")
                .help("such as \"runs-as-root:/**\"; the code may be *")),
        });
    let deny = check.deny.iter().map(|text| {
        if code(&text.value) {
            Ok(text.value.clone())
        } else {
            Err(Problem::new(&text.span, "unknown check code").help("use a code such as runs-as-root"))
        }
    });
    Ok(CheckSpec {
        allow: allow.collect::<Result<_, _>>()?,
        deny: deny.collect::<Result<_, _>>()?,
    })
}
