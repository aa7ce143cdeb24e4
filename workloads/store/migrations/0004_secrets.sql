-- Secrets by name, their versions' values sealed (workloads/store/sealing.py) with a key that is not in the database.
CREATE TABLE secrets (
    id           text PRIMARY KEY,
    owner        text NOT NULL,
    message      jsonb NOT NULL,
    last_version int NOT NULL DEFAULT 0,
    create_time  timestamptz NOT NULL DEFAULT clock_timestamp()
);
CREATE TABLE secret_versions (
    secret       text NOT NULL REFERENCES secrets (id) ON DELETE CASCADE,
    number       int NOT NULL,
    state        text NOT NULL DEFAULT 'ENABLED' CHECK (state IN ('ENABLED', 'DISABLED', 'DESTROYED')),
    sealed       bytea,
    create_time  timestamptz NOT NULL DEFAULT clock_timestamp(),
    destroy_time timestamptz,
    PRIMARY KEY (secret, number),
    CHECK ((sealed IS NULL) = (state = 'DESTROYED'))
);
