-- What is learned from turns: facts with the words they rest on, each turn once; and what a session was about.

-- What the person said, where the fact was found in it; empty where they asked to have it kept.
ALTER TABLE agents.facts ADD COLUMN quote text NOT NULL DEFAULT '';
CREATE INDEX facts_by_quoted_turn ON agents.facts (tenant_id, source_turn_id) WHERE quote <> '';

-- Turns from which nothing more is learned: their facts are found, or their person has asked to have something forgotten since.
-- It points at no row of `turns`: a turn that was forgotten stays closed, also if the log should bring it back.
CREATE TABLE agents.learned_turns (
    tenant_id  text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id   text        NOT NULL CHECK (agent_id <> ''),
    turn_id    uuid        NOT NULL,
    learned_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, turn_id)
);
CALL agents.isolate('agents.learned_turns');

-- As a language model tells it, once the session has gone quiet; both empty until then, and again when a turn of it is forgotten.
ALTER TABLE agents.sessions
    ADD COLUMN title text NOT NULL DEFAULT '',
    ADD COLUMN summary text NOT NULL DEFAULT '';
