//! `dualwheel serve`.

use dualwheel_kit::{config::Config, server};
use tokio::signal::unix::{SignalKind, signal};

use crate::{cli::Serve, mesh};

/// Serves until SIGTERM or SIGINT, then drains; a second signal ends the process at once.
///
/// # Errors
/// When the services cannot be built or the address cannot be bound.
pub async fn run(mut config: Config, args: &Serve) -> anyhow::Result<()> {
    if let Some(listen) = &args.listen {
        config.listen.clone_from(listen);
    }
    let server = mesh::build(&config, &args.roles).await?;
    until_signal(&config, server).await
}

/// Serves an already built server until a signal.
///
/// # Errors
/// When the address cannot be bound or serving breaks.
pub async fn until_signal(config: &Config, server: server::Server) -> anyhow::Result<()> {
    let bound = server::bind(config).await?;
    let address = bound.address();
    if config.auth.jwks.is_some() || config.tls.client_ca.is_some() {
        tracing::info!(%address, "ready");
    } else {
        tracing::info!(%address, "ready; no caller is authenticated");
    }
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("draining");
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            tracing::warn!("a second signal: leaving at once");
            std::process::exit(130);
        });
    };
    server.serve(bound, stop).await?;
    Ok(())
}
