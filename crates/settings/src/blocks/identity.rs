use aether_proto::{AgentId, PersonId, TenantId};

use crate::{Invalid, Loader, Setting, Shown};

pub(crate) const SETTINGS: &[&Setting] = &[&TENANT, &AGENT, &USER];

const TENANT: Setting = Setting {
    key: "identity.tenant",
    env: &["AETHER_TENANT"],
    default: Some("default"),
    shown: Shown::All,
    about: "tenant whose rooms and memories these are",
};
const AGENT: Setting = Setting {
    key: "identity.agent",
    env: &["AETHER_AGENT"],
    default: Some("aether"),
    shown: Shown::All,
    about: "agent that answers, and whose memories they are",
};
const USER: Setting = Setting {
    key: "identity.user_id",
    env: &["AETHER_USER_ID"],
    default: None,
    shown: Shown::All,
    about: "person that whoever's token names no person is taken for; by default the participant's identity",
};

/// Who is who where a request does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdentitySettings {
    pub tenant: TenantId,
    pub agent: AgentId,
    pub user_id: Option<PersonId>,
}

impl IdentitySettings {
    pub fn read(loader: &mut Loader<'_>) -> Result<Self, Invalid> {
        const EXPECTED: &str = "a name of at most 128 bytes on one line";
        let tenant = loader.required(&TENANT, |text| TenantId::new(text).map_err(|_| EXPECTED.to_owned()));
        let agent = loader.required(&AGENT, |text| AgentId::new(text).map_err(|_| EXPECTED.to_owned()));
        let user_id = loader.optional(&USER, |text| PersonId::new(text).map_err(|_| EXPECTED.to_owned()));
        Ok(Self { tenant: tenant?, agent: agent?, user_id: user_id? })
    }
}
