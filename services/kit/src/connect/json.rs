//! Messages of the contracts in their canonical JSON.

use std::{iter, sync::LazyLock};

use dualwheel_proto::MOST_ELEMENTS;
use prost_reflect::{
    DescriptorPool, DynamicMessage, Kind, MessageDescriptor, MethodDescriptor,
    prost::{DecodeError, Message},
    prost_types::{DescriptorProto, FileDescriptorSet},
};
use serde_json::{Deserializer, Value};

use super::SMALL;
use crate::{Failure, Reason};

/// The contracts, health, and what statuses carry.
static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    let mut pool = DescriptorPool::decode(dualwheel_proto::DESCRIPTORS).unwrap_or_default();
    for other in [
        tonic_health::pb::FILE_DESCRIPTOR_SET,
        tonic_types::pb::FILE_DESCRIPTOR_SET,
    ] {
        let mut others = FileDescriptorSet::decode(other).unwrap_or_default();
        // Some of them are in the contracts too, as files of other names.
        others.file.retain(|file| {
            let name = |message: &DescriptorProto| format!("{}.{}", file.package(), message.name());
            let mut names = file.message_type.iter().map(name);
            names.all(|name| pool.get_message_by_name(&name).is_none())
        });
        if let Err(error) = pool.add_file_descriptor_protos(others.file) {
            tracing::error!(%error, "descriptors that are compiled in do not fit together");
        }
    }
    pool
});

/// The method of an HTTP path; `None` where there is none in the contracts.
pub(super) fn method(path: &str) -> Option<MethodDescriptor> {
    let (service, name) = path.strip_prefix('/')?.split_once('/')?;
    let service = POOL.get_service_by_name(service)?;
    service.methods().find(|method| method.name() == name)
}

/// The bytes of a message that was sent as JSON.
///
/// # Errors
/// When it is none of the message's; the field that cannot be read is named.
pub(super) fn read(kind: &MessageDescriptor, json: &[u8]) -> Result<Vec<u8>, Failure> {
    // An empty element is three bytes here, and hundreds in memory.
    if json.iter().filter(|byte| **byte == b',').count() > MOST_ELEMENTS {
        let text = format!("lists of more than {MOST_ELEMENTS} elements together; send them in parts");
        return Err(Failure::new(Reason::MessageTooLarge, text));
    }
    let mut reader = Deserializer::from_slice(json);
    let message = DynamicMessage::deserialize(kind.clone(), &mut reader);
    match message.and_then(|message| reader.end().map(|()| message)) {
        Ok(message) => Ok(message.encode_to_vec()),
        Err(error) => Err(unread(kind, json, &error)),
    }
}

/// The JSON of an answer.
///
/// # Errors
/// When the service has answered what is not in the contract.
pub(super) fn write(kind: MessageDescriptor, message: &[u8]) -> Result<Vec<u8>, Failure> {
    let message = DynamicMessage::decode(kind, message).map_err(|error| Failure::internal(&error))?;
    serde_json::to_vec(&message).map_err(|error| Failure::internal(&error))
}

/// The JSON of a message of any name; `None` where it is not known.
pub(super) fn shown(name: &str, message: &[u8]) -> Option<Value> {
    let kind = POOL.get_message_by_name(name)?;
    let message: Result<DynamicMessage, DecodeError> = DynamicMessage::decode(kind, message);
    serde_json::to_value(message.ok()?).ok()
}

fn unread(kind: &MessageDescriptor, json: &[u8], error: &serde_json::Error) -> Failure {
    let whole = (json.len() <= SMALL).then(|| serde_json::from_slice(json).ok());
    let Some(Fault { field, expected }) = whole.flatten().and_then(|value| Fault::find(kind, &value)) else {
        let text = format!("the message cannot be read, nothing was done: {error}");
        return Failure::new(Reason::MessageMalformed, text);
    };
    let text = format!("the message cannot be read, nothing was done: {field}: {error}");
    Failure::new(Reason::MessageMalformed, text).violation(field, expected)
}

/// A field that cannot be read.
struct Fault {
    field: String,
    expected: String,
}

impl Fault {
    /// The first field that cannot be read even where it is alone, as deep as it lies.
    fn find(kind: &MessageDescriptor, value: &Value) -> Option<Self> {
        let (name, value) = value.as_object()?.iter().find(|(name, value)| {
            let alone = iter::once(((*name).clone(), (*value).clone())).collect();
            DynamicMessage::deserialize(kind.clone(), Value::Object(alone)).is_err()
        })?;
        let by_json = kind.get_field_by_json_name(name);
        let Some(field) = by_json.or_else(|| kind.get_field_by_name(name)) else {
            let names: Vec<String> = kind.fields().map(|field| field.name().to_owned()).collect();
            return Some(Self {
                field: name.clone(),
                expected: format!("a field of {}: {}", kind.full_name(), names.join(", ")),
            });
        };
        let name = field.name();
        let deeper = match (field.kind(), value) {
            _ if field.is_map() => None,
            (Kind::Message(kind), Value::Array(items)) => {
                items.iter().zip(0_usize..).find_map(|(item, place)| {
                    Self::find(&kind, item).map(|fault| fault.within(&format!("{name}[{place}]")))
                })
            }
            (Kind::Message(kind), value) => Self::find(&kind, value).map(|fault| fault.within(name)),
            _ => None,
        };
        Some(deeper.unwrap_or_else(|| Self {
            field: name.to_owned(),
            expected: expected(&field.kind(), field.is_list()),
        }))
    }

    fn within(self, name: &str) -> Self {
        Self {
            field: format!("{name}.{}", self.field),
            ..self
        }
    }
}

/// What a field takes, in words.
fn expected(kind: &Kind, is_list: bool) -> String {
    let one = match kind {
        Kind::Message(entry) if entry.is_map_entry() => {
            return format!(
                "an object, each value {}",
                expected(&entry.map_entry_value_field().kind(), false)
            );
        }
        Kind::Message(message) => format!("the JSON of {}", message.full_name()),
        Kind::Enum(names) => {
            let values: Vec<String> = names.values().map(|value| value.name().to_owned()).collect();
            format!("one of {}", values.join(", "))
        }
        kind => format!("the JSON of {kind:?}"),
    };
    match is_list {
        true => format!("a list, each element {one}"),
        false => one,
    }
}
