//! `ocitect login` and `ocitect logout`.

use super::arguments::{LoginArguments, LogoutArguments, OutputArguments};
use super::environment::{self, read_secret};
use super::failure::Failure;
use super::{Done, progress};
use crate::environment::Environment;
use crate::model::escape;
use crate::registry::{Client, Login, remove_login, store_login};

/// Checks credentials at the registry, and stores them if they are accepted.
pub async fn login(arguments: &LoginArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let registry = registry_name(&arguments.registry)?;
    let Some(user) = arguments.options.username.clone() else {
        return Err(Failure::usage(
            "no user name was given",
            &format!("echo \"$TOKEN\" | ocitect login {registry} --username USER --password-stdin"),
        ));
    };
    let login = Login {
        registry: registry.clone(),
        user,
        secret: read_secret()?,
    };
    let client = Client::new(environment.registry_options(&arguments.options, Vec::new())?)?;
    let is_checked = client.check_login(&login).await?;
    let file = environment.login_file(arguments.options.authfile.as_deref())?;
    let kept = store_login(&file, environment.helper_path().as_deref(), &login).await?;
    let user = escape(login.user.as_bytes());
    progress::note(
        output.progress,
        &format!("logged in to {registry} as {user}, credentials stored in {kept}"),
    );
    if !is_checked {
        let text = format!("{registry} did not ask for credentials, so they could not be verified");
        progress::warn(output.progress, &text);
    }
    Ok(())
}

/// Removes the credentials of a registry.
pub async fn logout(arguments: &LogoutArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let registry = registry_name(&arguments.registry)?;
    let file = environment.login_file(arguments.authfile.as_deref())?;
    if remove_login(&file, environment.helper_path().as_deref(), &registry).await? {
        progress::note(output.progress, &format!("logged out of {registry}"));
        return Ok(());
    }
    let file = escape(file.as_os_str().as_encoded_bytes());
    Err(Failure::not_found(
        &format!("{file} contains no credentials for {registry}"),
        "use `--authfile` to name another file",
    ))
}

/// Docker Hub's web sites. Its registry has another name.
const HUB_SITES: [&str; 2] = ["hub.docker.com", "www.docker.com"];

/// Parses the name of a registry, `HOST[:PORT]`.
fn registry_name(text: &str) -> Result<String, Failure> {
    let refused = |name: &str| {
        let message = format!("{} is not a registry", escape(text.as_bytes()));
        Failure::usage(&message, &format!("give only the registry, such as {name}"))
    };
    let is_site = |host: &str| HUB_SITES.contains(&host);
    match environment::registry_name(text) {
        Ok(host) if is_site(&host) => Err(refused("docker.io")),
        Ok(host) => Ok(host),
        Err(Some(host)) if is_site(&host) => Err(refused("docker.io")),
        Err(Some(host)) => Err(refused(&host)),
        Err(None) => Err(refused("ghcr.io or localhost:5000")),
    }
}
