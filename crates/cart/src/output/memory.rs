//! Memory of this process, where the operating system tells.

/// The most memory that was resident so far, in bytes; mapped files count where they were touched.
pub(crate) fn peak_memory() -> Option<u64> {
    field("VmHWM:")
}

/// A line of `/proc/self/status` such as `VmHWM:   1234 kB`.
fn field(name: &str) -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}
