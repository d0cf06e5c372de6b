//! HTTP, and what those who ask it for something reach of the pipeline.

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc::Sender},
};

use prometheus::Registry;
use secrecy::SecretString;
use tokio::{net::TcpListener, runtime::Runtime};

use super::{StartError, runner::Control};
use crate::{
    config::Settings,
    ops::{self, Asker, Changer, ExperimentMetrics, ExperimentPages, HttpSettings, Silencer, Status},
};

/// Serves the pages; gives the address, with the real port when the configured one is 0.
pub(super) fn serve(
    settings: &Settings,
    runtime: &Runtime,
    (status, registry): (&Arc<Status>, &Registry),
    control: &Sender<Control>,
) -> Result<SocketAddr, StartError> {
    let served = settings.served_experiments.clone();
    ExperimentMetrics::register(registry, Arc::clone(status), served.clone())?;
    let token = settings.api_token.clone();
    let silencer = token.clone().map(|token| silencer(token, control.clone()));
    let asker = asker(token.clone(), control.clone());
    let experiments = ExperimentPages { served, changer: Some(changer(token, control.clone())) };
    let pages = ops::router(Arc::clone(status), registry.clone(), silencer, Some(asker), experiments);
    start_http(runtime, &settings.http, pages)
}

// A thread that is gone has nothing to tell any more, and nothing to change.

/// Has events explained.
fn asker(token: Option<SecretString>, control: Sender<Control>) -> Asker {
    Asker::new(token, move |asked| control.send(Control::Explain(asked)).is_ok())
}

/// Takes silences from whoever has the token.
fn silencer(token: SecretString, control: Sender<Control>) -> Silencer {
    Silencer::new(token, move |change| control.send(Control::Silence(change)).is_ok())
}

/// Begins and ends experiments.
fn changer(token: Option<SecretString>, control: Sender<Control>) -> Changer {
    Changer::new(token, move |change| control.send(Control::Experiment(change)).is_ok())
}

fn start_http(
    runtime: &Runtime,
    settings: &HttpSettings,
    pages: axum::Router,
) -> Result<SocketAddr, StartError> {
    let failed = |source| StartError::Listen { address: settings.listen, source };
    let listener = runtime.block_on(TcpListener::bind(settings.listen)).map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    runtime.spawn(ops::serve(listener, pages));
    Ok(address)
}
