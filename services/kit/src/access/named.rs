//! What a request names, where its bytes can be read as the method's request: brands and resources, by what the fields of the
//! contracts say of themselves.

use std::{collections::HashMap, sync::LazyLock};

use dualwheel_proto::types::Names;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, MessageDescriptor, MethodDescriptor, ReflectMessage,
    Value,
    prost::{DecodeError, Message},
};

use super::Method;

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(dualwheel_proto::DESCRIPTORS).unwrap_or_default());

/// What fields name, by their full names.
static NAMED: LazyLock<HashMap<String, Names>> = LazyLock::new(|| {
    fields_that_say("dualwheel.type.v1.names", |said| {
        Names::try_from(said.as_enum_number()?).ok()
    })
});

/// The fields of values that the caller brings along, by their full names.
static SUPPLIED: LazyLock<HashMap<String, bool>> =
    LazyLock::new(|| fields_that_say("dualwheel.type.v1.supplied", Value::as_bool));

fn fields_that_say<T>(extension: &str, read: impl Fn(&Value) -> Option<T>) -> HashMap<String, T> {
    let Some(extension) = POOL.get_extension_by_name(extension) else {
        return HashMap::new();
    };
    let said = |field: FieldDescriptor| {
        let options = field.options();
        let said = options
            .has_extension(&extension)
            .then(|| options.get_extension(&extension))?;
        Some((field.full_name().to_owned(), read(&said)?))
    };
    let messages = POOL.all_messages();
    messages
        .flat_map(|message| message.fields().filter_map(said).collect::<Vec<_>>())
        .collect()
}

/// What options say in an extension that is a message.
pub(crate) fn option<M: Message + Default>(options: &DynamicMessage, extension: &str) -> Option<M> {
    let extension = options
        .descriptor()
        .parent_pool()
        .get_extension_by_name(extension)?;
    let said = options
        .has_extension(&extension)
        .then(|| options.get_extension(&extension))?;
    said.as_message()?.transcode_to().ok()
}

/// The methods of the contracts.
pub(super) fn described() -> impl Iterator<Item = MethodDescriptor> {
    let services = POOL
        .services()
        .filter(|service| service.full_name().starts_with("dualwheel."));
    services.flat_map(|service| service.methods().collect::<Vec<_>>())
}

/// The message that a method takes.
pub fn request(path: &str) -> Option<MessageDescriptor> {
    Some(Method::named(path)?.descriptor.input())
}

/// The message that a method answers.
pub fn response(path: &str) -> Option<MessageDescriptor> {
    Some(Method::named(path)?.descriptor.output())
}

/// Whether a method takes one message and answers one.
pub fn is_unary(path: &str) -> bool {
    Method::named(path).is_some_and(|method| method.is_unary)
}

/// Whether a method takes one message.
pub fn takes_one(path: &str) -> bool {
    Method::named(path).is_some_and(|method| method.takes_one)
}

/// Every brand named in `bytes`, the request of `path`.
///
/// # Errors
/// When they cannot be read.
pub fn brands(path: &str, bytes: &[u8]) -> Result<Vec<String>, DecodeError> {
    let Some(request) = request(path) else {
        return Ok(Vec::new());
    };
    DynamicMessage::decode(request, bytes).map(|message| brands_of(&message))
}

/// The request of `path` in `bytes`; `None` when they cannot be read.
pub fn message(path: &str, bytes: &[u8]) -> Option<DynamicMessage> {
    DynamicMessage::decode(request(path)?, bytes).ok()
}

/// Every brand that a request names.
pub fn brands_of(message: &DynamicMessage) -> Vec<String> {
    all_of(message, Names::Brand)
}

/// The resources that a request names, itself or in what it brings: `audiences/x`.
pub fn resources_of(message: &DynamicMessage) -> Vec<String> {
    all_of(message, Names::Resource)
}

fn all_of(message: &DynamicMessage, names: Names) -> Vec<String> {
    let mut found = Vec::new();
    collect(message, names, &mut found);
    found
}

fn collect(message: &DynamicMessage, names: Names, found: &mut Vec<String>) {
    // Values that come with the request are nobody's facts, whatever brand they are said to be of.
    if names == Names::Brand
        && message
            .fields()
            .any(|(field, _)| SUPPLIED.contains_key(field.full_name()))
    {
        return;
    }
    for (field, value) in message.fields() {
        let is_such = NAMED.get(field.full_name()) == Some(&names);
        walk(value, is_such, names, found);
    }
}

fn walk(value: &Value, is_such: bool, names: Names, found: &mut Vec<String>) {
    let walk = |value, found: &mut _| walk(value, is_such, names, found);
    match value {
        Value::String(name) if is_such && !name.is_empty() => found.push(name.clone()),
        Value::Message(message) => collect(message, names, found),
        Value::List(values) => values.iter().for_each(|value| walk(value, found)),
        Value::Map(values) => values.values().for_each(|value| walk(value, found)),
        _ => {}
    }
}

#[cfg(test)]
pub(super) fn names(field: &FieldDescriptor) -> Names {
    NAMED.get(field.full_name()).copied().unwrap_or_default()
}

#[cfg(test)]
pub(crate) fn encode(path: &str, json: &str) -> Vec<u8> {
    let mut json = serde_json::Deserializer::from_str(json);
    let message = DynamicMessage::deserialize(request(path).unwrap(), &mut json).unwrap();
    message.encode_to_vec()
}
