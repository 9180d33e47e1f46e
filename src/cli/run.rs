//! Runs one command line.

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{CommandFactory as _, Parser as _};

use super::arguments::{Arguments, Command, OutputArguments};
use super::failure::Done;
use super::stdout::{print, print_json};
use super::{
    build, cache, check, copy, environment, habits, init, inspect, interrupt, list, lock, login, ls, man, merge, pin,
    progress, render, runtime, stderr,
};
use crate::environment::Environment;

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
        Command::List(arguments) => return list::run(&arguments, &output, environment),
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
            Command::Merge(arguments) => merge::run(&arguments, &output, environment).await,
            Command::Pin(arguments) => pin::run(&arguments, &output, environment).await,
            Command::Inspect(arguments) => inspect::run(&arguments, &output, environment).await,
            Command::Ls(arguments) => ls::run(&arguments, &output, environment).await,
            Command::Login(arguments) => login::login(&arguments, &output, environment).await,
            Command::Logout(arguments) => login::logout(&arguments, &output, environment).await,
            Command::Schema
            | Command::Completions { .. }
            | Command::Man { .. }
            | Command::Cache(_)
            | Command::List(_) => Ok(()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Arguments::command().debug_assert();
    }
}
