//! The damage in one file, while it is read.

use std::collections::HashSet;

use crate::damage::{Damage, sorted_and_merged};

/// Damage in one file. Whether a place is damaged is asked once for each block that does not hold: that takes as long with many as with few.
#[derive(Debug, Default)]
pub(super) struct Findings {
    damage: Vec<Damage>,
    starts: HashSet<u64>,
    #[cfg(test)]
    pub(super) compared: std::cell::Cell<usize>,
}

impl Findings {
    pub(super) fn push(&mut self, damage: Damage) {
        self.starts.insert(damage.range.start);
        self.damage.push(damage);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.damage.is_empty()
    }

    /// Whether damage begins at `offset`.
    pub(super) fn begins_at(&self, offset: u64) -> bool {
        #[cfg(test)]
        self.compared.set(self.compared.get() + 1);
        self.starts.contains(&offset)
    }

    /// All damage, neighbours made one; none is left.
    pub(super) fn take(&mut self) -> Vec<Damage> {
        self.starts.clear();
        sorted_and_merged(std::mem::take(&mut self.damage))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::Arc;

    use super::super::generation::Verifier;
    use crate::directory::Directory;
    use crate::manifest::reader::read_manifests;
    use crate::options::{Options, VerifyLevel};
    use crate::report::VerifyReport;
    use crate::store::Store;
    use crate::vfs::MemoryVfs;

    /// Lookups in the damage of a segment in which every other block of so many is damaged, and the report.
    fn verified(blocks: u64) -> (usize, VerifyReport) {
        let (disk, root) = (MemoryVfs::new(), Path::new("/a"));
        let options = Options::new().block_len(512).seed(1);
        let store = Store::create_in(Arc::new(disk.clone()), root, options.clone()).unwrap();
        let mut bulk = store.bulk().unwrap();
        for i in 0..blocks {
            let mut state = i + 1;
            let noise = (0..600).map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                state.to_le_bytes()[7]
            });
            bulk.put(&noise.collect::<Vec<u8>>()).unwrap();
        }
        bulk.finish().unwrap();
        let directory = Directory::new(Arc::new(disk.clone()), root, store.artifact(), &options, 0);
        store.close().unwrap();
        let manifest = read_manifests(&disk, root, &options).unwrap().newest.unwrap();
        let path = disk.files().into_iter().find(|path| path.to_string_lossy().contains("segment-")).unwrap();
        let mut bytes = disk.read_file(&path).unwrap();
        for at in (4096..bytes.len() - 1400).step_by(1264) {
            bytes[at + 100] ^= 1;
        }
        disk.write_file(&path, bytes);
        let mut verifier = Verifier::new(&directory, VerifyLevel::Decode);
        verifier.run(&manifest).unwrap();
        (verifier.found.compared.get(), verifier.total)
    }

    #[test]
    fn twice_the_damage_takes_twice_the_lookups_and_no_more() {
        let [(short, half), (long, all)] = [500, 1000].map(verified);
        assert!(
            half.damage.len() > 200 && all.damage.len() > 2 * half.damage.len() - 5,
            "{}",
            all.damage.len()
        );
        assert!(short > 200 && long <= 2 * short + 5, "{short} lookups, then {long}");
    }
}
