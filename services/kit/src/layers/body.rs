//! The one message of a unary call or answer as bytes.

use bytes::{BufMut, Bytes, BytesMut};
use http::Request;
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use tonic::body::Body;

use crate::{Config, Failure, Reason, config::MESSAGE_SLACK};

/// Bytes before a message: whether it is compressed, and its length.
const PREFIX: usize = 5;

/// The body of a call that was read whole, among the request's extensions.
#[derive(Clone)]
struct Whole(Bytes);

/// The largest body of a unary call.
pub(crate) fn largest(config: &Config) -> usize {
    let message = config.limits.message_bytes.saturating_add(MESSAGE_SLACK);
    message.saturating_add(PREFIX)
}

/// Reads the body of a unary call, of at most `largest` bytes; the call stays as it was.
///
/// # Errors
/// When it is larger, or the caller breaks off.
pub(super) async fn read(request: &mut Request<Body>, largest: usize) -> Result<Bytes, Failure> {
    if let Some(Whole(bytes)) = request.extensions().get::<Whole>() {
        return Ok(bytes.clone());
    }
    let body = std::mem::take(request.body_mut());
    let bytes = match Limited::new(body, largest).collect().await {
        Ok(whole) => whole.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let failure = Failure::new(
                Reason::InvalidQuestion,
                "the request is larger than a message may be",
            );
            return Err(failure.with("limit", largest));
        }
        Err(_) => {
            return Err(Failure::new(
                Reason::InvalidQuestion,
                "the request ended before its end",
            ));
        }
    };
    *request.body_mut() = Body::new(Full::new(bytes.clone()));
    request.extensions_mut().insert(Whole(bytes.clone()));
    Ok(bytes)
}

/// The message within a body of exactly one; `None` where it is compressed, cut off or not alone.
pub(crate) fn message(body: &Bytes) -> Option<Bytes> {
    let (prefix, message) = (body.get(..PREFIX)?, body.slice(PREFIX..));
    let [compressed, length @ ..] = prefix.first_chunk::<PREFIX>()?;
    let whole = u32::from_be_bytes(*length) as usize == message.len();
    (*compressed == 0 && whole).then_some(message)
}

/// Whether something follows the first message of a body. Servers of gRPC read the first and drop the rest, which no layer
/// would have seen.
pub(crate) fn has_more(body: &[u8]) -> bool {
    let length = body.get(1..PREFIX).and_then(|length| length.first_chunk());
    length.is_some_and(|length| body.len() - PREFIX > u32::from_be_bytes(*length) as usize)
}

/// The body of a call or answer of one message.
pub(crate) fn framed(message: &[u8]) -> Bytes {
    let mut body = BytesMut::with_capacity(PREFIX + message.len());
    body.put_u8(0);
    body.put_u32(u32::try_from(message.len()).unwrap_or(u32::MAX));
    body.put_slice(message);
    body.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_whole_plain_message_is_read() {
        let body = |bytes: &[u8]| message(&Bytes::copy_from_slice(bytes));
        assert_eq!(body(&[0, 0, 0, 0, 2, 7, 8]).unwrap().as_ref(), [7, 8]);
        assert_eq!(body(&[0, 0, 0, 0, 0]).unwrap().len(), 0);
        for wrong in [
            &[][..],
            &[0, 0, 0, 0],
            &[1, 0, 0, 0, 1, 7],
            &[0, 0, 0, 0, 2, 7],
            &[0, 0, 0, 0, 1, 7, 8],
        ] {
            assert!(body(wrong).is_none(), "{wrong:?}");
        }
    }

    #[test]
    fn what_follows_a_message_is_seen() {
        assert!(has_more(&[0, 0, 0, 0, 1, 7, 0]) && has_more(&[1, 0, 0, 0, 0, 0, 0, 0, 0, 0]));
        for alone in [
            &[][..],
            &[0, 0, 0],
            &[0, 0, 0, 0, 0],
            &[0, 0, 0, 0, 1, 7],
            &[0, 0, 0, 0, 2, 7],
        ] {
            assert!(!has_more(alone), "{alone:?}");
        }
    }

    #[tokio::test]
    async fn a_body_is_read_once_and_stays() {
        let mut request = Request::new(Body::new(Full::new(Bytes::from_static(b"abc"))));
        assert_eq!(read(&mut request, 3).await.unwrap(), "abc");
        assert_eq!(read(&mut request, 3).await.unwrap(), "abc");
        assert_eq!(request.into_body().collect().await.unwrap().to_bytes(), "abc");
        let mut large = Request::new(Body::new(Full::new(Bytes::from_static(b"abcd"))));
        assert_eq!(
            read(&mut large, 3).await.unwrap_err().reason(),
            Reason::InvalidQuestion
        );
    }
}
