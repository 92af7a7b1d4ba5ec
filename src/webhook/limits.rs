use std::time::Duration;

/// The limits of the server. The defaults are what is tested and documented.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The most bytes of one body: 7 MiB, twice what the API server takes from a client, and then some.
    pub body_bytes: usize,
    /// The most bytes of one request's headers.
    pub header_bytes: usize,
    /// The most bytes of bodies held at once; each call counts at least [`Limits::CALL_BYTES`].
    pub in_flight_bytes: usize,
    /// The most open connections.
    pub connections: usize,
    /// The most open connections of one peer address, so that one cannot shut out the others.
    pub connections_per_peer: usize,
    /// The most concurrent requests on one HTTP/2 connection.
    pub streams: u32,
    /// The time for a TLS handshake.
    pub handshake: Duration,
    /// The time for a request's headers, and for the first request of a connection to come.
    pub headers: Duration,
    /// How long a connection may be idle: longer than the API server keeps one (90 s), so that it closes first.
    pub idle: Duration,
    /// The time for an answer, body included.
    pub budget: Duration,
}

impl Limits {
    /// What a call counts at least, however small its body.
    pub const CALL_BYTES: usize = 8 * 1024;
    /// The least buffer that HTTP/1 needs, and so the least [`Limits::header_bytes`].
    pub const MIN_HEADER_BYTES: usize = 8 * 1024;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            body_bytes: 7 * 1024 * 1024,
            header_bytes: 16 * 1024,
            in_flight_bytes: 28 * 1024 * 1024,
            connections: 2048,
            connections_per_peer: 1024,
            streams: 250,
            handshake: Duration::from_secs(5),
            headers: Duration::from_secs(5),
            idle: Duration::from_secs(180),
            budget: Duration::from_millis(1500),
        }
    }
}
