//! Paths at which there can be no artifact.

use compact_artifact::{CompactArtifact, ErrorKind, Options, salvage, unpack};

#[test]
fn nothing_is_made_at_an_empty_path() {
    let temp = tempfile::tempdir().unwrap();
    let (path, packed) = (temp.path().join("a"), temp.path().join("a.cart"));
    let artifact = CompactArtifact::create(&path).unwrap();
    artifact.add_text("a cat").unwrap();
    artifact.pack(&packed).unwrap();
    for e in [
        CompactArtifact::create("").unwrap_err(),
        Options::new().open_or_create("").unwrap_err(),
        artifact.pack("").unwrap_err(),
        unpack(&packed, "").unwrap_err(),
        CompactArtifact::open_read_only(&packed).unwrap().unpack("").unwrap_err(),
        salvage(&packed, "", Options::new()).unwrap_err(),
    ] {
        assert_eq!(e.kind(), ErrorKind::InvalidArgument, "{e}");
        assert!(e.to_string().contains("empty path"), "{e}");
    }
}

#[test]
#[cfg(unix)]
fn a_path_with_a_zero_byte_is_not_said_to_be_a_file() {
    for open in [Options::open, Options::open_read_only, Options::create] {
        let e = open(Options::new(), "a\0b").unwrap_err();
        assert_eq!(e.kind(), ErrorKind::Io, "{e}");
        assert!(e.to_string().contains("NUL"), "{e}");
    }
}
