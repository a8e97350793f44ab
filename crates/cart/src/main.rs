//! `cart`: the command line of `CompactArtifact`.
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod failure;
mod input;
mod interrupt;
mod mcp;
mod model;
mod output;
mod stderr;

use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    let cli = match cli::Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => return refuse(&e),
    };
    let mut output = output::Output::new(cli.json);
    let ended = cli.command.run(&mut output);
    // What was said before a failure is still said.
    let flushed = output.flush();
    match ended.and(flushed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => failure.report(),
    }
}

/// Help and version where they are asked for; otherwise what cannot be understood, in one line.
fn refuse(error: &clap::Error) -> ExitCode {
    use clap::error::ErrorKind::{DisplayHelp, DisplayHelpOnMissingArgumentOrSubcommand, DisplayVersion};
    match error.kind() {
        DisplayHelp | DisplayVersion => match error.print() {
            Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => failure::Failure::from(e).report(),
            _ => ExitCode::SUCCESS,
        },
        DisplayHelpOnMissingArgumentOrSubcommand => {
            failure::Failure::usage("expected a command; `cart --help` lists them").report()
        }
        _ => {
            let said = error.render().to_string();
            let said = said
                .split("\nUsage:")
                .next()
                .unwrap_or_default()
                .split("\nFor more")
                .next()
                .unwrap_or_default();
            let said = said.trim().trim_start_matches("error: ").replace("\n\n  tip: ", "; ");
            failure::Failure::usage(format_args!("{said}; --help explains")).report()
        }
    }
}
