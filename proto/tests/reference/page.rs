//! The pages as Markdown.

use std::fmt::Write;

use crate::{
    contracts::{
        Body, Contracts, Exchange, Extension, Field, File, Kind, Method, Named, Oneof, Package, Presence,
        Value,
    },
    links::{anchor, here, page_of, to_type},
    said::Said,
};

const ORIGIN: &str = "<!-- Written by the test `reference` of the crate dualwheel-proto; the words are those of the \
    contracts. -->";

/// The page that leads to all others.
pub fn index(contracts: &Contracts) -> String {
    let mut out = format!(
        "{ORIGIN}\n\n# API reference\n\nEvery service, RPC, message, field and enum value, in the words of \
         `proto/dualwheel/`.\n"
    );
    for package in &contracts.packages {
        let page = page_of(&package.name);
        let _ = write!(out, "\n## [{}]({page})\n\n", package.name);
        for file in &package.files {
            let _ = writeln!(
                out,
                "- [{}]({page}#{}): {}",
                file.name,
                anchor(&file.name),
                opening(&file.prose)
            );
            for service in &file.services {
                let methods = service
                    .methods
                    .iter()
                    .map(|method| format!("[{}]({page}#{})", method.name, anchor(&method.name)));
                let methods = methods.collect::<Vec<_>>().join(", ");
                let _ = writeln!(out, "  - **{}**: {methods}", service.name);
            }
        }
    }
    out
}

/// The page of a package.
pub fn package(contracts: &Contracts, package: &Package) -> String {
    let mut out = format!("{ORIGIN}\n\n# {}\n\n", package.name);
    for file in &package.files {
        let services = file.services.iter().map(|service| here(&service.name));
        let types = file.types.iter().map(|told| here(&told.name));
        let names = services.chain(types).collect::<Vec<_>>().join(", ");
        let _ = writeln!(out, "- {}: {names}", here(&file.name));
    }
    let page = Page {
        contracts,
        package: &package.name,
    };
    for told in &package.files {
        page.file(&mut out, told);
    }
    out
}

/// What a page links from.
struct Page<'a> {
    contracts: &'a Contracts,
    package: &'a str,
}

impl Page<'_> {
    fn file(&self, out: &mut String, file: &File) {
        let _ = write!(out, "\n## {}\n\n{}\n", file.name, file.prose);
        for service in &file.services {
            let _ = write!(out, "\n### {}\n\n{}\n", service.name, service.prose);
            for method in &service.methods {
                self.method(out, method);
            }
        }
        self.options(out, &file.options);
        for told in &file.types {
            self.named(out, told);
        }
    }

    fn options(&self, out: &mut String, options: &[Extension]) {
        if options.is_empty() {
            return;
        }
        out.push_str("\n| # | option | of | type | |\n|--:|---|---|---|---|\n");
        for option in options {
            let (number, name, prose) = (option.number, &option.name, cell(&option.prose));
            let _ = writeln!(
                out,
                "| {number} | `{name}` | {} | {} | {prose} |",
                self.link(&option.of),
                self.kind(&option.kind)
            );
        }
    }

    fn method(&self, out: &mut String, method: &Method) {
        let exchange = |told: &Exchange| {
            let streams = if told.streams { "stream of " } else { "" };
            format!("{streams}{}", self.link(&told.message))
        };
        let _ = write!(
            out,
            "\n#### {}\n\n{} → {}\n",
            method.name,
            exchange(&method.request),
            exchange(&method.response)
        );
        if !method.said.is_empty() {
            let _ = write!(out, "\n{}\n", self.said(&method.said));
        }
        let _ = write!(out, "\n{}\n", method.prose);
    }

    fn said(&self, said: &[Said]) -> String {
        let words = said
            .iter()
            .map(|word| match word.of.starts_with("google.protobuf.") {
                true => format!("`{}`", word.value),
                false => format!("{} `{}`", self.link(&word.of), word.value),
            });
        words.collect::<Vec<_>>().join(", ")
    }

    fn named(&self, out: &mut String, told: &Named) {
        let _ = write!(out, "\n### {}\n\n{}\n", told.name, told.prose);
        match &told.body {
            Body::Message { oneofs, fields } => self.message(out, oneofs, fields),
            Body::Enum(values) => enumeration(out, values),
        }
    }

    fn message(&self, out: &mut String, oneofs: &[Oneof], fields: &[Field]) {
        for oneof in oneofs {
            let _ = write!(out, "\nOne of `{}`: {}\n", oneof.name, oneof.prose);
        }
        if fields.is_empty() {
            return;
        }
        out.push_str("\n| # | field | type | |\n|--:|---|---|---|\n");
        for field in fields {
            let (number, name, mut prose) = (field.number, &field.name, cell(&field.prose));
            if !field.said.is_empty() {
                let _ = write!(prose, "<br>{}", self.said(&field.said));
            }
            let _ = writeln!(
                out,
                "| {number} | `{name}` | {} | {prose} |",
                self.field_type(field)
            );
        }
    }

    fn field_type(&self, field: &Field) -> String {
        let kind = self.kind(&field.kind);
        match &field.presence {
            Presence::Plain => kind,
            Presence::Optional => format!("optional {kind}"),
            Presence::Repeated => format!("repeated {kind}"),
            Presence::OneOf(name) => format!("one of `{name}`: {kind}"),
        }
    }

    fn kind(&self, kind: &Kind) -> String {
        match kind {
            Kind::Scalar(name) => name.clone(),
            Kind::Named(name) => self.link(name),
            Kind::Map(entry) => format!("map of {} to {}", self.kind(&entry.0), self.kind(&entry.1)),
        }
    }

    fn link(&self, name: &str) -> String {
        to_type(self.contracts, self.package, name)
    }
}

fn enumeration(out: &mut String, values: &[Value]) {
    out.push_str("\n| # | value | |\n|--:|---|---|\n");
    for value in values {
        let _ = writeln!(
            out,
            "| {} | `{}` | {} |",
            value.number,
            value.name,
            cell(&value.prose)
        );
    }
}

/// Prose within a table.
fn cell(prose: &str) -> String {
    prose.replace("\n\n", "<br>").replace('|', "\\|")
}

/// The first paragraph.
fn opening(prose: &str) -> &str {
    prose.split("\n\n").next().unwrap_or_default()
}
