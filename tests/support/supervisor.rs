//! Runs a program and kills it at an exact point: before the Nth of the system calls, counted over all its threads,
//! that change a file system. The kernel asks before each of them (seccomp_unotify(2)). While it waits for the reply,
//! the calling thread is suspended.

use std::fs;
use std::io;
use std::os::fd::{AsRawFd as _, FromRawFd as _, OwnedFd, RawFd};
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Output, Stdio};

/// Descriptor in the program that its supervisor takes over: above all that it opens itself.
const LISTENER: RawFd = 199;

/// Calls that change a file system. Opening for reading, and writing to other things than files, are sorted out later.
const CHANGING: &[libc::c_long] = &[
    libc::SYS_openat,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_flock,
    libc::SYS_fchmod,
    libc::SYS_fchmodat,
    libc::SYS_mkdirat,
    libc::SYS_linkat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_copy_file_range,
    libc::SYS_sendfile,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_open,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_mkdir,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_link,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_unlink,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_rename,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_chmod,
];

/// How a supervised program ended.
pub struct Supervised {
    /// Number of changing calls, without the one that it was killed before.
    pub changes: usize,
    /// Whether it was killed, rather than ending by itself.
    pub was_killed: bool,
    pub output: Output,
}

/// Runs `command`; with `kill_before`, up to its changing call of that number, counted from 0. Its output must fit into
/// a pipe.
pub fn supervise(mut command: Command, kill_before: Option<usize>) -> Supervised {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: the closure makes system calls alone, none of which allocates or locks.
    unsafe { command.pre_exec(listen) };
    let mut child = command.spawn().unwrap();
    let mut changes = 0;
    let mut was_killed = false;
    let listener = listener_of(&child);
    while let Some(call) = next_call(&listener) {
        if changes_files(&call) {
            if kill_before == Some(changes) {
                child.kill().unwrap();
                was_killed = true;
                break;
            }
            changes += 1;
        }
        go_on(&listener, &call);
    }
    Supervised {
        changes,
        was_killed,
        output: child.wait_with_output().unwrap(),
    }
}

/// In the new process: makes the kernel ask before every call of [`CHANGING`].
fn listen() -> io::Result<()> {
    let load = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
    let equal = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
    let end = (libc::BPF_RET | libc::BPF_K) as u16;
    let rule = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    // The number of the call is the first field of `seccomp_data`.
    let mut program = [rule(end, 0, 0, libc::SECCOMP_RET_ALLOW); CHANGING.len() + 3];
    program[0] = rule(load, 0, 0, 0);
    for (at, number) in CHANGING.iter().enumerate() {
        program[at + 1] = rule(equal, (CHANGING.len() - at) as u8, 0, *number as u32);
    }
    program[CHANGING.len() + 2] = rule(end, 0, 0, libc::SECCOMP_RET_USER_NOTIF);
    let program = libc::sock_fprog {
        len: program.len() as u16,
        filter: program.as_mut_ptr(),
    };
    // SAFETY: plain system calls; the program outlives the call that reads it.
    unsafe {
        // If the supervising thread ends, nothing would reply any more.
        checked(libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL).into())?;
        checked(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0).into())?;
        let mode = libc::SECCOMP_SET_MODE_FILTER;
        let flags = libc::SECCOMP_FILTER_FLAG_NEW_LISTENER;
        let listener = checked(libc::syscall(libc::SYS_seccomp, mode, flags, &raw const program))?;
        checked(libc::dup2(listener as RawFd, LISTENER).into())?;
    }
    Ok(())
}

fn checked(result: libc::c_long) -> io::Result<libc::c_long> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// Returns the program's listener, as a descriptor of this process.
fn listener_of(child: &Child) -> OwnedFd {
    // SAFETY: plain system calls, whose results have no other owner.
    unsafe {
        let process = checked(libc::syscall(libc::SYS_pidfd_open, child.id(), 0)).unwrap();
        let process = OwnedFd::from_raw_fd(process as RawFd);
        let listener = checked(libc::syscall(libc::SYS_pidfd_getfd, process.as_raw_fd(), LISTENER, 0)).unwrap();
        OwnedFd::from_raw_fd(listener as RawFd)
    }
}

/// Waits for the next call. Returns `None` if no thread of the program is left.
fn next_call(listener: &OwnedFd) -> Option<libc::seccomp_notif> {
    loop {
        let mut poll = libc::pollfd {
            fd: listener.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        // SAFETY: one entry, which outlives the call; the kernel requires all-zero memory.
        let (ready, mut call) = unsafe { (libc::poll(&raw mut poll, 1, -1), std::mem::zeroed()) };
        if ready < 0 {
            continue;
        }
        if poll.revents & libc::POLLIN == 0 {
            return None;
        }
        // SAFETY: the kernel writes into `call`, which is of the type that the request names.
        let received = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_RECV, &raw mut call) };
        // On an error the calling thread is gone.
        if received == 0 {
            return Some(call);
        }
    }
}

/// Lets the kernel execute the call.
fn go_on(listener: &OwnedFd, call: &libc::seccomp_notif) {
    let flags = libc::SECCOMP_USER_NOTIF_FLAG_CONTINUE as u32;
    let mut answer = libc::seccomp_notif_resp {
        id: call.id,
        val: 0,
        error: 0,
        flags,
    };
    // SAFETY: the kernel reads `answer`, which is of the type that the request names. It fails if the thread is gone.
    let _ = unsafe { libc::ioctl(listener.as_raw_fd(), libc::SECCOMP_IOCTL_NOTIF_SEND, &raw mut answer) };
}

/// Returns `true` if a call changes files. Files are also opened for reading, and pipes and event counters are written
/// to.
fn changes_files(call: &libc::seccomp_notif) -> bool {
    let creates =
        |flags: u64| flags & libc::O_CREAT as u64 != 0 || flags & libc::O_TMPFILE as u64 == libc::O_TMPFILE as u64;
    let arguments = call.data.args;
    match libc::c_long::from(call.data.nr) {
        libc::SYS_openat => creates(arguments[2]),
        #[cfg(target_arch = "x86_64")]
        libc::SYS_open => creates(arguments[1]),
        libc::SYS_write | libc::SYS_writev => {
            let target = fs::read_link(format!("/proc/{}/fd/{}", call.pid, arguments[0]));
            target.is_ok_and(|target| target.is_absolute())
        }
        _ => true,
    }
}
