//! Canonical protobuf JSON with the field names of the `.proto` files.

use std::sync::LazyLock;

use prost::Message;
use prost_reflect::{DescriptorPool, DynamicMessage, SerializeOptions};

static POOL: LazyLock<Option<DescriptorPool>> =
    LazyLock::new(|| DescriptorPool::decode(crate::DESCRIPTORS).ok());

/// The JSON form of `message`, whose full name (`dualwheel.type.v1.Metric`) is `name`.
///
/// Field names are the contract's own (`snake_case`), so they are as stable as the contract. `None` when no such
/// message exists.
pub fn to_json<M: Message>(name: &str, message: &M) -> Option<serde_json::Value> {
    let descriptor = POOL.as_ref()?.get_message_by_name(name)?;
    let dynamic = DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).ok()?;
    let options = SerializeOptions::new()
        .use_proto_field_name(true)
        .stringify_64_bit_integers(false);
    dynamic
        .serialize_with_options(serde_json::value::Serializer, &options)
        .ok()
}

#[cfg(test)]
mod tests {
    use super::to_json;

    #[test]
    fn keeps_the_names_of_the_contract() {
        let window = crate::types::Window {
            first_day: Some(crate::Date {
                year: 2026,
                month: 1,
                day: 2,
            }),
            last_day: None,
        };
        let json = to_json("dualwheel.type.v1.Window", &window).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"first_day": {"year": 2026, "month": 1, "day": 2}})
        );
    }
}
