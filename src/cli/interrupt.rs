//! What happens when a user or a system ends a run (Ctrl-C, SIGTERM, SIGHUP): temporary files go, what is left is said,
//! and the exit status is that of the signal.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::arguments::Progress;
use super::failure::Failure;
use super::progress;
use crate::build::{Target, TargetPlace};
use crate::store::local;

/// Signals that end a run, with what they are called.
const SIGNALS: [(libc::c_int, &str); 3] =
    [(libc::SIGINT, "SIGINT"), (libc::SIGTERM, "SIGTERM"), (libc::SIGHUP, "SIGHUP")];

/// What a process that a signal ends adds to its number, by the convention of shells.
const STATUS_OF_SIGNALS: u8 = 128;

/// Where this run has got to.
#[derive(Debug, Default)]
struct Outputs {
    /// Places that are not complete yet, in order.
    unfinished: Vec<Output>,
    /// Places that are.
    written: Vec<String>,
}

#[derive(Debug)]
struct Output {
    name: String,
    is_registry: bool,
}

static OUTPUTS: Mutex<Outputs> = Mutex::new(Outputs { unfinished: Vec::new(), written: Vec::new() });

/// Says what a run is about to write.
pub fn expect(targets: &[Target]) {
    let output = |target: &Target| {
        let is_registry = matches!(target.place, TargetPlace::Registry(_));
        Output { name: target.to_string(), is_registry }
    };
    lock().unfinished.extend(targets.iter().map(output));
}

/// Says that an output is complete: all that is sent, and its tags.
pub fn published(name: &str) {
    let mut outputs = lock();
    outputs.unfinished.retain(|output| output.name != name);
    outputs.written.push(name.to_owned());
}

fn lock() -> MutexGuard<'static, Outputs> {
    // Each change is whole: a poisoned lock holds nothing half-made.
    OUTPUTS.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Waits for the signals beside everything else. One that the process was started to ignore, as by nohup, stays ignored.
pub fn watch(runtime: &Runtime, progress: Progress) {
    for (number, name) in SIGNALS {
        if is_ignored(number) {
            continue;
        }
        runtime.spawn(async move {
            let Ok(mut signals) = signal(SignalKind::from_raw(number)) else { return };
            if signals.recv().await.is_some() {
                end(number, name, progress);
            }
        });
    }
}

/// Whether a signal is ignored.
fn is_ignored(number: libc::c_int) -> bool {
    let mut current = std::mem::MaybeUninit::<libc::sigaction>::uninit();
    // SAFETY: no action is set, and the current one is written where there is room for one.
    let asked = unsafe { libc::sigaction(number, std::ptr::null(), current.as_mut_ptr()) };
    // SAFETY: a call that succeeded has written it.
    asked == 0 && unsafe { current.assume_init() }.sa_sigaction == libc::SIG_IGN
}

fn end(number: libc::c_int, name: &str, progress: Progress) {
    local::remove_own_temporary_files();
    progress::clear_bars();
    let status = STATUS_OF_SIGNALS + u8::try_from(number).unwrap_or(0);
    let failure = Failure::interrupted(&format!("interrupted by {name}: {}", left(&lock())), status);
    let _ = failure.report(progress);
    std::process::exit(i32::from(status));
}

/// What is there of what was to be written.
fn left(outputs: &Outputs) -> String {
    let names = |registries: bool| -> Vec<&str> {
        let wanted = outputs.unfinished.iter().filter(|output| output.is_registry == registries);
        wanted.map(|output| output.name.as_str()).collect()
    };
    let mut parts = Vec::new();
    if !outputs.written.is_empty() {
        parts.push(format!("{} is complete", outputs.written.join(", ")));
    }
    let local = names(false);
    if !local.is_empty() {
        parts.push(format!("{} is unchanged, except for unreferenced blobs", local.join(", ")));
    }
    let remote = names(true);
    if !remote.is_empty() {
        parts.push(format!("no tag was written in {}; its uploads resume on the next run", remote.join(", ")));
    }
    if parts.is_empty() {
        return "nothing was written".to_owned();
    }
    parts.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_names_each_output() {
        let output = |name: &str, is_registry| Output { name: name.to_owned(), is_registry };
        assert_eq!(left(&Outputs::default()), "nothing was written");
        let outputs = Outputs {
            unfinished: vec![output("oci-archive:b.tar", false), output("ghcr.io/me/app", true)],
            written: vec!["oci:a".to_owned()],
        };
        assert_eq!(
            left(&outputs),
            "oci:a is complete; oci-archive:b.tar is unchanged, except for unreferenced blobs; no tag was written in \
             ghcr.io/me/app; its uploads resume on the next run"
        );
    }
}
