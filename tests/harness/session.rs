//! A client that keeps its connection: thousands of requests must not cost a handshake each.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read};

use anyhow::{Context, Result, ensure};

use super::client::{Client, Response, Stream};

/// One connection of a client at a time, for one thread. A request that fails ends it, and is not sent again.
pub(crate) struct Session<'c> {
    client: &'c Client,
    open: RefCell<Option<BufReader<Box<dyn Stream>>>>,
}

impl<'c> Session<'c> {
    /// Connects with the first request.
    pub(crate) fn new(client: &'c Client) -> Self {
        Self { client, open: RefCell::new(None) }
    }

    /// Sends a request with any headers and any body, as [`Client::request`] does.
    pub(crate) fn request(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Response> {
        let mut open = self.open.borrow_mut();
        // Taken out, and put back once the answer is whole.
        let mut stream = match open.take() {
            Some(stream) => stream,
            None => BufReader::new(self.client.open()?),
        };
        let sent = self.client.written("HTTP/1.1", method, path, headers, body)?;
        stream.get_mut().write_all(&sent)?;
        stream.get_mut().flush()?;
        let response = read(&mut stream)?;
        if !has(&response.headers, "connection", "close") {
            *open = Some(stream);
        }
        Ok(response)
    }
}

/// One answer, by its length or in chunks (RFC 9112 section 6); no answer to a HEAD is read here.
fn read(stream: &mut impl BufRead) -> Result<Response> {
    let mut headers = String::new();
    while !headers.ends_with("\r\n\r\n") {
        ensure!(stream.read_line(&mut headers)? > 0, "the server closed the connection without an answer");
    }
    let mut body = Vec::new();
    if has(&headers, "transfer-encoding", "chunked") {
        loop {
            let mut line = String::new();
            stream.read_line(&mut line)?;
            let size = u64::from_str_radix(line.trim_end(), 16).with_context(|| format!("a chunk of `{line}`"))?;
            let before = body.len() as u64;
            stream.by_ref().take(size).read_to_end(&mut body)?;
            ensure!(body.len() as u64 - before == size, "the answer is cut off");
            line.clear();
            stream.read_line(&mut line)?;
            ensure!(line == "\r\n", "a chunk, or the last of them, is followed by `{line}`");
            if size == 0 {
                break;
            }
        }
    } else if let Some(length) = value(&headers, "content-length") {
        body.resize(length.parse()?, 0);
        stream.read_exact(&mut body)?;
    } else {
        stream.read_to_end(&mut body)?;
    }
    Response::of(headers, body)
}

fn value<'h>(headers: &'h str, name: &str) -> Option<&'h str> {
    let mut lines = headers.lines().filter_map(|line| line.split_once(':'));
    lines.find_map(|(own, value)| own.eq_ignore_ascii_case(name).then(|| value.trim()))
}

fn has(headers: &str, name: &str, wanted: &str) -> bool {
    value(headers, name).is_some_and(|value| value.eq_ignore_ascii_case(wanted))
}
