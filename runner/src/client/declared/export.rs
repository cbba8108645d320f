//! `export`: writes down what a center has.

use super::collections::{COLLECTIONS, Declared};
use super::{files, secrets};
use crate::cli::ExportArgs;
use crate::client::http::{Client, Failure, block_on};

/// Writes the configuration to standard output, or into a folder with a file per resource.
pub fn export(args: ExportArgs) -> Result<(), Failure> {
    let client = Client::new(args.access)?;
    let declared = block_on(async {
        let mut declared = Declared::new();
        for collection in &COLLECTIONS {
            let mut resources = collection.fetch(&client).await?;
            for (name, resource) in &mut resources {
                secrets::refer(collection.word, name, resource);
            }
            if !resources.is_empty() {
                declared.insert(collection.word, resources);
            }
        }
        Ok(declared)
    })?;
    match args.output {
        Some(folder) => {
            let written = files::write(&folder, &declared)?;
            eprintln!("{written} files in {}", folder.display());
        }
        None => print!("{}", files::text(&declared)?),
    }
    Ok(())
}
