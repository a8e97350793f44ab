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
    #[cfg(unix)]
    report_file_size_limit();
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

/// A file that would become longer than `ulimit -f` allows is a failed write, after which is cleaned up, instead of a signal that ends the program. Blocked for
/// this thread and all that it starts; programs that it runs get the signal as usual.
#[cfg(unix)]
fn report_file_size_limit() {
    use nix::sys::signal::{SigSet, Signal};
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGXFSZ);
    // Where it cannot be blocked, it ends the program as before.
    let _ = signals.thread_block();
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
