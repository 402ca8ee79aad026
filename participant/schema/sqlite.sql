CREATE TABLE IF NOT EXISTS backstep_barrier (
    step         TEXT    NOT NULL,
    call_key     TEXT    NOT NULL,
    operation    TEXT    NOT NULL,
    outcome      TEXT    NOT NULL DEFAULT '',
    status       INTEGER NOT NULL DEFAULT 0,
    content_type TEXT    NOT NULL DEFAULT '',
    body         BLOB,
    state        TEXT,
    subject      TEXT,
    changed      INTEGER NOT NULL,
    PRIMARY KEY (step, call_key)
);
CREATE INDEX IF NOT EXISTS backstep_barrier_changed ON backstep_barrier (changed);

CREATE TABLE IF NOT EXISTS backstep_outbox (
    id        INTEGER PRIMARY KEY AUTOINCREMENT,
    lane      TEXT    NOT NULL,
    operation TEXT    NOT NULL,
    input     TEXT    NOT NULL,
    state     TEXT    NOT NULL,
    due       INTEGER NOT NULL,
    sends     INTEGER NOT NULL DEFAULT 0,
    refusals  INTEGER NOT NULL DEFAULT 0,
    error     TEXT,
    recorded  INTEGER NOT NULL,
    changed   INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS backstep_outbox_due ON backstep_outbox (state, due, id);
CREATE INDEX IF NOT EXISTS backstep_outbox_lane ON backstep_outbox (lane, state, id);
