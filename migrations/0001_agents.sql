-- Schema `agents`: what was said, and what is remembered of it. Written by brain only.
--
-- Two roles: whoever runs the migrations owns the tables; the services log in as `aether_service`, which owns nothing and
-- can't step around row-level security. A statement never names its tenant: it comes from the setting `app.tenant`, which
-- the store sets for one transaction. Without it every table is empty and nothing can be written.

CREATE EXTENSION IF NOT EXISTS vector WITH SCHEMA public;

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'aether_service') THEN
        CREATE ROLE aether_service NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
END
$$;

CREATE SCHEMA agents;
GRANT USAGE ON SCHEMA agents TO aether_service;

-- Every migration that makes a table calls this for it: rows belong to their tenant, for the owner too.
CREATE PROCEDURE agents.isolate(target regclass)
    LANGUAGE plpgsql
    SET search_path = pg_catalog
AS $$
BEGIN
    EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', target);
    EXECUTE format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', target);
    -- The setting reads as NULL before its first use in a connection and as '' after a transaction; neither is a tenant.
    EXECUTE format(
        'CREATE POLICY tenant_rows ON %s USING (tenant_id = current_setting(''app.tenant'', true)) '
        'WITH CHECK (tenant_id = current_setting(''app.tenant'', true))',
        target
    );
    EXECUTE format('GRANT SELECT, INSERT, UPDATE, DELETE ON %s TO aether_service', target);
END
$$;
REVOKE EXECUTE ON PROCEDURE agents.isolate(regclass) FROM PUBLIC;

-- One stay of an agent in one room, or one typed conversation.
CREATE TABLE agents.sessions (
    tenant_id  text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id   text        NOT NULL CHECK (agent_id <> ''),
    session_id uuid        NOT NULL,
    -- Unknown until something that names the room arrives.
    room       text,
    started_at timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, session_id)
);
CALL agents.isolate('agents.sessions');

-- One thing said by a person and the answer to it, folded from the turn log.
CREATE TABLE agents.turns (
    tenant_id   text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id    text        NOT NULL CHECK (agent_id <> ''),
    turn_id     uuid        NOT NULL,
    session_id  uuid        NOT NULL,
    person_id   text        NOT NULL DEFAULT '',
    person_name text        NOT NULL DEFAULT '',
    modality    text        NOT NULL DEFAULT 'voice' CHECK (modality IN ('voice', 'text')),
    -- Empty when nobody asked: a greeting.
    words       text        NOT NULL DEFAULT '',
    -- All that was generated; the first `heard_bytes` bytes of it, in UTF-8, reached the person.
    answer      text        NOT NULL DEFAULT '',
    -- NULL until the first report.
    heard_bytes bigint CHECK (heard_bytes >= 0),
    status      text        NOT NULL DEFAULT 'open'
        CHECK (status IN ('open', 'completed', 'interrupted', 'cancelled', 'error')),
    started_at  timestamptz NOT NULL,
    ended_at    timestamptz,
    PRIMARY KEY (tenant_id, turn_id),
    FOREIGN KEY (tenant_id, session_id) REFERENCES agents.sessions ON DELETE CASCADE
);
CREATE INDEX turns_by_session ON agents.turns (tenant_id, session_id, started_at);
CALL agents.isolate('agents.turns');

-- Which entries of the turn log are in `turns`: a redelivered one finds its row here and changes nothing.
CREATE TABLE agents.turn_steps (
    tenant_id   text   NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id    text   NOT NULL CHECK (agent_id <> ''),
    turn_id     uuid   NOT NULL,
    sequence    bigint NOT NULL,
    kind        text   NOT NULL CHECK (kind IN ('user_committed', 'answer_chunk', 'heard', 'ended')),
    -- Of an answer chunk only. The answer is put together from these, so that chunks may arrive in any order.
    chunk_index bigint,
    chunk_text  text,
    at          timestamptz NOT NULL,
    PRIMARY KEY (tenant_id, turn_id, sequence),
    FOREIGN KEY (tenant_id, turn_id) REFERENCES agents.turns ON DELETE CASCADE
);
CALL agents.isolate('agents.turn_steps');

-- What a person said, findable by meaning. The answer it got is read from its turn.
--
-- There is no approximate index yet: below some thousand rows per person the exact scan over `memories_by_person` is as
-- fast and misses nothing. Beyond that: `USING hnsw (embedding vector_cosine_ops)` with `hnsw.iterative_scan` on.
CREATE TABLE agents.memories (
    tenant_id       text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id        text        NOT NULL CHECK (agent_id <> ''),
    person_id       text        NOT NULL CHECK (person_id <> ''),
    turn_id         uuid        NOT NULL,
    text            text        NOT NULL,
    -- Vectors of different models can't be compared.
    embedding_model text        NOT NULL,
    embedding       vector(384) NOT NULL,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, turn_id, embedding_model),
    FOREIGN KEY (tenant_id, turn_id) REFERENCES agents.turns ON DELETE CASCADE
);
CREATE INDEX memories_by_person ON agents.memories (tenant_id, agent_id, person_id, embedding_model);
CALL agents.isolate('agents.memories');

-- What an agent holds to be true of a person, distilled from what they said.
CREATE TABLE agents.facts (
    tenant_id      text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id       text        NOT NULL CHECK (agent_id <> ''),
    person_id      text        NOT NULL CHECK (person_id <> ''),
    fact_id        uuid        NOT NULL DEFAULT gen_random_uuid(),
    text           text        NOT NULL,
    source_turn_id uuid,
    created_at     timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, fact_id),
    UNIQUE (tenant_id, agent_id, person_id, text)
);
CALL agents.isolate('agents.facts');

-- How a person wants an agent to behave, by name.
CREATE TABLE agents.preferences (
    tenant_id  text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id   text        NOT NULL CHECK (agent_id <> ''),
    person_id  text        NOT NULL CHECK (person_id <> ''),
    name       text        NOT NULL,
    value      jsonb       NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, agent_id, person_id, name)
);
CALL agents.isolate('agents.preferences');
