//! How well searches rank, on collections whose queries have judgements: by words, by meaning, by both, with every switch.
//!
//! `cargo run --release -p benches --bin relevance -- FOLDER [--json FILE] [--SWITCH VALUE,VALUE…]…`
//!
//! A switch with several values gives a row of the table for each; several switches give all combinations. Without switches it is what
//! users get. See [`switches`] for the switches, and [`collection`] for the files in the folder.

#![expect(clippy::print_stdout, reason = "a program that prints a table")]

mod collection;
mod measure;
mod report;
mod switches;

use std::path::Path;

use benches::Result;

use crate::collection::Collection;
use crate::measure::{Setup, measure};
use crate::report::Report;
use crate::switches::Switches;

fn main() -> Result<()> {
    let mut args = std::env::args().skip(1);
    let folder = args.next().ok_or("which folder? `relevance FOLDER [--json FILE] [--SWITCH VALUES]…`")?;
    let switches = Switches::read(args)?;
    let collections = Collection::read_all(Path::new(&folder))?;
    let mut report = Report::new(&collections);
    for setup in switches.setups() {
        let mut artifacts = Vec::new();
        for collection in &collections {
            artifacts.push(Setup::build(&setup, collection)?);
        }
        for asked in switches.queries() {
            let figures = collections.iter().zip(&artifacts).map(|(c, built)| measure(built, c, &asked));
            report.add(&setup, &asked, figures.collect::<Result<Vec<_>>>()?);
        }
    }
    println!("{}", report.table(&switches)?);
    if let Some(file) = &switches.json {
        std::fs::write(file, report.json(&switches)?)?;
    }
    Ok(())
}
