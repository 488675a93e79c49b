-- What is asked of schema `agents` since people look at their past: whose sessions, which facts.

-- The newest sessions first.
CREATE INDEX sessions_by_start ON agents.sessions (tenant_id, agent_id, started_at);
-- In which sessions somebody said something.
CREATE INDEX turns_by_person ON agents.turns (tenant_id, agent_id, person_id, session_id);

-- An index entry has room for some 2700 bytes and a fact may be longer, so the same fact is told by its hash.
ALTER TABLE agents.facts DROP CONSTRAINT facts_tenant_id_agent_id_person_id_text_key;
CREATE UNIQUE INDEX facts_once ON agents.facts (tenant_id, agent_id, person_id, md5(text));
CREATE INDEX facts_by_person ON agents.facts (tenant_id, agent_id, person_id, created_at);
