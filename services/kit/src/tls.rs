//! TLS with rustls, on both sides. Certificates and keys are read again when their files change.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use hyper_util::rt::TokioIo;
use rustls::{
    ClientConfig, RootCertStore, ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{
        CertificateDer, PrivateKeyDer, ServerName,
        pem::{self, PemObject},
    },
    server::WebPkiClientVerifier,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
};
use tokio_rustls::{TlsAcceptor, TlsConnector};
use tokio_util::either::Either;
use tonic::transport::server::{Connected, TcpConnectInfo};
use tower::service_fn;

use crate::{
    config::{Client, Tls},
    reload::{Error, Reloaded},
};

/// HTTP/2, and HTTP/1.1 for gRPC-Web and Connect.
const SERVED: [&[u8]; 2] = [b"h2", b"http/1.1"];

fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// Says by what libraries encrypt that are not configured: with several providers compiled in, rustls cannot choose.
pub(crate) fn set_provider() {
    // Fails where it was set before.
    let _ = aws_lc_rs::default_provider().install_default();
}

/// Takes connections in.
#[derive(Clone)]
pub(crate) struct Acceptor {
    config: Option<Arc<Reloaded<Arc<ServerConfig>>>>,
}

impl Acceptor {
    /// By the configuration: plain text where it names no certificate.
    ///
    /// # Errors
    /// When a file cannot be read, or certificate and key do not belong together.
    pub(crate) fn open(tls: &Tls) -> Result<Self, Error> {
        let (Some(certificate), Some(key)) = (&tls.certificate, &tls.key) else {
            return Ok(Self { config: None });
        };
        let mut files = vec![("tls.certificate", certificate.as_str()), ("tls.key", key)];
        files.extend(tls.client_ca.as_deref().map(|file| ("tls.client_ca", file)));
        let config = Reloaded::open(&files, server_config)?;
        Ok(Self {
            config: Some(Arc::new(config)),
        })
    }

    /// Whether connections are encrypted.
    pub(crate) fn is_encrypted(&self) -> bool {
        self.config.is_some()
    }

    /// The handshake.
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
        place: OwnedSemaphorePermit,
    ) -> std::io::Result<Link> {
        let stream = match &self.config {
            None => Either::Left(stream),
            Some(config) => {
                let acceptor = TlsAcceptor::from((*config.get().await).clone());
                Either::Right(Box::new(acceptor.accept(stream).await?))
            }
        };
        Ok(Link {
            stream,
            _place: place,
        })
    }
}

fn server_config(files: &[Vec<u8>]) -> Result<Arc<ServerConfig>, String> {
    let [certificate, key, ca @ ..] = files else {
        return Err("expected a certificate and a key".to_owned());
    };
    let builder = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = match ca.first() {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots(ca)?), provider());
            builder.with_client_cert_verifier(verifier.build().map_err(|error| error.to_string())?)
        }
    };
    let mut config = builder
        .with_single_cert(chain(certificate)?, private_key(key)?)
        .map_err(unpaired)?;
    config.alpn_protocols = SERVED.map(<[u8]>::to_vec).into();
    Ok(Arc::new(config))
}

/// Makes connections to `https://` endpoints.
#[derive(Clone)]
pub(crate) struct Connector {
    config: Arc<Reloaded<Arc<ClientConfig>>>,
}

impl Connector {
    /// By the configuration.
    ///
    /// # Errors
    /// When a file cannot be read, or certificate and key do not belong together.
    pub(crate) fn open(client: &Client) -> Result<Self, Error> {
        let mut files: Vec<_> = client
            .ca
            .as_deref()
            .map(|file| ("client.ca", file))
            .into_iter()
            .collect();
        let has_ca = !files.is_empty();
        if let (Some(certificate), Some(key)) = (&client.certificate, &client.key) {
            files.extend([("client.certificate", certificate.as_str()), ("client.key", key)]);
        }
        let config = Reloaded::open(&files, move |files| client_config(files, has_ca))?;
        Ok(Self {
            config: Arc::new(config),
        })
    }

    /// A connector for tonic. It looks the host up for every connection.
    pub(crate) fn connector(
        self,
    ) -> impl tower::Service<
        http::Uri,
        Response = TokioIo<tokio_rustls::client::TlsStream<TcpStream>>,
        Error = std::io::Error,
        Future = impl Future<Output = std::io::Result<TokioIo<tokio_rustls::client::TlsStream<TcpStream>>>> + Send,
    > + Send
    + 'static {
        service_fn(move |uri: http::Uri| {
            let config = Arc::clone(&self.config);
            async move {
                let config = (*config.get().await).clone();
                let host = uri.host().unwrap_or_default();
                let name = host.trim_start_matches('[').trim_end_matches(']').to_owned();
                let stream = TcpStream::connect((name.as_str(), uri.port_u16().unwrap_or(443))).await?;
                stream.set_nodelay(true)?;
                let name = ServerName::try_from(name).map_err(std::io::Error::other)?;
                let stream = TlsConnector::from(config).connect(name, stream).await?;
                Ok(TokioIo::new(stream))
            }
        })
    }
}

fn client_config(files: &[Vec<u8>], has_ca: bool) -> Result<Arc<ClientConfig>, String> {
    let (ca, own) = files.split_at(usize::from(has_ca));
    let builder = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| error.to_string())?;
    let builder = builder.with_root_certificates(match ca.first() {
        Some(ca) => roots(ca)?,
        None => machine_roots(),
    });
    let mut config = match own {
        [certificate, key] => builder
            .with_client_auth_cert(chain(certificate)?, private_key(key)?)
            .map_err(unpaired)?,
        _ => builder.with_no_client_auth(),
    };
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(Arc::new(config))
}

/// The authorities that this machine trusts.
fn machine_roots() -> RootCertStore {
    let mut store = RootCertStore::empty();
    store.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    store
}

fn unpaired(error: rustls::Error) -> String {
    format!("do not belong together ({error}); name a certificate and the key that it was made with")
}

fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut store = RootCertStore::empty();
    for certificate in chain(pem)? {
        let added = store.add(certificate);
        added.map_err(|error| format!("has a certificate that is no authority's ({error})"))?;
    }
    Ok(store)
}

fn chain(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    let chain: Result<Vec<_>, pem::Error> = CertificateDer::pem_slice_iter(pem).collect();
    match chain {
        Ok(chain) if chain.is_empty() => Err("has no certificate; expected PEM".to_owned()),
        chain => chain.map_err(|error| format!("has no certificate ({error}); expected PEM")),
    }
}

fn private_key(pem: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    PrivateKeyDer::from_pem_slice(pem).map_err(|error| format!("has no private key ({error}); expected PEM"))
}

/// A connection that was taken in, encrypted or not, and its place among those that may be open.
pub(crate) struct Link {
    stream: Either<TcpStream, Box<tokio_rustls::server::TlsStream<TcpStream>>>,
    _place: OwnedSemaphorePermit,
}

impl Connected for Link {
    type ConnectInfo = TcpConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        match &self.stream {
            Either::Left(stream) => stream.connect_info(),
            Either::Right(stream) => stream.get_ref().0.connect_info(),
        }
    }
}

impl AsyncRead for Link {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Link {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[std::io::IoSlice<'_>],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}
