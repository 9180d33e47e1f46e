//! An upstream with a mirror, and the configuration files that name it.

mod files;
mod turns;

use tokio::io::AsyncReadExt as _;

use super::*;
use crate::model::{Descriptor, Digest, MediaType, Selector};
use crate::registry::ConfigFiles;
use crate::store::{StoreError, open};

const INDEX: &str = r#"{"schemaVersion":2,"manifests":[]}"#;
const CONTENT: &[u8] = b"content";

fn blob() -> Descriptor {
    Descriptor::of(MediaType::OciLayer, CONTENT)
}

fn latest() -> Selector {
    Selector::Tag("latest".to_owned())
}

fn by_digest() -> Selector {
    Selector::Digest(Digest::of(INDEX.as_bytes()))
}

/// A registry with one index and one blob, without authentication.
fn whole(request: &ReceivedRequest) -> Answer {
    if request.path.contains("/blobs/") {
        return status(200).body(CONTENT);
    }
    status(200)
        .with("Content-Type", "application/vnd.oci.image.index.v1+json")
        .body(INDEX)
}

async fn read(repository: &RoutedRepository) -> Result<Vec<u8>, StoreError> {
    let mut bytes = Vec::new();
    let read = open(repository, &blob()).await?.read_to_end(&mut bytes).await;
    read.map_err(|cause| StoreError::from_reader(cause).unwrap())?;
    Ok(bytes)
}

/// An upstream with one mirror, and the configuration files.
struct Scene {
    directory: tempfile::TempDir,
    upstream: Server,
    mirror: Server,
    notices: Notes,
}

impl Scene {
    async fn new(
        mirror: impl Fn(&ReceivedRequest) -> Answer + Send + Sync + 'static,
        upstream: impl Fn(&ReceivedRequest) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let mirror = Server::start(mirror).await;
        let upstream = Server::start(upstream).await;
        let scene = Self {
            directory: tempfile::tempdir().unwrap(),
            upstream,
            mirror,
            notices: Notes::default(),
        };
        scene.conf("");
        scene
    }

    /// Writes `registries.conf`, with more lines for the mirror.
    fn conf(&self, more: &str) {
        let upstream = &self.upstream.host;
        let mirror = &self.mirror.host;
        self.write(
            "registries.conf",
            &format!("[[registry]]\nlocation = \"{upstream}\"\n[[registry.mirror]]\nlocation = \"{mirror}\"\n{more}\n"),
        );
    }

    /// Configures another mirror.
    fn replace_mirror(&self, host: &str) {
        let text = std::fs::read_to_string(self.directory.path().join("registries.conf")).unwrap();
        self.write("registries.conf", &text.replace(&self.mirror.host, host));
    }

    /// Writes a `hosts.toml` for the upstream, and removes the mirror from `registries.conf`.
    fn hosts(&self, text: &str) {
        self.write("registries.conf", "");
        self.write(&format!("certs.d/{}/hosts.toml", self.upstream.host), text);
    }

    fn write(&self, relative: &str, text: &str) {
        let path = self.directory.path().join(relative);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    fn options(&self) -> RegistryOptions {
        RegistryOptions {
            config: ConfigFiles {
                registries_conf: Some(self.directory.path().join("registries.conf")),
                hosts_directories: vec![self.directory.path().join("certs.d")],
                ..ConfigFiles::default()
            },
            observer: Arc::new(self.notices.clone()),
            ..self.upstream.options()
        }
    }

    fn repository(&self) -> RoutedRepository {
        repository(&self.upstream, self.options())
    }

    fn notices(&self) -> Vec<String> {
        self.notices.lines()
    }
}
