//! The names of Docker Hub.

/// Docker Hub in references, and the registry of names without one.
pub const DOCKER_HUB: &str = "docker.io";

/// Returns the path of a repository in a registry. On Docker Hub, a name of one part is in `library/`.
pub fn repository_path(registry: &str, name: &str) -> String {
    if registry == DOCKER_HUB && !name.contains('/') {
        format!("library/{name}")
    } else {
        name.to_owned()
    }
}

/// Other names of Docker Hub, which docker and its configuration write.
pub const DOCKER_HUB_ALIASES: [&str; 2] = ["index.docker.io", "registry-1.docker.io"];

/// Returns the name of a registry that stands for all of its names.
pub fn canonical_registry(registry: &str) -> &str {
    if DOCKER_HUB_ALIASES.contains(&registry) {
        DOCKER_HUB
    } else {
        registry
    }
}
