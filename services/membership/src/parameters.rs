//! Parameters of the service's metrics, as `definitions.yaml` and its overrides give them.

use dualwheel_lake::frames::Role;
use serde::{Deserialize, Serialize};

/// A role, as definitions spell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RoleName {
    /// Fan.
    Fan,
    /// Group member.
    GroupMember,
    /// Member.
    Member,
    /// Paid member.
    PaidMember,
}

impl From<RoleName> for Role {
    fn from(name: RoleName) -> Self {
        match name {
            RoleName::Fan => Self::Fan,
            RoleName::GroupMember => Self::GroupMember,
            RoleName::Member => Self::Member,
            RoleName::PaidMember => Self::PaidMember,
        }
    }
}

/// Parameters of FAST+ (methodology §5.1) and of the close people of NEO (§6.1).
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Parameters {
    /// Distinct days on which browsing in the window becomes active.
    pub active_browse_days: u16,
    /// Roles whose holders are members for `neo.engagement.close_people`.
    pub close_roles: Vec<RoleName>,
    /// Days, up to the window's last, within which such a member is active.
    pub close_active_days: u16,
}
