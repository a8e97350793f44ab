//! `cart man`: manual pages.

use std::path::PathBuf;

use serde_json::json;

use crate::failure::{Failure, Result};
use crate::output::{Output, check_folder, several};

/// Write a manual page for each command
///
/// For man: cart man ~/.local/share/man/man1
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The folder, which is created if there is none
    folder: PathBuf,
    /// Replace the pages that are there
    #[arg(long)]
    force: bool,
}

/// Of the whole command line, `cart`.
pub(crate) fn run(args: &Args, cart: clap::Command, output: &mut Output) -> Result<()> {
    let fault =
        |e: std::io::Error| Failure::failed(format_args!("cannot be written: {e}")).at(args.folder.display());
    for folder in args.folder.ancestors() {
        check_folder(folder).map_err(|failure| failure.at(args.folder.display()))?;
    }
    std::fs::create_dir_all(&args.folder).map_err(fault)?;
    let commands: Vec<&clap::Command> =
        cart.get_subcommands().filter(|command| !command.is_hide_set()).collect();
    let names = commands.iter().map(|command| format!("cart-{}.1", command.get_name()));
    for page in std::iter::once("cart.1".to_owned()).chain(names).map(|name| args.folder.join(name)) {
        if !args.force && page.symlink_metadata().is_ok() {
            let message = "there is a file here already; --force replaces it and the other pages";
            return Err(Failure::failed(message).at(page.display()));
        }
    }
    let pages = 1 + commands.len() as u64;
    clap_mangen::generate_to(cart, &args.folder).map_err(fault)?;
    output.report(|output| {
        if output.is_json() {
            return output.json(&json!({ "folder": args.folder.display().to_string(), "pages": pages }));
        }
        output.line(format_args!("wrote {} into {}", several(pages, "page"), args.folder.display()))
    });
    Ok(())
}
