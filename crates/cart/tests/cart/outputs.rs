//! Files that a person names to be written.

use std::fs;

use crate::support::Place;

fn place() -> Place {
    let place = Place::new();
    place.write("x.jsonl", "{\"key\":\"k\",\"text\":\"one\",\"metadata\":{\"year\":1,\"at\":{\"day\":2}}}\n");
    place.cart("add a x.jsonl --no-meaning").succeeds();
    place
}

#[test]
fn no_output_goes_over_a_file_or_into_the_folder_of_an_artifact() {
    const BENCH: &str = "bench a --queries 1 --duration 0.01 --warm-up 0 --clients 1 --batch 1 --rate 0";
    let place = place();
    place.write("thesis.txt", "precious");
    place.write("man/cart-add.1", "precious");
    let mut segment = String::new();
    for entry in fs::read_dir(place.path("a")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.starts_with("segment-") {
            segment = name;
        }
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink("a/new", place.path("link")).unwrap();
    let there = "there is a file here already";
    for to in [
        "thesis.txt",
        &format!("a/{segment}"),
        #[cfg(unix)]
        "link",
    ] {
        place.cart(&format!("embed x.jsonl --out {to}")).fails(1, &[to, there]);
        place.cart(&format!("{BENCH} --html {to}")).fails(1, &[to, there]);
        place.cart(&format!("pack a {to}")).fails(1, &[to]);
    }
    let inside = "the folder of an artifact";
    place.cart("embed x.jsonl --out a/new.npy").fails(1, &["a/new.npy", inside]);
    place.cart("pack a a/new.pack").fails(1, &["a/new.pack", inside]);
    place.cart("pack a a.pack").succeeds();
    place.cart("restore a.pack a/new").fails(1, &["a/new: ", inside]);
    place.cart("salvage a a/new").fails(1, &["a/new: ", inside]);
    place.cart(&format!("{BENCH} --html a/new.html")).fails(1, &["a/new.html", inside]);
    place.cart(&format!("{BENCH} --scratch a")).fails(1, &["a: ", inside]);
    place.cart("add a/segment-0000000000000099 x.jsonl").fails(1, &["a/segment-0000000000000099: ", inside]);
    place.cart("demo a/new").fails(1, &["a/new: ", inside]);
    place.cart("man a").fails(1, &["a: ", inside]);
    place.cart("man a/pages").fails(1, &["a/pages: ", inside]);
    #[cfg(feature = "arrow")]
    place.cart("export a --parquet a/new.parquet").fails(1, &["a/new.parquet", inside]);
    place.cart("man man").fails(1, &["cart-add.1: there is a file here already; --force"]);
    assert_eq!(fs::read_to_string(place.path("man/cart-add.1")).unwrap(), "precious");
    assert_eq!(fs::read_dir(place.path("man")).unwrap().count(), 1);
    place.cart("man man --force").succeeds();
    assert_ne!(fs::read_to_string(place.path("man/cart-add.1")).unwrap(), "precious");
    assert_eq!(fs::read_to_string(place.path("thesis.txt")).unwrap(), "precious");
    assert!(place.text("verify a").contains("sound") && !place.path("a/new").exists());
}

#[test]
fn an_artifact_with_fields_and_a_language_of_its_own_is_measured() {
    let place = Place::new();
    place.write(
        "x.jsonl",
        "{\"text\":\"moon\",\"fields\":{\"abstract\":\"men on the moon\"}}\n{\"text\":\"sun\"}\n",
    );
    place.cart("add a x.jsonl --no-meaning --language german --field abstract=3").succeeds();
    let report = place
        .json("bench a --queries 1 --duration 0.01 --warm-up 0 --clients 1 --batch 1 --rate 0 --scratch .");
    assert_eq!(report["setting"]["records"], 2);
}

#[cfg(unix)]
#[test]
fn a_file_that_is_written_has_the_mode_that_the_umask_gives_it() {
    use std::os::unix::fs::PermissionsExt;
    let place = place();
    let mode = |name: &str| fs::metadata(place.path(name)).unwrap().permissions().mode();
    place.cart("embed x.jsonl --out v.npy").succeeds();
    assert_eq!(mode("v.npy"), mode("x.jsonl"));
}

#[test]
fn strict_refuses_fields_to_be_shown_that_no_record_has() {
    let place = place();
    for shown in ["--fields key,nope", "--format '{key} {nope}'", "--format jsonl --fields nope"] {
        place.cart(&format!("search a one --words {shown}")).succeeds();
        place.cart(&format!("search a one --words {shown} --strict")).fails(2, &["nope"]);
    }
    place.cart("search a one --words --fields yaer --strict").fails(2, &["year"]);
    for known in ["rank,id,key,score,snippet,text,metadata", "title", "year", "at", "at.day"] {
        place.cart(&format!("search a one --words --fields {known} --strict")).succeeds();
    }
}

#[test]
fn too_little_memory_to_open_an_artifact_is_not_called_damage() {
    use compact_artifact::{CompactArtifact, Maintenance, Record};
    let place = Place::new();
    let writer = CompactArtifact::options().maintenance(Maintenance::Manual).create(place.path("a")).unwrap();
    let word =
        |n: u64| format!("{:032x} ", u128::from(n).wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835));
    let text = |n: u64| (n * 15..n * 15 + 15).map(word).collect::<String>();
    writer.add_batch((1..=9_000).map(|n| Record::text(text(n)).key(n.to_string()))).unwrap();
    drop(writer);
    let ended =
        place.cart("doctor a --memory-limit 8MiB").fails(1, &["a: ", "take more than", "cart compact"]);
    assert!(!ended.stderr.contains("salvage") && !ended.text().contains("damaged"), "{ended:?}");
    place.cart("doctor a --memory-limit 1MiB").fails(2, &["--memory-limit"]);
    place.cart("doctor a").succeeds();
}

#[test]
#[cfg(target_os = "linux")]
fn where_memory_ends_an_add_says_so_and_nothing_was_added() {
    use crate::support::Ended;
    let place = Place::new();
    let words = |n: u64| {
        (0..60).map(move |at| format!("{:06x} ", ((n * 60 + at).wrapping_mul(0x9e37_79b9) >> 12) & 0xff_ffff))
    };
    let line = |n: u64| {
        format!(
            "{{\"key\":\"k{n}\",\"text\":\"{}\",\"metadata\":{{\"n\":{n}}}}}\n",
            words(n).collect::<String>()
        )
    };
    place.write("x.jsonl", (0..60_000).map(line).collect::<String>());
    for mib in [96, 128, 160] {
        let script = format!("ulimit -v {}; exec \"$0\" add a x.jsonl --no-meaning", mib << 10);
        let mut command = std::process::Command::new("sh");
        command.current_dir(place.path(".")).arg("-c").arg(script).arg(env!("CARGO_BIN_EXE_cart"));
        let ended = Ended::of(command.output().unwrap());
        ended.fails(1, &["memory", "nothing was added"]);
        assert!(!place.path("a").exists());
    }
}
