//! Credential helpers: programs named `docker-credential-NAME` that store secrets (docker-credential-helpers'
//! protocol). A helper that fails is an error and never means "no credentials": a credential found later in the search
//! could go to the wrong place.

use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use super::Secret;
use super::credential::Credential;
use super::redact;
use crate::store::StoreError;

/// Timeout of a helper. The user may have to unlock a key ring.
const TIME_LIMIT: Duration = Duration::from_secs(60);

/// Size limit of a helper's output, in bytes. Tokens have a few KiB.
const MAX_ANSWER_BYTES: u64 = 64 * 1024;

/// Output of a helper, with an exit status other than 0, that has no credentials (docker-credential-helpers,
/// `errCredentialsNotFound`).
const NOTHING_FOUND: &str = "credentials not found in native keychain";

/// User name that marks an identity token.
const TOKEN_USER: &str = "<token>";

/// A helper on this machine.
#[derive(Debug)]
pub(super) struct Helper {
    name: String,
    program: PathBuf,
    time_limit: Duration,
}

impl Helper {
    /// Finds `docker-credential-NAME` in the directories of `path`.
    pub(super) fn find(name: &str, path: Option<&OsStr>) -> Result<Self, StoreError> {
        let is_good = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        if name.is_empty() || !name.bytes().all(is_good) {
            return Err(failed(
                &redact::text(name),
                "its name may contain only letters, digits, ., _ and -",
            ));
        }
        let file_name = format!("docker-credential-{name}");
        let directories = path
            .map(|path| std::env::split_paths(path).collect::<Vec<_>>())
            .unwrap_or_default();
        let programs = directories.into_iter().filter(|directory| directory.is_absolute());
        let program = programs.map(|directory| directory.join(&file_name)).find(|program| {
            program
                .metadata()
                .is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
        });
        let program = program.ok_or_else(|| failed(name, &format!("there is no program {file_name} in PATH")))?;
        Ok(Self {
            name: name.to_owned(),
            program,
            time_limit: TIME_LIMIT,
        })
    }

    /// Replaces the timeout.
    #[cfg(test)]
    pub(super) fn with_time_limit(self, time_limit: Duration) -> Self {
        Self { time_limit, ..self }
    }

    /// Returns the credentials of a server, or `None` if the helper has none.
    pub(super) async fn lookup(&self, server: &str) -> Result<Option<Credential>, StoreError> {
        let answer = self.run("get", server.as_bytes()).await?;
        if !answer.is_success {
            if answer.text.trim() == NOTHING_FOUND {
                return Ok(None);
            }
            return Err(self.refusal(&answer.text));
        }
        let json: Option<Value> = serde_json::from_str(&answer.text).ok();
        let text = |name| json.as_ref()?.get(name)?.as_str().map(ToOwned::to_owned);
        match (text("Username"), text("Secret")) {
            (Some(user), Some(token)) if user == TOKEN_USER => Ok(Some(Credential::Identity {
                user,
                token: token.into(),
            })),
            (Some(user), Some(password)) if !(user.is_empty() && password.is_empty()) => {
                Ok(Some(Credential::Password {
                    user,
                    password: password.into(),
                }))
            }
            (Some(_), Some(_)) => Ok(None),
            _ => Err(failed(
                &self.name,
                "its answer is not a JSON object with Username and Secret",
            )),
        }
    }

    /// Stores credentials in the helper.
    pub(super) async fn store(&self, server: &str, user: &str, secret: &Secret) -> Result<(), StoreError> {
        let entry = serde_json::json!({ "ServerURL": server, "Username": user, "Secret": secret.expose() }).to_string();
        let answer = self.run("store", entry.as_bytes()).await?;
        if answer.is_success {
            Ok(())
        } else {
            Err(self.refusal(&answer.text))
        }
    }

    /// Deletes the credentials of a server from the helper. Returns `false` if it had none.
    pub(super) async fn erase(&self, server: &str) -> Result<bool, StoreError> {
        let answer = self.run("erase", server.as_bytes()).await?;
        if answer.is_success {
            Ok(true)
        } else if answer.text.trim() == NOTHING_FOUND {
            Ok(false)
        } else {
            Err(self.refusal(&answer.text))
        }
    }

    /// Builds the error of a helper. Helpers report errors on standard output; words that look like credentials are
    /// left out.
    fn refusal(&self, text: &str) -> StoreError {
        match text.trim() {
            "" => failed(&self.name, "it failed"),
            text if text.contains(['{', '"']) => failed(&self.name, "it failed"),
            text => failed(&self.name, &format!("it reported: {}", redact::text(text))),
        }
    }

    async fn run(&self, verb: &str, input: &[u8]) -> Result<Answer, StoreError> {
        let broken = |cause| StoreError::io("run", &self.program, cause);
        let mut command = Command::new(&self.program);
        command
            .arg(verb)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut child = command.spawn().map_err(broken)?;
        match timeout(self.time_limit, converse(&mut child, input)).await {
            Ok(Ok(Some(answer))) => Ok(answer),
            Ok(Ok(None)) => {
                child.kill().await.map_err(broken)?;
                Err(failed(
                    &self.name,
                    &format!("its answer has more than {MAX_ANSWER_BYTES} bytes"),
                ))
            }
            Ok(Err(cause)) => Err(broken(cause)),
            Err(_) => {
                child.kill().await.map_err(broken)?;
                Err(failed(
                    &self.name,
                    &format!("it did not answer within {} seconds", self.time_limit.as_secs()),
                ))
            }
        }
    }
}

struct Answer {
    is_success: bool,
    text: String,
}

/// Returns `None` if the output is too long. A helper need not read its input.
async fn converse(child: &mut Child, input: &[u8]) -> io::Result<Option<Answer>> {
    if let Some(mut stdin) = child.stdin.take()
        && let Err(error) = stdin.write_all(input).await
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        return Err(error);
    }
    let mut bytes = Vec::new();
    if let Some(stdout) = child.stdout.take() {
        stdout.take(MAX_ANSWER_BYTES + 1).read_to_end(&mut bytes).await?;
    }
    if bytes.len() as u64 > MAX_ANSWER_BYTES {
        return Ok(None);
    }
    let is_success = child.wait().await?.success();
    Ok(Some(Answer {
        is_success,
        text: String::from_utf8_lossy(&bytes).into_owned(),
    }))
}

fn failed(name: &str, reason: &str) -> StoreError {
    StoreError::malformed(format!("the credential helper \"{name}\""), reason)
        .with_help("fix the helper, or remove it from its configuration file; no credentials were sent")
}
