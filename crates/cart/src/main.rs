//! `cart`: the command line of `CompactArtifact`.
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod failure;
mod input;
mod output;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let mut output = output::Output::new(cli.json);
    let ended = cli.command.run(&mut output);
    // What was said before a failure is still said.
    let flushed = output.flush();
    match ended.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}
