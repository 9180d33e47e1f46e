//! Handling of signals that end a run (Ctrl-C, SIGTERM, SIGHUP): temporary files are removed, the state of the outputs
//! is printed, and the exit status is that of the signal.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{SignalKind, signal};

use super::choices::Progress;
use super::failure::Failure;
use super::terminal;
use crate::build::{Target, TargetPlace};
use crate::store::local;

/// Signals that end a run, with their names.
const SIGNALS: [(libc::c_int, &str); 3] = [
    (libc::SIGINT, "SIGINT"),
    (libc::SIGTERM, "SIGTERM"),
    (libc::SIGHUP, "SIGHUP"),
];

/// Added to the number of a signal for the exit status, by the convention of shells.
const STATUS_OF_SIGNALS: u8 = 128;

/// State of this run's outputs.
#[derive(Debug, Default)]
struct Outputs {
    /// Outputs that are not complete yet, in order; once for each of their images.
    unfinished: Vec<Output>,
    /// Outputs that are complete.
    written: Vec<String>,
    /// The directory that records uploads in progress.
    journal: Option<PathBuf>,
}

#[derive(Debug)]
struct Output {
    name: String,
    is_registry: bool,
}

impl Outputs {
    /// Records that one image is complete at an output. Several images may have one output, which is complete with the
    /// last of them.
    fn finish(&mut self, name: &str) {
        if let Some(position) = self.unfinished.iter().position(|output| output.name == name) {
            self.unfinished.remove(position);
        }
        if self.unfinished.iter().all(|output| output.name != name) {
            self.written.push(name.to_owned());
        }
    }
}

static OUTPUTS: Mutex<Outputs> = Mutex::new(Outputs {
    unfinished: Vec::new(),
    written: Vec::new(),
    journal: None,
});

/// Records what a run is about to write, and the directory that records its uploads.
pub fn expect(targets: &[Target], journal: Option<PathBuf>) {
    let output = |target: &Target| {
        let is_registry = matches!(target.place, TargetPlace::Registry(_));
        Output {
            name: target.to_string(),
            is_registry,
        }
    };
    let mut outputs = lock();
    outputs.unfinished.extend(targets.iter().map(output));
    outputs.journal = journal;
}

/// Records that an output is complete, including its tags.
pub fn published(name: &str) {
    let mut outputs = lock();
    outputs.finish(name);
}

fn lock() -> MutexGuard<'static, Outputs> {
    // Each change is atomic: a poisoned lock holds no partial change.
    OUTPUTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Handles the signals on the runtime. `clear` removes what progress has drawn. A signal that was ignored at the start,
/// as by nohup, stays ignored.
pub fn watch(runtime: &Runtime, progress: Progress, clear: fn()) {
    for (number, name) in SIGNALS {
        watch_one(runtime.handle(), number, name, progress, clear);
    }
}

/// Also handles SIGQUIT (Ctrl-\), which would leave a terminal without echo. It ends other runs at once, by default with
/// a core dump.
pub fn watch_quit(progress: Progress, clear: fn()) {
    watch_one(&Handle::current(), libc::SIGQUIT, "SIGQUIT", progress, clear);
}

fn watch_one(runtime: &Handle, number: libc::c_int, name: &'static str, progress: Progress, clear: fn()) {
    if is_ignored(number) {
        return;
    }
    runtime.spawn(async move {
        let Ok(mut signals) = signal(SignalKind::from_raw(number)) else {
            return;
        };
        if signals.recv().await.is_some() {
            end(number, name, progress, clear);
        }
    });
}

/// Returns `true` if a signal is ignored.
fn is_ignored(number: libc::c_int) -> bool {
    let mut current = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: no action is set, and the current one is written to a buffer of its size.
    let asked = unsafe { libc::sigaction(number, std::ptr::null(), current.as_mut_ptr()) };
    // SAFETY: a call that succeeded has written it.
    asked == 0 && unsafe { current.assume_init() }.sa_sigaction == libc::SIG_IGN
}

fn end(number: libc::c_int, name: &str, progress: Progress, clear: fn()) {
    terminal::restore();
    local::remove_own_temporary_files();
    clear();
    let status = STATUS_OF_SIGNALS + u8::try_from(number).unwrap_or(0);
    let failure = Failure::interrupted(&format!("interrupted by {name}: {}", left(&lock())), status);
    let _ = failure.report(progress);
    std::process::exit(i32::from(status));
}

/// Describes which of the outputs exist.
fn left(outputs: &Outputs) -> String {
    let names = |registries: bool| -> Vec<&str> {
        let wanted = outputs
            .unfinished
            .iter()
            .filter(|output| output.is_registry == registries);
        let mut names: Vec<&str> = Vec::new();
        for output in wanted {
            if !names.contains(&output.name.as_str()) {
                names.push(&output.name);
            }
        }
        names
    };
    let mut parts = Vec::new();
    if !outputs.written.is_empty() {
        parts.push(format!("{} is complete", outputs.written.join(", ")));
    }
    let local = names(false);
    if !local.is_empty() {
        parts.push(format!(
            "{} is unchanged, except for unreferenced blobs",
            local.join(", ")
        ));
    }
    let remote = names(true);
    if !remote.is_empty() {
        let resume = if has_noted(outputs.journal.as_deref()) {
            "; its uploads resume on the next run"
        } else {
            ""
        };
        parts.push(format!("no tag was written in {}{resume}", remote.join(", ")));
    }
    if parts.is_empty() {
        return "nothing was written".to_owned();
    }
    parts.join("; ")
}

/// Returns `true` if the journal has an upload to resume. It does not if the cache directory does not exist or is not
/// writable.
fn has_noted(journal: Option<&Path>) -> bool {
    let entries = journal.and_then(|directory| directory.read_dir().ok());
    entries
        .into_iter()
        .flatten()
        .flatten()
        .any(|entry| entry.path().extension().is_some_and(|end| end == "json"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_output_of_several_images_is_named_once() {
        let output = || Output {
            name: "oci:a".to_owned(),
            is_registry: false,
        };
        let mut outputs = Outputs {
            unfinished: vec![output(), output()],
            ..Outputs::default()
        };
        let unchanged = "oci:a is unchanged, except for unreferenced blobs";
        assert_eq!(left(&outputs), unchanged);
        outputs.finish("oci:a");
        assert_eq!(left(&outputs), unchanged);
        outputs.finish("oci:a");
        assert_eq!(left(&outputs), "oci:a is complete");
    }

    #[test]
    fn what_is_left_names_each_output() {
        let output = |name: &str, is_registry| Output {
            name: name.to_owned(),
            is_registry,
        };
        assert_eq!(left(&Outputs::default()), "nothing was written");
        let journal = tempfile::tempdir().unwrap();
        let mut outputs = Outputs {
            unfinished: vec![output("oci-archive:b.tar", false), output("ghcr.io/me/app", true)],
            written: vec!["oci:a".to_owned()],
            journal: None,
        };
        let expected = "oci:a is complete; oci-archive:b.tar is unchanged, except for unreferenced blobs; no tag was \
                         written in ghcr.io/me/app";
        assert_eq!(left(&outputs), expected);
        outputs.journal = Some(journal.path().join("missing"));
        assert_eq!(left(&outputs), expected);
        outputs.journal = Some(journal.path().to_owned());
        assert_eq!(left(&outputs), expected);
        std::fs::write(journal.path().join("0f34.json"), "{}").unwrap();
        assert_eq!(
            left(&outputs),
            format!("{expected}; its uploads resume on the next run")
        );
    }
}
