//! The codec of every call: that of prost, which takes the room that a message asks for. An empty row is two bytes on the wire
//! and hundreds in memory, so the rows of a batch are counted first, and so are the elements of every list of a request.

use std::{any::TypeId, marker::PhantomData};

use prost::{
    DecodeError, Message, Name,
    bytes::Buf,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use tonic::{
    Status,
    codec::{BufferSettings, DecodeBuf, Decoder},
};
use tonic_prost::{ProstCodec, ProstDecoder, ProstEncoder};

use crate::{facts::AppendRequest, lists::elements_of};

/// Rows that a batch may have.
pub const MOST_ROWS: usize = 131_072;
/// Elements that all lists of a request may have together, at any depth.
pub const MOST_ELEMENTS: usize = 1 << 20;
/// Number of [`AppendRequest`]'s field of rows.
const ROWS: u32 = 4;

/// The codec.
#[derive(Debug)]
pub struct Codec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for Codec<T, U> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T, U> tonic::codec::Codec for Codec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Name + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = Counting<U>;

    fn encoder(&mut self) -> Self::Encoder {
        ProstCodec::<T, U>::raw_encoder(BufferSettings::default())
    }

    fn decoder(&mut self) -> Self::Decoder {
        Counting(ProstCodec::<T, U>::raw_decoder(BufferSettings::default()))
    }
}

/// Decodes what is not too many rows or elements.
#[derive(Debug)]
pub struct Counting<U>(ProstDecoder<U>);

impl<U: Message + Name + Default + 'static> Decoder for Counting<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        // What cannot be read is left for the decoder to tell.
        if TypeId::of::<U>() == TypeId::of::<AppendRequest>()
            && rows_of(buffer.chunk()).is_ok_and(|rows| rows > MOST_ROWS)
        {
            return Err(Status::out_of_range(format!(
                "a batch of more than {MOST_ROWS} rows"
            )));
        }
        let elements = elements_of(&U::full_name(), buffer.chunk(), MOST_ELEMENTS);
        if elements.is_ok_and(|elements| elements > MOST_ELEMENTS) {
            return Err(Status::out_of_range(format!(
                "lists of more than {MOST_ELEMENTS} elements together; send them in parts"
            )));
        }
        self.0.decode(buffer)
    }
}

/// The rows of an encoded [`AppendRequest`], counted until there are too many.
fn rows_of(mut request: &[u8]) -> Result<usize, DecodeError> {
    let mut rows = 0;
    while request.has_remaining() && rows <= MOST_ROWS {
        let (field, wire) = decode_key(&mut request)?;
        if field != ROWS || wire != WireType::LengthDelimited {
            skip_field(wire, field, &mut request, DecodeContext::default())?;
            continue;
        }
        let length = decode_varint(&mut request)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX).min(request.len());
        let (mut lists, rest) = request.split_at(length);
        request = rest;
        while lists.has_remaining() && rows <= MOST_ROWS {
            let (field, wire) = decode_key(&mut lists)?;
            skip_field(wire, field, &mut lists, DecodeContext::default())?;
            rows += 1;
        }
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::{Behavior, FactRows, OrderLine, append_request::Batch};

    fn request(rows: FactRows) -> Vec<u8> {
        let request = AppendRequest {
            producer: "p".to_owned(),
            sequence: 1,
            kind: 3,
            batch: Some(Batch::Rows(rows)),
        };
        request.encode_to_vec()
    }

    fn lines(count: usize) -> FactRows {
        FactRows {
            order_lines: vec![OrderLine::default(); count],
            ..FactRows::default()
        }
    }

    #[test]
    fn rows_are_counted_as_they_are_decoded() {
        let full = OrderLine {
            order: "o".repeat(300),
            quantity: 7,
            ..OrderLine::default()
        };
        let mixed = FactRows {
            order_lines: vec![full; 20],
            behaviors: vec![Behavior::default(); 5],
            ..FactRows::default()
        };
        assert_eq!(rows_of(&request(mixed)).unwrap(), 25);
        assert_eq!(rows_of(&request(lines(MOST_ROWS))).unwrap(), MOST_ROWS);
        assert!(rows_of(&request(lines(MOST_ROWS + 7))).unwrap() > MOST_ROWS);
        // Two parts of one message are put together.
        let mut twice = request(lines(3));
        twice.extend(request(lines(4)));
        assert_eq!(rows_of(&twice).unwrap(), 7);
        let decoded = AppendRequest::decode(twice.as_slice()).unwrap();
        assert!(matches!(decoded.batch, Some(Batch::Rows(rows)) if rows.order_lines.len() == 7));
    }

    #[test]
    fn other_bodies_have_no_rows_and_broken_ones_are_left_to_the_decoder() {
        let arrow = AppendRequest {
            batch: Some(Batch::ArrowIpc(vec![18; 400_000])),
            ..AppendRequest::default()
        };
        assert_eq!(rows_of(&arrow.encode_to_vec()).unwrap(), 0);
        let broken = &request(lines(10))[..12];
        assert!(AppendRequest::decode(broken).is_err());
        assert!(rows_of(broken).map_or(true, |rows| rows < 10));
    }
}
