//! What a brand uses.

use std::collections::BTreeMap;

use dualwheel_kit::{
    Call, Failure, Reason, Violations,
    question::check_brand,
    resource::{check_line, etag},
};
use dualwheel_plugin_host::{Plugin, Policy, World};
use dualwheel_proto::plugin::{
    ActivatePluginRequest, DeactivatePluginRequest, PluginActivation, PluginFallback, PluginSetting,
    PromotePluginRequest, RollBackPluginRequest, ShadowPluginRequest,
};
use tonic::Status;

use super::{Service, convert, names};
use crate::{
    Error,
    store::{Activation, Change, Fallback, Next, Setting, findings},
    worlds,
};

impl Service {
    pub(super) async fn activate(
        &self,
        call: &Call,
        request: ActivatePluginRequest,
    ) -> Result<PluginActivation, Status> {
        let mut violations = Violations::new();
        check_brand("brand", &request.brand, &mut violations);
        if PluginFallback::try_from(request.fallback).is_err() {
            violations.add("fallback", "one of PluginFallback");
        }
        check_force_reason(&request.force_reason, &mut violations);
        violations.finish(Reason::InvalidResource)?;
        self.require_brand(call, &request.brand).await?;
        let policy = policy(request.allow_sealed_wasi);
        let (setting, world) = self.setting(call, request.setting, policy).await?;
        let forced = self.conforms(call, &setting, request.force_reason.trim()).await?;
        let changed = self.change(call, &request.brand, world, &request.etag, |current| {
            let fallback = Fallback::read(request.fallback);
            let same = current.active.as_ref() == Some(&setting)
                && current.fallback == fallback
                && current.allow_wasi == request.allow_sealed_wasi
                && current.keep_inputs == request.keep_inputs;
            if same {
                return Ok(Next::Same);
            }
            // Other settings of the same plugin do not hide what was before it.
            let before = match current.active == Some(setting.clone()) {
                true => current.before,
                false => Some(current.revision),
            };
            Ok(next(Activation {
                active: Some(setting.clone()),
                fallback,
                forced: forced.clone(),
                allow_wasi: request.allow_sealed_wasi,
                keep_inputs: request.keep_inputs,
                before,
                change: Change::Activated,
                ..current.clone()
            }))
        });
        changed.await
    }

    pub(super) async fn deactivate(
        &self,
        call: &Call,
        request: DeactivatePluginRequest,
    ) -> Result<PluginActivation, Status> {
        let world = names::brand_and_world(&request.brand, request.world)?;
        let activations = self.plugins.activations(call);
        let current = activations.current(&request.brand, request.world).await?;
        self.note_active(call, &current).await;
        let changed = self.change(call, &request.brand, world, &request.etag, |current| {
            if current.active.is_none() {
                return Ok(Next::Same);
            }
            Ok(next(Activation {
                active: None,
                forced: String::new(),
                before: Some(current.revision),
                change: Change::Deactivated,
                ..current.clone()
            }))
        });
        changed.await
    }

    pub(super) async fn shadow(
        &self,
        call: &Call,
        request: ShadowPluginRequest,
    ) -> Result<PluginActivation, Status> {
        let world = names::brand_and_world(&request.brand, request.world)?;
        self.require_brand(call, &request.brand).await?;
        let shadow = match request.setting {
            None => None,
            given => {
                let current = self.plugins.activations(call);
                let current = current.current(&request.brand, request.world).await?;
                let (setting, of) = self.setting(call, given, policy(current.allow_wasi)).await?;
                if of != world {
                    let mut violations = Violations::new();
                    violations.add("setting.plugin", format!("a {world}; this is a {of}"));
                    violations.finish(Reason::InvalidResource)?;
                }
                Some(setting)
            }
        };
        let changed = self.change(call, &request.brand, world, &request.etag, |current| {
            if current.shadow == shadow {
                return Ok(Next::Same);
            }
            Ok(next(Activation {
                shadow: shadow.clone(),
                change: Change::Shadowed,
                ..current.clone()
            }))
        });
        changed.await
    }

    pub(super) async fn promote(
        &self,
        call: &Call,
        request: PromotePluginRequest,
    ) -> Result<PluginActivation, Status> {
        let mut violations = Violations::new();
        check_force_reason(&request.force_reason, &mut violations);
        violations.finish(Reason::InvalidResource)?;
        let world = names::brand_and_world(&request.brand, request.world)?;
        let activations = self.plugins.activations(call);
        let seen = activations.current(&request.brand, request.world).await?.shadow;
        if let Some(shadow) = &seen {
            self.plugins.note(call, &shadow.id, &shadow.version).await;
            self.plugins.require_activatable(call, shadow).await?;
        }
        let forced = match &seen {
            Some(shadow) => self.conforms(call, shadow, request.force_reason.trim()).await?,
            None => String::new(),
        };
        let changed = self.change(call, &request.brand, world, &request.etag, |current| {
            let Some(shadow) = current.shadow.clone() else {
                return Err(Error::NoShadow(request.brand.clone()));
            };
            if current.shadow != seen {
                return Err(Error::ShadowChanged(request.brand.clone()));
            }
            Ok(next(Activation {
                active: Some(shadow),
                shadow: None,
                forced: forced.clone(),
                before: Some(current.revision),
                change: Change::Promoted,
                ..current.clone()
            }))
        });
        changed.await
    }

    pub(super) async fn roll_back(
        &self,
        call: &Call,
        request: RollBackPluginRequest,
    ) -> Result<PluginActivation, Status> {
        let world = names::brand_and_world(&request.brand, request.world)?;
        let (brand, number) = (&request.brand, worlds::to_proto(world) as i32);
        let activations = self.plugins.activations(call);
        loop {
            let current = activations.current(brand, number).await?;
            self.note_active(call, &current).await;
            let seen = current.before;
            if let Some(before) = seen {
                let target = activations.revision(brand, number, before).await?;
                if let Some(setting) = &target.active {
                    self.plugins.note(call, &setting.id, &setting.version).await;
                    self.plugins.require_activatable(call, setting).await?;
                }
            }
            let changed = activations.change(brand, number, etag(&request.etag), |current| {
                let before = current.before;
                let before = before.ok_or_else(|| Error::NothingBefore(brand.clone()))?;
                match seen == Some(before) {
                    true => Ok(Next::Back(before)),
                    false => Err(Error::BeforeChanged(brand.clone())),
                }
            });
            match changed.await {
                Err(Error::BeforeChanged(_)) => {}
                changed => return Ok(convert::activation(changed?)),
            }
        }
    }

    async fn change(
        &self,
        call: &Call,
        brand: &str,
        world: World,
        given: &str,
        change: impl Fn(&Activation) -> Result<Next, Error>,
    ) -> Result<PluginActivation, Status> {
        let number = worlds::to_proto(world) as i32;
        let activations = self.plugins.activations(call);
        let changed = activations.change(brand, number, etag(given), change).await?;
        Ok(convert::activation(changed))
    }

    /// Reads a setting: a plugin that is there and not retired, of a trusted publisher, admitted by the policy and of a world
    /// served here, with parameters within their bounds.
    async fn setting(
        &self,
        call: &Call,
        given: Option<PluginSetting>,
        policy: Policy,
    ) -> Result<(Setting, World), Status> {
        let given = given.unwrap_or_default();
        let (id, version) = names::plugin("setting.plugin", &given.plugin)?;
        self.plugins.note(call, &id, &version).await;
        let plugin = self.plugins.load(call, &id, &version, policy).await?;
        self.plugins.require_served(plugin.world())?;
        let parameters = checked(&plugin, given.parameters)?;
        let setting = Setting {
            id,
            version,
            parameters,
        };
        self.plugins.require_activatable(call, &setting).await?;
        Ok((setting, plugin.world()))
    }

    /// That a plugin kept the contract when it was checked, or `reason` why it may answer all the same; answers that where it
    /// counts.
    async fn conforms(&self, call: &Call, setting: &Setting, reason: &str) -> Result<String, Status> {
        let versions = self.plugins.versions(call);
        let version = versions.get(&setting.id, &setting.version).await?;
        let failed: Vec<String> = findings(&version)?
            .into_iter()
            .filter(|finding| !finding.holds)
            .map(|finding| format!("{}: {}", finding.check, finding.found))
            .collect();
        match (failed.is_empty(), reason.is_empty()) {
            (true, _) => Ok(String::new()),
            (false, false) => Ok(reason.to_owned()),
            (false, true) => {
                let (plugin, found) = (setting.plugin(), failed.join("; "));
                Err(Error::DoesNotConform { plugin, found }.into())
            }
        }
    }

    /// Notes for the audit log what a change ends.
    async fn note_active(&self, call: &Call, current: &Activation) {
        if let Some(setting) = &current.active {
            self.plugins.note(call, &setting.id, &setting.version).await;
        }
    }

    async fn require_brand(&self, call: &Call, brand: &str) -> Result<(), Status> {
        let reader = self.plugins.lake(call).reader(&BTreeMap::new()).await?;
        Ok(reader.require_brand(brand).await?)
    }
}

fn check_force_reason(reason: &str, violations: &mut Violations) {
    check_line("force_reason", reason, violations);
}

fn policy(allow_wasi: bool) -> Policy {
    if allow_wasi {
        Policy::SealedWasi
    } else {
        Policy::Pure
    }
}

fn next(activation: Activation) -> Next {
    Next::Changed(Box::new(activation))
}

/// The parameters as given, if the model has them and they lie within their bounds.
fn checked(plugin: &Plugin, given: BTreeMap<String, f64>) -> Result<BTreeMap<String, f64>, Status> {
    plugin.describe().map_err(Error::from)?;
    match plugin.parameters(&given) {
        Ok(_) => Ok(given),
        Err(error) => {
            let name = match &error {
                dualwheel_plugin_host::Error::Input { name, .. } => name.clone(),
                _ => return Err(Error::from(error).into()),
            };
            Err(Failure::new(Reason::InvalidResource, error.to_string())
                .violation(format!("setting.parameters[{name:?}]"), error.to_string())
                .into())
        }
    }
}
