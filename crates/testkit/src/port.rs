//! Free ports on the loopback interface.

use std::{
    collections::HashSet,
    hash::{BuildHasher, RandomState},
    net::{Ipv4Addr, TcpListener},
    sync::{LazyLock, Mutex, PoisonError},
};

/// Below the range from which the kernel takes the local ports of outgoing connections, so that a port found free
/// here is not taken by the next connection that anyone opens.
const RANGE: std::ops::Range<u16> = 20_000..32_000;

/// A port on 127.0.0.1 that nobody listens on and that this process has not handed out before.
///
/// Another process may still take it before its user does: whoever starts a server on it must be prepared to try
/// again.
///
/// # Errors
/// When no port of the range can be bound.
pub fn free() -> anyhow::Result<u16> {
    static TAKEN: LazyLock<Mutex<HashSet<u16>>> = LazyLock::new(Mutex::default);
    let mut taken = TAKEN.lock().unwrap_or_else(PoisonError::into_inner);
    let size = RANGE.end - RANGE.start;
    let start = RandomState::new().hash_one(std::process::id()) % u64::from(size);
    for step in 0..size {
        // In range: the sum is reduced modulo the size, which fits into 16 bits.
        let offset = (start + u64::from(step)) % u64::from(size);
        let port = RANGE.start + u16::try_from(offset).unwrap_or_default();
        if !taken.contains(&port) && TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            taken.insert(port);
            return Ok(port);
        }
    }
    anyhow::bail!("no free port between {} and {} on 127.0.0.1", RANGE.start, RANGE.end)
}
