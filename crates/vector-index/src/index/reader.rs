//! Any bytes to an index that can be searched.

use std::ops::Range;
use std::sync::{Arc, OnceLock};

use wire::{Bytes, check_chunks};

use super::checks::{Checks, Unverified, VerifiedNodes};
use super::layout::{Header, LAYERS_MAX, Lists, Sections, Walk, values};
use crate::codes::layout::{Plane, groups};
use crate::codes::planes::Planes;
use crate::error::{Error, ErrorKind, Result};
use crate::graph::hierarchy::Hierarchy;
use crate::graph::links::Links;
use crate::graph::links::layout::BEHIND;
use crate::kernel::Kernel;
use crate::metric::Metric;
use crate::node::node_id;
use crate::prefetch::prefetch;
use crate::quantize::{Calibration, Int8Quantizer};
use crate::repeats::{self, Repeat};
use crate::sketch::Sketch;
use crate::sketch::layout::Outlines;
use crate::space::{Space, TermsRef};
use crate::widths::{Reach, Widths};

/// An index over bytes that lie anywhere: a `Vec`, a memory map, a slice of a larger file.
///
/// Opening reads the header only, whatever the number of vectors. Nothing is copied: a search touches what it needs, and has it
/// verified by [`Bytes::check`] before. The bytes must not change. If they are damaged or hostile and nobody verified them, searches
/// return wrong hits or an error, in bounded time; [`verify`](Self::verify) tells.
#[derive(Debug, Clone)]
pub struct Index<B> {
    bytes: B,
    header: Header,
    sections: Sections,
    quantizer: Int8Quantizer,
    kernel: Kernel,
    /// Only of bytes that have to be verified.
    verified: Arc<OnceLock<VerifiedNodes>>,
}

/// The sections as what they are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct View<'a> {
    pub(crate) space: Space<'a>,
    /// The lowest row of each node.
    pub(crate) row_of_node: &'a [u32],
    /// The further rows of nodes that have several, by node.
    pub(crate) repeats: &'a [Repeat],
    /// Nodes that every search compares, ascending.
    pub(crate) hidden: &'a [u32],
    /// Ascending; `None` if they are 0, 1, 2 and so on.
    rows: Option<&'a [u32]>,
    /// The node of each of those.
    node_of_row: &'a [u32],
    pub(crate) layers: [Links<'a>; LAYERS_MAX],
    pub(crate) layer_count: usize,
    pub(crate) top: u32,
    pub(crate) widths: Widths,
    pub(crate) reach: Reach,
    /// If there is no graph, unless the codes are calibrated.
    pub(crate) sketch: Option<Sketch<'a>>,
}

impl<B: Bytes> Index<B> {
    /// Opens an index.
    ///
    /// The bytes must begin on a multiple of four in memory ([`Unaligned`](ErrorKind::Unaligned) otherwise), and should on one of 64;
    /// what follows the index is ignored. Fails with [`NotAnIndex`](ErrorKind::NotAnIndex), [`NewerFormat`](ErrorKind::NewerFormat),
    /// [`Truncated`](ErrorKind::Truncated) or [`Damaged`](ErrorKind::Damaged) for what is not a whole index.
    pub fn open(bytes: B) -> Result<Self> {
        let (header, sections) = Header::decode(bytes.as_ref())?;
        let mut quantizer = Int8Quantizer::new(header.metric, header.dimension)?;
        if header.rotated {
            quantizer = quantizer.rotated()?;
        }
        if header.calibrated {
            Unverified(&bytes).check(sections.calibration.clone())?;
            let values: &[f32] = values(&bytes.as_ref()[sections.calibration.clone()])?;
            let (centre, step) = values.split_at(header.dimension);
            quantizer =
                quantizer.with_calibration(Some(Calibration { centre: centre.into(), step: step.into() }));
        }
        let index =
            Self { bytes, header, sections, quantizer, kernel: Kernel::detect(), verified: Arc::default() };
        index.view()?;
        Ok(index)
    }

    /// Searches with another kernel than the fastest, for tests and measurements.
    #[must_use]
    pub fn with_kernel(mut self, kernel: Kernel) -> Self {
        self.kernel = kernel;
        self
    }

    /// How many vectors there are: rows that have one.
    #[must_use]
    pub fn len(&self) -> usize {
        self.header.rows
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.header.rows == 0
    }

    /// How the vectors are quantized, and with it their metric and dimension.
    #[must_use]
    pub fn quantizer(&self) -> &Int8Quantizer {
        &self.quantizer
    }

    /// Whether there is a graph; otherwise every search is a scan.
    #[must_use]
    pub fn has_graph(&self) -> bool {
        self.header.layers > 0
    }

    /// Whether there is no graph where a build that makes one of so many vectors would have made it.
    #[must_use]
    pub fn lacks_graph(&self, graph_from: usize) -> bool {
        !self.has_graph() && self.header.nodes >= graph_from.max(1)
    }

    /// The length of the index in bytes.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.sections.total
    }

    /// What all but header, codes and their signs takes, in bytes: links, rows and factors.
    #[must_use]
    pub fn graph_byte_len(&self) -> usize {
        self.sections.outlines.start - self.sections.terms.start
    }

    /// The codes of the vector of a row, and the scale by which they stand for it; `None` if the row has none.
    pub fn codes(&self, row: u32) -> Result<Option<(Vec<i8>, f32)>> {
        let (view, checks) = (self.view()?, self.checks());
        let node = match &checks {
            None => view.node_of(row),
            Some(checks) => {
                checks.begin(true)?;
                let node = view.checked(checks).node_of(row);
                checks.high(node.as_slice());
                checks.low(node.as_slice());
                node
            }
        };
        checks.map_or(Ok(()), Checks::finish)?;
        let Some(node) = node else { return Ok(None) };
        let mut codes = vec![0; self.header.dimension];
        view.space.planes.unpack(node, &mut codes);
        Ok(Some((codes, self.quantizer.scale_of(view.space.terms.get(node)))))
    }

    /// The vector of a row as its codes stand for it, of length 1 under cosine; `None` if the row has none.
    pub fn vector(&self, row: u32) -> Result<Option<Vec<f32>>> {
        Ok(self.codes(row)?.map(|(codes, scale)| self.quantizer.decode(&codes, scale)))
    }

    /// The rows that have a vector, ascending.
    pub fn rows(&self) -> Result<Vec<u32>> {
        let view = self.view()?;
        self.checks().map_or(Ok(()), |checks| checks.begin(true))?;
        Ok(view.rows.map_or_else(|| (0..node_id(self.header.rows)).collect(), <[u32]>::to_vec))
    }

    /// Compares all checksums, which reads everything once. Fails with [`Damaged`](ErrorKind::Damaged) and the offset of the first
    /// bad 64 KiB.
    pub fn verify(&self) -> Result<()> {
        let (content, table) = self.bytes().split_at(self.sections.checksums.start);
        check_chunks(content, table).map_err(|e| Error::damaged(format!("the vector index: {e}")))
    }

    /// Has all bytes verified, for whoever copies them.
    pub(crate) fn check(&self) -> Result<()> {
        Unverified(&self.bytes).check(0..self.sections.total)
    }

    /// What verifies bytes for a search, if they are not all verified.
    pub(crate) fn checks(&self) -> Option<Checks<'_>> {
        (!self.bytes.is_verified()).then(|| {
            let verified = self.verified.get_or_init(|| VerifiedNodes::none_of(&self.header, &self.sections));
            Checks::new(&self.bytes, &self.header, &self.sections, verified)
        })
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes.as_ref()[..self.sections.total]
    }

    pub(crate) fn view(&self) -> Result<View<'_>> {
        let bytes = self.bytes.as_ref().get(..self.sections.total).ok_or_else(|| {
            Error::new(
                ErrorKind::Truncated,
                "the bytes of the vector index have become fewer since it was opened",
            )
        })?;
        let (header, sections) = (&self.header, &self.sections);
        let section = |range: &std::ops::Range<usize>| &bytes[range.clone()];
        let terms = section(&sections.terms);
        let terms = match header.metric {
            Metric::L2 => TermsRef::Pairs(values(terms)?),
            _ => TermsRef::Plain(values(terms)?),
        };
        let plane = |range| Plane::new(section(range), groups(header.dimension));
        let outlines =
            header.has_outlines().then(|| Outlines::new(section(&sections.outlines), header.dimension));
        let signs = section(&sections.signs);
        let sketch = if signs.is_empty() {
            None
        } else {
            let len = node_id(header.nodes);
            Some(Sketch::new(signs, values(section(&sections.factors))?, groups(header.dimension), len))
        };
        let mut layers = [Links::new(&[], 1); LAYERS_MAX];
        for (at, layer) in layers.iter_mut().enumerate().take(header.layers) {
            let (lists, room) = (&sections.links[at], header.degree(at));
            *layer = if header.lists == Lists::Packed {
                // Behind them are codes.
                let lists = lists.start..sections.total.min(lists.end + BEHIND);
                Links::packed(section(&lists), room, header.layer_nodes[at])
            } else {
                Links::new(values(section(lists))?, room)
            };
        }
        let row_of_node = values(section(&sections.row_of_node))?;
        Ok(View {
            space: Space {
                kernel: self.kernel,
                planes: Planes { high: plane(&sections.high), low: plane(&sections.low) },
                terms,
                checks: None,
                outlines,
                is_whole: header.is_whole(),
                walks_ahead: header.walk != Walk::Codes,
                rows: row_of_node,
            },
            row_of_node,
            repeats: values(section(&sections.repeats))?,
            hidden: values(section(&sections.hidden))?,
            rows: if header.dense { None } else { Some(values(section(&sections.rows))?) },
            node_of_row: values(section(&sections.node_of_row))?,
            layers,
            layer_count: header.layers,
            top: node_id(header.top),
            widths: self.widths(),
            reach: header.reach,
            sketch,
        })
    }
}

impl<B: Bytes> Index<B> {
    /// The least width that is known to find a part of the ten nearest by the codes, as measured when the index was built; `None` if none of up to
    /// 4,096 did, or it is beyond 0.995. See [`recall`](crate::SearchOptions::recall).
    pub fn ef_search_for(&self, recall: f64) -> Option<usize> {
        self.widths().reaching(recall)
    }

    /// The width of a search of which nothing is asked: that for 0.99, at least 64, at most 512.
    pub fn usual_ef_search(&self) -> usize {
        self.widths().usual()
    }

    fn widths(&self) -> Widths {
        if self.header.layers == 0 { Widths::WITHOUT_GRAPH } else { self.header.widths }
    }
}

impl<'a> View<'a> {
    /// This view, of which everything is verified before it is used, but what [`Checks::begin`] verifies.
    pub(crate) fn checked(mut self, checks: &'a Checks<'a>) -> Self {
        self.space.checks = Some(checks);
        for (number, layer) in self.layers.iter_mut().enumerate() {
            *layer = layer.checked(number, checks);
        }
        self
    }

    pub(crate) fn nodes(&self) -> usize {
        self.row_of_node.len()
    }

    /// The node that holds the vector of a row.
    pub(crate) fn node_of(&self, row: u32) -> Option<u32> {
        let at = match self.rows {
            None => row as usize,
            Some(rows) => rows.binary_search(&row).ok()?,
        };
        if let Some(checks) = self.space.checks.filter(|_| at < self.node_of_row.len()) {
            checks.node_of_row(at);
        }
        self.node_of_row.get(at).copied().filter(|&node| (node as usize) < self.nodes())
    }

    /// Appends the nodes that hold the vectors of some rows, which ascend.
    pub(crate) fn nodes_of(&self, rows: &[u32], nodes: &mut Vec<u32>) {
        let (Some((&first, &last)), None) = (rows.first().zip(rows.last()), self.rows) else {
            return nodes.extend(rows.iter().filter_map(|&row| self.node_of(row)));
        };
        let (first, end) = (first as usize, self.node_of_row.len().min(last as usize + 1));
        if let Some(checks) = self.space.checks.filter(|_| first < end) {
            checks.nodes_of_rows(first..end);
        }
        // Written without a branch: hardly any row has no node.
        let mut len = nodes.len();
        nodes.resize(len + rows.len(), 0);
        for &row in rows {
            nodes[len] = self.node_of_row.get(row as usize).copied().unwrap_or(u32::MAX);
            len += usize::from((nodes[len] as usize) < self.nodes());
        }
        nodes.truncate(len);
    }

    /// The lowest row of each of some nodes, of which there is at least one.
    pub(crate) fn first_rows(&self, nodes: Range<usize>) -> impl ExactSizeIterator<Item = u32> + use<'a> {
        if let Some(checks) = self.space.checks {
            checks.rows_of_nodes(nodes.clone());
        }
        self.row_of_node[nodes].iter().copied()
    }

    /// Has what tells the node of a row fetched, which is read soon.
    pub(crate) fn prefetch_node_of(&self, row: u32) {
        if self.rows.is_none() {
            prefetch(self.node_of_row.get(row as usize..=row as usize).unwrap_or_default());
        }
    }

    /// Whether some row of a node is allowed. Few nodes have several.
    #[inline]
    pub(crate) fn any_row_of(&self, node: u32, allows: impl Fn(u32) -> bool) -> bool {
        if let Some(checks) = self.space.checks {
            checks.row_of_node(node);
        }
        allows(self.row_of_node[node as usize])
            || !self.repeats.is_empty() && repeats::of_node(self.repeats, node).any(allows)
    }

    /// The rows of a node, ascending.
    #[inline]
    pub(crate) fn rows_of(&self, node: u32) -> impl Iterator<Item = u32> + use<'a> {
        if let Some(checks) = self.space.checks {
            checks.row_of_node(node);
        }
        let first = self.row_of_node[node as usize];
        std::iter::once(first).chain(repeats::of_node(self.repeats, node))
    }

    pub(crate) fn hierarchy(&self) -> Hierarchy<impl Iterator<Item = Links<'a>> + use<'a>> {
        let (layers, count) = (self.layers, self.layer_count);
        Hierarchy { top: self.top, uppers: (1..count).rev().map(move |layer| layers[layer]) }
    }

    pub(crate) fn lowest(&self) -> Links<'a> {
        self.layers[0]
    }
}
