use std::pin::Pin;

use bytes::Bytes;
use hyper::body::Body;

use super::{Limits, budget::Share, overload::HEAD_BYTES, refusal::Refusal};

/// What a body turned out to be.
#[derive(Debug)]
pub(super) enum Received {
    /// All of it.
    Whole(Bytes),
    /// More than could be held: the head of it; the rest was thrown away.
    Head(Vec<u8>),
}

/// Reads a body, each byte of it paid from `share`.
///
/// Memory is taken as bytes arrive, not as `content-length` promises: a promise costs a sender nothing.
pub(super) async fn receive<B>(body: &mut B, limits: &Limits, share: &mut Share<'_>) -> Result<Received, Refusal>
where
    B: Body<Data = Bytes> + Unpin,
{
    let promised = body.size_hint().lower();
    if promised > limits.body_bytes as u64 {
        return Err(Refusal::TooLarge);
    }
    let Some(first) = next(body).await? else { return Err(Refusal::EmptyBody) };
    if first.len() as u64 == promised && share.grow_to(first.len().max(Limits::CALL_BYTES)) {
        // The common case: one frame, which is used as it is.
        return match next(body).await? {
            None => Ok(Received::Whole(first)),
            Some(_) => Err(Refusal::CutBody),
        };
    }
    let ceiling = usize::try_from(promised).ok().filter(|promised| *promised > 0).unwrap_or(limits.body_bytes);
    let mut held = Vec::new();
    let mut total = 0;
    let mut frame = Some(first);
    let mut overflown = false;
    while let Some(data) = frame {
        total += data.len();
        if total > limits.body_bytes {
            return Err(Refusal::TooLarge);
        }
        if !overflown && !make_room(&mut held, total, ceiling, share) {
            overflown = true;
            held.truncate(HEAD_BYTES);
            held.shrink_to_fit();
            share.release();
        }
        if !overflown {
            held.extend_from_slice(&data);
        } else if let Some(missing) = HEAD_BYTES.checked_sub(held.len()) {
            held.extend_from_slice(data.get(..missing).unwrap_or(&data));
        }
        frame = next(body).await?;
    }
    Ok(if overflown { Received::Head(held) } else { Received::Whole(held.into()) })
}

/// Reads a body to its end, or to so many bytes, and keeps nothing.
pub(super) async fn discard<B: Body<Data = Bytes> + Unpin>(mut body: B, limit: usize) {
    let mut left = limit;
    while let Ok(Some(data)) = next(&mut body).await {
        match left.checked_sub(data.len()) {
            Some(rest) => left = rest,
            None => return,
        }
    }
}

/// Makes room for `total` bytes; at most doubles, and goes no further than `ceiling`.
fn make_room(held: &mut Vec<u8>, total: usize, ceiling: usize, share: &mut Share<'_>) -> bool {
    if total <= held.capacity() {
        return true;
    }
    let room = total.saturating_mul(2).max(64 * 1024).min(ceiling).max(total);
    if !share.grow_to(room.max(Limits::CALL_BYTES)) {
        return false;
    }
    held.reserve_exact(room - held.len());
    true
}

/// The next data of the body; trailers are passed over.
async fn next<B: Body<Data = Bytes> + Unpin>(body: &mut B) -> Result<Option<Bytes>, Refusal> {
    loop {
        let Some(frame) = std::future::poll_fn(|context| Pin::new(&mut *body).poll_frame(context)).await else {
            return Ok(None);
        };
        match frame.map_err(|_| Refusal::CutBody)?.into_data() {
            Ok(data) if data.is_empty() => {}
            Ok(data) => return Ok(Some(data)),
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::stream;
    use http_body_util::{Full, StreamBody};
    use hyper::body::Frame;
    use prometheus_client::metrics::gauge::Gauge;

    use super::{super::budget::Budget, *};

    fn frames(sizes: &[usize]) -> impl Body<Data = Bytes, Error = std::io::Error> {
        let frames: Vec<_> = sizes.iter().map(|size| Ok(Frame::data(Bytes::from(vec![b'x'; *size])))).collect();
        StreamBody::new(stream::iter(frames))
    }

    fn limits() -> Limits {
        Limits { body_bytes: 1_000_000, ..Limits::default() }
    }

    #[tokio::test]
    async fn a_body_is_whole_or_refused() {
        let budget = Budget::new(10_000_000, Gauge::default());
        for (sizes, expected) in [
            (&[10][..], Ok(10)),
            (&[0, 10, 0, 200_000], Ok(200_010)),
            (&[500_000, 500_000], Ok(1_000_000)),
            (&[500_000, 500_001], Err(Refusal::TooLarge)),
            (&[], Err(Refusal::EmptyBody)),
            (&[0], Err(Refusal::EmptyBody)),
        ] {
            let mut share = budget.share();
            let length = receive(&mut frames(sizes), &limits(), &mut share).await.map(|received| match received {
                Received::Whole(body) => body.len(),
                Received::Head(_) => panic!("held {sizes:?}"),
            });
            assert_eq!(length, expected, "{sizes:?}");
        }
    }

    #[tokio::test]
    async fn a_promise_above_the_limit_is_refused_unread() {
        let budget = Budget::new(10_000_000, Gauge::default());
        let mut body = Full::new(Bytes::from(vec![b'x'; 1_000_001]));
        assert_eq!(receive(&mut body, &limits(), &mut budget.share()).await.unwrap_err(), Refusal::TooLarge);
    }

    #[tokio::test]
    async fn a_body_that_cannot_be_held_leaves_its_head() {
        let gauge = Gauge::default();
        let budget = Budget::new(100_000, gauge.clone());
        for sizes in [&[100_001][..], &[50_000, 50_000, 1], &[10, 20, 70_000, 70_000], &[99_000, 900_000]] {
            let mut share = budget.share();
            match receive(&mut frames(sizes), &limits(), &mut share).await.unwrap() {
                Received::Head(head) => assert_eq!(head.len(), HEAD_BYTES, "{sizes:?}"),
                Received::Whole(body) => panic!("{sizes:?} held {}", body.len()),
            }
            assert_eq!(gauge.get(), 0, "{sizes:?}");
        }
        let full = Budget::new(Limits::CALL_BYTES - 1, Gauge::default());
        let received = receive(&mut Full::new(Bytes::from_static(b"{}")), &limits(), &mut full.share()).await.unwrap();
        assert!(matches!(received, Received::Head(head) if head == b"{}"));
    }

    #[tokio::test]
    async fn a_fault_of_the_transport_is_a_cut_body() {
        let budget = Budget::new(100_000, Gauge::default());
        let frames = vec![Ok(Frame::data(Bytes::from_static(b"{"))), Err(std::io::Error::other("gone"))];
        let mut body = StreamBody::new(stream::iter(frames));
        assert_eq!(receive(&mut body, &limits(), &mut budget.share()).await.unwrap_err(), Refusal::CutBody);
    }
}
