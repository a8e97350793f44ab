//! `cart completions`: for shells.

use clap_complete::Shell;

use crate::failure::{Failure, Result};
use crate::output::Output;

/// Write completions for a shell
///
/// For bash: cart completions bash > ~/.local/share/bash-completion/completions/cart
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The shell
    shell: Shell,
}

/// Of the whole command line, `cart`.
pub(crate) fn run(args: &Args, mut cart: clap::Command, output: &mut Output) -> Result<()> {
    if output.is_json() {
        return Err(Failure::usage("--json: completions are not JSON"));
    }
    // Through memory: the generator does not return errors of what it writes to.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cart, "cart", &mut script);
    Ok(std::io::Write::write_all(output.raw(), &script)?)
}
