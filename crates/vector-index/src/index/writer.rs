//! A finished graph to bytes.

use std::io::Write;

use wire::{AlignedBytes, ChunkWriter};

use super::layout::{Header, LAYERS_MAX, Lists, Sections, section_bytes};
use crate::error::{Error, Result};
use crate::graph::builder::Built;
use crate::graph::links::layout::{NONE, list_len, pack, width};
use crate::metric::Metric;
use crate::node::node_id;
use crate::sketch::OwnedSketch;

impl Built {
    pub(crate) fn header(&self) -> Header {
        let quantizer = self.nodes.quantizer();
        let mut layer_nodes = [0; LAYERS_MAX];
        for (slot, layer) in layer_nodes.iter_mut().zip(&self.layers) {
            *slot = node_id(layer.nodes());
        }
        let rows = self.nodes.rows();
        Header {
            metric: quantizer.metric(),
            dimension: quantizer.dimension(),
            nodes: rows.len(),
            rows: rows.len() + self.repeats.len(),
            hidden: self.hidden.len(),
            calibrated: quantizer.calibration().is_some(),
            rotated: quantizer.is_rotated(),
            dense: self.is_dense(),
            walk: self.nodes.walk(),
            top: self.top,
            m: self.m,
            layers: self.layers.len(),
            layer_nodes,
            lists: if self.layers.is_empty() { Lists::Plain } else { Lists::Packed },
            widths: self.widths,
            reach: self.reach,
        }
    }

    fn is_dense(&self) -> bool {
        let rows = self.nodes.rows();
        let count = rows.len() + self.repeats.len();
        rows.iter().chain(self.repeats.iter().map(|repeat| &repeat.row)).all(|&row| (row as usize) < count)
    }

    /// Writes the index and returns its length.
    pub(crate) fn write(&self, out: &mut dyn Write) -> Result<usize> {
        let header = self.header();
        let sections = header.sections()?;
        let mut out = Output(ChunkWriter::new(out));
        out.write(&header.encode(sections.total))?;
        if let Some(calibration) = self.nodes.quantizer().calibration() {
            out.pad_to(sections.calibration.start)?;
            out.write(section_bytes(&calibration.centre))?;
            out.write(section_bytes(&calibration.step))?;
        }
        out.pad_to(sections.terms.start)?;
        self.write_terms(header.metric, &mut out)?;
        out.pad_to(sections.row_of_node.start)?;
        out.write(section_bytes(self.nodes.rows()))?;
        self.write_rows((&header, &sections), &mut out)?;
        out.pad_to(sections.repeats.start)?;
        out.write(section_bytes(&self.repeats))?;
        out.pad_to(sections.hidden.start)?;
        out.write(section_bytes(&self.hidden))?;
        for (layer, section) in self.layers.iter().zip(&sections.links) {
            out.pad_to(section.start)?;
            let (room, width) = (layer.degree(), width(layer.nodes()));
            let mut list = vec![0; list_len(room, width)];
            for node in 0..node_id(layer.nodes()) {
                let links = layer.list(node).iter().copied();
                pack(links.chain(std::iter::repeat(NONE)).take(room), width, &mut list);
                out.write(&list)?;
            }
        }
        out.pad_to(sections.outlines.start)?;
        out.write(self.nodes.outlines())?;
        let [high, low] = self.nodes.planes().bytes();
        out.pad_to(sections.high.start)?;
        out.write(high)?;
        out.pad_to(sections.low.start)?;
        out.write(low)?;
        self.write_sketch(&sections, &mut out)?;
        out.pad_to(sections.checksums.start)?;
        out.0.finish()?;
        Ok(sections.total)
    }

    fn write_sketch(&self, sections: &Sections, out: &mut Output<'_>) -> Result<()> {
        let mut sketch = OwnedSketch::default();
        if !sections.signs.is_empty() {
            let mut codes = vec![0; self.nodes.quantizer().dimension()];
            for (node, terms) in (0..).zip(self.nodes.terms()) {
                self.nodes.planes().as_ref().unpack(node, &mut codes);
                sketch.push(&codes, terms.b);
            }
        }
        out.pad_to(sections.signs.start)?;
        out.write(sketch.signs())?;
        out.pad_to(sections.factors.start)?;
        out.write(section_bytes(sketch.factors()))
    }

    fn write_terms(&self, metric: Metric, out: &mut Output<'_>) -> Result<()> {
        if metric == Metric::L2 {
            return out.write(section_bytes(self.nodes.terms()));
        }
        self.nodes.terms().iter().try_for_each(|terms| out.write(section_bytes(&[terms.b])))
    }

    fn write_rows(&self, (header, sections): (&Header, &Sections), out: &mut Output<'_>) -> Result<()> {
        let firsts = (0..).zip(self.nodes.rows()).map(|(node, &row)| (row, node));
        let mut rows: Vec<(u32, u32)> =
            firsts.chain(self.repeats.iter().map(|repeat| (repeat.row, repeat.node))).collect();
        rows.sort_unstable();
        if !header.dense {
            out.pad_to(sections.rows.start)?;
            rows.iter().try_for_each(|&(row, _)| out.write(section_bytes(&[row])))?;
        }
        out.pad_to(sections.node_of_row.start)?;
        rows.iter().try_for_each(|&(_, node)| out.write(section_bytes(&[node])))
    }

    pub(crate) fn to_bytes(&self) -> Result<AlignedBytes> {
        let mut bytes = AlignedBytes::with_capacity(self.header().sections()?.total);
        self.write(&mut bytes)?;
        Ok(bytes)
    }
}

/// Where the index is written to.
struct Output<'a>(ChunkWriter<&'a mut dyn Write>);

impl Output<'_> {
    fn write(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.0.write_all(bytes)?)
    }

    /// Goes on to the section that begins at `offset`.
    fn pad_to(&mut self, offset: usize) -> Result<()> {
        self.0.pad()?;
        if self.0.position() == offset as u64 {
            return Ok(());
        }
        let message = format!("{} bytes written, where the layout says {offset}", self.0.position());
        Err(Error::damaged(message))
    }
}
