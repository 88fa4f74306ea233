//! A partner who signs models and publishes them.

use tempfile::TempDir;

use crate::harness::{Ran, component, run};

/// The publisher `acme`, and the folder of its keys.
pub struct Publisher(TempDir);

impl Publisher {
    /// Makes its keys, and has a mesh trust them; `plugin` runs `dualwheel plugin …` against the mesh.
    pub fn trusted(plugin: impl FnOnce(&[&str]) -> Ran) -> Self {
        let publisher = Self(tempfile::tempdir().unwrap());
        run(["plugin", "keygen", "--out", &publisher.path("acme")]).ok();
        plugin(&["trust", "acme", "--key", &publisher.path("acme.pub")]).ok();
        publisher
    }

    /// A file beside the keys.
    pub fn path(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    /// Signs and publishes a built example; answers the version's resource name.
    pub fn publish(&self, example: &str, plugin: impl FnOnce(&[&str]) -> Ran) -> String {
        let (key, signature) = (self.path("acme"), self.path(&format!("{example}.sig")));
        let component = component(example).display().to_string();
        run(["plugin", "sign", &component, "--key", &key, "--out", &signature]).ok();
        let published = plugin(&[
            "publish",
            &component,
            "--publisher",
            "acme",
            "--signature",
            &signature,
            "--json",
        ]);
        published.json()["name"].as_str().unwrap().to_owned()
    }
}
