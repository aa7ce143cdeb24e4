-- Who did what, when, from where, with which result: written by the API before it answers, never changed.
CREATE TABLE audit (
    seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    time timestamptz NOT NULL DEFAULT clock_timestamp(),
    principal text NOT NULL,
    role text NOT NULL,
    method text NOT NULL,
    resource text NOT NULL,
    status int NOT NULL,
    source text NOT NULL
);
CREATE INDEX audit_by_time ON audit (time);
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'the audit log is never changed'; END $$;
CREATE TRIGGER audit_no_update BEFORE UPDATE OR TRUNCATE ON audit EXECUTE FUNCTION audit_is_append_only();
