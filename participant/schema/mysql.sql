CREATE TABLE IF NOT EXISTS backstep_barrier (
    step         VARCHAR(64)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    call_key     VARCHAR(96)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    operation    VARCHAR(10)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    outcome      VARCHAR(10)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL DEFAULT '',
    status       INTEGER      NOT NULL DEFAULT 0,
    content_type VARCHAR(255) CHARACTER SET utf8mb4 NOT NULL DEFAULT '',
    body         MEDIUMBLOB,
    state        VARCHAR(1000),
    subject      VARCHAR(64),
    changed      BIGINT       NOT NULL,
    PRIMARY KEY (step, call_key),
    INDEX backstep_barrier_changed (changed)
) ENGINE=InnoDB;

CREATE TABLE IF NOT EXISTS backstep_outbox (
    id        BIGINT       NOT NULL AUTO_INCREMENT PRIMARY KEY,
    lane      VARCHAR(200) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL,
    operation VARCHAR(32)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    input     LONGTEXT     CHARACTER SET utf8mb4 NOT NULL,
    state     VARCHAR(10)  CHARACTER SET ascii COLLATE ascii_bin NOT NULL,
    due       BIGINT       NOT NULL,
    sends     INTEGER      NOT NULL DEFAULT 0,
    refusals  INTEGER      NOT NULL DEFAULT 0,
    error     TEXT         CHARACTER SET utf8mb4,
    recorded  BIGINT       NOT NULL,
    changed   BIGINT       NOT NULL,
    INDEX backstep_outbox_due (state, due, id),
    INDEX backstep_outbox_lane (lane, state, id)
) ENGINE=InnoDB;
