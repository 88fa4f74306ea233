//! The end of published versions.

use dualwheel_kit::Call;
use dualwheel_proto::plugin::{Plugin, RetirePluginRequest};
use tonic::Status;

use super::{Service, convert, names};
use crate::Error;

impl Service {
    /// Retires a version, or takes that back.
    pub(super) async fn retire(&self, call: &Call, request: &RetirePluginRequest) -> Result<Plugin, Status> {
        let (id, version) = names::plugin("name", &request.name)?;
        self.plugins.note(call, &id, &version).await;
        let versions = self.plugins.versions(call);
        Ok(convert::plugin(
            &versions.retire(&id, &version, !request.undo).await?,
        )?)
    }

    /// Removes a version that no brand uses, with its file and its publication, so that it can be published again.
    pub(super) async fn delete(&self, call: &Call, name: &str) -> Result<(), Status> {
        let (id, version) = names::plugin("name", name)?;
        self.plugins.note(call, &id, &version).await;
        let versions = self.plugins.versions(call);
        let stored = versions.get(&id, &version).await?;
        let brands = self.plugins.activations(call).users(&id, &version).await?;
        if !brands.is_empty() {
            let plugin = stored.name();
            return Err(Error::InUse { plugin, brands }.into());
        }
        versions.delete(&id, &version).await?;
        let publications = self.plugins.publications(call);
        publications.forget(&stored.publisher, &stored.sha256).await?;
        self.plugins.forget_component(call, &stored.sha256).await;
        Ok(())
    }
}
