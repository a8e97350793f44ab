//! The ways in which a loss of power can leave a file system.

/// The part of the writes to a file since its last sync that survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Persist {
    /// Nothing.
    None,
    /// Everything.
    All,
    /// The part of each write before a multiple of this many bytes in the file, chosen at random.
    Torn(usize),
    /// The bytes of all writes in order, up to one chosen at random.
    BytePrefix,
    /// Each 512-byte sector with an even chance.
    Sectors,
    /// Each write with an even chance.
    Writes,
    /// The last write only.
    Last,
    /// Each sector with an even chance; the others hold garbage.
    Garbage,
}

/// The size of a file with writes since its last sync.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersistSize {
    /// As far as its surviving content reaches.
    AsContent,
    /// As large as it was; what did not survive reads as zeros.
    Grown,
}

/// Which names, created or removed since the last sync of their directory, persist.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PersistNames {
    /// None of the changes.
    None,
    /// All of them.
    All,
    /// Each with an even chance.
    Some,
}

/// One way in which things can be left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CrashVariant {
    /// Content of files.
    pub content: Persist,
    /// Size of files.
    pub size: PersistSize,
    /// Names in directories.
    pub names: PersistNames,
    /// For what is chosen at random.
    pub seed: u64,
}

impl CrashVariant {
    /// A kill of the process: the operating system keeps everything.
    pub const KILL: Self =
        Self { content: Persist::All, size: PersistSize::Grown, names: PersistNames::All, seed: 0 };

    /// Sixteen variants that together tear content, size and names apart in every way of the model.
    pub fn standard(seed: u64) -> Vec<Self> {
        use Persist as P;
        use PersistNames as N;
        use PersistSize::{AsContent, Grown};
        let variants = [
            (P::None, AsContent, N::None),
            (P::None, AsContent, N::All),
            (P::None, Grown, N::All),
            (P::All, Grown, N::All),
            (P::All, Grown, N::None),
            (P::All, Grown, N::Some),
            (P::Torn(512), AsContent, N::All),
            (P::Torn(512), Grown, N::Some),
            (P::Torn(4096), AsContent, N::All),
            (P::Torn(4096), Grown, N::All),
            (P::BytePrefix, AsContent, N::All),
            (P::BytePrefix, Grown, N::Some),
            (P::Sectors, Grown, N::All),
            (P::Writes, Grown, N::All),
            (P::Last, Grown, N::All),
            (P::Garbage, Grown, N::Some),
        ];
        let with_seed = |(index, (content, size, names))| {
            let seed = seed.wrapping_mul(31).wrapping_add(index as u64);
            Self { content, size, names, seed }
        };
        variants.into_iter().enumerate().map(with_seed).collect()
    }
}
