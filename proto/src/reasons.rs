//! What the contract says of each reason for which a call can fail.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::LazyLock,
};

use prost_reflect::{DescriptorPool, DynamicMessage, MapKey, Value};
use tonic::Code;

use crate::types::ErrorReason;

/// What the contract says of a reason.
struct Rule {
    reason: ErrorReason,
    code: Code,
    metadata: BTreeSet<String>,
}

static RULES: LazyLock<BTreeMap<i32, Rule>> = LazyLock::new(|| {
    DescriptorPool::decode(crate::DESCRIPTORS).map_or_else(|_| BTreeMap::new(), |pool| rules(&pool))
});

fn rules(pool: &DescriptorPool) -> BTreeMap<i32, Rule> {
    let reasons = pool.get_enum_by_name("dualwheel.type.v1.ErrorReason");
    let extension = pool.get_extension_by_name("dualwheel.type.v1.reason");
    let (Some(reasons), Some(extension)) = (reasons, extension) else {
        return BTreeMap::new();
    };
    let rule = |value: prost_reflect::EnumValueDescriptor| {
        let reason = ErrorReason::try_from(value.number()).ok()?;
        let options = value.options();
        let rule = options.get_extension(&extension);
        Some((value.number(), Rule::of(reason, rule.as_message()?)))
    };
    reasons.values().filter_map(rule).collect()
}

impl Rule {
    fn of(reason: ErrorReason, rule: &DynamicMessage) -> Self {
        let field = |name: &str| rule.get_field_by_name(name);
        let code = field("code").and_then(|code| code.as_enum_number());
        let keys = |map: &HashMap<MapKey, Value>| {
            map.keys()
                .filter_map(|key| Some(key.as_str()?.to_owned()))
                .collect()
        };
        let metadata = field("metadata").and_then(|map| map.as_map().map(keys));
        Self {
            reason,
            code: Code::from_i32(code.unwrap_or_default()),
            metadata: metadata.unwrap_or_default(),
        }
    }
}

impl ErrorReason {
    /// Every reason, in the order of the contract.
    pub fn all() -> impl Iterator<Item = Self> {
        let rules = RULES.values().map(|rule| rule.reason);
        rules.filter(|reason| *reason != Self::Unspecified)
    }

    /// The name in `ErrorInfo.reason`, UPPER_SNAKE.
    #[must_use]
    pub fn name(self) -> &'static str {
        let name = self.as_str_name();
        name.strip_prefix("ERROR_REASON_").unwrap_or(name)
    }

    /// The reason of a name in `ErrorInfo.reason`.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::from_str_name(&format!("ERROR_REASON_{name}"))
    }

    /// The status code that goes with it.
    #[must_use]
    pub fn code(self) -> Code {
        RULES
            .get(&i32::from(self))
            .map_or(Code::Unknown, |rule| rule.code)
    }

    /// Keys that its metadata may have.
    pub fn metadata(self) -> impl Iterator<Item = &'static str> {
        let rule = RULES.get(&i32::from(self));
        rule.into_iter()
            .flat_map(|rule| rule.metadata.iter().map(String::as_str))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_its_name_and_code() {
        assert!(ErrorReason::all().count() > 90);
        for reason in ErrorReason::all() {
            assert_eq!(ErrorReason::named(reason.name()), Some(reason));
            assert!(
                !matches!(reason.code(), Code::Ok | Code::Unknown),
                "{}",
                reason.name()
            );
        }
        assert_eq!(ErrorReason::named("NO_SUCH"), None);
        assert_eq!(ErrorReason::BrandUnknown.name(), "BRAND_UNKNOWN");
        assert_eq!(ErrorReason::BrandUnknown.code(), Code::NotFound);
        assert!(ErrorReason::PermissionDenied.metadata().eq(["brand", "scope"]));
    }
}
