//! Work that can be divided: among the threads of the current rayon pool, or done by the calling thread alone.

use std::ops::Range;
use std::sync::{Mutex, PoisonError};

use rayon::prelude::*;

use crate::node::node_id;

/// Items are handed out in so many pieces at least, should there be as many: a pool halves work until each thread has some, and then only what is taken from another, so that
/// one thread is left with a large piece when the others are done.
const PIECES: usize = 256;

/// Who does work that can be divided. The results are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Workers {
    /// The calling thread alone.
    Caller,
    /// All threads of the rayon pool that the caller is in.
    Pool,
}

impl Workers {
    /// What `one` makes of each item, in order.
    pub(crate) fn map<T: Sync, R: Send>(self, items: &[T], one: impl Fn(&T) -> R + Sync + Send) -> Vec<R> {
        match self {
            Self::Caller => items.iter().map(one).collect(),
            Self::Pool => in_pieces(items.len(), &|piece| items[piece].iter().map(&one).collect()),
        }
    }

    /// What `one` makes of each number below `count`, in order; each thread has room of its own.
    pub(crate) fn map_with_room<S: Default, R: Send>(
        self,
        count: u32,
        one: impl Fn(&mut S, u32) -> R + Sync + Send,
    ) -> Vec<R> {
        match self {
            Self::Caller => {
                let mut room = S::default();
                (0..count).map(|i| one(&mut room, i)).collect()
            }
            Self::Pool => in_pieces(count as usize, &|piece| {
                let mut room = S::default();
                (node_id(piece.start)..node_id(piece.end)).map(|i| one(&mut room, i)).collect()
            }),
        }
    }

    /// Calls `one` with so many items at a time, the last time with what is left.
    pub(crate) fn for_each_chunk<T: Send>(
        self,
        items: &mut [T],
        len: usize,
        one: impl Fn(&mut [T]) + Sync + Send,
    ) {
        match self {
            Self::Caller => items.chunks_mut(len).for_each(one),
            Self::Pool => {
                let chunks: Vec<Mutex<&mut [T]>> = items.chunks_mut(len).map(Mutex::new).collect();
                by_pool(chunks.len(), &|at| {
                    one(&mut chunks[at].lock().unwrap_or_else(PoisonError::into_inner));
                });
            }
        }
    }

    /// Sorts; equals may change places.
    pub(crate) fn sort_unstable<T: Ord + Send>(self, items: &mut [T]) {
        match self {
            Self::Caller => items.sort_unstable(),
            Self::Pool => items.par_sort_unstable(),
        }
    }
}

/// What comes of each piece of so many items, one after the other.
fn in_pieces<R: Send>(items: usize, make: &(dyn Fn(Range<usize>) -> Vec<R> + Sync)) -> Vec<R> {
    let len = (items / PIECES).max(1);
    let made: Vec<Mutex<Vec<R>>> = (0..items).step_by(len).map(|_| Mutex::default()).collect();
    by_pool(made.len(), &|at| {
        let piece = make(at * len..items.min((at + 1) * len));
        *made[at].lock().unwrap_or_else(PoisonError::into_inner) = piece;
    });
    let mut all = Vec::with_capacity(items);
    for piece in made {
        all.append(&mut piece.into_inner().unwrap_or_else(PoisonError::into_inner));
    }
    all
}

/// Calls `one` with each number below `count`. There is one of it in a program for all that is divided, which would otherwise have what rayon is made of each time.
#[inline(never)]
fn by_pool(count: usize, one: &(dyn Fn(usize) + Sync)) {
    (0..count).into_par_iter().with_max_len(1).for_each(one);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caller_alone_gets_what_the_pool_gets() {
        let items: Vec<u32> = (0..1000).map(|i| i * 7919 % 1000).collect();
        assert_eq!(Workers::Caller.map(&items, |i| i * 2), Workers::Pool.map(&items, |i| i * 2));
        let count = |room: &mut u32, i: u32| {
            *room = i;
            *room + 1
        };
        assert_eq!(Workers::Caller.map_with_room(100, count), Workers::Pool.map_with_room(100, count));
        let doubled = |workers: Workers| {
            let mut items = items.clone();
            workers.for_each_chunk(&mut items, 7, |some| some.iter_mut().for_each(|item| *item *= 2));
            items
        };
        assert_eq!(doubled(Workers::Caller), doubled(Workers::Pool));
        let sorted = |workers: Workers| {
            let mut items = items.clone();
            workers.sort_unstable(&mut items);
            items
        };
        assert_eq!(sorted(Workers::Caller), sorted(Workers::Pool));
    }
}
