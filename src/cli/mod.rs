//! The command line: arguments, commands, rendering, exit statuses.
//!
//! The only module that accesses stdout, stderr, the environment, the clock and the home directory. The library
//! receives them as values.

mod arguments;
mod build;
mod cache;
mod check;
mod choices;
mod copy;
mod destination;
mod environment;
mod failure;
mod findings;
mod habits;
mod init;
mod inspect;
mod interrupt;
mod local_names;
mod lock;
mod lock_text;
mod login;
mod ls;
mod man;
mod progress;
mod render;
mod runtime;
mod sizes;
mod stderr;
mod terminal;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use clap::{CommandFactory as _, Parser as _};

use arguments::{Arguments, Command, OutputArguments};
use choices::Progress;
use failure::Failure;

use crate::environment::Environment;
use crate::events::{Item, Observer, Task, Work};
use crate::model::{Diagnostic, ImageName, Platform, Reference, ReferenceError, Root, Selector, target_help};
use crate::store::{SkippedEntry, Source, StoreError};

/// The result of a command.
type Done = Result<(), Failure>;

/// Parses the arguments, runs the command, reports its failure, and returns the exit status.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => Arguments {
            output: arguments.output.with_quiet_as_progress(),
            ..arguments
        },
        Err(error) => {
            // Help and version are also errors of clap: they exit with 0, bad usage with 2.
            let error = habits::explain(error);
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    render::choose_color(arguments.output.color);
    start_log(&arguments.output);
    environment::take_too_large_files_as_errors();
    let progress = arguments.output.progress;
    let environment = Environment::read();
    match dispatch(arguments, &environment) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(progress),
    }
}

fn dispatch(arguments: Arguments, environment: &Environment) -> Done {
    let output = arguments.output;
    let command = match arguments.command {
        Command::Schema => return print_json(&crate::spec::schema()),
        Command::Completions { shell } => return completions(shell),
        Command::Man { directory } => return man::write_pages(&directory, output.progress),
        Command::Cache(arguments) => return cache::run(&arguments, environment),
        command => command,
    };
    let runtime = runtime::start()?;
    interrupt::watch(&runtime, output.progress, progress::clear_bars);
    runtime.block_on(async {
        match command {
            Command::Init(arguments) => init::run(&arguments, &output, environment).await,
            Command::Build(arguments) => build::run(&arguments, &output, environment).await,
            Command::Check(arguments) => check::run(&arguments, &output, environment).await,
            Command::Lock(arguments) => lock::lock(&arguments, &output, environment).await,
            Command::Update(arguments) => lock::update(&arguments, &output, environment).await,
            Command::Outdated(arguments) => lock::outdated(&arguments, &output, environment).await,
            Command::Push(arguments) => copy::push(&arguments, &output, environment).await,
            Command::Copy(arguments) => copy::copy(&arguments, &output, environment).await,
            Command::Inspect(arguments) => inspect::run(&arguments, &output, environment).await,
            Command::Ls(arguments) => ls::run(&arguments, &output, environment).await,
            Command::Login(arguments) => login::login(&arguments, &output, environment).await,
            Command::Logout(arguments) => login::logout(&arguments, &output, environment).await,
            Command::Schema | Command::Completions { .. } | Command::Man { .. } | Command::Cache(_) => Ok(()),
        }
    })
}

fn completions(shell: clap_complete::Shell) -> Done {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Arguments::command(), "ocitect", &mut script);
    print(&script)
}

/// Starts the log. Log lines go to stderr, and only on request.
fn start_log(output: &OutputArguments) {
    let level = match output.verbose {
        0 => return,
        1 => "ocitect=debug",
        _ => "ocitect=trace,reqwest=debug,hyper=debug",
    };
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::new(level))
        .with_writer(stderr::Log)
        .with_ansi(render::color_on_stderr())
        .without_time()
        .init();
}

/// Writes the output of a command to standard output, without the long secrets of this run: a registry may have put one
/// into a document. Short ones may be words of the output, which a script reads.
fn print(bytes: &[u8]) -> Done {
    print_exactly(stderr::answer(&String::from_utf8_lossy(bytes)).as_bytes())
}

/// Writes to standard output. A closed pipe (`| head`) is not an error.
fn print_exactly(bytes: &[u8]) -> Done {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(bytes).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(Failure::here(&format!("cannot write to standard output: {error}")))
        }
        _ => Ok(()),
    }
}

/// Prints the `NAME@DIGEST` of a new image: on stdout, or on stderr if stdout is an archive.
fn print_result(image: &str, stdout_is_taken: bool, progress: Progress) -> Done {
    match (stdout_is_taken, progress) {
        (false, _) => return print_exactly(format!("{image}\n").as_bytes()),
        (true, Progress::Json) => stderr::emit_event("done", serde_json::json!({ "image": image })),
        (true, _) => stderr::eprintln_verbatim(image),
    }
    Ok(())
}

fn print_json(value: &serde_json::Value) -> Done {
    print_exactly(format!("{:#}\n", stderr::answer_json(value.clone())).as_bytes())
}

/// Returns the registry that a password from the command line is for, if an image is only read.
fn login_registry(name: &ImageName) -> Vec<&str> {
    match name {
        ImageName::Registry(reference) => vec![reference.repository.registry()],
        _ => Vec::new(),
    }
}

/// Help for the name of an image.
const NAME_HELP: &str = "write it as oci:DIR[:TAG], oci-archive:FILE, docker-archive:FILE or REGISTRY/REPOSITORY:TAG";

/// Help for a target that is not in a registry.
const LOCAL_FORM: &str = "oci:DIR[:TAG], oci-archive:FILE or docker-archive:FILE";

/// Parses the name of an image of any kind. If the text has no registry, the help suggests one.
fn parse_image(text: &str, environment: &Environment) -> Result<ImageName, Failure> {
    text.parse().map_err(|error: ReferenceError| {
        if let Some(help) = local_names::suggestion(text) {
            return Failure::usage(&error.to_string(), &help);
        }
        let guess = match &error {
            ReferenceError::NoRegistry(name) => environment.short_names().question(name),
            ReferenceError::Tag(_) | ReferenceError::Malformed { .. } => None,
        };
        let guess = guess.map_or(String::new(), |guess| format!("{guess} Otherwise, "));
        Failure::usage(&error.to_string(), &format!("{guess}{NAME_HELP}"))
    })
}

/// Like [`parse_image`], for an image that is written.
fn parse_target(text: &str, environment: &Environment) -> Result<ImageName, Failure> {
    match text.parse::<ImageName>() {
        Err(error @ ReferenceError::NoRegistry(_)) if local_names::suggestion(text).is_none() => {
            let help = format!("{}, or {LOCAL_FORM}", target_help(text));
            Err(Failure::usage(&error.to_string(), &help))
        }
        Ok(_) | Err(_) => parse_image(text, environment),
    }
}

/// Parses the reference of an image that is pushed.
fn parse_pushed(text: &str) -> Result<Reference, Failure> {
    let text = text.strip_prefix("docker://").unwrap_or(text);
    text.parse().map_err(|error: ReferenceError| {
        let help = match &error {
            ReferenceError::NoRegistry(_) => Some(target_help(text)),
            ReferenceError::Tag(_) | ReferenceError::Malformed { .. } => error.help(),
        };
        Failure::usage(&error.to_string(), help.as_deref().unwrap_or(NAME_HELP))
    })
}

/// Returns a skipped entry of an index as JSON.
fn skipped_json(entry: &SkippedEntry) -> serde_json::Value {
    let platform = entry.platform.as_ref().map(Platform::to_string);
    serde_json::json!({ "digest": entry.digest, "platform": platform, "reason": entry.reason })
}

/// Parses a requested platform. It accepts the same aliases of Go's names as containerd.
fn parse_platform(text: &str) -> Result<Platform, Failure> {
    Platform::parse_wanted(text).map_err(|error| {
        Failure::usage(
            &error.to_string(),
            error
                .help()
                .as_deref()
                .unwrap_or("give a platform, such as linux/amd64"),
        )
    })
}

/// Resolves a name at its source, and reports progress meanwhile.
async fn resolve(
    source: &dyn Source,
    selector: &Selector,
    name: &ImageName,
    observer: &Arc<dyn Observer>,
) -> Result<Root, StoreError> {
    let _task = Task::start(observer, Work::new("resolving", Item::new(name.to_string())), None);
    source.resolve(selector).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
