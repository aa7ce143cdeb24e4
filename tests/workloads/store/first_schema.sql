-- A database as the first release left it: its schema, and a job with logs, an endpoint and an operation in it.
-- Never edited: what is read here is what users of that release have.
CREATE TABLE schema_versions (version int PRIMARY KEY);
INSERT INTO schema_versions VALUES (1);
CREATE TABLE resources (
    name        text PRIMARY KEY,
    collection  text NOT NULL,
    parent      text NOT NULL GENERATED ALWAYS AS (regexp_replace(name, '/[^/]+/[^/]+$', '')) STORED,
    state       text GENERATED ALWAYS AS (
                    CASE WHEN collection <> 'operations' THEN message ->> 'state'
                         WHEN message ->> 'done' = 'true' THEN 'DONE'
                         ELSE 'RUNNING' END) STORED,
    message     jsonb NOT NULL,
    status      jsonb NOT NULL DEFAULT '{}',
    version     bigint NOT NULL DEFAULT 1,
    create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
    update_time timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE INDEX resources_listed ON resources (collection, create_time DESC, name DESC);
CREATE INDEX resources_by_state ON resources (collection, state);
CREATE TABLE log_sizes (
    name  text PRIMARY KEY REFERENCES resources (name) ON DELETE CASCADE,
    bytes bigint NOT NULL
);
CREATE TABLE logs (
    seq     bigserial PRIMARY KEY,
    name    text NOT NULL REFERENCES log_sizes (name) ON DELETE CASCADE,
    replica text NOT NULL,
    time    timestamptz NOT NULL,
    text    text NOT NULL
);
CREATE INDEX logs_read ON logs (name, seq);

INSERT INTO resources (name, collection, message, status, version, create_time, update_time) VALUES
    ('projects/p/locations/l/customJobs/1', 'customJobs',
     '{"displayName": "first", "state": "JOB_STATE_RUNNING"}', '{"attempt": 1}', 3,
     '2026-01-02T03:04:05Z', '2026-01-02T03:05:00Z'),
    ('projects/p/locations/l/endpoints/2', 'endpoints', '{"displayName": "served"}', '{}', 1,
     '2026-01-03T00:00:00Z', '2026-01-03T00:00:00Z'),
    ('projects/p/locations/l/endpoints/2/operations/3', 'operations', '{"done": false}',
     '{"request": {"method": "deployModel"}}', 1, '2026-01-03T00:00:01Z', '2026-01-03T00:00:01Z');
INSERT INTO log_sizes VALUES ('projects/p/locations/l/customJobs/1', 10);
INSERT INTO logs (name, replica, time, text) VALUES
    ('projects/p/locations/l/customJobs/1', 'worker-0', '2026-01-02T03:04:30Z', 'epoch 1'),
    ('projects/p/locations/l/customJobs/1', 'worker-0', '2026-01-02T03:04:40Z', 'é 2');
