-- Any Vertex resource is one row. Parent and state are derived, so that they can't disagree with name and message.
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

-- How much a resource has logged: the row that writers of one resource queue on, so seq order is commit order.
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
