-- The nouns of the store as tables. Texts are compared by their bytes, ids are
-- 16 bytes, numbers of 32 bits without a sign stand as bigint.

CREATE TABLE documents (
	tenant text COLLATE "C" NOT NULL,
	kind   text COLLATE "C" NOT NULL,
	name   text COLLATE "C" NOT NULL,
	rev    bigint NOT NULL,
	body   bytea NOT NULL,
	PRIMARY KEY (tenant, kind, name)
);

CREATE TABLE definitions (
	hash bytea PRIMARY KEY,
	body bytea NOT NULL
);

CREATE TABLE names (
	shard   integer NOT NULL,
	tenant  text COLLATE "C" NOT NULL,
	machine text COLLATE "C" NOT NULL,
	name    text COLLATE "C" NOT NULL,
	id      bytea NOT NULL,
	PRIMARY KEY (shard, tenant, machine, name)
);

CREATE TABLE executions (
	id    bytea PRIMARY KEY,
	start bytea,
	body  bytea NOT NULL
);

CREATE TABLE frames (
	id     bytea NOT NULL,
	number bigint NOT NULL,
	body   bytea NOT NULL,
	PRIMARY KEY (id, number)
);

CREATE TABLE undos (
	id     bytea NOT NULL,
	number bigint NOT NULL,
	body   bytea NOT NULL,
	PRIMARY KEY (id, number)
);

CREATE TABLE events (
	id    bytea NOT NULL,
	first bigint NOT NULL,
	body  bytea NOT NULL,
	PRIMARY KEY (id, first)
);

CREATE TABLE payloads (
	id     bytea NOT NULL,
	number bigint NOT NULL,
	body   bytea NOT NULL,
	PRIMARY KEY (id, number)
);

CREATE TABLE jobs (
	id     bytea NOT NULL,
	number bigint NOT NULL,
	shard  integer NOT NULL,
	due    bigint NOT NULL,
	body   bytea NOT NULL,
	PRIMARY KEY (id, number)
);

CREATE INDEX timers ON jobs (shard, due, id, number);

CREATE TABLE messages (
	seq   bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	shard integer NOT NULL,
	key   bytea NOT NULL,
	body  bytea NOT NULL,
	UNIQUE (shard, key)
);

CREATE INDEX inbox ON messages (shard, seq);

CREATE TABLE queue (
	tenant   text COLLATE "C" NOT NULL,
	activity text COLLATE "C" NOT NULL,
	at       bigint NOT NULL,
	id       bytea NOT NULL,
	number   bigint NOT NULL,
	body     bytea NOT NULL,
	PRIMARY KEY (tenant, activity, at, id, number)
);

CREATE TABLE lists (
	tenant text COLLATE "C" NOT NULL,
	list   text COLLATE "C" NOT NULL,
	value  text COLLATE "C" NOT NULL,
	start  bigint NOT NULL,
	id     bytea NOT NULL,
	body   bytea NOT NULL
);

CREATE UNIQUE INDEX lists_newest ON lists (tenant, list, value, start DESC, id);

CREATE TABLE leases (
	shard   integer PRIMARY KEY,
	epoch   bigint NOT NULL,
	node    text NOT NULL,
	expires bigint NOT NULL,
	body    bytea NOT NULL
);

-- hold takes a transaction's locks, in the order given, so that nobody else
-- changes what it expects before it ends.
CREATE FUNCTION hold(keys bigint[], shared boolean[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	FOR i IN 1 .. cardinality(keys) LOOP
		IF shared[i] THEN
			PERFORM pg_advisory_xact_lock_shared(keys[i]);
		ELSE
			PERFORM pg_advisory_xact_lock(keys[i]);
		END IF;
	END LOOP;
END
$$;

-- refuse ends a transaction whose expectation does not hold.
CREATE FUNCTION refuse(code text, what text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
	RAISE EXCEPTION USING ERRCODE = code, MESSAGE = what;
END
$$;
