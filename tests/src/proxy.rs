//! A network between two processes that can be slow, cut, or deaf.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    time::sleep,
};

/// How the network is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Weather {
    /// Everything passes at once.
    #[default]
    Fair,
    /// Everything passes, so much later.
    Slow(Duration),
    /// Connections break, and no new one is made.
    Cut,
    /// Nothing passes, and nobody is told.
    Deaf,
}

/// Passes connections on; ends when dropped.
pub struct Proxy {
    address: SocketAddr,
    weather: Arc<watch::Sender<Weather>>,
    task: tokio::task::JoinHandle<()>,
}

impl Proxy {
    /// Passes connections to a free port of this machine on to `target`.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn to(target: SocketAddr) -> std::io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let (weather, told) = watch::channel(Weather::Fair);
        let task = tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                if *told.borrow() == Weather::Cut {
                    continue;
                }
                let told = told.clone();
                tokio::spawn(async move {
                    if let Ok(far) = TcpStream::connect(target).await {
                        pass(near, far, told).await;
                    }
                });
            }
        });
        Ok(Self {
            address,
            weather: Arc::new(weather),
            task,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Changes the weather for connections old and new.
    pub fn set(&self, weather: Weather) {
        self.weather.send_replace(weather);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(near: TcpStream, far: TcpStream, told: watch::Receiver<Weather>) {
    let (near_read, near_write) = near.into_split();
    let (far_read, far_write) = far.into_split();
    let mut cut = told.clone();
    tokio::select! {
        () = one_way(near_read, far_write, told.clone()) => {}
        () = one_way(far_read, near_write, told) => {}
        _ = cut.wait_for(|weather| *weather == Weather::Cut) => {}
    }
}

async fn one_way(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut told: watch::Receiver<Weather>,
) {
    let mut bytes = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut bytes).await {
        let weather = *told.borrow_and_update();
        match weather {
            Weather::Slow(late) => sleep(late).await,
            Weather::Deaf if told.wait_for(|weather| *weather != Weather::Deaf).await.is_err() => return,
            _ => {}
        }
        let Some(passed) = bytes.get(..read) else { return };
        if to.write_all(passed).await.is_err() {
            return;
        }
    }
}
