//! Rows that have the same vector: it is stored once, as one node, with all of them.

/// A row that shares the node of a lower row, because its vector has the same codes and factors.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, bytemuck::Zeroable, bytemuck::Pod)]
#[repr(C)]
pub(crate) struct Repeat {
    pub(crate) node: u32,
    pub(crate) row: u32,
}

/// The further rows of a node, ascending; `repeats` are sorted.
#[inline]
pub(crate) fn of_node(repeats: &[Repeat], node: u32) -> impl Iterator<Item = u32> + use<'_> {
    let start = if repeats.is_empty() { 0 } else { repeats.partition_point(|repeat| repeat.node < node) };
    repeats[start..].iter().take_while(move |repeat| repeat.node == node).map(|repeat| repeat.row)
}
