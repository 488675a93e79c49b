//! Who asks, once that is proven.

use aether_proto::{AgentId, PersonId, TenantId};

use crate::{PageClaims, Scope, Scopes};

/// A caller whose key or token was accepted. Everything they do happens in this tenant, with this agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    pub tenant: TenantId,
    pub agent: AgentId,
    /// Who they are to the agent. `None`: a program that speaks for several people and says for whom each time.
    pub person: Option<PersonId>,
    pub scopes: Scopes,
    /// The prefix of the key they came with. `None`: a page token.
    pub key: Option<String>,
}

impl Principal {
    pub const fn may(&self, scope: Scope) -> bool {
        self.scopes.contains(scope)
    }

    /// The one person whose things they may see; `None`: all of the tenant's.
    pub fn sees_only(&self) -> Option<&PersonId> {
        self.person.as_ref().filter(|_| !self.may(Scope::Admin))
    }
}

impl From<PageClaims> for Principal {
    fn from(claims: PageClaims) -> Self {
        let PageClaims { tenant, agent, person, scopes, .. } = claims;
        Self { tenant, agent, person, scopes, key: None }
    }
}
