//! Who may call what, as the methods of the contracts say it in their options (`dualwheel/type/v1/options.proto`).
//!
//! A method that says nothing is refused; a test finds such.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    sync::LazyLock,
};

use dualwheel_proto::types as contract;
use prost_reflect::{MethodDescriptor, prost_types::method_options::IdempotencyLevel};

pub mod named;

/// An enum of the contracts without its value for what is not said, and the word of each variant.
macro_rules! closed {
    ($(#[$doc:meta])* $name:ident { $($variant:ident $word:literal,)+ }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $(#[doc = concat!("`", $word, "`")] $variant,)+
        }

        impl $name {
            /// Every one, in the order of the contracts.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// Its word.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            fn read(said: contract::$name) -> Option<Self> {
                match said {
                    contract::$name::Unspecified => None,
                    $(contract::$name::$variant => Some(Self::$variant),)+
                }
            }
        }
    };
}

closed! {
    /// What a token may be allowed to do, by the word in its `scope`.
    Scope {
        FactsRead "facts.read",
        FactsWrite "facts.write",
        MetricsRead "metrics.read",
        PeopleRead "people.read",
        AudiencesRead "audiences.read",
        AudiencesWrite "audiences.write",
        ConsumersErase "consumers.erase",
        IndexAdmin "index.admin",
        PluginsRead "plugins.read",
        PluginsWrite "plugins.write",
        JobsRead "jobs.read",
        JobsWrite "jobs.write",
        DiagnosisRead "diagnosis.read",
        DiagnosisWrite "diagnosis.write",
    }
}

closed! {
    /// How a method is tied to the brands that a caller may see.
    BrandRule {
        Named "named",
        Stored "stored",
        Whole "whole",
        Free "free",
    }
}

closed! {
    /// What a method does.
    Effect {
        Measure "measure",
        Read "read",
        Export "export",
        Write "write",
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

/// A method and what it takes to call it.
#[derive(Debug)]
pub struct Method {
    /// `package.Service/Method`.
    pub path: &'static str,
    /// What the caller must be allowed to do.
    pub scope: Scope,
    /// How it is tied to brands.
    pub brands: BrandRule,
    /// What it does.
    pub effect: Effect,
    /// Whether the same `request_id` gets the first answer again.
    pub is_repeatable: bool,
    /// Whether it takes one message.
    pub takes_one: bool,
    /// Whether it takes one message and answers one.
    pub is_unary: bool,
    descriptor: MethodDescriptor,
}

static METHODS: LazyLock<Vec<Method>> = LazyLock::new(|| {
    named::described()
        .filter_map(|method| Method::read(method).ok())
        .collect()
});

static BY_PATH: LazyLock<HashMap<&'static str, &'static Method>> =
    LazyLock::new(|| METHODS.iter().map(|method| (method.path, method)).collect());

impl Method {
    /// Every method of the mesh, in the order of the contracts.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &METHODS
    }

    /// The method of an HTTP path, `/package.Service/Method`.
    #[must_use]
    pub fn of(path: &str) -> Option<&'static Self> {
        Self::named(path.strip_prefix('/')?)
    }

    /// The method of this name, `package.Service/Method`.
    #[must_use]
    pub fn named(path: &str) -> Option<&'static Self> {
        BY_PATH.get(path).copied()
    }

    /// Whether its calls have lines in the audit log.
    #[must_use]
    pub fn is_audited(&self) -> bool {
        matches!(self.effect, Effect::Write | Effect::Export)
    }

    /// What a method says of itself.
    ///
    /// # Errors
    /// Its path, where it does not say it all.
    fn read(descriptor: MethodDescriptor) -> Result<Self, String> {
        let path = format!(
            "{}/{}",
            descriptor.parent_service().full_name(),
            descriptor.name()
        );
        let rule: Option<contract::MethodRule> =
            named::option(&descriptor.options(), "dualwheel.type.v1.method");
        let said = rule.and_then(|rule| {
            let scope = Scope::read(rule.scope())?;
            Some((
                scope,
                BrandRule::read(rule.brands())?,
                Effect::read(rule.effect())?,
            ))
        });
        let Some((scope, brands, effect)) = said else {
            return Err(path);
        };
        let (sends_one, takes_one) = (
            !descriptor.is_server_streaming(),
            !descriptor.is_client_streaming(),
        );
        let said = &descriptor.method_descriptor_proto().options;
        let level = said.as_ref().map(|options| options.idempotency_level());
        Ok(Self {
            // Each is made once, and stays for as long as the process.
            path: path.leak(),
            scope,
            brands,
            effect,
            is_repeatable: level == Some(IdempotencyLevel::Idempotent),
            takes_one,
            is_unary: takes_one && sends_one,
            descriptor,
        })
    }
}

/// The brands that a caller may see.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Brands {
    /// Every brand of the tenant.
    All,
    /// These.
    Some(BTreeSet<String>),
}

impl Brands {
    /// Whether the brand is among them.
    #[must_use]
    pub fn has(&self, brand: &str) -> bool {
        match self {
            Self::All => true,
            Self::Some(brands) => brands.contains(brand),
        }
    }
}

#[cfg(test)]
mod tests;
