//! `dualwheel lake`: what is stored, for those who run a mesh.

use anyhow::ensure;
use dualwheel_kit::config::Config;

use crate::{cli::Common, format, mesh, output};

/// Holds all that is stored against what is known of it.
///
/// # Errors
/// When something is damaged or gone, or cannot be read.
pub async fn verify(config: &Config, common: &Common) -> anyhow::Result<()> {
    let found = mesh::lake(config)?.verify().await?;
    if common.json {
        let told = serde_json::json!({
            "files": found.files,
            "bytes": found.bytes,
            "files_without_sum": found.unsummed,
            "lists": found.lists,
            "damages": found.damages,
        });
        output::text(&serde_json::to_string_pretty(&told)?)?;
    } else {
        let (files, bytes) = (
            format::whole(found.files as i64),
            format::whole(found.bytes as i64),
        );
        let lists = format::whole(found.lists as i64);
        output::text(&format!(
            "{files} files with {bytes} bytes and {lists} lists looked at"
        ))?;
        if found.unsummed > 0 {
            let unsummed = format::whole(found.unsummed as i64);
            output::text(&format!(
                "{unsummed} files have no sum: of these only the length is known"
            ))?;
        }
        for damage in &found.damages {
            output::text(damage)?;
        }
    }
    ensure!(
        found.damages.is_empty(),
        "{} damaged; the operations guide tells what to do under LAKE_DAMAGED",
        found.damages.len()
    );
    Ok(())
}
