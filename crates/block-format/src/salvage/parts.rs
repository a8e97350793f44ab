//! The parts of an artifact: lists of deleted ids, and what its owner keeps in them.

use super::Salvage;
use crate::error::Result;
use crate::file::FileName;
use crate::id::FileId;
use crate::manifest::PartEntry;
use crate::part::layout::decode_deletes;
use crate::part::{Part, PartKind};

impl Salvage {
    /// The parts that the manifest names. Where none is current, every one there is: what was deleted once stays so, and a part that is no longer needed is soon
    /// removed.
    pub(super) fn read_parts(&mut self) -> Result<()> {
        let named = self.manifest.as_ref().map_or(Vec::new(), |manifest| manifest.parts.clone());
        for &entry in &named {
            self.read_part(entry.file, Some(entry))?;
        }
        if !self.is_current {
            for name in self.unnamed() {
                if let FileName::Part(id) = name {
                    self.read_part(id, None)?;
                }
            }
        }
        let expected = named.iter().any(|entry| entry.kind == PartKind::DELETES.0);
        self.report.deletes_incomplete |= expected && !self.has_deletes;
        let derived = named.iter().filter(|entry| PartKind(entry.kind).is_derived());
        let lost = derived.filter(|entry| !self.parts.contains_key(&(entry.kind, entry.tag, entry.file)));
        self.report.lost_parts.extend(lost.map(|entry| (PartKind(entry.kind), entry.tag)));
        Ok(())
    }

    /// A part, with its entry if the manifest names it.
    fn read_part(&mut self, id: FileId, named: Option<PartEntry>) -> Result<()> {
        let Some(source) = self.open(FileName::Part(id), u64::MAX)? else { return Ok(()) };
        let unknown = PartEntry { file: id, len: source.len(), hash: 0, kind: PartKind::DELETES.0, tag: 0 };
        let entry = named.unwrap_or(unknown);
        let (unnamed, binding) = (named.is_none(), self.directory.binding(id));
        let opened = Part::open(source, binding, entry, self.directory.options.steps).and_then(|mut part| {
            if unnamed {
                let footer = part.footer()?;
                (part.entry.kind, part.entry.tag) = (footer.kind, footer.tag);
            }
            Ok(part)
        });
        let part = match opened {
            Ok(part) => part,
            Err(e) if e.is_io() => return Err(e),
            Err(_) => {
                self.report.deletes_incomplete |= unnamed;
                return Ok(());
            }
        };
        let checked = part.verify();
        if part.kind().is_derived() {
            match checked {
                Ok(()) => drop(self.parts.insert((part.kind().0, part.tag(), id), part)),
                Err(e) if e.is_io() => return Err(e),
                Err(_) if unnamed => self.report.lost_parts.push((part.kind(), part.tag())),
                Err(_) => {} // missed among those that the manifest names
            }
            return Ok(());
        }
        let end = self.manifest.as_ref().map_or(u64::MAX, |_| self.next_id);
        let ids = checked.and_then(|()| decode_deletes(&part.content()?, end));
        match ids {
            Ok(ids) => {
                self.deletes |= ids;
                self.has_deletes = true;
            }
            Err(e) if e.is_io() => return Err(e),
            // The manifest says whether another copy was expected and found.
            Err(_) => self.report.deletes_incomplete |= unnamed,
        }
        Ok(())
    }
}
