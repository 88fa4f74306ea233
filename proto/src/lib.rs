//! The shared contracts of the Dualwheel mesh: messages, clients and servers of every `dualwheel.*.v1` package.
//!
//! The `.proto` files beside this crate are the source; `build.rs` compiles them without a `protoc`.

#![allow(missing_docs, clippy::doc_lazy_continuation, clippy::large_enum_variant)]

pub mod clients;
mod codec;
mod json;
mod lists;
mod reasons;

pub use codec::{MOST_ELEMENTS, MOST_ROWS};
pub use json::to_json;

/// The well-known types of Google that the contracts use.
pub mod google {
    pub mod api {
        tonic::include_proto!("google.api");
    }
    pub mod rpc {
        tonic::include_proto!("google.rpc");
    }
    pub mod r#type {
        tonic::include_proto!("google.r#type");
    }
}

/// Names of the closed sets of the facts by number, as the contract spells them without the set's prefix: `PAID_MEMBER`.
pub mod names {
    include!(concat!(env!("OUT_DIR"), "/names.rs"));
}

/// The same in small letters, as definitions and segments spell them: `paid_member`.
pub mod words {
    include!(concat!(env!("OUT_DIR"), "/words.rs"));
}

/// The packages of the mesh.
pub mod dualwheel {
    pub mod r#type {
        pub mod v1 {
            tonic::include_proto!("dualwheel.r#type.v1");
        }
    }
    pub mod facts {
        pub mod v1 {
            tonic::include_proto!("dualwheel.facts.v1");
        }
    }
    pub mod consumer {
        pub mod v1 {
            tonic::include_proto!("dualwheel.consumer.v1");
        }
    }
    pub mod product {
        pub mod v1 {
            tonic::include_proto!("dualwheel.product.v1");
        }
    }
    pub mod content {
        pub mod v1 {
            tonic::include_proto!("dualwheel.content.v1");
        }
    }
    pub mod membership {
        pub mod v1 {
            tonic::include_proto!("dualwheel.membership.v1");
        }
    }
    pub mod diagnosis {
        pub mod v1 {
            tonic::include_proto!("dualwheel.diagnosis.v1");
        }
    }
    pub mod job {
        pub mod v1 {
            tonic::include_proto!("dualwheel.job.v1");
        }
    }
    pub mod metric {
        pub mod v1 {
            tonic::include_proto!("dualwheel.metric.v1");
        }
    }
    pub mod plugin {
        pub mod v1 {
            tonic::include_proto!("dualwheel.plugin.v1");
        }
    }
}

pub use dualwheel::consumer::v1 as consumer;
pub use dualwheel::content::v1 as content;
pub use dualwheel::diagnosis::v1 as diagnosis;
pub use dualwheel::facts::v1 as facts;
pub use dualwheel::job::v1 as job;
pub use dualwheel::membership::v1 as membership;
pub use dualwheel::metric::v1 as metric;
pub use dualwheel::plugin::v1 as plugin;
pub use dualwheel::product::v1 as product;
pub use dualwheel::r#type::v1 as types;
pub use google::{
    rpc,
    r#type::{Date, Money},
};
pub use prost_types::{Any, FieldMask};

/// Every descriptor of the mesh, encoded, for gRPC reflection and canonical JSON.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptors.bin"));
