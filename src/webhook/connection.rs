//! One connection: handshake, requests, patrol for idleness, and its orderly end.

use std::{
    future::Future,
    io,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use hyper::{
    body::Incoming,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{sleep, timeout},
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

use super::{Admission, Limits, callers::Peer, handle::State};
use crate::{metrics::CauseLabels, shutdown::Phase};

/// The most headers of a request.
const HEADERS_LIMIT: usize = 100;
/// What HTTP/1 may buffer of a connection.
const BUFFER_BYTES: usize = 64 * 1024;
/// What HTTP/2 may buffer of one stream and of one connection.
const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// How often an HTTP/2 peer is asked whether it lives, and how long it may take to say so.
const PING_EVERY: Duration = Duration::from_secs(30);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves one connection to its end.
pub(super) async fn serve<A: Admission>(state: Arc<State<A>>, acceptor: TlsAcceptor, tcp: TcpStream) {
    // Small answers must not wait for more. Where it cannot be set they are merely slower.
    let _ = tcp.set_nodelay(true);
    let fault = match timeout(state.limits.handshake, acceptor.accept(tcp)).await {
        Ok(Ok(stream)) => speak(&state, stream).await.err(),
        Ok(Err(_)) => Some("handshake"),
        Err(_) => Some("handshake_timeout"),
    };
    if let Some(cause) = fault {
        state.metrics.webhook.connection_faults.get_or_create(&CauseLabels { cause }).inc();
    }
}

async fn speak<A: Admission>(state: &Arc<State<A>>, stream: TlsStream<TcpStream>) -> Result<(), &'static str> {
    let (_, session) = stream.get_ref();
    let is_h2 = session.alpn_protocol() == Some(b"h2");
    let peer = Peer::new(session.peer_certificates());
    let shared = Arc::new((Arc::clone(state), peer, Activity::new(is_h2)));
    let io = TokioIo::new(Observed { stream, shared: Arc::clone(&shared) });
    let service = {
        let shared = Arc::clone(&shared);
        service_fn(move |request: hyper::Request<Incoming>| {
            let shared = Arc::clone(&shared);
            async move {
                let (state, peer, activity) = &*shared;
                let _busy = activity.begin();
                Ok::<_, std::convert::Infallible>(state.respond(peer, request).await)
            }
        })
    };
    let (limits, activity) = (&state.limits, &shared.2);
    // What the client negotiated is what it speaks: there is nothing to guess from its first bytes.
    if is_h2 {
        let mut connection = pin!(h2(limits).serve_connection(io, service));
        // GOAWAY early: a client then opens its next connection elsewhere. One that came while draining is kept.
        let leave = if state.shutdown.phase() == Phase::Serving { Phase::Draining } else { Phase::Stopping };
        let leaving = pin!(state.shutdown.reached(leave));
        drive(connection.as_mut(), |connection| connection.graceful_shutdown(), leaving, activity, limits).await
    } else {
        let mut connection = pin!(h1(limits).serve_connection(io, service));
        let leaving = pin!(state.shutdown.reached(Phase::Stopping));
        drive(connection.as_mut(), |connection| connection.graceful_shutdown(), leaving, activity, limits).await
    }
}

fn h1(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .max_header_size(limits.header_bytes)
        .max_headers(HEADERS_LIMIT)
        .max_buf_size(BUFFER_BYTES.max(limits.header_bytes))
        // The patrol sees to slow headers: hyper's own timer would also end connections that are merely idle.
        .header_read_timeout(None)
        .timer(TokioTimer::new());
    builder
}

fn h2(limits: &Limits) -> http2::Builder<TokioExecutor> {
    let mut builder = http2::Builder::new(TokioExecutor::new());
    builder
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .max_concurrent_streams(limits.streams)
        .initial_stream_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .keep_alive_interval(PING_EVERY)
        .keep_alive_timeout(PING_TIMEOUT)
        .timer(TokioTimer::new());
    builder
}

/// Runs a connection until it ends, is told to leave, or stays idle for too long.
async fn drive<C: Future<Output = hyper::Result<()>>>(
    mut connection: Pin<&mut C>,
    wind_down: fn(Pin<&mut C>),
    mut leaving: Pin<&mut impl Future<Output = ()>>,
    activity: &Activity,
    limits: &Limits,
) -> Result<(), &'static str> {
    let mut patrol = pin!(sleep(limits.headers));
    let mut is_leaving = false;
    loop {
        tokio::select! {
            biased;
            ended = connection.as_mut() => return ended.map_err(|_| "protocol"),
            () = leaving.as_mut(), if !is_leaving => {
                is_leaving = true;
                wind_down(connection.as_mut());
            }
            () = patrol.as_mut() => {
                let next = match activity.look(limits) {
                    Look::Fine(next) => next,
                    Look::SlowHeaders => return Err("header_timeout"),
                    // A second look ends a connection that does not end by itself.
                    Look::Idle if is_leaving => return Ok(()),
                    Look::Idle => {
                        is_leaving = true;
                        wind_down(connection.as_mut());
                        limits.headers
                    }
                };
                patrol.as_mut().reset(tokio::time::Instant::now() + next);
            }
        }
    }
}

/// What happens on a connection, as far as the patrol must know.
#[derive(Debug)]
struct Activity {
    is_h2: bool,
    opened: Instant,
    /// Requests that are being answered.
    requests: AtomicU32,
    /// Whether there was any request yet.
    used: AtomicBool,
    /// Whether bytes came since the last request ended (HTTP/1: of the next one's headers).
    reading: AtomicBool,
    /// Milliseconds from `opened` to the last change of the three above.
    since: AtomicU64,
}

enum Look {
    /// Look again after this time.
    Fine(Duration),
    Idle,
    SlowHeaders,
}

impl Activity {
    fn new(is_h2: bool) -> Self {
        Self {
            is_h2,
            opened: Instant::now(),
            requests: AtomicU32::new(0),
            used: AtomicBool::new(false),
            reading: AtomicBool::new(false),
            since: AtomicU64::new(0),
        }
    }

    fn begin(&self) -> Busy<'_> {
        self.requests.fetch_add(1, Relaxed);
        self.used.store(true, Relaxed);
        self.reading.store(false, Relaxed);
        Busy(self)
    }

    fn bytes_came(&self) {
        // HTTP/2 peers ping; only requests count there.
        if !self.is_h2 && self.requests.load(Relaxed) == 0 && !self.reading.swap(true, Relaxed) {
            self.mark();
        }
    }

    fn mark(&self) {
        self.since.store(u64::try_from(self.opened.elapsed().as_millis()).unwrap_or(u64::MAX), Relaxed);
    }

    fn look(&self, limits: &Limits) -> Look {
        if self.requests.load(Relaxed) > 0 {
            return Look::Fine(limits.headers);
        }
        let is_reading = self.reading.load(Relaxed);
        let is_fresh = !self.used.load(Relaxed);
        let limit = if is_reading || is_fresh { limits.headers } else { limits.idle };
        let quiet = self.opened.elapsed().saturating_sub(Duration::from_millis(self.since.load(Relaxed)));
        match limit.checked_sub(quiet) {
            Some(left) if !left.is_zero() => Look::Fine(left.min(limits.headers)),
            _ if is_reading || is_fresh => Look::SlowHeaders,
            _ => Look::Idle,
        }
    }
}

/// A request that is being answered.
struct Busy<'a>(&'a Activity);

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        if self.0.requests.fetch_sub(1, Relaxed) == 1 {
            self.0.mark();
        }
    }
}

/// A stream that tells when bytes come.
struct Observed<A> {
    stream: TlsStream<TcpStream>,
    shared: Arc<(Arc<State<A>>, Peer, Activity)>,
}

impl<A> AsyncRead for Observed<A> {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        let polled = Pin::new(&mut this.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            this.shared.2.bytes_came();
        }
        polled
    }
}

impl<A> AsyncWrite for Observed<A> {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write(context, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.get_mut().stream).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_flush(context)
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.get_mut().stream).poll_shutdown(context)
    }
}
