//! Who may do what: a small table of needs, one of which every route names.

use mc_core::model::{OperatorRole, Role};

/// What a route asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Need {
    /// Nothing: the route is for everybody.
    Nothing,
    /// Nothing on the machine itself, else the same as [`Need::READ`].
    Local,
    /// Valid credentials of any kind. The handler looks at projects by itself.
    Caller,
    /// An operator who is signed in, whatever the roles.
    Operator,
    /// An operator who is admin of `*`.
    Center,
    /// A role in the project the request is about: of an access key, or of an operator.
    Project {
        /// The least role of an access key.
        key: Role,
        /// The least role of an operator.
        operator: OperatorRole,
    },
}

impl Need {
    /// Look at messages.
    pub const SEE: Need = Need::Project { key: Role::Send, operator: OperatorRole::Viewer };
    /// Send, cancel, retry.
    pub const SEND: Need = Need::Project { key: Role::Send, operator: OperatorRole::Operator };
    /// Look at everything of the project.
    pub const READ: Need = Need::Project { key: Role::Read, operator: OperatorRole::Viewer };
    /// Try channels out.
    pub const TEST: Need = Need::Project { key: Role::Read, operator: OperatorRole::Operator };
    /// Put right what went wrong: redrive, replay.
    pub const REPAIR: Need = Need::Project { key: Role::Admin, operator: OperatorRole::Operator };
    /// Change the project.
    pub const ADMIN: Need = Need::Project { key: Role::Admin, operator: OperatorRole::Admin };

    /// The least role of an access key, if one may call at all.
    pub fn key_role(self) -> Option<Role> {
        match self {
            Need::Nothing | Need::Caller => Some(Role::Send),
            Need::Local => Some(Role::Read),
            Need::Operator | Need::Center => None,
            Need::Project { key, .. } => Some(key),
        }
    }

    /// The least role of an operator.
    pub fn operator_role(self) -> OperatorRole {
        match self {
            Need::Nothing | Need::Local | Need::Caller | Need::Operator => OperatorRole::Viewer,
            Need::Center => OperatorRole::Admin,
            Need::Project { operator, .. } => operator,
        }
    }
}

/// The word the API uses for an operator's role.
pub(crate) fn operator_role_word(role: OperatorRole) -> &'static str {
    match role {
        OperatorRole::Viewer => "viewer",
        OperatorRole::Operator => "operator",
        OperatorRole::Admin => "admin",
    }
}
