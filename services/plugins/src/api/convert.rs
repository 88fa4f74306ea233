//! What is stored, as the contract has it.

use dualwheel_kit::{failure, question::day_to_proto, resource::time_to_proto};
use dualwheel_measure::Day;
use dualwheel_plugin_host::conformance;
use dualwheel_proto::{
    plugin::{
        Plugin, PluginActivation, PluginColumn, PluginComparison, PluginFinding, PluginParameter,
        PluginPublication, PluginRun, PluginRunState, PluginSetting, Publisher,
    },
    types::DataVersion,
};

use tonic::Status;

use super::publish::refusal;
use crate::store::{
    self, Activation, KeptFinding, Publication, Run, Setting, State, Version, described, findings,
};

pub(super) fn publisher(stored: &store::Publisher) -> Publisher {
    Publisher {
        name: format!("publishers/{}", stored.id),
        display_name: stored.display_name.clone(),
        public_key_pem: stored.public_key.clone(),
        other_key_pem: stored.other_key.clone(),
        create_time: Some(time_to_proto(stored.made_at)),
    }
}

pub(super) fn plugin(stored: &Version) -> Result<Plugin, store::Error> {
    let description = described(stored)?;
    let columns = description.columns.into_iter().map(|wanted| PluginColumn {
        name: wanted.name,
        required: wanted.required,
    });
    let parameters = description.parameters.into_iter().map(|spec| PluginParameter {
        name: spec.name,
        meaning: spec.meaning,
        default_value: spec.default,
        least: spec.least,
        greatest: spec.greatest,
    });
    Ok(Plugin {
        name: stored.name(),
        world: stored.world,
        sha256: stored.sha256.clone(),
        publisher: format!("publishers/{}", stored.publisher),
        signature: stored.signature.clone(),
        summary: description.summary,
        columns: columns.collect(),
        parameters: parameters.collect(),
        needs_sealed_wasi: stored.needs_wasi,
        size_bytes: stored.bytes,
        create_time: Some(time_to_proto(stored.made_at)),
        findings: findings(stored)?.into_iter().map(kept).collect(),
        retire_time: stored.retired_at.map(time_to_proto),
    })
}

fn kept(finding: KeptFinding) -> PluginFinding {
    PluginFinding {
        check: finding.check,
        holds: finding.holds,
        found: finding.found,
    }
}

pub(super) fn publication(stored: Publication) -> Result<PluginPublication, Status> {
    let name = stored.name();
    let (mut reason, mut message) = (String::new(), String::new());
    if stored.state == State::Refused {
        let status = refusal(&stored)?;
        reason = failure::reason_of(&status).unwrap_or_default();
        status.message().clone_into(&mut message);
    }
    Ok(PluginPublication {
        name,
        state: stored.state as i32,
        plugin: stored.plugin,
        reason,
        message,
        findings: stored.findings.into_iter().map(kept).collect(),
        size_bytes: stored.bytes,
        create_time: Some(time_to_proto(stored.made_at)),
        update_time: Some(time_to_proto(stored.changed_at)),
    })
}

pub(super) fn finding(finding: conformance::Finding) -> PluginFinding {
    PluginFinding {
        check: finding.check.to_owned(),
        holds: finding.holds,
        found: finding.found,
    }
}

fn setting(setting: Setting) -> PluginSetting {
    PluginSetting {
        plugin: setting.plugin(),
        parameters: setting.parameters,
    }
}

pub(super) fn activation(stored: Activation) -> PluginActivation {
    PluginActivation {
        brand: stored.brand,
        world: stored.world,
        active: stored.active.map(setting),
        shadow: stored.shadow.map(setting),
        fallback: stored.fallback as i32,
        allow_sealed_wasi: stored.allow_wasi,
        keep_inputs: stored.keep_inputs,
        revision: stored.revision,
        etag: stored.etag,
        change: stored.change as i32,
        force_reason: stored.forced,
        change_time: (stored.revision > 0).then(|| time_to_proto(stored.made_at)),
    }
}

pub(super) fn run(stored: Run) -> PluginRun {
    let state = match stored.failure {
        None => PluginRunState::Succeeded,
        Some(_) => PluginRunState::Failed,
    };
    let (reason, message) = stored.failure.clone().unwrap_or_default();
    let comparisons = stored.comparisons.iter().map(|one| PluginComparison {
        column: one.column.clone(),
        rank_correlation: one.rank_correlation,
        top_decile_overlap: one.top_overlap,
        largest_difference: one.largest_difference,
    });
    PluginRun {
        name: stored.name(),
        comparisons: comparisons.collect(),
        brand: stored.brand,
        world: stored.world,
        role: stored.role,
        setting: Some(setting(stored.setting)),
        sha256: stored.sha256,
        subject: stored.subject,
        as_of: Some(day_to_proto(Day(stored.day))),
        data_version: Some(DataVersion {
            tables: stored.versions,
        }),
        rows: stored.rows,
        input_hash: stored.input_hash,
        output_hash: stored.output_hash,
        state: state.into(),
        reason,
        message,
        duration_ms: stored.micros as f64 / 1_000.0,
        fuel: stored.fuel,
        memory_bytes: stored.memory_bytes,
        log: stored.log,
        replayable: stored.has_inputs,
        create_time: Some(time_to_proto(stored.made_at)),
    }
}
