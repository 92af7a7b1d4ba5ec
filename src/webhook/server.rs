use std::{
    collections::BTreeMap,
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    net::{TcpListener, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

use super::{
    Admission, Callers, Limits, ServingCertificate, budget::Budget, connection, handle::State, tls::server_config,
};
use crate::{
    clock::Clock,
    metrics::{CauseLabels, Metrics},
    shutdown::{Phase, Shutdown},
};

/// How long accepting pauses when the system has no descriptors left.
const PAUSE: Duration = Duration::from_millis(50);

/// Everything the server is made of.
#[derive(Debug)]
pub struct Setup<A> {
    /// Who decides.
    pub admission: Arc<A>,
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Where things are counted.
    pub metrics: Arc<Metrics>,
    /// When to leave.
    pub shutdown: Shutdown,
    /// The serving certificate.
    pub certificate: Arc<ServingCertificate>,
    /// Who may call; `None` lets anybody.
    pub callers: Option<Arc<Callers>>,
    /// The limits.
    pub limits: Limits,
    /// How long what is in flight may take after accepting has stopped.
    pub finish: Duration,
}

/// How serving ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Served {
    /// Connections that had to be cut.
    pub cut: usize,
}

/// Serves until the shutdown is over.
///
/// # Errors
/// Where the limits cannot be used, or TLS cannot be set up.
pub async fn serve<A: Admission>(listener: TcpListener, setup: Setup<A>) -> Result<Served, rustls::Error> {
    let Setup { admission, clock, metrics, shutdown, certificate, callers, limits, finish } = setup;
    let config = server_config(Arc::clone(&certificate), callers.is_some(), Arc::clone(&clock))?;
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let budget = Budget::new(limits.in_flight_bytes, metrics.webhook.in_flight_bytes.clone());
    let state = Arc::new(State { admission, clock, metrics, shutdown, certificate, callers, limits, budget });
    let mut connections = JoinSet::new();
    accept(&state, &listener, &acceptor, &mut connections).await;
    // Closes the socket: who connects now is told at once.
    drop(listener);
    let finished = timeout(finish, async { while connections.join_next().await.is_some() {} }).await;
    let cut = if finished.is_ok() { 0 } else { connections.len() };
    connections.shutdown().await;
    Ok(Served { cut })
}

/// Accepts until the phase is [`Phase::Stopping`].
async fn accept<A: Admission>(
    state: &Arc<State<A>>,
    listener: &TcpListener,
    acceptor: &TlsAcceptor,
    connections: &mut JoinSet<()>,
) {
    let stopping = state.shutdown.reached(Phase::Stopping);
    tokio::pin!(stopping);
    let peers = Arc::new(Peers::default());
    loop {
        tokio::select! {
            () = &mut stopping => return,
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if ended.is_err_and(|error| error.is_panic()) {
                    state.metrics.webhook.panics.inc();
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((stream, address)) => admit(state, acceptor, connections, &peers, stream, address),
                Err(_) => {
                    fault(state, "accept");
                    sleep(PAUSE).await;
                }
            },
        }
    }
}

fn admit<A: Admission>(
    state: &Arc<State<A>>,
    acceptor: &TlsAcceptor,
    connections: &mut JoinSet<()>,
    peers: &Arc<Peers>,
    stream: TcpStream,
    address: SocketAddr,
) {
    // Above a limit the connection is closed at once: its client can go to another replica.
    if connections.len() >= state.limits.connections {
        return fault(state, "limit");
    }
    let Some(place) = Place::take(peers, address.ip(), state.limits.connections_per_peer) else {
        return fault(state, "peer_limit");
    };
    let (state, acceptor) = (Arc::clone(state), acceptor.clone());
    connections.spawn(async move {
        let _place = place;
        let _open = Open::count(&state);
        connection::serve(Arc::clone(&state), acceptor, stream).await;
    });
}

fn fault<A>(state: &State<A>, cause: &'static str) {
    state.metrics.webhook.connection_faults.get_or_create(&CauseLabels { cause }).inc();
}

/// Open connections by address.
#[derive(Debug, Default)]
struct Peers(Mutex<BTreeMap<IpAddr, usize>>);

/// One connection of a peer, given back when it is dropped.
struct Place {
    peers: Arc<Peers>,
    address: IpAddr,
}

impl Place {
    fn take(peers: &Arc<Peers>, address: IpAddr, limit: usize) -> Option<Self> {
        let mut open = peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = open.entry(address).or_default();
        if *count >= limit {
            return None;
        }
        *count += 1;
        Some(Self { peers: Arc::clone(peers), address })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut open = self.peers.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = open.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.address);
            }
        }
    }
}

/// Counts an open connection.
struct Open(prometheus_client::metrics::gauge::Gauge);

impl Open {
    fn count<A>(state: &State<A>) -> Self {
        let gauge = state.metrics.webhook.connections.clone();
        gauge.inc();
        Self(gauge)
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}
