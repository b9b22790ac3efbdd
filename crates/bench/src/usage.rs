//! What a process or a thread has used, as the kernel counts it.

use std::time::Duration;

use anyhow::{Context, bail};

/// CPU time of the calling thread.
pub(crate) fn of_thread() -> Duration {
    read(libc::CLOCK_THREAD_CPUTIME_ID).unwrap_or_default()
}

/// CPU time of all threads of a process, in nanoseconds rather than in the ticks of `/proc/PID/stat`.
pub(crate) fn of_process(pid: u32) -> anyhow::Result<Duration> {
    let pid_t = libc::pid_t::try_from(pid)?;
    let mut clock = 0;
    #[expect(unsafe_code, reason = "writes one clock id behind a valid pointer")]
    let result = unsafe { libc::clock_getcpuclockid(pid_t, &raw mut clock) };
    if result != 0 {
        bail!("no CPU clock of process {pid}: {}", std::io::Error::from_raw_os_error(result));
    }
    read(clock).with_context(|| format!("the CPU clock of process {pid}"))
}

fn read(clock: libc::clockid_t) -> anyhow::Result<Duration> {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    #[expect(unsafe_code, reason = "writes one timespec behind a valid pointer")]
    let result = unsafe { libc::clock_gettime(clock, &raw mut time) };
    if result != 0 {
        return Err(std::io::Error::last_os_error().into());
    }
    Ok(Duration::new(u64::try_from(time.tv_sec)?, u32::try_from(time.tv_nsec)?))
}

/// Memory of a process, in MiB.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    /// Everything in RAM, the binary's own pages included (`VmRSS`).
    pub(crate) resident: f64,
    /// The part of it that is the process's own data (`RssAnon`).
    pub(crate) anonymous: f64,
    /// The most that was ever resident (`VmHWM`).
    pub(crate) peak: f64,
}

impl Memory {
    /// Reads `/proc/PID/status`.
    pub(crate) fn of_process(pid: u32) -> anyhow::Result<Memory> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let field = |name: &str| -> anyhow::Result<f64> {
            let line = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            let number = line.and_then(|line| line.trim().strip_suffix(" kB")).context("no such line");
            let kib: f64 =
                number.and_then(|n| Ok(n.trim().parse()?)).with_context(|| format!("{name} of {pid}"))?;
            Ok(kib / 1024.0)
        };
        Ok(Memory { resident: field("VmRSS")?, anonymous: field("RssAnon")?, peak: field("VmHWM")? })
    }
}

impl std::fmt::Display for Memory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Memory { resident, anonymous, peak } = self;
        write!(f, "{resident:.1} MiB resident ({anonymous:.1} of it own data; at most {peak:.1} so far)")
    }
}
