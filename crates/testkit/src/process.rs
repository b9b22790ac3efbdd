//! A child process with a log file, which cannot outlive its parent.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        OnceLock,
        mpsc::{self, Sender, SyncSender},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, bail};

/// A program with its arguments that can be started, stopped, paused and started again.
#[derive(Debug)]
pub(crate) struct Process {
    name: String,
    program: PathBuf,
    arguments: Vec<String>,
    environment: Vec<(String, String)>,
    log: PathBuf,
    child: Option<Child>,
}

impl Process {
    /// Describes a process; nothing runs yet.
    pub(crate) fn new(name: &str, program: &Path, arguments: Vec<String>, log: PathBuf) -> Process {
        let environment = Vec::new();
        Process {
            name: name.to_owned(),
            program: program.to_owned(),
            arguments,
            environment,
            log,
            child: None,
        }
    }

    /// Adds an environment variable.
    pub(crate) fn env(&mut self, name: &str, value: &str) {
        self.environment.push((name.to_owned(), value.to_owned()));
    }

    /// Starts the process; its output goes to the end of the log. Returns the process id.
    pub(crate) fn start(&mut self) -> anyhow::Result<u32> {
        if self.is_running() {
            bail!("{} is running already", self.name);
        }
        let log = File::options().create(true).append(true).open(&self.log);
        let log = log.with_context(|| format!("cannot write {}", self.log.display()))?;
        let mut command = Command::new(&self.program);
        command
            .args(&self.arguments)
            .envs(self.environment.iter().map(|(k, v)| (k, v)))
            .stdin(Stdio::null())
            .stderr(log.try_clone()?)
            .stdout(log)
            // Ctrl-C goes to a whole process group; the parent must be the one to stop its children, in order.
            .process_group(0);
        let child = spawn(command).with_context(|| format!("cannot start {}", self.program.display()))?;
        let pid = child.id();
        self.child = Some(child);
        Ok(pid)
    }

    pub(crate) fn log(&self) -> &Path {
        &self.log
    }

    /// The process id while the process runs.
    pub(crate) fn pid(&mut self) -> Option<u32> {
        if self.is_running() { self.child.as_ref().map(Child::id) } else { None }
    }

    /// How the process ended; none while it runs or when it was never started.
    pub(crate) fn exit_status(&mut self) -> Option<ExitStatus> {
        self.child.as_mut().and_then(|c| c.try_wait().ok().flatten())
    }

    pub(crate) fn is_running(&mut self) -> bool {
        self.child.is_some() && self.exit_status().is_none()
    }

    /// Sends a signal; false when the process does not run.
    pub(crate) fn signal(&mut self, number: i32) -> bool {
        self.pid().is_some_and(|pid| signal(pid, number))
    }

    /// Asks the process to end and kills it when it has not after `grace`. Says whether it ended by itself.
    pub(crate) fn stop(&mut self, grace: Duration) -> bool {
        // A paused process takes no notice of anything but SIGKILL and SIGCONT.
        self.signal(libc::SIGCONT);
        self.signal(libc::SIGTERM);
        let deadline = Instant::now() + grace;
        while self.is_running() && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(10));
        }
        let ended = !self.is_running();
        self.kill();
        ended
    }

    /// Kills the process at once, as `kill -9` does, and waits until it is gone.
    pub(crate) fn kill(&mut self) {
        if let Some(child) = &mut self.child {
            // An error means that it is gone already.
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// The last `bytes` of the log, for error messages.
    pub(crate) fn log_tail(&self, bytes: u64) -> String {
        let read = || -> std::io::Result<String> {
            let mut file = File::open(&self.log)?;
            let length = file.metadata()?.len();
            file.seek(SeekFrom::Start(length.saturating_sub(bytes)))?;
            let mut tail = Vec::new();
            file.read_to_end(&mut tail)?;
            Ok(String::from_utf8_lossy(&tail).into_owned())
        };
        read().unwrap_or_else(|error| format!("(no log: {error})"))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Sends signal `number`; false when there is no such process.
pub(crate) fn signal(pid: u32, number: i32) -> bool {
    let Ok(pid) = libc::pid_t::try_from(pid) else { return false };
    #[expect(unsafe_code, reason = "std can only send SIGKILL; kill(2) touches no memory of ours")]
    let result = unsafe { libc::kill(pid, number) };
    result == 0
}

/// Starts a command whose process the kernel kills when this process ends in whatever way.
///
/// The kernel ties that to the *thread* that started the child (`PR_SET_PDEATHSIG`), and test threads end before
/// the process does: so one thread that lives as long as the process starts all children.
pub(crate) fn spawn(command: Command) -> std::io::Result<Child> {
    type Job = (Command, SyncSender<std::io::Result<Child>>);
    static THREAD: OnceLock<Sender<Job>> = OnceLock::new();

    let thread = THREAD.get_or_init(|| {
        let (sender, receiver) = mpsc::channel::<Job>();
        std::thread::spawn(move || {
            for (command, answer) in receiver {
                // The asker waits for the answer; if it was cancelled there is nobody to tell.
                let _ = answer.send(bind_to_parent(command).spawn());
            }
        });
        sender
    });
    let (answer, result) = mpsc::sync_channel(1);
    let gone = || std::io::Error::other("the thread that starts child processes is gone");
    thread.send((command, answer)).map_err(|_| gone())?;
    result.recv().map_err(|_| gone())?
}

#[cfg(target_os = "linux")]
fn bind_to_parent(mut command: Command) -> Command {
    let parent = std::process::id();
    let hook = move || {
        #[expect(
            unsafe_code,
            reason = "two system calls without pointers; both may be used between fork and exec"
        )]
        let (result, now) = unsafe { (libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL), libc::getppid()) };
        if result != 0 {
            return Err(std::io::Error::last_os_error());
        }
        // The parent may have ended before the line above.
        if u32::try_from(now) != Ok(parent) {
            return Err(std::io::Error::from_raw_os_error(libc::ESRCH));
        }
        Ok(())
    };
    #[expect(unsafe_code, reason = "the hook only makes system calls; it neither allocates nor locks")]
    unsafe {
        command.pre_exec(hook)
    };
    command
}

/// Other systems have no such call: there the next run ends what is left.
#[cfg(not(target_os = "linux"))]
fn bind_to_parent(command: Command) -> Command {
    command
}
