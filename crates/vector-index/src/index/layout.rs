//! The bytes of an index; `docs/FORMAT.md`, "Vector index", says the same in words.

use std::ops::Range;

use wire::{ALIGN, chunk_table_len, crc32, put, u16_at, u32_at, u64_at};

use crate::codes::layout::{Group, groups, walks_by_whole_codes};
use crate::error::{Error, ErrorKind, Result};
use crate::graph::links::layout::{list_len, width};
use crate::metric::Metric;
use crate::node::MAX_NODES;
use crate::quantize::MAX_DIMENSION;
use crate::repeats::Repeat;
use crate::sketch::layout::{BLOCK, row_len, sign_rows};
use crate::widths::{Reach, Widths};

pub(crate) const MAGIC: [u8; 8] = *b"\x89CAVI\r\n\x1A";
pub(crate) const MAJOR: u16 = 1;
pub(crate) const MINOR: u16 = 0;
/// Layers with links at most: 32^7 nodes are more than an index may have.
pub(crate) const LAYERS_MAX: usize = 7;

/// Offsets in the header.
pub(crate) mod header {
    wire::layout! {
        128,
        MAGIC: 8,
        MAJOR: 2,
        MINOR: 2,
        INCOMPATIBLE: 4,
        TOTAL_LEN: 8,
        METRIC: 1,
        QUANTIZER: 1,
        DENSE: 1,
        LAYERS: 1,
        DIMENSION: 4,
        NODES: 4,
        TOP: 4,
        M: 2,
        WALK: 1,
        RESERVED: 1,
        LAYER_NODES: 28,
        ROWS: 4,
        HIDDEN: 4,
        WIDTHS: 12,
        REACH: 4,
        RESERVED_2: 28,
        CRC: 4,
    }
}

/// What a walk looks at first of what a node leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Walk {
    /// As much of codes as vectors of so many dimensions usually need.
    Codes,
    Outlines,
    /// Whole codes though there are many dimensions.
    WholeCodes,
}

impl Walk {
    const ALL: [Self; 3] = [Self::Codes, Self::Outlines, Self::WholeCodes];

    fn code(self) -> u8 {
        self as u8
    }

    fn from_code(code: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|walk| walk.code() == code)
    }
}

/// How lists of neighbours are kept; as in `INCOMPATIBLE`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lists {
    /// As numbers of 32 bits: by earlier versions, and where there are none.
    Plain = 0,
    /// As numbers of as many bits as nodes need.
    Packed = 1,
}

/// Codes have a centre and a step for each dimension.
const CALIBRATED: u8 = 1;
/// Codes are those of rotated vectors.
const ROTATED: u8 = 2;

/// What the header says; everything else about the layout follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) metric: Metric,
    pub(crate) dimension: usize,
    pub(crate) nodes: usize,
    /// Of the rows, those with the same vector share a node.
    pub(crate) rows: usize,
    /// Nodes that every search compares, because no walk leads to them.
    pub(crate) hidden: usize,
    /// Whether the codes are calibrated.
    pub(crate) calibrated: bool,
    /// Whether they are those of rotated vectors.
    pub(crate) rotated: bool,
    /// Whether the rows are 0, 1, 2 and so on, so that they need not be listed.
    pub(crate) dense: bool,
    pub(crate) walk: Walk,
    /// The first so many nodes are looked at by every search.
    pub(crate) top: usize,
    pub(crate) m: usize,
    /// How many layers have links; none: there is no graph.
    pub(crate) layers: usize,
    /// The nodes of each, the lowest first.
    pub(crate) layer_nodes: [u32; LAYERS_MAX],
    pub(crate) lists: Lists,
    pub(crate) widths: Widths,
    pub(crate) reach: Reach,
}

impl Header {
    /// The header of an index of so many bytes.
    pub(crate) fn encode(&self, total: usize) -> [u8; header::LEN] {
        use header as at;
        let mut bytes = [0; header::LEN];
        put(&mut bytes, at::MAGIC, MAGIC);
        put(&mut bytes, at::MAJOR, MAJOR.to_le_bytes());
        put(&mut bytes, at::MINOR, MINOR.to_le_bytes());
        put(&mut bytes, at::INCOMPATIBLE, (self.lists as u32).to_le_bytes());
        put(&mut bytes, at::TOTAL_LEN, (total as u64).to_le_bytes());
        put(&mut bytes, at::METRIC, [self.metric.code()]);
        put(
            &mut bytes,
            at::QUANTIZER,
            [u8::from(self.calibrated) * CALIBRATED + u8::from(self.rotated) * ROTATED],
        );
        put(&mut bytes, at::DENSE, [self.dense.into()]);
        put(&mut bytes, at::WALK, [self.walk.code()]);
        put(&mut bytes, at::LAYERS, [low_u8(self.layers)]);
        put(&mut bytes, at::DIMENSION, low_u32(self.dimension).to_le_bytes());
        put(&mut bytes, at::NODES, low_u32(self.nodes).to_le_bytes());
        put(&mut bytes, at::ROWS, low_u32(self.rows).to_le_bytes());
        put(&mut bytes, at::HIDDEN, low_u32(self.hidden).to_le_bytes());
        put(&mut bytes, at::TOP, low_u32(self.top).to_le_bytes());
        put(&mut bytes, at::M, u16::try_from(self.m).unwrap_or(u16::MAX).to_le_bytes());
        for (layer, nodes) in self.layer_nodes.iter().enumerate() {
            put(&mut bytes, at::LAYER_NODES + layer * 4, nodes.to_le_bytes());
        }
        for (target, width) in self.widths.0.iter().enumerate() {
            put(&mut bytes, at::WIDTHS + target * 2, width.to_le_bytes());
        }
        put(&mut bytes, at::REACH, self.reach.0.to_le_bytes());
        let crc = crc32(&[&bytes[..at::CRC]]);
        put(&mut bytes, at::CRC, crc.to_le_bytes());
        bytes
    }

    /// Reads the header of an index. What it returns is consistent, and the sections lie within `bytes`.
    pub(crate) fn decode(bytes: &[u8]) -> Result<(Self, Sections)> {
        use header as at;
        if bytes.first_chunk() != Some(&MAGIC) {
            return Err(Error::new(ErrorKind::NotAnIndex, "these bytes are not those of a vector index"));
        }
        let Some(head) = bytes.first_chunk::<{ header::LEN }>() else {
            let message = format!(
                "the header of a vector index is {} bytes, of which {} are here",
                header::LEN,
                bytes.len()
            );
            return Err(Error::new(ErrorKind::Truncated, message));
        };
        let [major, minor] = [at::MAJOR, at::MINOR].map(|at| u16_at(head, at));
        if major != MAJOR {
            let message =
                format!("format {major}.{minor} of a vector index; this library reads {MAJOR}.{MINOR}");
            return Err(Error::new(ErrorKind::NewerFormat, message));
        }
        let (expected, found) = (u32_at(head, at::CRC), crc32(&[&head[..at::CRC]]));
        if expected != found {
            return Err(Error::damaged(format!("the header's checksum is {found:08x}, not {expected:08x}")));
        }
        let incompatible = u32_at(head, at::INCOMPATIBLE);
        if incompatible > Lists::Packed as u32 {
            let message =
                format!("the vector index uses features {incompatible:#x}, which this library does not know");
            return Err(Error::new(ErrorKind::NewerFormat, message));
        }
        let count = |at| u32_at(head, at) as usize;
        let header = Self {
            metric: Metric::from_code(head[at::METRIC]).ok_or_else(|| inconsistent("metric"))?,
            dimension: count(at::DIMENSION),
            nodes: count(at::NODES),
            rows: count(at::ROWS),
            hidden: count(at::HIDDEN),
            calibrated: head[at::QUANTIZER] == CALIBRATED,
            rotated: head[at::QUANTIZER] == ROTATED,
            dense: flag(head[at::DENSE])?,
            walk: Walk::from_code(head[at::WALK]).ok_or_else(|| inconsistent("walk"))?,
            top: count(at::TOP),
            m: u16_at(head, at::M).into(),
            layers: head[at::LAYERS].into(),
            layer_nodes: std::array::from_fn(|layer| u32_at(head, at::LAYER_NODES + layer * 4)),
            lists: if incompatible == 0 { Lists::Plain } else { Lists::Packed },
            widths: Widths(std::array::from_fn(|target| u16_at(head, at::WIDTHS + target * 2))),
            reach: Reach(u32_at(head, at::REACH)),
        };
        if head[at::QUANTIZER] > ROTATED {
            return Err(inconsistent("quantizer"));
        }
        header.check()?;
        let total = u64_at(head, at::TOTAL_LEN);
        let sections = header.sections()?;
        if total != sections.total as u64 {
            return Err(inconsistent("length"));
        }
        if (bytes.len() as u64) < total {
            let message =
                format!("the vector index is {total} bytes long, of which {} are here", bytes.len());
            return Err(Error::new(ErrorKind::Truncated, message));
        }
        Ok((header, sections))
    }

    fn check(&self) -> Result<()> {
        let layers = self.layer_nodes.get(..self.layers).ok_or_else(|| inconsistent("number of layers"))?;
        let none_above = self.layer_nodes[self.layers..].iter().all(|&nodes| nodes == 0);
        let shrinking = none_above
            && layers.windows(2).all(|pair| pair[1] <= pair[0])
            && layers.iter().all(|&nodes| nodes > 0);
        let top = match layers.last() {
            None => self.top == 0,
            Some(&last) => (1..=last as usize).contains(&self.top) && layers[0] as usize == self.nodes,
        };
        let bounds = (1..=MAX_DIMENSION).contains(&self.dimension) && self.rows <= MAX_NODES;
        let rows = self.hidden <= self.nodes && self.nodes <= self.rows && (self.nodes > 0 || self.rows == 0);
        let walk = self.walk == Walk::Codes || self.layers > 0;
        let outlines = !(self.has_outlines() && self.calibrated);
        let lists = self.lists == Lists::Plain || self.layers > 0;
        if bounds && rows && shrinking && top && walk && outlines && lists && (2..=256).contains(&self.m) {
            Ok(())
        } else {
            Err(inconsistent("counts"))
        }
    }

    /// Whether walks compare whole codes, and not their high planes alone.
    pub(crate) fn is_whole(&self) -> bool {
        self.walk == Walk::WholeCodes || walks_by_whole_codes(self.dimension)
    }

    pub(crate) fn has_outlines(&self) -> bool {
        self.walk == Walk::Outlines
    }

    /// The neighbours that a node of a layer has room for.
    pub(crate) fn degree(&self, layer: usize) -> usize {
        if layer == 0 { self.m * 2 } else { self.m }
    }

    /// The bytes of the list of a node of a layer.
    pub(crate) fn list_len(&self, layer: usize) -> usize {
        match self.lists {
            Lists::Plain => self.degree(layer) * size_of::<u32>(),
            Lists::Packed => list_len(self.degree(layer), width(self.layer_nodes[layer] as usize)),
        }
    }

    /// The bytes of the terms of a node.
    pub(crate) fn terms_len(&self) -> usize {
        if self.metric == Metric::L2 { 8 } else { 4 }
    }

    /// Where everything lies. Fails if memory cannot be so long.
    pub(crate) fn sections(&self) -> Result<Sections> {
        self.sections_within(usize::MAX).ok_or_else(|| inconsistent("length"))
    }

    /// `None`: longer than `limit`.
    fn sections_within(&self, limit: usize) -> Option<Sections> {
        // In 64 bits on every machine, so that nothing wraps before it is compared with the limit.
        let mut end = header::LEN as u64;
        let mut take = |count: usize, len: usize| {
            let start = end.checked_next_multiple_of(ALIGN as u64)?;
            end = start.checked_add((count as u64).checked_mul(len as u64)?)?;
            let [start, end] = [start, end].map(|at| usize::try_from(at).ok().filter(|&at| at <= limit));
            Some(start?..end?)
        };
        let calibration = take(if self.calibrated { self.dimension } else { 0 }, 8)?;
        let terms = take(self.nodes, self.terms_len())?;
        let row_of_node = take(self.nodes, 4)?;
        let rows = take(if self.dense { 0 } else { self.rows }, 4)?;
        let node_of_row = take(self.rows, 4)?;
        let repeats = take(self.rows - self.nodes, size_of::<Repeat>())?;
        let hidden = take(self.hidden, 4)?;
        let mut links = [const { 0..0 }; LAYERS_MAX];
        for (layer, links) in links.iter_mut().enumerate() {
            let nodes = if layer < self.layers { self.layer_nodes[layer] as usize } else { 0 };
            *links = take(nodes, self.list_len(layer))?;
        }
        let outlines = take(if self.has_outlines() { self.nodes } else { 0 }, row_len(self.dimension))?;
        let row_len = groups(self.dimension) * size_of::<Group>();
        let (high, low) = (take(self.nodes, row_len)?, take(self.nodes, row_len)?);
        let blocks = if self.layers == 0 && !self.calibrated { self.nodes.div_ceil(BLOCK) } else { 0 };
        let signs = take(blocks, sign_rows(groups(self.dimension)) * BLOCK)?;
        let factors = take(blocks, BLOCK * 4)?;
        let content_len = take(0, 0)?.end;
        let checksums = take(1, chunk_table_len(content_len))?;
        let total = checksums.end;
        Some(Sections {
            calibration,
            terms,
            row_of_node,
            rows,
            node_of_row,
            repeats,
            hidden,
            links,
            outlines,
            high,
            low,
            signs,
            factors,
            checksums,
            total,
        })
    }
}

/// Where everything lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sections {
    /// The centre of each dimension, then its step.
    pub(crate) calibration: Range<usize>,
    pub(crate) terms: Range<usize>,
    pub(crate) row_of_node: Range<usize>,
    /// The rows that have a vector, ascending; empty if dense.
    pub(crate) rows: Range<usize>,
    /// The node of each of those.
    pub(crate) node_of_row: Range<usize>,
    /// Rows that share a node with a lower row, by node, then row.
    pub(crate) repeats: Range<usize>,
    /// Nodes that every search compares, ascending.
    pub(crate) hidden: Range<usize>,
    /// The lists of each layer, the lowest first.
    pub(crate) links: [Range<usize>; LAYERS_MAX],
    /// Signs and what estimates are made of, a row for each node, if a graph has them.
    pub(crate) outlines: Range<usize>,
    /// The high nibbles of the codes, a row for each node.
    pub(crate) high: Range<usize>,
    /// The low ones.
    pub(crate) low: Range<usize>,
    /// The signs of the codes, if there is no graph and they are not calibrated.
    pub(crate) signs: Range<usize>,
    /// What sums of signed codes are multiplied by, for each node.
    pub(crate) factors: Range<usize>,
    /// CRC-32s of the chunks of everything before, then one of these.
    pub(crate) checksums: Range<usize>,
    pub(crate) total: usize,
}

impl Sections {
    /// What nodes have a few bytes of, and what is looked through as a whole.
    pub(crate) fn of_nodes(&self) -> [Range<usize>; 3] {
        [
            self.terms.start..self.row_of_node.end,
            self.repeats.start..self.hidden.end,
            self.links[1].start..self.outlines.start,
        ]
    }

    /// The rows of nodes and the nodes of rows.
    pub(crate) fn between_rows_and_nodes(&self) -> Range<usize> {
        self.row_of_node.start..self.node_of_row.end
    }

    /// What finds the node of a row.
    pub(crate) fn of_rows(&self) -> Range<usize> {
        self.rows.start..self.node_of_row.end
    }
}

fn inconsistent(what: &str) -> Error {
    Error::damaged(format!(
        "the header's checksum holds, but its {what} cannot be: no writer of this format made it"
    ))
}

fn flag(byte: u8) -> Result<bool> {
    match byte {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(inconsistent("flags")),
    }
}

/// The bytes of a section as its values.
pub(crate) fn values<T: bytemuck::AnyBitPattern>(bytes: &[u8]) -> Result<&[T]> {
    bytemuck::try_cast_slice(bytes).map_err(|_| {
        let message = "the bytes of a vector index must lie on a multiple of 4 in memory, better of 64; copy them into `AlignedBytes`";
        Error::new(ErrorKind::Unaligned, message)
    })
}

/// The values of a section as its bytes.
pub(crate) fn section_bytes<T: bytemuck::NoUninit>(values: &[T]) -> &[u8] {
    bytemuck::cast_slice(values)
}

fn low_u8(value: usize) -> u8 {
    u8::try_from(value).unwrap_or(u8::MAX)
}

fn low_u32(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On 64 bits a limit stands for the longest `usize` of 32.
    #[test]
    fn a_header_of_more_than_memory_can_be_is_damage_wherever_it_goes_beyond() {
        let small = Header {
            metric: Metric::L2,
            dimension: 1,
            nodes: 1,
            rows: 1,
            hidden: 0,
            calibrated: false,
            rotated: false,
            dense: false,
            walk: Walk::Codes,
            top: 0,
            m: 256,
            layers: 0,
            layer_nodes: [0; LAYERS_MAX],
            lists: Lists::Plain,
            widths: Widths::WITHOUT_GRAPH,
            reach: Reach::default(),
        };
        let total = small.sections_within(usize::MAX).unwrap().total;
        assert!(small.sections_within(total).is_some() && small.sections_within(total - 1).is_none());
        let most = MAX_NODES;
        let [one, all] = [1, MAX_NODES].map(|nodes| [u32::try_from(nodes).unwrap(); LAYERS_MAX]);
        for header in [
            Header { rows: most, ..small },
            Header { nodes: most, rows: most, ..small },
            Header { nodes: most, rows: most, dimension: MAX_DIMENSION, ..small },
            Header { nodes: 1 << 20, rows: 1 << 20, dimension: MAX_DIMENSION, dense: true, ..small },
            Header { nodes: most, rows: most, top: 1, layers: LAYERS_MAX, layer_nodes: all, ..small },
            Header {
                nodes: most,
                rows: most,
                top: 1,
                layers: LAYERS_MAX,
                layer_nodes: all,
                lists: Lists::Packed,
                ..small
            },
        ] {
            header.check().unwrap();
            assert_eq!(header.sections_within(u32::MAX as usize), None);
            let error = Header::decode(&header.encode(0)).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Damaged, "{error}");
        }
        let graph = Header { top: 1, layers: LAYERS_MAX, layer_nodes: one, ..small };
        assert!(graph.sections_within(u32::MAX as usize).is_some());
    }
}
