//! All clients of a package over one channel.
//!
//! They take answers of any size: the server bounds what it sends.

use tonic::{
    client::GrpcService,
    codegen::{Body, Bytes, StdError},
    transport::Channel,
};

use crate::{
    consumer::{
        audience_service_client::AudienceServiceClient, consumer_service_client::ConsumerServiceClient,
        people_index_service_client::PeopleIndexServiceClient, privacy_service_client::PrivacyServiceClient,
        targeting_service_client::TargetingServiceClient,
    },
    diagnosis::{
        diagnosis_service_client::DiagnosisServiceClient, peer_set_service_client::PeerSetServiceClient,
    },
    plugin::{
        activation_service_client::ActivationServiceClient,
        plugin_run_service_client::PluginRunServiceClient, plugin_service_client::PluginServiceClient,
        publisher_service_client::PublisherServiceClient,
    },
};

macro_rules! clients {
    ($(#[$about:meta])* $name:ident { $($field:ident: $client:ident,)+ }) => {
        $(#[$about])*
        #[derive(Clone, Debug)]
        pub struct $name<T = Channel> {
            $(pub $field: $client<T>,)+
        }

        impl<T> $name<T>
        where
            T: GrpcService<tonic::body::Body> + Clone,
            T::Error: Into<StdError>,
            T::ResponseBody: Body<Data = Bytes> + Send + 'static,
            <T::ResponseBody as Body>::Error: Into<StdError> + Send,
        {
            #[must_use]
            pub fn new(channel: T) -> Self {
                Self {
                    $($field: $client::new(channel.clone()).max_decoding_message_size(usize::MAX),)+
                }
            }
        }
    };
}

clients! {
    /// Of `dualwheel.consumer.v1`.
    Consumer {
        consumers: ConsumerServiceClient,
        audiences: AudienceServiceClient,
        targeting: TargetingServiceClient,
        index: PeopleIndexServiceClient,
        privacy: PrivacyServiceClient,
    }
}

clients! {
    /// Of `dualwheel.diagnosis.v1`.
    Diagnosis {
        diagnoses: DiagnosisServiceClient,
        peer_sets: PeerSetServiceClient,
    }
}

clients! {
    /// Of `dualwheel.plugin.v1`.
    Plugin {
        publishers: PublisherServiceClient,
        plugins: PluginServiceClient,
        activations: ActivationServiceClient,
        runs: PluginRunServiceClient,
    }
}
