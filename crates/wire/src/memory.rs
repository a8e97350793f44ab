//! Whether there is memory.

/// Whether so many bytes can be allocated at once. They are given back: what is made of many pieces, most of which end the process when they get no memory, asks before it
/// begins.
///
/// ```
/// assert!(wire::is_memory_left(1 << 20));
/// assert!(!wire::is_memory_left(usize::MAX));
/// ```
#[must_use]
pub fn is_memory_left(bytes: usize) -> bool {
    let mut room = Vec::<u8>::new();
    let reserved = room.try_reserve_exact(bytes);
    std::hint::black_box(&room); // or nothing is asked for, since it is not used
    reserved.is_ok()
}
