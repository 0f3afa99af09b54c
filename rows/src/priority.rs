//! Priorities of threads: those that work for clients come after those that do the job.

/// The niceness of threads that serve clients or try their reads, relative to the process. A client waits a moment longer
/// for its answer, and no row waits for a client. Beside a thread of the job on the same core such a thread still gets
/// a quarter of the time.
pub const NICE_SERVING: i32 = 5;

/// The niceness of threads for long reads, relative to the process.
pub const NICE_LONG_READS: i32 = 10;

/// Lowers the priority of the calling thread. On Linux `nice` acts on one thread; elsewhere it acts on the process,
/// so nothing is done there.
pub fn lower_priority(nice: i32) {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::nice(nice) {
        tracing::warn!(%error, "a thread for clients keeps the priority of the process");
    }
    #[cfg(not(target_os = "linux"))]
    let _ = nice;
}
