//! One gRPC server out of several services, over TCP or in memory, with health, reflection and gRPC-Web.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, duplex},
    net::{TcpListener, lookup_host},
    sync::{mpsc, oneshot},
};
use tokio_stream::{Stream, StreamExt, wrappers::UnboundedReceiverStream};
use tonic::{
    body::Body,
    server::NamedService,
    service::Routes,
    transport::{
        Channel, Endpoint,
        server::{Connected, TcpIncoming},
    },
};
use tonic_health::{ServingStatus, server::HealthReporter};
use tonic_web::GrpcWebLayer;
use tower::service_fn;

use crate::{
    Config,
    client::{CONNECTION_WINDOW, STREAM_WINDOW, tuned},
    layers::{self, Next},
};

/// What a message may be larger than the largest batch: its key, names and framing.
pub const MESSAGE_SLACK: usize = 1 << 20;
/// Largest message of the default configuration, in bytes: for `max_decoding_message_size` of services and
/// clients.
pub const MESSAGE_BYTES: usize = (16 << 20) + MESSAGE_SLACK;
/// Bytes in flight in either direction of a connection in memory.
const DUPLEX_BYTES: usize = 1 << 20;
/// Largest HTTP/2 frame: batches travel in few pieces.
const FRAME_BYTES: u32 = 256 << 10;

/// What can go wrong with a server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The contracts compiled in cannot be reflected.
    #[error("the contracts cannot be reflected: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The address cannot be bound.
    #[error("cannot listen on {listen}: {source}")]
    Bind {
        /// Configured address.
        listen: String,
        /// Cause.
        source: std::io::Error,
    },
    /// The address can be reached from other machines.
    #[error(
        "listen = {listen} can be reached from other machines, and nobody is authenticated: use a loopback address, \
         or set allow_remote_without_auth = true"
    )]
    Remote {
        /// Configured address.
        listen: String,
    },
    /// Serving failed.
    #[error("serving failed: {0}")]
    Serve(#[from] tonic::transport::Error),
}

/// The largest message that `config` lets in, in bytes.
#[must_use]
pub fn message_bytes(config: &Config) -> usize {
    config.limits.message_bytes.saturating_add(MESSAGE_SLACK)
}

/// Collects services for a [`Server`].
pub struct Builder {
    config: Config,
    routes: Routes,
    names: Vec<&'static str>,
}

impl Builder {
    /// Adds a tonic service; it is announced by health and reflection under its name.
    #[must_use]
    #[expect(clippy::should_implement_trait, reason = "a builder's add, as tonic's own")]
    pub fn add<S>(mut self, service: S) -> Self
    where
        S: tower::Service<http::Request<Body>, Response = http::Response<Body>, Error = Infallible>
            + NamedService
            + Clone
            + Send
            + Sync
            + 'static,
        S::Future: Send + 'static,
    {
        self.names.push(S::NAME);
        self.routes = self.routes.add_service(service);
        self
    }

    /// Adds health and reflection, and puts all layers around.
    ///
    /// # Errors
    /// When the contracts cannot be reflected.
    pub fn build(self) -> Result<Server, Error> {
        let (health, health_service) = tonic_health::server::health_reporter();
        let mut reflection = tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(dualwheel_proto::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name("grpc.health.v1.Health")
            .with_service_name("grpc.reflection.v1.ServerReflection");
        for name in &self.names {
            reflection = reflection.with_service_name(*name);
        }
        let routes = self
            .routes
            .add_service(health_service)
            .add_service(reflection.build_v1()?);
        Ok(Server {
            calls: layers::wrap(layers::list(&self.config), Next::services(routes)),
            health,
            names: self.names,
            drain: Duration::from_millis(self.config.deadlines.drain_ms),
        })
    }
}

/// An address that is listened on.
#[derive(Debug)]
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
}

impl Bound {
    /// The address, with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Listens on `config.listen`; port 0 takes a free one.
///
/// # Errors
/// When the address is taken or unknown, or can be reached from other machines without leave.
pub async fn bind(config: &Config) -> Result<Bound, Error> {
    let listen = &config.listen;
    let failed = |source| Error::Bind {
        listen: listen.clone(),
        source,
    };
    let addresses: Vec<SocketAddr> = lookup_host(listen).await.map_err(failed)?.collect();
    let loopback = |address: &SocketAddr| match address.ip() {
        IpAddr::V6(ip) => ip.to_canonical().is_loopback(),
        ip => ip.is_loopback(),
    };
    if !config.allow_remote_without_auth && !addresses.iter().all(loopback) {
        return Err(Error::Remote {
            listen: listen.clone(),
        });
    }
    let listener = TcpListener::bind(addresses.as_slice()).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    Ok(Bound { listener, address })
}

/// Services, health, reflection and layers, ready to serve. Cheap to clone.
#[derive(Clone)]
pub struct Server {
    calls: Next,
    health: HealthReporter,
    names: Vec<&'static str>,
    drain: Duration,
}

impl Server {
    /// Begins a server.
    #[must_use]
    pub fn builder(config: &Config) -> Builder {
        Builder {
            config: config.clone(),
            routes: Routes::default(),
            names: Vec::new(),
        }
    }

    /// Serves until `shutdown` resolves; then health says `NOT_SERVING`, no connection is taken any more, and
    /// running calls are given the drain time.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn serve(self, bound: Bound, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let drain = self.drain;
        let (draining, drained) = oneshot::channel();
        let stop = {
            let server = self.clone();
            async move {
                shutdown.await;
                server.announce(ServingStatus::NotServing).await;
                // Nobody listens when serving has ended already.
                let _ = draining.send(());
            }
        };
        let late = async {
            match drained.await {
                Ok(()) => tokio::time::sleep(drain).await,
                Err(_) => std::future::pending().await,
            }
        };
        let incoming = TcpIncoming::from(bound.listener).with_nodelay(Some(true));
        tokio::select! {
            served = self.run(incoming, stop) => served,
            () = late => {
                tracing::warn!(drain_ms = drain.as_millis(), "calls were still running when the drain time was over");
                Ok(())
            }
        }
    }

    /// A channel to this server in memory: the same layers and services without a socket. The server runs on
    /// the current tokio runtime until the last clone of the channel is gone.
    #[must_use]
    pub fn in_process(&self) -> Channel {
        let (connections, incoming) = mpsc::unbounded_channel::<DuplexStream>();
        let server = self.clone();
        tokio::spawn(async move {
            let incoming = UnboundedReceiverStream::new(incoming).map(Ok);
            if let Err(error) = server.run(incoming, std::future::pending()).await {
                tracing::error!(%error, "the server in memory failed");
            }
        });
        let connector = service_fn(move |_: http::Uri| {
            let connections = connections.clone();
            async move {
                let (client, server) = duplex(DUPLEX_BYTES);
                connections.send(server).map_err(std::io::Error::other)?;
                Ok::<_, std::io::Error>(TokioIo::new(client))
            }
        });
        tuned(Endpoint::from_static("http://in-process")).connect_with_connector_lazy(connector)
    }

    async fn run<IO>(
        self,
        incoming: impl Stream<Item = Result<IO, std::io::Error>>,
        stop: impl Future<Output = ()>,
    ) -> Result<(), Error>
    where
        IO: AsyncRead + AsyncWrite + Connected + Unpin + Send + 'static,
    {
        self.announce(ServingStatus::Serving).await;
        let calls = self.calls;
        let service = service_fn(move |request: http::Request<Body>| {
            let answer = calls.run(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        tonic::transport::Server::builder()
            .accept_http1(true)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_BYTES)
            .http2_keepalive_interval(Some(Duration::from_secs(60)))
            .layer(GrpcWebLayer::new())
            .serve_with_incoming_shutdown(service, incoming, stop)
            .await?;
        Ok(())
    }

    async fn announce(&self, status: ServingStatus) {
        for name in self.names.iter().copied().chain([""]) {
            self.health.set_service_status(name, status).await;
        }
    }
}

#[cfg(test)]
mod tests;
