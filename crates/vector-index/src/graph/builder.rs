//! Vectors to a graph: the hierarchy, the order of the nodes, and the layers.

use std::ops::ControlFlow;

use super::audit::{self, Sample};
use super::hierarchy::Hierarchy;
use super::layer::{InsertScratch, Layer, LayerOptions, Pending};
use super::links::Links;
use super::partition::{Candidates, FANOUT, FANOUT_SEEDED, mix};
use super::reach::reach;
use super::repair;

use crate::codes::Codes;
use crate::distinct::Distinct;
use crate::error::{Error, ErrorKind, Result};
use crate::kernel::Kernel;
use crate::node::node_id;
use crate::options::BuildOptions;
use crate::repeats::Repeat;
use crate::scratch::Pooled;
use crate::space::{Nodes, Space};
use crate::widths::{Reach, Widths};

/// Of the nodes of a layer, one in so many is also in the layer above.
const LAYER_RATIO: usize = 32;
/// A layer of at most so many nodes is the top: it has no links, a search looks at all of it.
pub(crate) const TOP_MAX: usize = 64;
/// A batch is at most this part of the nodes of its layer, and of those inserted so far, so that its nodes miss little of each
/// other, ...
const BATCH_PART: usize = 200;
const BATCH_PART_DONE: usize = 8;
/// ... and at least so many, so that all threads have work.
const BATCH_MIN: usize = 64;

/// From so many vectors on, candidates come from partitions.
const PARTITIONED_FROM: usize = 4_096;

/// So many neighbours of a vector are enough to choose from: lists of all that lead past deleted vectors, or of all that equal ones have, would
/// take more memory than everything else.
pub(crate) const SEEDS_ENOUGH: usize = 64;

/// An error where there is no memory for so many bytes of each of the vectors that an index is built of.
pub(crate) fn check_memory(vectors: usize, of_each: usize) -> Result<()> {
    let bytes = vectors.saturating_mul(of_each);
    if wire::is_memory_left(bytes) {
        return Ok(());
    }
    let message =
        format!("there is no memory for an index of {vectors} vectors, for which {bytes} bytes were asked");
    Err(Error::new(ErrorKind::OutOfMemory, message))
}

/// Bytes that a build takes for each node beside its codes, about: for each of the links that it has room for, and that it has; some more; and candidates from partitions.
fn room_of_node(m: usize) -> usize {
    3 * m * (size_of::<[u32; 2]>() + size_of::<u32>()) + 40 + 300
}

/// How far a build is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Vectors that are in the graph, equal ones counted once.
    pub done: usize,
    /// Vectors that will be.
    pub total: usize,
}

/// The caller's view of a build, and the means to stop it.
pub(crate) type Watch<'a> = dyn FnMut(Progress) -> ControlFlow<()> + 'a;

/// The neighbours that vectors bring along.
#[derive(Debug, Default)]
pub(crate) struct Seeds {
    /// By position of the vector, as positions; or none at all.
    pub(crate) lists: Vec<Option<Vec<u32>>>,
    /// Whether they are all that such a vector is to have: those of one index, which the others are inserted into. Otherwise they are candidates.
    pub(crate) are_kept: bool,
}

/// A finished graph.
#[derive(Debug)]
pub(crate) struct Built {
    /// In the order of the graph: a layer holds the first so many.
    pub(crate) nodes: Nodes,
    /// Rows that share a node with a lower row, by node, then row.
    pub(crate) repeats: Vec<Repeat>,
    /// Nodes that a search for their own vector does not come by, ascending.
    pub(crate) hidden: Vec<u32>,
    /// The lowest first.
    pub(crate) layers: Vec<Layer>,
    /// The first so many nodes are the top.
    pub(crate) top: usize,
    pub(crate) m: usize,
    /// How wide searches have to be; nothing without a graph.
    pub(crate) widths: Widths,
    /// What searches are to end with a scan.
    pub(crate) reach: Reach,
}

/// The lowest layer, finished and audited.
struct Lowest {
    layer: Layer,
    hidden: Vec<u32>,
    widths: Widths,
    reach: Reach,
}

/// Builds a graph over vectors; without links if they are few.
pub(crate) fn build(
    codes: Codes,
    seeds: &Seeds,
    options: &BuildOptions,
    watch: &mut Watch<'_>,
) -> Result<Built> {
    options.check()?;
    let has_graph = |codes: &Codes| codes.len() >= options.graph_from.max(1);
    if !has_graph(&codes) {
        return Ok(Built::without_graph(codes, Vec::new(), options));
    }
    let Distinct { codes, repeats, place_of } = Distinct::new(codes, options.workers);
    if !has_graph(&codes) {
        return Ok(Built::without_graph(codes, repeats, options));
    }
    check_memory(codes.len(), room_of_node(options.m))?;
    let merged;
    let seeds = if place_of.is_empty() {
        seeds
    } else {
        merged = seeds_of_distinct(seeds, &place_of, codes.len());
        &merged
    };
    let mut builder = Builder {
        options,
        kernel: Kernel::detect(),
        scratch: Pooled::new(),
        shuffled: shuffled(&codes, options.seed),
        order: Vec::new(),
        layers: Vec::new(),
        top: 0,
        watch,
    };
    let sizes = layer_sizes(codes.len());
    builder.top = sizes[sizes.len() - 1];
    builder.order = builder.shuffled[..builder.top].to_vec();
    // From the top down. The layer below the top holds the top too; with a single size, that layer is all there is.
    let below: Vec<usize> = if sizes.len() == 1 { sizes } else { sizes[..sizes.len() - 1].to_vec() };
    for &size in below[1..].iter().rev() {
        let entries = builder.join(&codes, size);
        let mut nodes = codes.picked(&builder.order, options.workers);
        nodes.begin_centring();
        let mut layer = builder.layer(&nodes, &entries, &Seeds::default(), options.m, false)?;
        repair::connect(&mut layer, &nodes, nodes.space(builder.kernel));
        builder.layers.push(layer);
    }
    let entries = builder.join(&codes, below[0]);
    let mut nodes = codes.permuted(&builder.order, options.workers);
    let Lowest { layer, hidden, widths, reach } = builder.lowest(&mut nodes, &entries, seeds)?;
    builder.layers.push(layer);
    builder.layers.reverse();
    let repeats = by_node(repeats, &builder.order);
    Ok(Built {
        nodes,
        repeats,
        hidden,
        layers: builder.layers,
        top: builder.top,
        m: options.m,
        widths,
        reach,
    })
}

impl Built {
    /// Nodes are vectors in the order of their rows.
    fn without_graph(codes: Codes, mut repeats: Vec<Repeat>, options: &BuildOptions) -> Self {
        repeats.sort_unstable();
        let order: Vec<u32> = (0..node_id(codes.len())).collect();
        let (nodes, hidden) = (codes.permuted(&order, options.workers), Vec::new());
        let (widths, reach) = Default::default();
        Self { nodes, repeats, hidden, layers: Vec::new(), top: 0, m: options.m, widths, reach }
    }
}

/// Repeats of positions as repeats of nodes: `order` has the position of each.
fn by_node(mut repeats: Vec<Repeat>, order: &[u32]) -> Vec<Repeat> {
    if repeats.is_empty() {
        return repeats;
    }
    let mut node_of = vec![0; order.len()];
    for (node, &position) in (0..).zip(order) {
        node_of[position as usize] = node;
    }
    for repeat in &mut repeats {
        repeat.node = node_of[repeat.node as usize];
    }
    repeats.sort_unstable();
    repeats
}

/// The seeds of vectors of which those that are the same have become one: it brings along what each of them had, up to what is enough to choose from.
fn seeds_of_distinct(seeds: &Seeds, place_of: &[u32], places: usize) -> Seeds {
    if seeds.lists.is_empty() {
        return Seeds::default();
    }
    let mut distinct: Vec<Option<Vec<u32>>> = vec![None; places];
    for (list, &place) in
        seeds.lists.iter().zip(place_of).filter_map(|(list, place)| Some((list.as_ref()?, place)))
    {
        let all = distinct[place as usize].get_or_insert_default();
        let room = SEEDS_ENOUGH.saturating_sub(all.len());
        all.extend(
            list.iter().map(|&other| place_of[other as usize]).filter(|&other| other != place).take(room),
        );
    }
    for list in distinct.iter_mut().flatten() {
        list.sort_unstable();
        list.dedup();
    }
    Seeds { lists: distinct, are_kept: seeds.are_kept }
}

struct Builder<'a, 'w> {
    options: &'a BuildOptions,
    kernel: Kernel,
    scratch: Pooled<InsertScratch>,
    /// Positions of all vectors: the first are the nodes of the highest layer, and so on.
    shuffled: Vec<u32>,
    /// Positions in the order of the nodes, as far as it is known.
    order: Vec<u32>,
    /// The highest first.
    layers: Vec<Layer>,
    top: usize,
    watch: &'a mut Watch<'w>,
}

impl Builder<'_, '_> {
    /// Brings the order to `size` nodes: those that join come behind those of the layers above, in the order of the nearest of
    /// those, so that nodes that are near each other lie near each other. Returns the new nodes in the order in which they are to be
    /// inserted.
    fn join(&mut self, codes: &Codes, size: usize) -> Vec<Pending> {
        let known = self.order.len();
        let above = codes.picked(&self.order, self.options.workers);
        let space = above.space(self.kernel);
        let joining = &self.shuffled[known..size];
        let (top, layers, pool) = (node_id(self.top), &self.layers, &self.scratch);
        let hierarchy = Hierarchy { top, uppers: layers.iter().map(Layer::links) };
        let nearest = |&position: &u32| {
            pool.with(|scratch| {
                let InsertScratch { walk, query, .. } = scratch;
                hierarchy.clone().entry(space, codes.query(position, query), walk).0
            })
        };
        let entries: Vec<u32> = self.options.workers.map(joining, nearest);
        let mut by_entry: Vec<u32> = (0..).take(joining.len()).collect();
        by_entry.sort_by_key(|&i| (entries[i as usize], joining[i as usize]));
        let mut node_of = vec![0; joining.len()];
        for (node, &i) in (node_id(known)..).zip(&by_entry) {
            node_of[i as usize] = node;
        }
        self.order.extend(by_entry.iter().map(|&i| joining[i as usize]));
        node_of.into_iter().zip(entries).map(|(node, entry)| Pending { node, entry: Some(entry) }).collect()
    }

    /// The lowest layer, in which every vector finds itself, audited.
    fn lowest(&mut self, nodes: &mut Nodes, joined: &[Pending], seeds: &Seeds) -> Result<Lowest> {
        let degree = self.options.m * 2;
        let known = nodes.len() - joined.len();
        let sample = Sample::take(nodes, nodes.space(self.kernel), known, self.options.workers);
        nodes.set_needs_whole(sample.needs_whole());
        nodes.begin_centring();
        let mut layer = if takes_partitions(self.options, nodes.len()) && !seeds.are_kept {
            self.partitioned(nodes, seeds, degree)?
        } else {
            self.layer(nodes, joined, seeds, degree, true)?
        };
        nodes.end_centring();
        // Not before: what the links were made of is gone now.
        nodes.outline(self.options.workers);
        let (nodes, space) = (&*nodes, nodes.searched(self.kernel));
        let hierarchy = Hierarchy { top: node_id(self.top), uppers: self.layers.iter().map(Layer::links) };
        let connected = repair::connect(&mut layer, nodes, space);
        let entries = self.entries(nodes, &hierarchy, joined);
        let hidden = connected.make_findable(nodes, space, &entries, &self.scratch);
        let widths = audit::audit(&layer, nodes, space, &hierarchy, &sample, &self.scratch);
        let asked = (sample.strangers(), &sample.nodes()[..]);
        let reach = reach(&layer, nodes, space, (&hierarchy, widths), asked, &self.scratch);
        Ok(Lowest { layer, hidden, widths, reach })
    }

    /// Where a search for each node begins: known of those that joined, looked for again of the others.
    fn entries<'l>(
        &self,
        nodes: &Nodes,
        hierarchy: &Hierarchy<impl Iterator<Item = Links<'l>> + Clone + Sync>,
        joined: &[Pending],
    ) -> Vec<u32> {
        let known: Vec<u32> = (0..node_id(nodes.len() - joined.len())).collect();
        let (space, pool) = (nodes.space(self.kernel), &self.scratch);
        let mut entries = self.options.workers.map(&known, |&node| {
            pool.with(|InsertScratch { walk, query, .. }| {
                hierarchy.clone().entry(space, nodes.query(node, query), walk).0
            })
        });
        entries.resize(nodes.len(), 0);
        for pending in joined {
            entries[pending.node as usize] = pending.entry.unwrap_or(0);
        }
        entries
    }

    /// Links the nodes of the lowest layer, with candidates from partitions, and those that they bring along.
    fn partitioned(&mut self, nodes: &Nodes, seeds: &Seeds, degree: usize) -> Result<Layer> {
        let BuildOptions { alpha, seed, workers, .. } = *self.options;
        let (total, kernel) = (nodes.len(), self.kernel);
        let seeded = seeds.lists.iter().flatten().count();
        let fanout = if seeded * 10 >= total * 9 { FANOUT_SEEDED } else { FANOUT };
        let candidates =
            Candidates::find(nodes, kernel, degree, fanout, seed, workers, |done| self.tell(done, total))?;
        let options = LayerOptions { degree, ef_construction: 0, alpha, workers };
        let mut layer = Layer::new(total, options);
        let node_of = if seeds.lists.is_empty() { Vec::new() } else { self.node_of() };
        let brought = |node: u32| seeds.lists.get(self.order[node as usize] as usize)?.as_ref();
        let of_node = |node: u32, into: &mut Vec<u32>| {
            candidates.of_node(node, into);
            if let Some(list) = brought(node) {
                into.extend(list.iter().map(|&position| node_of[position as usize]));
                into.sort_unstable();
                into.dedup();
            }
        };
        let space = nodes.space(kernel);
        layer.choose_all(nodes, space, of_node, &self.scratch);
        drop(candidates);
        layer.link_back(nodes, space, &self.scratch);
        layer.finish(nodes, space, &self.scratch);
        self.tell(total, total)?;
        Ok(layer)
    }

    /// Tells how many vectors are in the graph, and fails if that is to be all.
    fn tell(&mut self, done: usize, total: usize) -> Result<()> {
        if (self.watch)(Progress { done, total }).is_continue() {
            return Ok(());
        }
        let message = format!("the build was stopped after {done} of {total} vectors");
        Err(Error::new(ErrorKind::Cancelled, message))
    }

    /// Links the nodes of a layer. `joined` are those that the layers above do not have.
    fn layer(
        &mut self,
        nodes: &Nodes,
        joined: &[Pending],
        seeds: &Seeds,
        degree: usize,
        lowest: bool,
    ) -> Result<Layer> {
        let options = LayerOptions {
            degree,
            ef_construction: self.options.walk_width().max(degree),
            alpha: self.options.alpha,
            workers: self.options.workers,
        };
        let space = nodes.space(self.kernel);
        let mut layer = Layer::new(nodes.len(), options);
        let queue = self.start(&mut layer, nodes, space, joined, seeds);
        let mut done = nodes.len() - queue.len();
        let most = (nodes.len() / BATCH_PART).max(BATCH_MIN);
        let mut rest = &queue[..];
        while !rest.is_empty() {
            // The very first have no entry, and are at most as many as the top: one batch.
            let size = if done == 0 { self.top } else { (done / BATCH_PART_DONE).clamp(BATCH_MIN, most) };
            let (batch, later) = rest.split_at(size.min(rest.len()));
            layer.insert(nodes, space, done, batch, &self.scratch);
            (rest, done) = (later, done + batch.len());
            if lowest {
                self.tell(done, nodes.len())?;
            }
        }
        layer.finish(nodes, space, &self.scratch);
        Ok(layer)
    }

    /// Gives a layer what is known of its links: those that vectors bring along, otherwise those of the layer above. Returns who
    /// waits to be inserted.
    fn start(
        &self,
        layer: &mut Layer,
        nodes: &Nodes,
        space: Space<'_>,
        joined: &[Pending],
        seeds: &Seeds,
    ) -> Vec<Pending> {
        let known = 0..node_id(nodes.len() - joined.len());
        if seeds.are_kept {
            return self.start_seeded(layer, nodes, space, joined, seeds);
        }
        let Some(above) = self.layers.last() else {
            return known.map(|node| Pending { node, entry: None }).chain(joined.iter().copied()).collect();
        };
        layer.seed(nodes, space, &known.collect::<Vec<_>>(), |node| above.list(node).to_vec(), &self.scratch);
        joined.to_vec()
    }

    /// The node of each position, all of which have one.
    fn node_of(&self) -> Vec<u32> {
        let mut node_of = vec![0; self.order.len()];
        for (node, &position) in (0..).zip(&self.order) {
            node_of[position as usize] = node;
        }
        node_of
    }

    fn start_seeded(
        &self,
        layer: &mut Layer,
        nodes: &Nodes,
        space: Space<'_>,
        joined: &[Pending],
        seeds: &Seeds,
    ) -> Vec<Pending> {
        let order = &self.order;
        let seed_of = |node: u32| seeds.lists[order[node as usize] as usize].as_ref();
        let (seeded, bare): (Vec<u32>, Vec<u32>) =
            (0..node_id(nodes.len())).partition(|&node| seed_of(node).is_some());
        let node_of = self.node_of();
        let list =
            |node| seed_of(node).into_iter().flatten().map(|&position| node_of[position as usize]).collect();
        layer.seed(nodes, space, &seeded, list, &self.scratch);
        // New nodes of the layers above come first, led by any node that is there; then the others, led by them.
        let known = nodes.len() - joined.len();
        let new = bare.iter().filter(|&&node| (node as usize) < known);
        let new = new.map(|&node| Pending { node, entry: seeded.first().copied() });
        new.chain(joined.iter().filter(|pending| seed_of(pending.node).is_none()).copied()).collect()
    }
}

/// Whether candidates for so many vectors come from partitions, unless links are kept.
pub(crate) fn takes_partitions(options: &BuildOptions, vectors: usize) -> bool {
    options.ef_construction.is_none() && vectors >= PARTITIONED_FROM
}

/// The number of nodes of every layer, the lowest first; the last is the top.
fn layer_sizes(nodes: usize) -> Vec<usize> {
    let mut sizes = vec![nodes];
    while sizes[sizes.len() - 1] > TOP_MAX {
        sizes.push(sizes[sizes.len() - 1] / LAYER_RATIO);
    }
    sizes
}

/// The positions of vectors in an order that looks random, and depends on their rows and the seed alone.
fn shuffled(codes: &Codes, seed: u64) -> Vec<u32> {
    let mut positions: Vec<u32> = (0..node_id(codes.len())).collect();
    positions.sort_by_cached_key(|&position| (mix(seed, codes.rows()[position as usize]), position));
    positions
}
