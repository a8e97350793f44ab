//! `cart man`: manual pages.

use std::path::PathBuf;

use serde_json::json;

use crate::failure::{Failure, Result};
use crate::output::{Output, several};

/// Write a manual page for each command
///
/// For man: cart man ~/.local/share/man/man1
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder, which is created if there is none
    folder: PathBuf,
}

/// Of the whole command line, `cart`.
pub(crate) fn run(args: &Args, cart: clap::Command, output: &mut Output) -> Result<()> {
    let fault =
        |e: std::io::Error| Failure::failed(format_args!("cannot be written: {e}")).at(args.folder.display());
    std::fs::create_dir_all(&args.folder).map_err(fault)?;
    let pages = 1 + cart.get_subcommands().filter(|command| !command.is_hide_set()).count() as u64;
    clap_mangen::generate_to(cart, &args.folder).map_err(fault)?;
    output.report(|output| {
        if output.is_json() {
            return output.json(&json!({ "folder": args.folder.display().to_string(), "pages": pages }));
        }
        output.line(format_args!("wrote {} into {}", several(pages, "page"), args.folder.display()))
    });
    Ok(())
}
