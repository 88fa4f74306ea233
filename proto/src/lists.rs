//! How many elements the lists of an encoded request have, at any depth: an empty one is two bytes on the wire, and up to
//! hundreds in memory.

use std::{collections::HashMap, sync::LazyLock};

use prost::{
    DecodeError,
    bytes::Buf,
    encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field},
};
use prost_reflect::{DescriptorPool, Kind, MessageDescriptor};

static LISTS: LazyLock<Lists> = LazyLock::new(|| {
    DescriptorPool::decode(crate::DESCRIPTORS).map_or_else(|_| Lists::default(), |pool| Lists::of(&pool))
});

/// Depth at which messages are left to the decoder, which refuses such.
const DEEPEST: usize = 100;

/// Where the messages of the contract have lists.
#[derive(Default)]
struct Lists {
    /// The places of the requests of methods among the messages.
    requests: HashMap<String, usize>,
    /// Of each message, by number, the fields that are lists or lead to such.
    messages: Vec<HashMap<u32, Field>>,
}

#[derive(Clone, Copy)]
struct Field {
    is_list: bool,
    /// The place of its message among the messages.
    message: Option<usize>,
}

/// The elements of all lists of an encoded message, where it is a request of a method; counted until there are more than `most`.
///
/// # Errors
/// When the message cannot be read.
pub(crate) fn elements_of(request: &str, message: &[u8], most: usize) -> Result<usize, DecodeError> {
    match LISTS.requests.get(request) {
        Some(place) => LISTS.count(*place, message, most, 0),
        None => Ok(0),
    }
}

impl Lists {
    fn of(pool: &DescriptorPool) -> Self {
        let all: Vec<MessageDescriptor> = pool.all_messages().collect();
        let places: HashMap<&str, usize> = all.iter().map(MessageDescriptor::full_name).zip(0..).collect();
        let field = |field: prost_reflect::FieldDescriptor| {
            let message = match field.kind() {
                Kind::Message(message) => places.get(message.full_name()).copied(),
                _ => None,
            };
            let is_list = field.cardinality() == prost_reflect::Cardinality::Repeated;
            (field.number(), Field { is_list, message })
        };
        let mut messages: Vec<HashMap<u32, Field>> = all
            .iter()
            .map(|message| message.fields().map(field).collect())
            .collect();
        // Which of them have lists, and which lead to those.
        let mut leads = vec![false; messages.len()];
        loop {
            let leads_now = |field: &Field| {
                field.is_list
                    || field
                        .message
                        .and_then(|at| leads.get(at))
                        .is_some_and(|leads| *leads)
            };
            let now: Vec<bool> = messages
                .iter()
                .map(|fields| fields.values().any(leads_now))
                .collect();
            if now == leads {
                break;
            }
            leads = now;
        }
        for fields in &mut messages {
            for field in fields.values_mut() {
                field.message = field
                    .message
                    .filter(|at| leads.get(*at).is_some_and(|leads| *leads));
            }
            fields.retain(|_, field| field.is_list || field.message.is_some());
        }
        let inputs = pool
            .services()
            .flat_map(|service| service.methods().map(|method| method.input()).collect::<Vec<_>>());
        let requests = inputs.filter_map(|input| {
            let place = places.get(input.full_name())?;
            Some((input.full_name().to_owned(), *place))
        });
        Self {
            requests: requests.collect(),
            messages,
        }
    }

    fn count(&self, place: usize, mut bytes: &[u8], most: usize, depth: usize) -> Result<usize, DecodeError> {
        let Some(fields) = self.messages.get(place).filter(|_| depth < DEEPEST) else {
            return Ok(0);
        };
        let mut found = 0;
        while bytes.has_remaining() && found <= most {
            let (number, wire) = decode_key(&mut bytes)?;
            let Some(field) = fields.get(&number).filter(|_| wire == WireType::LengthDelimited) else {
                skip_field(wire, number, &mut bytes, DecodeContext::default())?;
                continue;
            };
            let length = decode_varint(&mut bytes)?;
            let length = usize::try_from(length).unwrap_or(usize::MAX).min(bytes.len());
            let (element, rest) = bytes.split_at(length);
            bytes = rest;
            found += usize::from(field.is_list);
            if let Some(message) = field.message {
                found += self.count(message, element, most.saturating_sub(found), depth + 1)?;
            }
        }
        Ok(found)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use prost::Message;
    use prost_reflect::{DynamicMessage, Value};

    use super::*;
    use crate::facts::{
        AppendRequest, Content, FactRows, Member, Product, Reachability, append_request::Batch,
    };

    const APPEND: &str = "dualwheel.facts.v1.AppendRequest";

    /// The elements of a decoded message.
    fn decoded(value: &Value) -> usize {
        match value {
            Value::List(list) => list.len() + list.iter().map(decoded).sum::<usize>(),
            Value::Message(message) => message.fields().map(|(_, value)| decoded(value)).sum(),
            _ => 0,
        }
    }

    fn oracle(request: &AppendRequest) -> usize {
        let pool = DescriptorPool::decode(crate::DESCRIPTORS).unwrap();
        let descriptor = pool.get_message_by_name(APPEND).unwrap();
        let bytes = request.encode_to_vec();
        decoded(&Value::Message(
            DynamicMessage::decode(descriptor, bytes.as_slice()).unwrap(),
        ))
    }

    fn texts() -> impl Strategy<Value = Vec<String>> {
        prop::collection::vec("[a-z]{0,3}", 0..4)
    }

    prop_compose! {
        fn requests()(
            contents in prop::collection::vec(texts(), 0..4),
            products in prop::collection::vec(texts(), 0..4),
            members in prop::collection::vec(prop::option::of(texts()), 0..4),
        ) -> AppendRequest {
            let content = |products| Content { content: "c".to_owned(), products, ..Content::default() };
            let product = |styles| Product { styles, ..Product::default() };
            let member = |channels: Option<Vec<String>>| Member {
                reachable_by: channels.map(|channels| Reachability { channels }),
                ..Member::default()
            };
            let rows = FactRows {
                contents: contents.into_iter().map(content).collect(),
                products: products.into_iter().map(product).collect(),
                members: members.into_iter().map(member).collect(),
                ..FactRows::default()
            };
            AppendRequest { producer: "p".to_owned(), batch: Some(Batch::Rows(rows)), ..AppendRequest::default() }
        }
    }

    proptest! {
        #[test]
        fn every_element_is_counted_at_any_depth(request in requests(), most in 0..20_usize) {
            let (bytes, expected) = (request.encode_to_vec(), oracle(&request));
            prop_assert_eq!(elements_of(APPEND, &bytes, usize::MAX), Ok(expected));
            let until = elements_of(APPEND, &bytes, most).unwrap();
            prop_assert_eq!(until > most, expected > most);
        }
    }

    #[test]
    fn answers_are_not_counted_and_what_cannot_be_read_is_told() {
        let rows = FactRows {
            contents: vec![Content::default(); 3],
            ..FactRows::default()
        };
        assert_eq!(
            elements_of("dualwheel.facts.v1.FactRows", &rows.encode_to_vec(), 9),
            Ok(0)
        );
        elements_of(APPEND, &[0x22, 0xff], 9).unwrap_err();
    }
}
