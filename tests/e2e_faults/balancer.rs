//! One address in front of several replicas, as a Service is: each new connection goes to the next replica that is
//! ready, open connections stay where they are, and nothing is tried again.

use std::{
    io,
    net::{Shutdown, SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    harness::{Client, wait_until},
    support::SOON,
};

/// How often a replica is asked whether it is ready.
const PROBE_EVERY: Duration = Duration::from_millis(100);
/// How often in a row a replica says that it is not ready before it is withdrawn.
const PATIENCE: u32 = 3;

/// The balancer; it ends with its owner.
pub(crate) struct Balancer {
    pub(crate) port: u16,
    shared: Arc<Shared>,
}

struct Shared {
    backends: Vec<SocketAddr>,
    /// Whether each is in use, since when, and what it said last.
    ready: Mutex<Vec<(bool, Instant, String)>>,
    next: AtomicUsize,
    over: AtomicBool,
}

impl Balancer {
    /// In front of these addresses, whose certificates are of this authority.
    pub(crate) fn start(backends: Vec<SocketAddr>, authority: &str) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let port = listener.local_addr()?.port();
        let ready = Mutex::new(vec![(false, Instant::now(), String::new()); backends.len()]);
        let shared = Arc::new(Shared { backends, ready, next: AtomicUsize::new(0), over: AtomicBool::new(false) });
        for (index, address) in shared.backends.iter().enumerate() {
            let (probe, shared) = (Client::tls(*address, authority, None)?, Arc::clone(&shared));
            thread::spawn(move || shared.follow(index, &probe));
        }
        let accepting = Arc::clone(&shared);
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                if accepting.over.load(Ordering::SeqCst) {
                    return;
                }
                // Without a replica the connection is closed, as a Service without endpoints refuses it.
                if let Some(server) = accepting.pick().and_then(|address| TcpStream::connect(address).ok()) {
                    drop(join(client, server));
                }
            }
        });
        Ok(Self { port, shared })
    }

    /// Waits until a replica is in use, or no more; since when.
    pub(crate) fn wait(&self, index: usize, ready: bool) -> Result<Instant> {
        wait_until("the balancer to see it", SOON, || {
            let (is, since, said) = self.shared.lock().get(index).cloned().context("no such replica")?;
            ensure!(is == ready, "{said}");
            Ok(Some(since))
        })
    }
}

impl Drop for Balancer {
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
    }
}

impl Shared {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<(bool, Instant, String)>> {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn follow(&self, index: usize, probe: &Client) {
        let mut said_no = 0;
        while !self.over.load(Ordering::SeqCst) {
            let answer = probe.get("/readyz");
            // Who cannot be reached is gone; who says no is asked again, as a kubelet does.
            said_no = if answer.as_ref().is_ok_and(|response| response.status != 200) { said_no + 1 } else { 0 };
            let was = self.lock().get(index).is_some_and(|entry| entry.0);
            let ready = answer.is_ok() && if was { said_no < PATIENCE } else { said_no == 0 };
            if let Some(entry) = self.lock().get_mut(index) {
                let since = if entry.0 == ready { entry.1 } else { Instant::now() };
                *entry = (ready, since, answer.map_or_else(|error| error.to_string(), |response| response.text()));
            }
            thread::sleep(PROBE_EVERY);
        }
    }

    fn pick(&self) -> Option<SocketAddr> {
        let ready: Vec<bool> = self.lock().iter().map(|(ready, ..)| *ready).collect();
        let start = self.next.fetch_add(1, Ordering::SeqCst);
        let count = self.backends.len();
        let index = (0..count).map(|step| (start + step) % count).find(|index| ready.get(*index) == Some(&true))?;
        self.backends.get(index).copied()
    }
}

/// Passes bytes both ways until both ends are done.
fn join(client: TcpStream, server: TcpStream) -> io::Result<()> {
    for stream in [&client, &server] {
        stream.set_nodelay(true)?;
    }
    let (from, to) = (client.try_clone()?, server.try_clone()?);
    thread::spawn(move || pass(from, to));
    thread::spawn(move || pass(server, client));
    Ok(())
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    // A reset is passed on as an end: both directions are over.
    let end = if io::copy(&mut from, &mut to).is_ok() { Shutdown::Write } else { Shutdown::Both };
    drop(to.shutdown(end));
}
