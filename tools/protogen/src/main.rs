//! Writes the generated files without needing them: for the moment when `netproto`, and with it
//! `arcanectl`, does not compile. Everything else is `arcanectl proto`.
#![forbid(unsafe_code)]

use anyhow::Context;
use protogen::{read, tree};

fn main() -> anyhow::Result<()> {
    let root = tree::find_root(&std::env::current_dir()?).context("no netproto/schema here or above")?;
    let schema = read::read_dir(&root.join(tree::SCHEMA_DIR))?;
    for path in tree::write(&root, &tree::wanted(&root, &schema)?)? {
        println!("wrote {}", path.display());
    }
    Ok(())
}
