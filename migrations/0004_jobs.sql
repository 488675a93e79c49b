-- Schema `jobs`: what is done beside conversations. Written by the scheduler only.
--
-- A job is one row, and each state that it was in is another; both change in one transaction. As everywhere a row belongs to
-- its tenant. But a free worker asks for work of any tenant: that is what the functions at the end are for, which run as a
-- role that nobody can become. They find and hand out jobs; whatever a job says is written in its tenant's own transaction.

CREATE SCHEMA jobs;
GRANT USAGE ON SCHEMA jobs TO aether_service;

CREATE TABLE jobs.jobs (
    tenant_id       text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id        text        NOT NULL CHECK (agent_id <> ''),
    job_id          uuid        NOT NULL,
    kind            text        NOT NULL CHECK (kind <> ''),
    modality        text        NOT NULL CHECK (modality IN ('voice', 'text')),
    -- Empty: it concerns nobody in particular.
    person_id       text        NOT NULL,
    session_id      uuid,
    payload         jsonb       NOT NULL,
    -- 0 to 3.
    priority        smallint    NOT NULL CHECK (priority BETWEEN 0 AND 3),
    pool            text        NOT NULL CHECK (pool IN ('interactive', 'background')),
    idempotency_key text        NOT NULL CHECK (idempotency_key <> ''),
    schedule_id     uuid,
    state           text        NOT NULL CHECK (state IN (
        'PENDING', 'SCHEDULED', 'EXECUTING', 'VERIFYING', 'COMMITTED', 'FAILED', 'RETRYING', 'ESCALATED', 'HUMAN_REVIEW',
        'COMPENSATING', 'ROLLED_BACK')),
    -- Grows with every claim: whoever reports under an older number is not listened to.
    attempt         integer     NOT NULL DEFAULT 0,
    -- Attempts that failed since it was submitted or replayed.
    failures        integer     NOT NULL DEFAULT 0,
    due_at          timestamptz NOT NULL,
    -- `due_at` and the patience of its priority: who waits is taken in this order.
    start_by        timestamptz NOT NULL,
    expires_at      timestamptz,
    -- Who works on it, and until when it is theirs without another word.
    worker          text,
    leased_until    timestamptz,
    -- Why it failed last, for a person.
    reason          text        NOT NULL DEFAULT '',
    result          jsonb,
    created_at      timestamptz NOT NULL DEFAULT now(),
    updated_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, job_id),
    UNIQUE (tenant_id, agent_id, kind, idempotency_key)
);
CALL agents.isolate('jobs.jobs');
CREATE INDEX jobs_waiting ON jobs.jobs (pool, tenant_id, start_by) WHERE state = 'SCHEDULED';
CREATE INDEX jobs_held ON jobs.jobs (leased_until) WHERE state IN ('EXECUTING', 'VERIFYING', 'COMPENSATING');
CREATE INDEX jobs_retrying ON jobs.jobs (due_at) WHERE state = 'RETRYING';
CREATE INDEX jobs_expiring ON jobs.jobs (expires_at)
    WHERE expires_at IS NOT NULL AND state IN ('SCHEDULED', 'RETRYING', 'EXECUTING');
CREATE INDEX jobs_by_person ON jobs.jobs (tenant_id, agent_id, person_id, created_at);
CREATE INDEX jobs_by_session ON jobs.jobs (tenant_id, session_id) WHERE session_id IS NOT NULL;

-- Every state that a job was in, in order.
CREATE TABLE jobs.steps (
    tenant_id text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id  text        NOT NULL CHECK (agent_id <> ''),
    job_id    uuid        NOT NULL,
    step_id   bigint      GENERATED ALWAYS AS IDENTITY,
    state     text        NOT NULL,
    attempt   integer     NOT NULL,
    reason    text        NOT NULL DEFAULT '',
    at        timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (tenant_id, job_id, step_id),
    FOREIGN KEY (tenant_id, job_id) REFERENCES jobs.jobs ON DELETE CASCADE
);
CALL agents.isolate('jobs.steps');

-- What is done again and again. Each run is a job of its own, whose idempotency key names schedule and planned time: so that
-- however many schedulers look, there is one.
CREATE TABLE jobs.schedules (
    tenant_id       text        NOT NULL DEFAULT current_setting('app.tenant') CHECK (tenant_id <> ''),
    agent_id        text        NOT NULL CHECK (agent_id <> ''),
    schedule_id     uuid        NOT NULL,
    kind            text        NOT NULL CHECK (kind <> ''),
    modality        text        NOT NULL CHECK (modality IN ('voice', 'text')),
    person_id       text        NOT NULL,
    session_id      uuid,
    payload         jsonb       NOT NULL,
    priority        smallint    NOT NULL CHECK (priority BETWEEN 0 AND 3),
    idempotency_key text        NOT NULL CHECK (idempotency_key <> ''),
    cron            text        NOT NULL,
    time_zone       text        NOT NULL,
    missed          text        NOT NULL CHECK (missed IN ('run_once', 'skip')),
    -- NULL: it has ended.
    next_at         timestamptz,
    created_at      timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, schedule_id),
    UNIQUE (tenant_id, agent_id, kind, idempotency_key)
);
CALL agents.isolate('jobs.schedules');
CREATE INDEX schedules_due ON jobs.schedules (next_at) WHERE next_at IS NOT NULL;
CREATE INDEX schedules_by_person ON jobs.schedules (tenant_id, agent_id, person_id, created_at);

DO $$
BEGIN
    IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'aether_job_clerk') THEN
        CREATE ROLE aether_job_clerk NOLOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOBYPASSRLS;
    END IF;
END
$$;
GRANT USAGE ON SCHEMA jobs TO aether_job_clerk;
-- FOR UPDATE asks for the right to update some column.
GRANT SELECT, UPDATE (state, attempt, worker, leased_until, updated_at) ON jobs.jobs TO aether_job_clerk;
GRANT INSERT ON jobs.steps TO aether_job_clerk;
GRANT SELECT ON jobs.schedules TO aether_job_clerk;
CREATE POLICY clerk ON jobs.jobs TO aether_job_clerk USING (true) WITH CHECK (true);
CREATE POLICY clerk ON jobs.steps FOR INSERT TO aether_job_clerk WITH CHECK (true);
CREATE POLICY clerk ON jobs.schedules FOR SELECT TO aether_job_clerk USING (true);

-- What waits in a pool and is due: of each tenant the first few, with how many of its jobs are being worked on.
CREATE FUNCTION jobs.waiting(wanted_pool text, most_per_tenant integer)
    RETURNS TABLE (tenant_id text, job_id uuid, start_by timestamptz, running bigint)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT tenant.tenant_id, job.job_id, job.start_by,
           (SELECT count(*) FROM jobs.jobs AS other
            WHERE other.state IN ('EXECUTING', 'VERIFYING', 'COMPENSATING') AND other.pool = wanted_pool
                  AND other.tenant_id = tenant.tenant_id)
    FROM (SELECT DISTINCT waiting.tenant_id FROM jobs.jobs AS waiting
          WHERE waiting.state = 'SCHEDULED' AND waiting.pool = wanted_pool) AS tenant,
         LATERAL (SELECT next.job_id, next.start_by FROM jobs.jobs AS next
                  WHERE next.state = 'SCHEDULED' AND next.pool = wanted_pool AND next.tenant_id = tenant.tenant_id
                        AND next.due_at <= now()
                  ORDER BY next.start_by
                  LIMIT most_per_tenant) AS job
$$;

-- Hands these jobs to a worker, but for those that another has taken, or is just taking.
CREATE FUNCTION jobs.claim(tenants text[], wanted uuid[], by_worker text, lease interval)
    RETURNS SETOF jobs.jobs
    LANGUAGE sql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH free AS (
        SELECT job.tenant_id, job.job_id FROM jobs.jobs AS job
        JOIN unnest(tenants, wanted) AS wish (tenant_id, job_id)
            ON wish.tenant_id = job.tenant_id AND wish.job_id = job.job_id
        WHERE job.state = 'SCHEDULED'
        FOR UPDATE OF job SKIP LOCKED
    ), claimed AS (
        UPDATE jobs.jobs AS job
        SET state = 'EXECUTING', attempt = job.attempt + 1, worker = by_worker, leased_until = now() + lease,
            updated_at = now()
        FROM free WHERE free.tenant_id = job.tenant_id AND free.job_id = job.job_id
        RETURNING job.*
    ), written AS (
        INSERT INTO jobs.steps (tenant_id, agent_id, job_id, state, attempt)
        SELECT claimed.tenant_id, claimed.agent_id, claimed.job_id, claimed.state, claimed.attempt FROM claimed
    )
    SELECT * FROM claimed
$$;

-- Keeps a worker's jobs its own.
CREATE FUNCTION jobs.renew(by_worker text, lease interval)
    RETURNS bigint
    LANGUAGE sql VOLATILE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    WITH renewed AS (
        UPDATE jobs.jobs AS job SET leased_until = now() + lease
        WHERE job.worker = by_worker AND job.state IN ('EXECUTING', 'VERIFYING', 'COMPENSATING')
        RETURNING 1
    )
    SELECT count(*) FROM renewed
$$;

-- Jobs for which time has brought something: whose worker is gone, who may try again, who are too late, of whom nobody was
-- told.
CREATE FUNCTION jobs.overdue(most integer)
    RETURNS SETOF jobs.jobs
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT job.* FROM jobs.jobs AS job
    WHERE job.state IN ('EXECUTING', 'VERIFYING', 'COMPENSATING') AND job.leased_until < now()
    UNION ALL
    SELECT job.* FROM jobs.jobs AS job WHERE job.state = 'RETRYING' AND job.due_at <= now()
    UNION ALL
    SELECT job.* FROM jobs.jobs AS job
    WHERE job.state = 'SCHEDULED' AND job.expires_at IS NOT NULL AND job.expires_at <= now()
    UNION ALL
    SELECT job.* FROM jobs.jobs AS job WHERE job.state = 'ESCALATED'
    LIMIT most
$$;
CREATE INDEX jobs_escalated ON jobs.jobs (updated_at) WHERE state = 'ESCALATED';

CREATE FUNCTION jobs.due_schedules(most integer)
    RETURNS SETOF jobs.schedules
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT schedule.* FROM jobs.schedules AS schedule
    WHERE schedule.next_at IS NOT NULL AND schedule.next_at <= now()
    ORDER BY schedule.next_at
    LIMIT most
$$;

-- How much there is in which state, and since when the oldest of it has been due.
CREATE FUNCTION jobs.queues()
    RETURNS TABLE (pool text, state text, jobs bigint, oldest_due_at timestamptz)
    LANGUAGE sql STABLE SECURITY DEFINER
    SET search_path = pg_catalog, pg_temp
AS $$
    SELECT job.pool, job.state, count(*), min(job.due_at)
    FROM jobs.jobs AS job
    WHERE job.state NOT IN ('COMMITTED', 'ROLLED_BACK')
    GROUP BY job.pool, job.state
$$;
CREATE INDEX jobs_open ON jobs.jobs (pool, state, due_at) WHERE state NOT IN ('COMMITTED', 'ROLLED_BACK');

-- As in `identity`: giving a function away needs these rights for this moment.
GRANT CREATE ON SCHEMA jobs TO aether_job_clerk;
DO $$
DECLARE
    is_member boolean := pg_has_role(current_user, 'aether_job_clerk', 'SET');
    given text;
BEGIN
    IF NOT is_member THEN
        EXECUTE format('GRANT aether_job_clerk TO %I', current_user);
    END IF;
    FOREACH given IN ARRAY ARRAY[
        'jobs.waiting(text, integer)', 'jobs.claim(text[], uuid[], text, interval)', 'jobs.renew(text, interval)',
        'jobs.overdue(integer)', 'jobs.due_schedules(integer)', 'jobs.queues()'
    ] LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', given);
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO aether_service', given);
        EXECUTE format('ALTER FUNCTION %s OWNER TO aether_job_clerk', given);
    END LOOP;
    IF NOT is_member THEN
        EXECUTE format('REVOKE aether_job_clerk FROM %I', current_user);
    END IF;
END
$$;
REVOKE CREATE ON SCHEMA jobs FROM aether_job_clerk;
