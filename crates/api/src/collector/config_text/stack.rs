//! Room for what is nested deeply. Reading YAML is recursive, and a stack that ends takes the process with it.

/// Levels of nesting that any thread's stack holds; no real configuration has more.
pub const SHALLOW: usize = 32;

/// Levels of nesting that a configuration may have: as many as fit, inside of a ConversionReview, into JSON that can be
/// read again.
pub const DEEP: usize = 122;

/// Enough for [`DEEP`] levels in an unoptimised build, several times over. Only what is used of it costs memory.
const STACK: usize = 32 << 20;

/// Does `work` on a thread of its own, with a stack that holds [`DEEP`] levels.
///
/// # Errors
/// When there is no memory for it, or `work` panics.
pub fn on_a_larger_stack<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, String> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK).spawn_scoped(scope, work);
        let thread =
            thread.map_err(|error| format!("nested too deeply for the memory that there is: {error}"))?;
        thread.join().map_err(|_| "the YAML reader gave up".to_owned())
    })
}
