//! Changes to the config of an image (image-spec, config.md).

use crate::spec::{Command, ConfigSpec};

/// Changes to the config of an image. What is not set stays as the base image has it.
///
/// ```
/// use ocitect::Config;
///
/// let config = Config::new()
///     .entrypoint(["/app/server"])
///     .cmd(["--port", "8080"])
///     .env("LOG_LEVEL", "info")
///     .user("10001:10001");
/// # let _ = config;
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Config(ConfigSpec);

impl Config {
    /// Returns a value that changes nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the program and its first arguments, in exec form. The base image's `cmd` is removed, since it was meant
    /// for another program: set `cmd` too if the image needs one.
    pub fn entrypoint<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.0.entrypoint = Some(exec(words));
        self
    }

    /// Sets the arguments that a user of the image may replace, in exec form.
    pub fn cmd<W: Into<String>>(mut self, words: impl IntoIterator<Item = W>) -> Self {
        self.0.cmd = Some(exec(words));
        self
    }

    /// Sets an environment variable.
    pub fn env(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.env.insert(name.into(), Some(value.into()));
        self
    }

    /// Removes an environment variable of the base image.
    pub fn without_env(mut self, name: impl Into<String>) -> Self {
        self.0.env.insert(name.into(), None);
        self
    }

    /// Sets a label.
    pub fn label(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.0.labels.insert(name.into(), Some(value.into()));
        self
    }

    /// Removes a label of the base image.
    pub fn without_label(mut self, name: impl Into<String>) -> Self {
        self.0.labels.insert(name.into(), None);
        self
    }

    /// Sets the user: `USER[:GROUP]`, names or numbers.
    pub fn user(mut self, user: impl Into<String>) -> Self {
        self.0.user = Some(user.into());
        self
    }

    /// Sets the working directory, an absolute path. It is created if the image does not contain it.
    pub fn workdir(mut self, path: impl Into<String>) -> Self {
        self.0.workdir = Some(path.into());
        self
    }

    /// Declares a port: `8080/tcp`.
    pub fn port(mut self, port: impl Into<String>) -> Self {
        self.0.ports.push(port.into());
        self
    }

    /// Declares a volume, an absolute path.
    pub fn volume(mut self, path: impl Into<String>) -> Self {
        self.0.volumes.push(path.into());
        self
    }

    /// Sets the signal that stops a container: `SIGTERM`.
    pub fn stop_signal(mut self, signal: impl Into<String>) -> Self {
        self.0.stop_signal = Some(signal.into());
        self
    }

    /// Applies `later` on top of these changes.
    pub(super) fn then(self, later: Self) -> Self {
        let Self(earlier) = self;
        let Self(later) = later;
        let cmd = if later.entrypoint.is_some() {
            later.cmd
        } else {
            later.cmd.or(earlier.cmd)
        };
        Self(ConfigSpec {
            user: later.user.or(earlier.user),
            workdir: later.workdir.or(earlier.workdir),
            env: earlier.env.into_iter().chain(later.env).collect(),
            labels: earlier.labels.into_iter().chain(later.labels).collect(),
            ports: [earlier.ports, later.ports].concat(),
            volumes: [earlier.volumes, later.volumes].concat(),
            stop_signal: later.stop_signal.or(earlier.stop_signal),
            entrypoint: later.entrypoint.or(earlier.entrypoint),
            cmd,
            ..ConfigSpec::default()
        })
    }

    pub(super) fn spec(&self) -> &ConfigSpec {
        &self.0
    }
}

fn exec<W: Into<String>>(words: impl IntoIterator<Item = W>) -> Command {
    Command::Exec(words.into_iter().map(Into::into).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_changes_win_and_a_new_program_drops_the_arguments_of_the_earlier_one() {
        let earlier = Config::new()
            .entrypoint(["/a"])
            .cmd(["-x"])
            .env("A", "1")
            .env("B", "1")
            .port("1/tcp");
        let later = Config::new().env("B", "2").without_env("C").user("1").port("2/tcp");
        let expected = Config::new()
            .entrypoint(["/a"])
            .cmd(["-x"])
            .env("A", "1")
            .env("B", "2")
            .without_env("C")
            .user("1")
            .port("1/tcp")
            .port("2/tcp");
        assert_eq!(earlier.clone().then(later), expected);
        let replaced = earlier.then(Config::new().entrypoint(["/b"]));
        assert_eq!(replaced.spec().cmd, None);
    }
}
