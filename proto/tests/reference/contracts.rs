//! The contracts as a reader meets them: packages of files of services and types, each with its prose.

use std::collections::{BTreeMap, HashMap};

use prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet,
    ServiceDescriptorProto,
    field_descriptor_proto::{Label, Type},
};

use crate::said::{self, Said};

/// Everything that is told.
pub struct Contracts {
    pub packages: Vec<Package>,
}

pub struct Package {
    pub name: String,
    pub files: Vec<File>,
}

pub struct File {
    /// Its name without folders.
    pub name: String,
    pub prose: String,
    pub services: Vec<Service>,
    pub options: Vec<Extension>,
    /// In the order of the file.
    pub types: Vec<Named>,
}

/// An option that contracts may set.
pub struct Extension {
    /// Full name of what has it.
    pub of: String,
    pub number: i32,
    pub name: String,
    pub prose: String,
    pub kind: Kind,
}

pub struct Service {
    pub name: String,
    pub prose: String,
    pub methods: Vec<Method>,
}

pub struct Method {
    pub name: String,
    pub prose: String,
    pub request: Exchange,
    pub response: Exchange,
    /// What it says in its options.
    pub said: Vec<Said>,
}

/// What goes one way in a call.
pub struct Exchange {
    pub streams: bool,
    /// Full name.
    pub message: String,
}

/// A message or an enum.
pub struct Named {
    pub name: String,
    pub prose: String,
    pub body: Body,
}

pub enum Body {
    Message { oneofs: Vec<Oneof>, fields: Vec<Field> },
    Enum(Vec<Value>),
}

pub struct Oneof {
    pub name: String,
    pub prose: String,
}

pub struct Field {
    pub number: i32,
    pub name: String,
    pub prose: String,
    pub kind: Kind,
    pub presence: Presence,
    /// What it says in its options.
    pub said: Vec<Said>,
}

pub enum Kind {
    Scalar(String),
    /// Full name of a message or an enum.
    Named(String),
    Map(Box<(Kind, Kind)>),
}

pub enum Presence {
    Plain,
    Optional,
    Repeated,
    /// Name of the oneof.
    OneOf(String),
}

pub struct Value {
    pub number: i32,
    pub name: String,
    pub prose: String,
}

impl Contracts {
    /// Reads descriptors with their comments. Packages of `google.protobuf` are told elsewhere.
    ///
    /// # Errors
    /// Whatever lacks prose, a line each.
    pub fn read(descriptors: FileDescriptorSet) -> Result<Self, String> {
        let mut packages: BTreeMap<String, Vec<File>> = BTreeMap::new();
        let mut missing = Vec::new();
        for file in descriptors.file {
            if !file.package().starts_with("google.protobuf") {
                let read = Reader::new(&file, &mut missing).file(&file);
                packages.entry(file.package().to_owned()).or_default().push(read);
            }
        }
        if !missing.is_empty() {
            return Err(missing.join("\n"));
        }
        let packages = packages.into_iter().map(|(name, mut files)| {
            // Services first: they are what is called.
            files.sort_by_key(|file| (file.services.is_empty(), file.name.clone()));
            Package { name, files }
        });
        Ok(Self {
            packages: packages.collect(),
        })
    }
}

/// Reads one file.
struct Reader<'a> {
    /// Prose and line of what lies at a path of field numbers and positions.
    places: HashMap<Vec<i32>, (String, i32)>,
    package: String,
    missing: &'a mut Vec<String>,
}

impl<'a> Reader<'a> {
    fn new(file: &FileDescriptorProto, missing: &'a mut Vec<String>) -> Self {
        let locations = file.source_code_info.iter().flat_map(|info| &info.location);
        let places = locations.map(|location| {
            let line = location.span.first().copied().unwrap_or_default();
            (location.path.clone(), (prose(location.leading_comments()), line))
        });
        Self {
            places: places.collect(),
            package: file.package().to_owned(),
            missing,
        }
    }

    fn prose(&mut self, path: &[i32], name: &str) -> String {
        let told = self
            .places
            .get(path)
            .map(|(prose, _)| prose.clone())
            .unwrap_or_default();
        if told.is_empty() {
            self.missing.push(format!("{}.{name} has no prose", self.package));
        }
        told
    }

    fn line(&self, path: &[i32]) -> i32 {
        self.places.get(path).map_or(0, |(_, line)| *line)
    }

    /// The numbers in paths are those of the fields in `google/protobuf/descriptor.proto`.
    fn file(&mut self, file: &FileDescriptorProto) -> File {
        let name = file.name().rsplit('/').next().unwrap_or_default().to_owned();
        let prose = self.prose(&[12], &name);
        let services = numbered(&file.service)
            .map(|(index, service)| self.service(&[6, index], service))
            .collect();
        let options = numbered(&file.extension).map(|(index, option)| Extension {
            of: full(option.extendee()),
            number: option.number(),
            name: option.name().to_owned(),
            prose: self.prose(&[7, index], option.name()),
            kind: kind(option),
        });
        let options = options.collect();
        let mut types: Vec<(i32, Named)> = Vec::new();
        for (index, message) in numbered(&file.message_type) {
            self.message(&[4, index], "", message, &mut types);
        }
        for (index, told) in numbered(&file.enum_type) {
            types.push(self.enumeration(&[5, index], "", told));
        }
        types.sort_by_key(|(line, _)| *line);
        File {
            name,
            prose,
            services,
            options,
            types: types.into_iter().map(|(_, told)| told).collect(),
        }
    }

    fn service(&mut self, path: &[i32], service: &ServiceDescriptorProto) -> Service {
        let name = service.name().to_owned();
        let methods = numbered(&service.method).map(|(index, method)| Method {
            name: method.name().to_owned(),
            prose: self.prose(
                &[path, &[2, index]].concat(),
                &format!("{name}.{}", method.name()),
            ),
            request: Exchange {
                streams: method.client_streaming(),
                message: full(method.input_type()),
            },
            response: Exchange {
                streams: method.server_streaming(),
                message: full(method.output_type()),
            },
            said: said::by_method(&format!("{}.{name}", self.package), method.name()),
        });
        Service {
            methods: methods.collect(),
            prose: self.prose(path, &name),
            name,
        }
    }

    /// Adds the message and what is declared within it.
    fn message(
        &mut self,
        path: &[i32],
        outer: &str,
        message: &DescriptorProto,
        types: &mut Vec<(i32, Named)>,
    ) {
        let name = format!("{outer}{}", message.name());
        let fields = numbered(&message.field)
            .map(|(index, field)| self.field(&[path, &[2, index]].concat(), &name, message, field))
            .collect();
        let oneofs = numbered(&message.oneof_decl)
            .filter(|(index, _)| !is_synthetic(message, *index))
            .map(|(index, oneof)| Oneof {
                name: oneof.name().to_owned(),
                prose: self.prose(&[path, &[8, index]].concat(), &format!("{name}.{}", oneof.name())),
            })
            .collect();
        let prose = self.prose(path, &name);
        for (index, nested) in numbered(&message.nested_type).filter(|(_, nested)| !is_map_entry(nested)) {
            self.message(&[path, &[3, index]].concat(), &format!("{name}."), nested, types);
        }
        for (index, nested) in numbered(&message.enum_type) {
            types.push(self.enumeration(&[path, &[4, index]].concat(), &format!("{name}."), nested));
        }
        let body = Body::Message { oneofs, fields };
        types.push((self.line(path), Named { name, prose, body }));
    }

    fn field(
        &mut self,
        path: &[i32],
        owner: &str,
        message: &DescriptorProto,
        field: &FieldDescriptorProto,
    ) -> Field {
        let entry = message.nested_type.iter().find(|nested| {
            is_map_entry(nested) && field.type_name().ends_with(&format!(".{}", nested.name()))
        });
        let (kind, presence) = match (entry, field.oneof_index) {
            (Some(entry), _) => {
                let [key, value] = entry.field.as_slice() else {
                    panic!("{owner}: a map has keys and values")
                };
                (Kind::Map(Box::new((kind(key), kind(value)))), Presence::Plain)
            }
            (None, Some(index)) if !field.proto3_optional() => {
                let oneof = &message.oneof_decl[usize::try_from(index).unwrap()];
                (kind(field), Presence::OneOf(oneof.name().to_owned()))
            }
            (None, Some(_)) => (kind(field), Presence::Optional),
            (None, None) if field.label() == Label::Repeated => (kind(field), Presence::Repeated),
            (None, None) => (kind(field), Presence::Plain),
        };
        Field {
            number: field.number(),
            name: field.name().to_owned(),
            prose: self.prose(path, &format!("{owner}.{}", field.name())),
            said: said::by_field(&format!("{}.{owner}", self.package), field.name()),
            kind,
            presence,
        }
    }

    fn enumeration(&mut self, path: &[i32], outer: &str, told: &EnumDescriptorProto) -> (i32, Named) {
        let name = format!("{outer}{}", told.name());
        let values = numbered(&told.value).map(|(index, value)| Value {
            number: value.number(),
            name: value.name().to_owned(),
            prose: self.prose(&[path, &[2, index]].concat(), &format!("{name}.{}", value.name())),
        });
        let body = Body::Enum(values.collect());
        let prose = self.prose(path, &name);
        (self.line(path), Named { name, prose, body })
    }
}

/// A comment without the space after its slashes; paragraphs are lines of their own, with an empty one between.
fn prose(comment: &str) -> String {
    let lines: Vec<&str> = comment.lines().map(str::trim).collect();
    let paragraphs = lines
        .split(|line| line.is_empty())
        .filter(|lines| !lines.is_empty());
    paragraphs
        .map(|lines| lines.join(" "))
        .collect::<Vec<_>>()
        .join("\n\n")
}

fn kind(field: &FieldDescriptorProto) -> Kind {
    match field.r#type() {
        Type::Message | Type::Enum => Kind::Named(full(field.type_name())),
        scalar => Kind::Scalar(scalar.as_str_name().trim_start_matches("TYPE_").to_lowercase()),
    }
}

/// A full name without the dot before it.
fn full(name: &str) -> String {
    name.trim_start_matches('.').to_owned()
}

fn is_map_entry(message: &DescriptorProto) -> bool {
    message
        .options
        .as_ref()
        .is_some_and(|options| options.map_entry())
}

/// Whether a oneof only stands for an optional field.
fn is_synthetic(message: &DescriptorProto, oneof: i32) -> bool {
    let mut fields = message.field.iter();
    fields.any(|field| field.oneof_index == Some(oneof) && field.proto3_optional())
}

fn numbered<T>(all: &[T]) -> impl Iterator<Item = (i32, &T)> {
    (0..).zip(all)
}
