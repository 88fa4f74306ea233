//! What a component is, and whether it behaves.

use anyhow::bail;
use dualwheel_plugin_host::{
    Plugin, Policy,
    conformance::{self, Finding},
    is_reserved,
};
use dualwheel_plugin_sdk::Description;
use serde_json::{Value, json};

use super::{load, told};
use crate::{
    cli::{Common, plugin::Check},
    output, table,
};

/// Tells what a component is, and asks it made-up questions.
pub(super) fn check(common: &Common, args: &Check) -> anyhow::Result<()> {
    let plugin = load(&args.component, args.sealed_wasi)?;
    let description = plugin.describe().map_err(|error| told(&error))?.clone();
    let rows = usize::try_from(args.rows).unwrap_or(usize::MAX);
    if is_reserved(&description.name) {
        bail!(
            "models named `{}` are the mesh's own, so that no registry takes it (PLUGIN_NAME_TAKEN): give it another name",
            description.name
        );
    }
    let findings = conformance::examine(&plugin, rows);
    if common.json {
        let findings: Vec<Value> = findings.iter().map(finding_to_json).collect();
        let text = json!({
            "world": plugin.world().name(),
            "sha256": plugin.sha256(),
            "needs_wasi": plugin.needs() == Policy::SealedWasi,
            "name": description.name,
            "version": description.version,
            "findings": findings,
        });
        output::text(&serde_json::to_string_pretty(&text)?)?;
    } else {
        let rows = findings.iter().map(finding_row).collect();
        output::text(&format!(
            "{}\n\n{}",
            introduced(&plugin, &description),
            table::rows(&[("Check", false), ("Holds", false), ("Found", false)], rows)
        ))?;
    }
    let failed = findings.iter().filter(|finding| !finding.holds).count();
    if failed > 0 {
        bail!("of {} checks {failed} do not hold", findings.len());
    }
    Ok(())
}

fn introduced(plugin: &Plugin, description: &Description) -> String {
    let columns = description.columns.iter().map(|column| {
        let mark = if column.required { "" } else { " (if there)" };
        format!("{}{mark}", column.name)
    });
    let parameters = description.parameters.iter().map(|spec| {
        format!(
            "{} = {} ({} to {}): {}",
            spec.name, spec.default, spec.least, spec.greatest, spec.meaning
        )
    });
    let wasi = match plugin.needs() {
        Policy::SealedWasi => "needs a sealed WASI",
        _ => "needs no WASI",
    };
    let mut lines = vec![
        format!(
            "{} {}, a {}; {wasi}",
            description.name,
            description.version,
            plugin.world()
        ),
        format!("sha256 {}", plugin.sha256()),
        description.summary.clone(),
        format!("columns: {}", columns.collect::<Vec<_>>().join(", ")),
    ];
    lines.extend(parameters);
    lines.join("\n")
}

fn finding_row(finding: &Finding) -> Vec<String> {
    let holds = if finding.holds { "yes" } else { "NO" };
    vec![finding.check.to_owned(), holds.to_owned(), finding.found.clone()]
}

fn finding_to_json(finding: &Finding) -> Value {
    json!({ "check": finding.check, "holds": finding.holds, "found": finding.found })
}
