//! The machine that figures come from; they mean little without it.

use std::fs::read_to_string;

/// Processor, cores, memory, kernel and how busy it was, in one line each.
pub(crate) fn describe() -> String {
    let cpu = read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = value(&cpu, "model name").unwrap_or("unknown processor");
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let memory = read_to_string("/proc/meminfo").unwrap_or_default();
    let kib: u64 =
        value(&memory, "MemTotal").and_then(|m| m.split(' ').next()?.parse().ok()).unwrap_or_default();
    let kernel = read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let virtual_machine = if cpu.contains(" hypervisor ") { ", virtual machine" } else { "" };
    format!(
        "machine: {cores} cores, {model}{virtual_machine}; {} GiB; Linux {}; {}",
        kib.div_ceil(1 << 20),
        kernel.trim(),
        load()
    )
}

/// How busy the machine is: a bench beside a compiler measures the compiler, too.
pub(crate) fn load() -> String {
    let load = read_to_string("/proc/loadavg").unwrap_or_default();
    format!("load average of the last minute {}", load.split(' ').next().unwrap_or("unknown"))
}

fn value<'a>(text: &'a str, key: &str) -> Option<&'a str> {
    let line = text.lines().find(|line| line.starts_with(key))?;
    Some(line.split_once(':')?.1.trim())
}
