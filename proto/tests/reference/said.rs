//! What methods and fields say in their options.

use std::{collections::BTreeSet, sync::LazyLock};

use prost_reflect::{DescriptorPool, DynamicMessage, ReflectMessage, Value};

/// A word of an enum.
pub struct Said {
    /// Full name of the enum.
    pub of: String,
    pub value: String,
}

static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(dualwheel_proto::DESCRIPTORS).unwrap());

/// What a method says.
pub fn by_method(service: &str, method: &str) -> Vec<Said> {
    let service = POOL.get_service_by_name(service).unwrap();
    let method = service.methods().find(|one| one.name() == method).unwrap();
    let mut said = all(&method.options());
    if let Some(rule) = method
        .options()
        .extensions()
        .find_map(|(_, value)| value.as_message().cloned())
    {
        said.extend(all(&rule));
    }
    said
}

/// What a field says.
pub fn by_field(message: &str, field: &str) -> Vec<Said> {
    let message = POOL.get_message_by_name(message).unwrap();
    let options = message.get_field_by_name(field).unwrap().options();
    let mut said = all(&options);
    said.extend(options.extensions().filter_map(|(_, value)| {
        let limits = value.as_message()?;
        let words = limits
            .fields()
            .map(|(field, value)| format!("{}: {}", field.name(), number(value)));
        Some(Said {
            of: limits.descriptor().full_name().to_owned(),
            value: words.collect::<Vec<_>>().join(", "),
        })
    }));
    said
}

fn number(value: &Value) -> String {
    match value {
        Value::I64(number) => number.to_string(),
        Value::U32(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        other => panic!("{other:?} is no limit"),
    }
}

/// Full names of all messages that requests consist of.
pub fn asked() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let services = POOL
        .services()
        .filter(|service| service.full_name().starts_with("dualwheel."));
    let mut open: Vec<_> = services
        .flat_map(|service| service.methods().map(|method| method.input()).collect::<Vec<_>>())
        .collect();
    while let Some(message) = open.pop() {
        if found.insert(message.full_name().to_owned()) {
            open.extend(
                message
                    .fields()
                    .filter_map(|field| field.kind().as_message().cloned()),
            );
        }
    }
    found
}

/// The words of all enums that are set.
fn all(options: &DynamicMessage) -> Vec<Said> {
    let fields = options.fields().map(|(field, value)| (field.kind(), value));
    let extensions = options.extensions().map(|(field, value)| (field.kind(), value));
    let words = fields.chain(extensions).flat_map(|(kind, value)| {
        let of = kind.as_enum().cloned();
        let numbers = match value {
            Value::List(values) => values.iter().filter_map(Value::as_enum_number).collect(),
            one => Vec::from_iter(one.as_enum_number()),
        };
        numbers.into_iter().filter_map(move |number| {
            let of = of.as_ref()?;
            Some(Said {
                of: of.full_name().to_owned(),
                value: of.get_value(number)?.name().to_owned(),
            })
        })
    });
    words.collect()
}
