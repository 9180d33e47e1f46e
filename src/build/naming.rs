//! Decides the names and the targets of a build.

use std::path::{Path, PathBuf};

use crate::build::BuildError;
use crate::build::target::{Target, TargetPlace};
use crate::model::{
    Diagnostic as _, ImageName, Platform, Reference, ReferenceError, Repository, Selector, Tag, escape, name_help,
};
use crate::spec::ImageSpec;

/// The outputs that the command line or a caller requests.
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct OutputRequest {
    /// `-o`, in order.
    pub outputs: Vec<ImageName>,
    /// `--push`.
    pub push: bool,
    /// `-t`, in order: a tag, or a full reference. If there are any, the spec's tags and name are ignored.
    pub tags: Vec<String>,
    /// `--platform`, in order; empty for all platforms of the spec.
    pub platforms: Vec<Platform>,
    /// Files that are written beside the image, such as `--metadata`; they are never packed into it.
    pub also_written: Vec<PathBuf>,
}

/// Names, platforms and targets of a build, decided before any work is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outputs {
    /// The image's name, if it has one.
    pub name: Option<Repository>,
    /// All its tags.
    pub tags: Vec<Tag>,
    /// The platforms that are built, in the spec's order.
    pub platforms: Vec<Platform>,
    /// Local targets first, then registries.
    pub targets: Vec<Target>,
    /// Files that are written beside the image.
    pub also_written: Vec<PathBuf>,
    /// Full names that a push of all platforms would move and that this push leaves unchanged.
    pub unmoved: Vec<String>,
}

/// The layout that is written if no output is given.
pub const DEFAULT_LAYOUT: &str = "build/oci";

impl Outputs {
    /// Decides the names and targets. Returns an error if the request contradicts itself or the spec.
    pub fn decide(image: &ImageSpec, request: &OutputRequest) -> Result<Self, BuildError> {
        let platforms = choose_platforms(image, &request.platforms)?;
        let names = Names::choose(image, &request.tags)?;
        let mut targets = local_targets(request, &names, &platforms)?;
        let partial = platforms.len() < image.platforms.len() && request.tags.is_empty();
        if request.push {
            targets.extend(names.registry_targets(partial)?);
        }
        let unmoved = if request.push && partial {
            names.full_names()
        } else {
            Vec::new()
        };
        let also_written = request.also_written.clone();
        Ok(Self {
            name: names.name(),
            tags: names.tags(),
            platforms,
            targets,
            also_written,
            unmoved,
        })
    }
}

impl Outputs {
    /// Returns the files, layouts and archives that are written, as the user named them.
    pub fn local_paths(&self) -> impl Iterator<Item = &Path> {
        let images = self.targets.iter().filter_map(|target| match &target.place {
            TargetPlace::Local(name) => path_of(name),
            TargetPlace::Registry(_) => None,
        });
        images.chain(self.also_written.iter().map(PathBuf::as_path))
    }

    /// Returns the registries that are pushed to.
    pub fn registries(&self) -> impl Iterator<Item = &str> {
        self.targets.iter().filter_map(|target| match &target.place {
            TargetPlace::Registry(repository) => Some(repository.registry()),
            TargetPlace::Local(_) => None,
        })
    }
}

/// Returns the error for an argument that is not a name. A text with a slash and without a registry may be a branch
/// name or a repository; `NAME:TAG` names a tag, which the image's own name may have.
fn not_a_name(argument: &str, error: ReferenceError, name: Option<&Repository>) -> BuildError {
    let ReferenceError::NoRegistry(_) = &error else {
        return error.into();
    };
    let full = name_help(argument);
    let written_tag = argument.rsplit_once(':').and_then(|(_, tag)| tag.parse::<Tag>().ok());
    let help = match (written_tag, name) {
        (Some(tag), Some(name)) => format!("write -t {tag} or -t {name}:{tag}"),
        (Some(tag), None) => format!("{full} (for only a tag, write -t {tag})"),
        (None, _) => {
            let tag = argument.parse::<Tag>().err().and_then(|error| error.help());
            format!("{full} (for only a tag, {})", tag.unwrap_or_default())
        }
    };
    BuildError::Usage {
        reason: format!("-t {}: {error}", escape(argument.as_bytes())),
        help,
    }
}

fn choose_platforms(image: &ImageSpec, wanted: &[Platform]) -> Result<Vec<Platform>, BuildError> {
    for platform in wanted {
        if !image.platforms.iter().any(|known| known.is_same_as(platform)) {
            return Err(BuildError::UnknownPlatform {
                wanted: platform.clone(),
                known: image.platforms.clone(),
            });
        }
    }
    let chosen = |platform: &&Platform| wanted.is_empty() || wanted.iter().any(|wanted| wanted.is_same_as(platform));
    Ok(image.platforms.iter().filter(chosen).cloned().collect())
}

/// Tags by repository, in order of first mention. Tags without a repository, in a spec without a name, are under
/// `None`.
struct Names(Vec<(Option<Repository>, Vec<Tag>)>);

impl Names {
    fn choose(image: &ImageSpec, arguments: &[String]) -> Result<Self, BuildError> {
        if arguments.is_empty() {
            return Ok(Self(vec![(image.name.clone(), image.tags.clone())]));
        }
        let mut names = Self(Vec::new());
        for argument in arguments {
            if !argument.contains(['/', '@', ':']) {
                names.add(image.name.clone(), argument.parse()?);
                continue;
            }
            let reference: Reference = argument
                .parse()
                .map_err(|error| not_a_name(argument, error, image.name.as_ref()))?;
            if reference.digest.is_some() {
                return Err(BuildError::Usage {
                    reason: format!("-t {reference} has a digest"),
                    help: "use a tag: the digest is known only after the build".to_owned(),
                });
            }
            let tag = reference.tag.map_or_else(|| "latest".parse(), Ok)?;
            names.add(Some(reference.repository), tag);
        }
        Ok(names)
    }

    fn add(&mut self, repository: Option<Repository>, tag: Tag) {
        match self.0.iter_mut().find(|(known, _)| *known == repository) {
            Some((_, tags)) if tags.contains(&tag) => {}
            Some((_, tags)) => tags.push(tag),
            None => self.0.push((repository, vec![tag])),
        }
    }

    /// Returns the image's name: the first repository.
    fn name(&self) -> Option<Repository> {
        self.0.iter().find_map(|(repository, _)| repository.clone())
    }

    /// Returns all tags, without duplicates.
    fn tags(&self) -> Vec<Tag> {
        let mut tags: Vec<Tag> = Vec::new();
        for tag in self.0.iter().flat_map(|(_, tags)| tags) {
            if !tags.contains(tag) {
                tags.push(tag.clone());
            }
        }
        tags
    }

    /// Returns every `REPOSITORY:TAG`.
    fn full_names(&self) -> Vec<String> {
        let full = |repository: &Repository, tags: &[Tag]| -> Vec<String> {
            tags.iter().map(|tag| format!("{repository}:{tag}")).collect()
        };
        self.0
            .iter()
            .filter_map(|(repository, tags)| Some(full(repository.as_ref()?, tags)))
            .flatten()
            .collect()
    }

    fn registry_targets(&self, partial: bool) -> Result<Vec<Target>, BuildError> {
        let mut targets = Vec::new();
        for (repository, tags) in &self.0 {
            let Some(repository) = repository else {
                return Err(BuildError::Usage {
                    reason: "--push needs a name, but the spec has none".to_owned(),
                    help: "set `name` in [image], or give a full reference with -t REGISTRY/REPOSITORY:TAG".to_owned(),
                });
            };
            if repository.is_local() {
                return Err(BuildError::Usage {
                    reason: format!(
                        "cannot push {repository}: localhost/… is reserved for names that are never pushed"
                    ),
                    help: "name a registry, such as ghcr.io/me/app, or localhost:PORT/… for one on this machine"
                        .to_owned(),
                });
            }
            let tags = if partial { Vec::new() } else { tags.clone() };
            targets.push(Target::registry(repository.clone(), tags));
        }
        Ok(targets)
    }
}

fn local_targets(request: &OutputRequest, names: &Names, platforms: &[Platform]) -> Result<Vec<Target>, BuildError> {
    let mut outputs = request.outputs.clone();
    if outputs.is_empty() && !request.push {
        outputs.push(ImageName::Layout {
            path: DEFAULT_LAYOUT.into(),
            selector: Selector::Only,
        });
    }
    let mut targets: Vec<Target> = Vec::new();
    for output in outputs {
        if matches!(output, ImageName::DockerArchive { .. }) {
            only_one_platform(&output, platforms)?;
        }
        let same_path =
            |other: &Target| matches!(&other.place, TargetPlace::Local(name) if path_of(name) == path_of(&output));
        if !matches!(output, ImageName::Layout { .. }) && targets.iter().any(same_path) {
            return Err(BuildError::Usage {
                reason: format!("two outputs write to the file of {output}"),
                help: "use a separate file for each archive".to_owned(),
            });
        }
        targets.push(Target::local(output, names.tags(), names.full_names())?);
    }
    Ok(targets)
}

fn path_of(name: &ImageName) -> Option<&Path> {
    match name {
        ImageName::Layout { path, .. } | ImageName::OciArchive { path, .. } | ImageName::DockerArchive { path, .. } => {
            Some(path)
        }
        ImageName::Registry(_) => None,
    }
}

fn only_one_platform(output: &ImageName, platforms: &[Platform]) -> Result<(), BuildError> {
    if platforms.len() == 1 {
        return Ok(());
    }
    let listed: Vec<String> = platforms.iter().map(ToString::to_string).collect();
    Err(BuildError::Usage {
        reason: format!(
            "{output} can hold one platform, but this build has {}",
            listed.join(", ")
        ),
        help: format!(
            "choose one with --platform {}",
            listed.first().map_or("", String::as_str)
        ),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{ErrorKind, Family};

    fn image(name: Option<&str>) -> ImageSpec {
        ImageSpec {
            name: name.map(|name| name.parse().unwrap()),
            tags: vec!["1".parse().unwrap(), "latest".parse().unwrap()],
            platforms: vec![Platform::new("linux", "amd64"), Platform::new("linux", "arm64")],
            index: true,
            media_types: Family::Oci,
        }
    }

    fn request(outputs: &[&str], push: bool, tags: &[&str], platforms: &[&str]) -> OutputRequest {
        OutputRequest {
            outputs: outputs.iter().map(|text| text.parse().unwrap()).collect(),
            push,
            tags: tags.iter().map(|text| (*text).to_owned()).collect(),
            platforms: platforms.iter().map(|text| text.parse().unwrap()).collect(),
            also_written: Vec::new(),
        }
    }

    /// Returns each target as `PLACE TAG TAG`.
    fn targets(image: &ImageSpec, request: &OutputRequest) -> Vec<String> {
        let naming = Outputs::decide(image, request).unwrap();
        let line = |target: &Target| {
            let place = match &target.place {
                TargetPlace::Local(name) => name.to_string(),
                TargetPlace::Registry(repository) => repository.to_string(),
            };
            [vec![place], target.tags.iter().map(ToString::to_string).collect()]
                .concat()
                .join(" ")
        };
        naming.targets.iter().map(line).collect()
    }

    #[test]
    fn without_outputs_a_layout_is_written() {
        assert_eq!(
            targets(&image(None), &request(&[], false, &[], &[])),
            ["oci:build/oci 1 latest"]
        );
    }

    #[test]
    fn pushes_and_outputs_get_the_tags_that_they_should() {
        let image = image(Some("ghcr.io/a/b"));
        let all = request(&["oci:d", "oci-archive:f:x"], true, &[], &[]);
        assert_eq!(
            targets(&image, &all),
            ["oci:d 1 latest", "oci-archive:f:x x", "ghcr.io/a/b 1 latest"]
        );
        let other = request(&[], true, &["2", "quay.io/c/d:3"], &[]);
        assert_eq!(targets(&image, &other), ["ghcr.io/a/b 2", "quay.io/c/d 3"]);
        let only_elsewhere = request(&[], true, &["quay.io/c/d"], &[]);
        assert_eq!(targets(&image, &only_elsewhere), ["quay.io/c/d latest"]);
        let naming = Outputs::decide(&image, &only_elsewhere).unwrap();
        assert_eq!(naming.name.unwrap().to_string(), "quay.io/c/d");
        let archive = request(&["docker-archive:f"], false, &["quay.io/c/d:3", "x"], &["linux/amd64"]);
        let naming = Outputs::decide(&image, &archive).unwrap();
        assert_eq!(naming.targets[0].full_names, ["quay.io/c/d:3", "ghcr.io/a/b:x"]);
    }

    #[test]
    fn a_part_is_pushed_by_digest_unless_it_is_tagged() {
        let image = image(Some("ghcr.io/a/b"));
        let part = request(&[], true, &[], &["linux/arm64"]);
        assert_eq!(targets(&image, &part), ["ghcr.io/a/b"]);
        assert_eq!(
            Outputs::decide(&image, &part).unwrap().unmoved,
            ["ghcr.io/a/b:1", "ghcr.io/a/b:latest"]
        );
        for whole in [
            request(&[], true, &["x"], &["linux/arm64"]),
            request(&[], true, &[], &[]),
            request(&["oci:d"], false, &[], &["linux/arm64"]),
        ] {
            assert!(Outputs::decide(&image, &whole).unwrap().unmoved.is_empty());
        }
        assert_eq!(
            targets(&image, &request(&[], true, &["x"], &["linux/arm64"])),
            ["ghcr.io/a/b x"]
        );
    }

    #[test]
    fn contradictions_are_bad_usage() {
        for (name, request) in [
            (None, request(&[], true, &[], &[])),
            (Some("localhost/x"), request(&[], true, &[], &[])),
            (None, request(&["docker-archive:f"], false, &[], &[])),
            (None, request(&["ghcr.io/a/b"], false, &[], &[])),
            (None, request(&[], false, &[], &["linux/s390x"])),
            (None, request(&["oci-archive:f", "oci-archive:f:2"], false, &[], &[])),
        ] {
            let error = Outputs::decide(&image(name), &request).unwrap_err();
            assert_eq!(error.error_kind(), ErrorKind::Input, "{error}");
            assert!(error.help().is_some());
        }
    }
}
