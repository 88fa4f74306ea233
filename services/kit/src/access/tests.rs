use dualwheel_proto::types::Names;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MessageDescriptor, Value, prost::Message,
    prost_types::FileDescriptorSet,
};

use super::*;

/// The deepest message that a request is looked into: no expression needs to be nested to be found.
const DEEPEST: usize = 8;

/// Every field that a message leads to, with the fields that lead there.
fn fields(message: &MessageDescriptor) -> Vec<Vec<FieldDescriptor>> {
    fn go(
        message: &MessageDescriptor,
        path: &mut Vec<FieldDescriptor>,
        found: &mut Vec<Vec<FieldDescriptor>>,
    ) {
        for field in message.fields() {
            let inner = match field.kind() {
                Kind::Message(entry) if entry.is_map_entry() => entry.map_entry_value_field().kind(),
                kind => kind,
            };
            let again = path.iter().any(|before| before.full_name() == field.full_name());
            path.push(field);
            found.push(path.clone());
            if let Some(inner) = inner.as_message().filter(|_| !again && path.len() < DEEPEST) {
                go(inner, path, found);
            }
            path.pop();
        }
    }
    let mut found = Vec::new();
    go(message, &mut Vec::new(), &mut found);
    found
}

/// A message in which `text` stands where these fields lead, and nothing else.
fn with_text(message: &MessageDescriptor, path: &[FieldDescriptor], text: &str) -> DynamicMessage {
    let mut made = DynamicMessage::new(message.clone());
    let (field, rest) = path.split_first().unwrap();
    let value = |kind: &Kind| match kind.as_message() {
        Some(inner) => Value::Message(with_text(inner, rest, text)),
        None => Value::String(text.to_owned()),
    };
    let value = match field.kind() {
        Kind::Message(entry) if entry.is_map_entry() => {
            let key = Value::String("k".to_owned()).into_map_key().unwrap();
            let inner = value(&entry.map_entry_value_field().kind());
            Value::Map([(key, inner)].into())
        }
        kind if field.is_list() => Value::List(vec![value(&kind)]),
        kind => value(&kind),
    };
    made.set_field(field, value);
    made
}

fn names_such(message: &MessageDescriptor, such: Names) -> bool {
    let paths = fields(message);
    paths
        .iter()
        .any(|path| named::names(path.last().unwrap()) == such)
}

fn input(method: &Method) -> MessageDescriptor {
    method.descriptor.input()
}

fn output(method: &Method) -> MessageDescriptor {
    method.descriptor.output()
}

#[test]
fn every_method_says_what_it_takes_to_call_it() {
    let silent: Vec<_> = named::described()
        .filter_map(|method| Method::read(method).err())
        .collect();
    assert!(silent.is_empty(), "say no (dualwheel.type.v1.method): {silent:?}");
    assert_eq!(Method::all().len(), named::described().count());
    assert!(Method::all().len() > 90);
    assert_eq!(
        Method::of("/dualwheel.content.v1.ContentService/GetStart")
            .unwrap()
            .scope,
        Scope::MetricsRead
    );
    assert!(Method::of("/dualwheel.content.v1.ContentService/Nothing").is_none());
}

#[test]
fn a_method_that_says_nothing_is_none() {
    let pool = DescriptorPool::decode(dualwheel_proto::DESCRIPTORS).unwrap();
    let mut files = pool.file_descriptor_protos().cloned().collect::<Vec<_>>();
    // The types of prost have no place for options of ours, so that these are lost.
    for file in &mut files {
        file.source_code_info = None;
    }
    let bare = DescriptorPool::from_file_descriptor_set(FileDescriptorSet { file: files }).unwrap();
    let service = bare
        .get_service_by_name("dualwheel.content.v1.ContentService")
        .unwrap();
    let method = service.methods().next().unwrap();
    assert_eq!(
        Method::read(method).unwrap_err(),
        "dualwheel.content.v1.ContentService/GetStart"
    );
}

#[test]
fn words_are_those_of_the_contracts() {
    let word = |value: &str, prefix: &str| value.strip_prefix(prefix).unwrap().to_lowercase();
    let said = (1..).map_while(|number| contract::Scope::try_from(number).ok());
    assert_eq!(said.clone().count(), Scope::ALL.len());
    for (said, scope) in said.zip(Scope::ALL) {
        assert_eq!(Scope::read(said), Some(*scope));
        assert_eq!(
            word(said.as_str_name(), "SCOPE_").replacen('_', ".", 1),
            scope.name()
        );
    }
    let said = (1..).map_while(|number| contract::Effect::try_from(number).ok());
    for (said, effect) in said.zip(Effect::ALL) {
        assert_eq!(word(said.as_str_name(), "EFFECT_"), effect.name());
    }
    let said = (1..).map_while(|number| contract::BrandRule::try_from(number).ok());
    for (said, rule) in said.zip(BrandRule::ALL) {
        assert_eq!(word(said.as_str_name(), "BRAND_RULE_"), rule.name());
    }
}

#[test]
fn requests_are_tied_to_brands_by_what_their_fields_name() {
    for method in Method::all() {
        let (path, request) = (method.path, input(method));
        let brands = names_such(&request, Names::Brand);
        match method.brands {
            BrandRule::Named => assert!(brands, "{path} names no brand"),
            // A list is of what is shown to the caller; what a job calls is held to its own method.
            BrandRule::Stored => assert!(
                names_such(&request, Names::Resource)
                    || path.contains("/List")
                    || path.ends_with("/CreateJob"),
                "{path} names no resource"
            ),
            BrandRule::Whole => {}
            // Definitions may be asked for a brand, or for none.
            BrandRule::Free => assert!(!brands || path.ends_with("/ListDefinitions"), "{path}"),
        }
    }
}

#[test]
fn every_field_that_names_a_brand_binds_the_request_and_every_resource_is_noted() {
    let (mut brands, mut resources) = (0, 0);
    for method in Method::all() {
        let request = input(method);
        for path in fields(&request) {
            let field = path.last().unwrap();
            let made = || with_text(&request, &path, "x");
            let places: Vec<_> = path.iter().map(FieldDescriptor::name).collect();
            let place = format!("{} of {}", places.join("."), method.path);
            match named::names(field) {
                Names::Brand => {
                    let bytes = made().encode_to_vec();
                    assert_eq!(named::brands(method.path, &bytes).unwrap(), ["x"], "{place}");
                    brands += 1;
                }
                Names::Resource => {
                    assert_eq!(named::resources_of(&made()), ["x"], "{place}");
                    resources += 1;
                }
                // Nobody's key is taken for either, and so never comes into the audit log.
                Names::People => {
                    assert_eq!(named::resources_of(&made()), [""; 0], "{place}");
                    assert_eq!(named::brands_of(&made()), [""; 0], "{place}");
                }
                Names::Unspecified => {}
            }
        }
    }
    assert!(brands > 60 && resources > 30, "only {brands} and {resources}");
}

#[test]
fn people_are_given_away_by_audited_methods_only_and_to_those_who_may_read_them() {
    let mut found = 0;
    for method in Method::all() {
        if names_such(&output(method), Names::People) {
            assert_eq!(method.effect, Effect::Export, "{}", method.path);
            assert!(
                [Scope::PeopleRead, Scope::ConsumersErase].contains(&method.scope),
                "{}",
                method.path
            );
            found += 1;
        }
    }
    assert!(found >= 3, "only {found}");
}

#[test]
fn what_may_be_repeated_is_what_has_a_request_id() {
    for method in Method::all() {
        let has_id = method.is_unary && input(method).get_field_by_name("request_id").is_some();
        assert_eq!(method.is_repeatable, has_id, "{}", method.path);
        let level = method
            .descriptor
            .method_descriptor_proto()
            .options
            .as_ref()
            .unwrap();
        assert_eq!(
            level.idempotency_level() == IdempotencyLevel::NoSideEffects,
            method.effect != Effect::Write,
            "{}",
            method.path
        );
    }
    assert!(
        Method::named("dualwheel.diagnosis.v1.DiagnosisService/StartDiagnosis")
            .unwrap()
            .is_repeatable
    );
}

#[test]
fn brands_are_found_wherever_a_request_names_them() {
    let brands = |path: &str, json: &str| named::brands(path, &named::encode(path, json)).unwrap();
    let fast = "dualwheel.consumer.v1.ConsumerService/GetFast";
    assert_eq!(brands(fast, r#"{"query": {"brand": "A"}}"#), ["A"]);
    assert!(brands(fast, "{}").is_empty());
    let neo = "dualwheel.diagnosis.v1.DiagnosisService/GetNeo";
    assert_eq!(
        brands(neo, r#"{"query": {"brand": "A"}, "peers": ["B", "C"]}"#),
        ["A", "B", "C"]
    );
    let index = "dualwheel.diagnosis.v1.DiagnosisService/GetIndex";
    let peers = r#"{"spec": {"brand": "A", "peers": [{"brand": "B"},
        {"brand": "C", "supplied": {"super.star": {"value": 0.5}}}, {"brand": "D", "supplied": {}}]}}"#;
    assert_eq!(brands(index, peers), ["A", "B", "D"]);
    assert!(named::brands(fast, &[0xff]).is_err());
}

#[test]
fn resources_are_found_where_a_request_names_them() {
    let resources = |path: &str, json: &str| {
        named::resources_of(&named::message(path, &named::encode(path, json)).unwrap())
    };
    let audience = |method: &str| format!("dualwheel.consumer.v1.AudienceService/{method}");
    let privacy = |method: &str| format!("dualwheel.consumer.v1.PrivacyService/{method}");
    let name = r#"{"name": "audiences/x"}"#;
    assert_eq!(resources(&audience("RefreshAudience"), name), ["audiences/x"]);
    let update = r#"{"audience": {"name": "audiences/x", "displayName": "y"}}"#;
    assert_eq!(resources(&audience("UpdateAudience"), update), ["audiences/x"]);
    let keys = r#"{"consumer": "somebody"}"#;
    assert!(resources(&privacy("ExportConsumer"), keys).is_empty());
    let deleted = r#"{"consumers": ["somebody"]}"#;
    assert!(resources(&privacy("DeleteConsumers"), deleted).is_empty());
    let setting = r#"{"brand": "b", "setting": {"plugin": "plugins/m/versions/1.0.0"}}"#;
    let activate = "dualwheel.plugin.v1.ActivationService/ActivatePlugin";
    assert_eq!(resources(activate, setting), ["plugins/m/versions/1.0.0"]);
}

#[test]
fn definitions_are_kept_as_metrics_are() {
    let lists = Method::all()
        .iter()
        .filter(|method| method.path.ends_with("/ListDefinitions"));
    assert!(
        lists
            .inspect(|method| assert_eq!(method.effect, Effect::Measure))
            .count()
            >= 5
    );
}
