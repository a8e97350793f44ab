//! The nearest others of each record of sealed shards, found once and stored: `Options::precompute_similar`.

use std::io::{self, Write};
use std::sync::Arc;

use block_format::Part;
use rayon::prelude::*;
use vector_index::RowSet;

use super::core::Engine;
use super::policy::ROWS_OF_NEIGHBOURS;
use crate::api::damage::Damage;
use crate::api::error::Result;
use crate::format::parts::{NEIGHBOURS, row_set};
use crate::search::nearest_others;
use crate::shard::layout::{put_neighbours, write_neighbours_head};
use crate::state::{State, View};

/// Rows that one thread searches for at a time.
const ROWS_OF_A_THREAD: usize = 64;

impl Engine {
    /// Finds the neighbours of the rows of all sealed shards that are not as the settings want them. Shards that are damaged are left out, and named. The
    /// caller has the maintenance lock.
    pub(super) fn precompute_similar(&self, damage: &mut Vec<Damage>) -> Result<()> {
        if !cfg!(feature = "similar") || !self.state().views.iter().any(|view| self.lacks_neighbours(view)) {
            return Ok(());
        }
        let state = self.durable_state()?;
        let deleted = state.deleted();
        let mut views: Vec<&View> = state.views.iter().filter(|view| self.lacks_neighbours(view)).collect();
        views.retain(|view| match view.shard.check_all() {
            Ok(()) => true,
            Err(e) => {
                let number = view.shard.number;
                if damage.iter().all(|known| known.shard != Some(number)) {
                    damage.push(Damage::new(format!("shard {number}: {e}")).in_shard(number));
                }
                false
            }
        });
        if views.is_empty() {
            return Ok(());
        }
        self.store.edit(|edit| {
            for view in views {
                let number = view.shard.number;
                let is_old = |part: &&Arc<Part>| is_of(part, number);
                state.records.parts().iter().filter(is_old).try_for_each(|part| edit.drop_part(part.id()))?;
                let tables = wanted_tables(&state, view);
                if !tables.is_empty() {
                    let dead = row_set(&view.droppable(&deleted, state.steps));
                    edit.write_part(NEIGHBOURS, number, |out| {
                        self.write_neighbours(&state, view, &tables, &dead, out)
                    })?;
                }
            }
            Ok(())
        })?;
        self.publish_shards(&[])
    }

    fn lacks_neighbours(&self, view: &View) -> bool {
        if !view.shard.is_sealed() || self.lacks_graph(view) {
            return false;
        }
        let state = self.state();
        let is_written = state.records.parts().iter().any(|part| is_of(part, view.shard.number));
        let wanted = wanted_tables(&state, view);
        match &view.neighbours {
            Some(neighbours) => !neighbours.tables().eq(wanted),
            // What cannot be opened is written anew.
            None => is_written || !wanted.is_empty(),
        }
    }

    /// Writes, for each row of a shard, which others are nearest to it in each space; none for rows in `dead`.
    fn write_neighbours(
        &self,
        state: &State,
        view: &View,
        tables: &[(usize, usize)],
        dead: &RowSet,
        out: &mut dyn Write,
    ) -> io::Result<()> {
        write_neighbours_head(view.shard.rows, tables, out)?;
        for &(number, per_row) in tables {
            let some = |rows: &[u32]| -> Result<Vec<u8>> {
                let mut bytes = Vec::with_capacity(4 * per_row * rows.len());
                for &row in rows {
                    let near = self.resources.with_scratch(|scratch| {
                        let space = &state.settings.spaces[number];
                        let vectors = view.shard.vectors(number);
                        vectors.map_or(Ok(Vec::new()), |vectors| {
                            nearest_others(vectors, space, row, per_row, dead, scratch)
                        })
                    })?;
                    put_neighbours(near.into_iter(), per_row, &mut bytes);
                }
                Ok(bytes)
            };
            for first in (0..view.shard.rows).step_by(ROWS_OF_NEIGHBOURS) {
                let rows: Vec<u32> = (first..view.shard.rows).take(ROWS_OF_NEIGHBOURS).collect();
                let pieces: Vec<Vec<u8>> = self
                    .store
                    .workers()
                    .run(|divided| {
                        if divided {
                            rows.par_chunks(ROWS_OF_A_THREAD).map(some).collect::<Result<_>>()
                        } else {
                            some(&rows).map(|bytes| vec![bytes])
                        }
                    })
                    .map_err(io::Error::from)?;
                pieces.iter().try_for_each(|bytes| out.write_all(bytes))?;
            }
        }
        Ok(())
    }
}

fn is_of(part: &Part, number: u64) -> bool {
    part.kind() == NEIGHBOURS && part.tag() == number
}

/// The spaces in which neighbours are wanted in a shard, and how many of each row: one more than are asked for, which tells whether the last one has equals.
fn wanted_tables(state: &State, view: &View) -> Vec<(usize, usize)> {
    let similar = state.settings.similar as usize;
    let spaces = state.settings.current_spaces().map(|(number, _)| number);
    let has_vectors = |number: &usize| view.shard.vectors(*number).is_some_and(|v| v.index.len() > 1);
    spaces.filter(has_vectors).filter(|_| similar > 0).map(|number| (number, similar + 1)).collect()
}
