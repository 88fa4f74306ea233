//! Partners' models within the services: who may publish them, which of them a brand runs, and what came of it.

pub mod signature;
