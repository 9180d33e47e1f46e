//! `ocitect login` and `ocitect logout`.

use super::arguments::{LoginArguments, LogoutArguments, OutputArguments};
use super::choices::Progress;
use super::environment::{self, read_secret};
use super::failure::{Done, Failure};
use super::terminal::Terminal;
use super::{interrupt, progress};
use crate::environment::Environment;
use crate::model::{escape, escape_path};
use crate::registry::{Client, Login, remove_login, store_login};

/// Checks credentials at the registry, and stores them if they are accepted.
pub async fn login(arguments: &LoginArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let registry = registry_name(&arguments.registry)?;
    let authfile = arguments.authfile.as_deref();
    let options = environment.registry_options(&arguments.connection, authfile, Vec::new())?;
    let file = environment.login_file(authfile)?;
    if let Some(text) = environment::insecure_warning(&options) {
        progress::warn(output.progress, &text);
    }
    let login = match &arguments.username {
        Some(user) if arguments.password_stdin => Login {
            registry: registry.clone(),
            user: user.clone(),
            secret: read_secret()?,
        },
        user => asked_login(&registry, user.clone(), output.progress).await?,
    };
    let client = Client::new(options)?;
    let is_checked = client.check_login(&login).await?;
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

/// Help for a question without an answer.
const AGAIN: &str = "run the command again";

/// Asks on the terminal for the password, and for the user if none was given.
async fn asked_login(registry: &str, user: Option<String>, progress: Progress) -> Result<Login, Failure> {
    let shown_user = user.as_deref().map_or("USER".into(), |user| escape(user.as_bytes()));
    let help = format!("echo \"$TOKEN\" | ocitect login -u {shown_user} --password-stdin {registry}");
    let failed = |what: &str, reason: &str| Failure::usage(&format!("cannot ask for the {what}: {reason}"), &help);
    let Some(terminal) = Terminal::open() else {
        let what = if user.is_some() {
            "password"
        } else {
            "user name and password"
        };
        return Err(failed(
            what,
            "standard input is not a terminal, and --password-stdin was not given",
        ));
    };
    interrupt::watch_quit(progress, progress::clear_bars);
    let user = match user {
        Some(user) => user,
        None => {
            let typed = terminal.ask("Username: ").await;
            let typed = typed.map_err(|error| failed("user name", &error.to_string()))?;
            typed.trim().to_owned()
        }
    };
    if user.is_empty() {
        return Err(Failure::usage("no user name was entered", AGAIN));
    }
    let secret = terminal.ask_hidden("Password: ").await;
    let secret = secret.map_err(|error| failed("password", &error.to_string()))?;
    if secret.is_empty() {
        return Err(Failure::usage("no password was entered", AGAIN));
    }
    Ok(Login {
        registry: registry.to_owned(),
        user,
        secret: secret.into(),
    })
}

/// Removes the credentials of a registry.
pub async fn logout(arguments: &LogoutArguments, output: &OutputArguments, environment: &Environment) -> Done {
    let registry = registry_name(&arguments.registry)?;
    let file = environment.login_file(arguments.authfile.as_deref())?;
    if remove_login(&file, environment.helper_path().as_deref(), &registry).await? {
        progress::note(output.progress, &format!("logged out of {registry}"));
        return Ok(());
    }
    let file = escape_path(&file);
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
