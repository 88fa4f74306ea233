//! One gRPC server out of several services, over TCP or in memory, with health, reflection, gRPC-Web and Connect.

use std::{
    convert::Infallible,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use dualwheel_proto::job::job_service_server::JobServiceServer;
use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite, DuplexStream, duplex},
    net::{TcpListener, TcpStream, lookup_host},
    sync::{Semaphore, mpsc, oneshot},
    time::{sleep, timeout},
};
use tokio_stream::{
    Stream, StreamExt,
    wrappers::{ReceiverStream, UnboundedReceiverStream},
};
use tonic::{
    body::Body,
    server::NamedService,
    service::Routes,
    transport::{Channel, Endpoint, server::Connected},
};
use tonic_health::{ServingStatus, server::HealthReporter};
use tonic_web::GrpcWebLayer;
use tower::{service_fn, util::option_layer};

use crate::{
    Config, Reason,
    client::{CONNECTION_WINDOW, STREAM_WINDOW, tuned},
    config::MESSAGE_SLACK,
    connect::Connect,
    cors,
    db::{self, Database, DatabaseConnection},
    identity::Verifier,
    jitter::random_share,
    jobs,
    layers::{self, Next, Parts, Versions},
    reload,
    shared::{self, Shared},
    tls::{Acceptor, Link},
};
use watch::Watch;

/// Largest message of the default configuration, in bytes: for `max_decoding_message_size` of services and
/// clients.
pub const MESSAGE_BYTES: usize = (16 << 20) + MESSAGE_SLACK;
/// Bytes in flight in either direction of a connection in memory.
const DUPLEX_BYTES: usize = 1 << 20;
/// Largest HTTP/2 frame: batches travel in few pieces.
const FRAME_BYTES: u32 = 256 << 10;
/// Bytes with which HTTP/2 begins, of which HTTP/1 and TLS have more too.
const FIRST_BYTES: usize = 24;
/// How long is waited for more of the first bytes.
const FIRST_WAIT: Duration = Duration::from_millis(5);
/// Services of every server, besides its own.
const STANDARD: [&str; 3] = [
    "grpc.health.v1.Health",
    "grpc.reflection.v1.ServerReflection",
    "grpc.reflection.v1alpha.ServerReflection",
];
/// Connections that have shaken hands and wait to be served.
const SHAKEN: usize = 64;

/// What can go wrong with a server.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The contracts compiled in cannot be reflected.
    #[error("the contracts cannot be reflected: {0}")]
    Reflection(#[from] tonic_reflection::server::Error),
    /// The address cannot be bound.
    #[error(
        "cannot listen on {listen} (setting `listen`): {source}; end what listens there, or name another address of this machine"
    )]
    Bind {
        /// Configured address.
        listen: String,
        /// Cause.
        source: std::io::Error,
    },
    /// The address can be reached from other machines.
    #[error(
        "listen = {listen} can be reached from other machines, and nobody is authenticated: set auth.jwks or \
         tls.client_ca, use a loopback address, or set allow_remote_without_auth = true"
    )]
    Remote {
        /// Configured address.
        listen: String,
    },
    /// A file of keys or certificates cannot be used.
    #[error(transparent)]
    File(#[from] reload::Error),
    /// What replicas are to share cannot be reached as configured.
    #[error(transparent)]
    Shared(#[from] shared::Error),
    /// Serving failed.
    #[error("serving failed: {0}")]
    Serve(#[from] tonic::transport::Error),
}

/// The largest message that `config` lets in, in bytes.
#[must_use]
pub fn message_bytes(config: &Config) -> usize {
    config.limits.message_bytes.saturating_add(MESSAGE_SLACK)
}

/// Collects services for a [`Server`]. Clones share what their layers work with.
#[derive(Clone)]
pub struct Builder {
    config: Config,
    parts: Parts,
    routes: Routes,
    names: Vec<&'static str>,
    jobs: Option<DatabaseConnection>,
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

    /// Keeps answers for as long as `versions` stay as they are.
    #[must_use]
    pub fn keep_answers(mut self, versions: Arc<dyn Versions>) -> Self {
        self.parts.versions = Some(versions);
        self
    }

    /// Lets the calls of the services be made as jobs, which `database` keeps.
    ///
    /// # Errors
    /// When the database cannot be brought up to date, or is not.
    pub async fn keep_jobs(mut self, database: &Database) -> Result<Self, db::Error> {
        db::prepare::<jobs::store::Migrator>(database).await?;
        self.jobs = Some(database.connection().clone());
        Ok(self)
    }

    /// For a server that only the mesh itself reaches, in memory.
    #[must_use]
    pub fn inner(mut self) -> Self {
        self.parts.inner = true;
        self
    }

    /// What the replicas of this server share.
    #[must_use]
    pub fn shared(&self) -> &Shared {
        &self.parts.shared
    }

    /// Adds health and reflection, and puts all layers around.
    ///
    /// # Errors
    /// When the contracts cannot be reflected.
    pub fn build(mut self) -> Result<Server, Error> {
        // The contract is read now: the first call that fails shall not wait for that.
        let _ = Reason::Internal.code();
        let layers = layers::list(&self.config, &self.parts);
        if let Some(database) = self.jobs.take() {
            let calls = layers::wrap(layers::of_jobs(&layers), Next::services(self.routes.clone()));
            let limits = jobs::Limits {
                time: Duration::from_millis(self.config.deadlines.job_ms),
                answer: layers::largest(&self.config),
            };
            let jobs = jobs::Service::new(database, calls, &self.names, limits);
            let largest = message_bytes(&self.config);
            self = self.add(JobServiceServer::new(jobs).max_decoding_message_size(largest));
        }
        let (health, health_service) = tonic_health::server::health_reporter();
        let reflection = || {
            let builder = tonic_reflection::server::Builder::configure()
                .register_encoded_file_descriptor_set(dualwheel_proto::DESCRIPTORS)
                .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_reflection::pb::v1::FILE_DESCRIPTOR_SET)
                .register_encoded_file_descriptor_set(tonic_reflection::pb::v1alpha::FILE_DESCRIPTOR_SET)
                .include_reflection_service(false);
            let names = self.names.iter().copied().chain(STANDARD);
            names.fold(builder, |builder, name| builder.with_service_name(name))
        };
        let (v1, v1alpha) = (reflection().build_v1()?, reflection().build_v1alpha()?);
        let routes = self.routes.add_service(health_service);
        let routes = routes.add_service(v1).add_service(v1alpha);
        Ok(Server {
            calls: layers::wrap(layers, Next::services(routes)),
            health,
            names: self.names,
            config: Arc::new(self.config),
        })
    }
}

/// An address that is listened on.
pub struct Bound {
    listener: TcpListener,
    address: SocketAddr,
    acceptor: Acceptor,
}

impl std::fmt::Debug for Bound {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_tuple("Bound").field(&self.address).finish()
    }
}

impl Bound {
    /// The address, with the real port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The connections that have begun to speak in time, as they come.
    fn connections(self, config: &Config) -> ReceiverStream<std::io::Result<Link>> {
        let (shaken, connections) = mpsc::channel(SHAKEN);
        let places = Arc::new(Semaphore::new(config.limits.connections as usize));
        let longest = Duration::from_millis(config.deadlines.handshake_ms);
        tokio::spawn(async move {
            loop {
                let Ok(place) = places.clone().acquire_owned().await else {
                    return;
                };
                let accepted = tokio::select! {
                    accepted = self.listener.accept() => accepted,
                    () = shaken.closed() => return,
                };
                let stream = match accepted {
                    Ok((stream, _)) => stream,
                    // Such as too many open files: it passes, or goes on to be said.
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be taken in");
                        sleep(Duration::from_millis(100)).await;
                        continue;
                    }
                };
                let (acceptor, shaken) = (self.acceptor.clone(), shaken.clone());
                tokio::spawn(async move {
                    let begun = async {
                        stream.set_nodelay(true)?;
                        first_bytes(&stream).await?;
                        acceptor.accept(stream, place).await
                    };
                    match timeout(longest, begun).await {
                        // Fails when the server has stopped.
                        Ok(Ok(link)) => drop(shaken.send(Ok(link)).await),
                        Ok(Err(error)) => tracing::debug!(%error, "a connection broke before its first call"),
                        Err(_) => tracing::debug!("a connection did not begin to speak in time"),
                    }
                });
            }
        });
        ReceiverStream::new(connections)
    }
}

/// Waits until a client has begun to speak, so that silent ones cost no more than their socket.
async fn first_bytes(stream: &TcpStream) -> std::io::Result<()> {
    let mut bytes = [0; FIRST_BYTES];
    loop {
        match stream.peek(&mut bytes).await? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            FIRST_BYTES => return Ok(()),
            _ => sleep(FIRST_WAIT).await,
        }
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
    let asked = config.auth.jwks.is_some() || config.tls.client_ca.is_some();
    if !asked && !config.allow_remote_without_auth && !addresses.iter().all(loopback) {
        return Err(Error::Remote {
            listen: listen.clone(),
        });
    }
    let listener = TcpListener::bind(addresses.as_slice()).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let acceptor = Acceptor::open(&config.tls)?;
    if config.auth.jwks.is_some() && !acceptor.is_encrypted() && !addresses.iter().all(loopback) {
        tracing::warn!(
            "tokens travel unencrypted: set tls.certificate, or let something in front of this do it"
        );
    }
    Ok(Bound {
        listener,
        address,
        acceptor,
    })
}

/// Services, health, reflection and layers, ready to serve. Cheap to clone.
#[derive(Clone)]
pub struct Server {
    calls: Next,
    health: HealthReporter,
    names: Vec<&'static str>,
    config: Arc<Config>,
}

impl Server {
    /// Begins a server.
    ///
    /// # Errors
    /// When the keys of tokens cannot be read, or what replicas share cannot be reached as configured.
    pub fn builder(config: &Config) -> Result<Builder, Error> {
        let parts = Parts {
            verifier: Verifier::open(&config.auth)?.map(Arc::new),
            shared: Shared::open(config)?,
            inner: false,
            versions: None,
        };
        Ok(Builder {
            config: config.clone(),
            parts,
            routes: Routes::default(),
            names: Vec::new(),
            jobs: None,
        })
    }

    /// Serves until `shutdown` resolves; then health says `NOT_SERVING` (as it does while the threads behind the calls
    /// stand still), no connection is taken any more, and
    /// running calls are given the drain time.
    ///
    /// # Errors
    /// When the listener breaks.
    pub async fn serve(self, bound: Bound, shutdown: impl Future<Output = ()>) -> Result<(), Error> {
        let deadlines = &self.config.deadlines;
        let drain = Duration::from_millis(deadlines.drain_ms);
        let unready = Duration::from_millis(deadlines.unready_ms);
        let (draining, drained) = oneshot::channel();
        let stop = {
            let server = self.clone();
            async move {
                tokio::select! {
                    () = shutdown => {}
                    () = server.watch() => {}
                }
                server.announce(ServingStatus::NotServing).await;
                sleep(unready).await;
                // Nobody listens when serving has ended already.
                let _ = draining.send(());
            }
        };
        let late = async {
            match drained.await {
                Ok(()) => sleep(drain).await,
                Err(_) => std::future::pending().await,
            }
        };
        let incoming = bound.connections(&self.config);
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
        let connect = Connect {
            calls: self.calls.clone(),
            largest: message_bytes(&self.config),
        };
        let calls = self.calls;
        let service = service_fn(move |request: http::Request<Body>| {
            let answer = calls.run(request);
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let mut server = tonic::transport::Server::builder()
            .accept_http1(true)
            .max_concurrent_streams(self.config.limits.streams_per_connection)
            .http2_max_header_list_size(self.config.limits.metadata_bytes)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME_BYTES)
            .http2_keepalive_interval(Some(Duration::from_secs(60)));
        let age = Duration::from_millis(self.config.deadlines.connection_age_ms);
        if !age.is_zero() {
            // Processes that start together do not close their connections together.
            server = server.max_connection_age(age.mul_f64(1.0 + random_share() / 10.0));
        }
        server
            .layer(option_layer(cors::layer(&self.config.web)))
            .layer(connect)
            .layer(GrpcWebLayer::new())
            .serve_with_incoming_shutdown(service, incoming, stop)
            .await?;
        Ok(())
    }

    /// Says `NOT_SERVING` for as long as the threads behind the calls stand still: for twice the time after which
    /// nobody waits for a call any more.
    async fn watch(&self) {
        let mut watch = Watch::new(Duration::from_millis(self.config.deadlines.default_ms) * 2);
        let mut still = false;
        loop {
            watch.pause().await;
            let now = watch.stands_still();
            if now == still {
                continue;
            }
            still = now;
            if still {
                tracing::error!(
                    "the threads behind the calls stand still; health says so until they move again"
                );
                self.announce(ServingStatus::NotServing).await;
            } else {
                tracing::info!("the threads behind the calls move again");
                self.announce(ServingStatus::Serving).await;
            }
        }
    }

    async fn announce(&self, status: ServingStatus) {
        for name in self.names.iter().copied().chain([""]) {
            self.health.set_service_status(name, status).await;
        }
    }
}

mod watch;

#[cfg(test)]
mod tests;
