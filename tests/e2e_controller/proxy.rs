//! A TCP proxy whose connections can be frozen: bytes are held, nothing is closed.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::Result;

/// Connections are numbered; those below the threshold are frozen.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    count: Arc<AtomicU64>,
    frozen_below: Arc<AtomicU64>,
}

impl Proxy {
    pub(crate) fn start(target: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let proxy = Self { address: listener.local_addr()?, count: Arc::default(), frozen_below: Arc::default() };
        let (count, frozen) = (Arc::clone(&proxy.count), Arc::clone(&proxy.frozen_below));
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let number = count.fetch_add(1, Ordering::SeqCst);
                let Ok(server) = TcpStream::connect(target) else { continue };
                if let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone()) {
                    let frozen = (Arc::clone(&frozen), Arc::clone(&frozen));
                    thread::spawn(move || pass(from, to, number, &frozen.0));
                    thread::spawn(move || pass(server, client, number, &frozen.1));
                }
            }
        });
        Ok(proxy)
    }

    /// Freezes the connections that exist; new ones work.
    pub(crate) fn freeze_old(&self) {
        self.frozen_below.store(self.count.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Freezes every connection, also new ones.
    pub(crate) fn freeze_all(&self) {
        self.frozen_below.store(u64::MAX, Ordering::SeqCst);
    }

    /// Everything flows again, also what was held.
    pub(crate) fn thaw(&self) {
        self.frozen_below.store(0, Ordering::SeqCst);
    }
}

fn pass(mut from: TcpStream, mut to: TcpStream, number: u64, frozen_below: &AtomicU64) {
    let mut buffer = [0; 16 * 1024];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        while number < frozen_below.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(5));
        }
        let sent = buffer.get(..length).unwrap_or_default();
        if to.write_all(sent).is_err() {
            break;
        }
    }
    drop(to.shutdown(std::net::Shutdown::Write));
}
