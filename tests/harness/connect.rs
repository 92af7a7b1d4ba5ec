//! Connections into a cluster's network: on loopback directly, to a node's private network through its namespace.

use std::fs::File;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

const LIMIT: Duration = Duration::from_secs(5);

/// Connects from within the network namespace `network`; `None` is the caller's own.
pub(crate) fn connect(network: Option<&Path>, address: SocketAddr) -> Result<TcpStream> {
    let stream = match network {
        None => TcpStream::connect_timeout(&address, LIMIT)?,
        // A socket belongs to the namespace of the thread that made it, so a thread goes there for a moment.
        Some(network) => thread::scope(|scope| {
            let visit = scope.spawn(|| -> Result<TcpStream> {
                let namespace = File::open(network).with_context(|| format!("opening {}", network.display()))?;
                move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Network))?;
                Ok(TcpStream::connect_timeout(&address, LIMIT)?)
            });
            visit.join().map_err(|_| anyhow!("the connecting thread panicked"))?
        })?,
    };
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// Listens on a free port of loopback and passes each connection on to `address`, for as long as this process lives.
pub(crate) fn forward(network: Option<PathBuf>, address: SocketAddr) -> Result<SocketAddr> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let local = listener.local_addr()?;
    thread::spawn(move || {
        for client in listener.incoming().flatten() {
            // A connection that fails is closed: the client sees what it would see without us.
            if let Ok(server) = connect(network.as_deref(), address)
                && let (Ok(from), Ok(to)) = (client.try_clone(), server.try_clone())
            {
                thread::spawn(move || pass(from, to));
                thread::spawn(move || pass(server, client));
            }
        }
    });
    Ok(local)
}

fn pass(mut from: TcpStream, mut to: TcpStream) {
    drop(io::copy(&mut from, &mut to));
    drop(to.shutdown(Shutdown::Write));
}
