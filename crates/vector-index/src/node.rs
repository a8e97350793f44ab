//! Numbers of nodes.

/// The most nodes of a graph, and vectors of an index: 2^31 - 1.
pub(crate) const MAX_NODES: usize = (1 << 31) - 1;

/// A count of nodes, at most [`MAX_NODES`], as the number behind the last.
pub(crate) fn node_id(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
