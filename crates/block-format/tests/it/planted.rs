//! Planted bugs: each sync and each check is left out in turn, and the campaigns must notice. This is what makes their
//! counts mean something.

use std::panic::{AssertUnwindSafe, catch_unwind};

use block_format::Step;

use crate::{crash, damage, faults, forged, hostile, lying, packs};

type Campaign = (&'static str, fn(Option<Step>) -> Result<u64, String>);

/// Small doses, the quick ones first.
const CAMPAIGNS: [Campaign; 15] = [
    ("lost manifest", damage::lost_manifest),
    ("lying medium", lying::lying_medium),
    ("one copy of the deletes", hostile::one_copy_of_the_deletes),
    ("removed lock", hostile::removed_lock),
    ("crashes while unpacking", packs::crashes_while_unpacking),
    ("unpacking onto a lying medium", packs::unpacking_onto_a_lying_medium),
    ("packs of damaged files", |left_out| packs::packs_of_damaged_files(left_out, 1009)),
    ("forged checksums", forged::forged_checksums),
    ("flips before a later commit", |left_out| damage::flips_before_a_later_commit(left_out, 11)),
    ("flips in a part", |left_out| damage::flips_in_a_part(left_out, 1009)),
    ("misdirections", |left_out| damage::misdirections(left_out, 97)),
    ("crashes", |left_out| crash::campaign(left_out, 2, 1)),
    ("truncations", |left_out| damage::truncations(left_out, 997)),
    ("faults", |left_out| faults::campaign(left_out, 2, 5)),
    ("flips", |left_out| damage::flips(left_out, 1009)),
];

#[test]
fn every_planted_bug_is_caught() {
    let mut missed = Vec::new();
    for &step in Step::ALL {
        let caught = CAMPAIGNS.iter().find_map(|(name, campaign)| {
            let result = catch_unwind(AssertUnwindSafe(|| campaign(Some(step))));
            match result {
                Ok(Ok(_)) => None,
                Ok(Err(e)) => Some((name, e)),
                Err(_) => Some((name, "a panic".to_owned())),
            }
        });
        match caught {
            Some((name, how)) => {
                println!(
                    "{step:?} left out: caught by {name}: {}",
                    how.chars().take(160).collect::<String>()
                );
            }
            None => missed.push(step),
        }
    }
    println!("planted bugs: {}, caught: {}", Step::ALL.len(), Step::ALL.len() - missed.len());
    assert!(missed.is_empty(), "not caught: {missed:?}");
}

#[test]
fn without_a_planted_bug_the_same_doses_find_nothing() {
    for (name, campaign) in CAMPAIGNS {
        campaign(None).unwrap_or_else(|e| panic!("{name}: {e}"));
    }
}
