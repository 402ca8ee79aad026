package postgres

// statement is one that committing sessions have prepared. Its parameters are
// arrays: a column of all rows of a fold, so that the number of statements is
// small and their texts are always the same.
//
// They find rows by index only (see session.go). Who is refused is told by the
// numbers of the rows that do not hold, counted from 1.
type statement struct{ name, sql string }

// The locks that hold what has no row yet: of documents and leases.
var holdKeys = &statement{"hold", `
	SELECT count(CASE WHEN shared THEN pg_advisory_xact_lock_shared(key)::text ELSE pg_advisory_xact_lock(key)::text END)
	FROM unnest($1::bigint[], $2::boolean[]) e(key, shared)`}

// The expectations. Each ends the transaction where one does not hold.
var (
	expectFences = &statement{"expect fences", `
		SELECT refuse('` + codeFenced + `', 'fence ' || string_agg(at::text, ' '))
		FROM unnest($1::integer[], $2::bigint[]) WITH ORDINALITY e(shard, epoch, at)
		WHERE NOT EXISTS (SELECT FROM leases l WHERE l.shard = e.shard AND l.epoch = e.epoch) HAVING count(*) > 0`}
	expectDocs = &statement{"expect documents", `
		SELECT refuse('` + codeConflict + `', 'document ' || string_agg(at::text, ' '))
		FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[]) WITH ORDINALITY e(tenant, kind, name, rev, at)
		LEFT JOIN documents d ON d.tenant = e.tenant AND d.kind = e.kind AND d.name = e.name
		WHERE coalesce(d.rev, 0) <> e.rev HAVING count(*) > 0`}
	expectLeases = &statement{"expect leases", `
		SELECT refuse('` + codeConflict + `', 'lease ' || string_agg(at::text, ' '))
		FROM unnest($1::integer[], $2::bigint[], $3::bigint[]) WITH ORDINALITY e(shard, epoch, expires, at)
		LEFT JOIN leases l ON l.shard = e.shard
		WHERE coalesce(l.epoch, 0) <> e.epoch OR e.expires <> 0 AND l.expires <> e.expires HAVING count(*) > 0`}

	// takeNames puts names that must be absent: the unique key is their lock.
	takeNames = &statement{"take names", `
		WITH taken AS (
			INSERT INTO names SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::bytea[])
			ORDER BY 1, 2, 3, 4 ON CONFLICT DO NOTHING RETURNING shard, tenant, machine, name)
		SELECT refuse('` + codeConflict + `', 'name ' || string_agg(at::text, ' '))
		FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[]) WITH ORDINALITY e(shard, tenant, machine, name, at)
		WHERE (shard, tenant, machine, name) NOT IN (SELECT * FROM taken) HAVING count(*) > 0`}
	// closeJobs drops jobs, of which those that are expected must have been there:
	// the row is its lock.
	closeJobs = &statement{"close jobs", `
		WITH gone AS (
			DELETE FROM jobs j USING unnest($1::bytea[], $2::bigint[]) e(id, number)
			WHERE j.id = e.id AND j.number = e.number RETURNING j.id, j.number)
		SELECT refuse('` + codeConflict + `', 'job ' || string_agg(at::text, ' '))
		FROM unnest($1::bytea[], $2::bigint[], $3::boolean[]) WITH ORDINALITY e(id, number, expected, at)
		WHERE expected AND (id, number) NOT IN (SELECT * FROM gone) HAVING count(*) > 0`}
	// keepJobs holds jobs that are expected and stay: they can't be dropped, and may be
	// written anew, so that who does that waits for nobody who waits for him.
	keepJobs = &statement{"keep jobs", `
		WITH there AS (
			SELECT j.id, j.number FROM unnest($1::bytea[], $2::bigint[]) e(id, number)
			JOIN jobs j ON j.id = e.id AND j.number = e.number FOR KEY SHARE OF j)
		SELECT refuse('` + codeConflict + `', 'kept ' || string_agg(at::text, ' '))
		FROM unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY e(id, number, at)
		WHERE (id, number) NOT IN (SELECT * FROM there) HAVING count(*) > 0`}
	// keepStood holds jobs that are expected just as they were read; they may go after
	// that.
	keepStood = &statement{"keep stood", `
		WITH there AS (
			SELECT j.id, j.number FROM unnest($1::bytea[], $2::bigint[], $3::bigint[], $4::bytea[]) e(id, number, due, body)
			JOIN jobs j ON j.id = e.id AND j.number = e.number AND j.due = e.due AND j.body = e.body FOR UPDATE OF j)
		SELECT refuse('` + codeConflict + `', 'stood ' || string_agg(at::text, ' '))
		FROM unnest($1::bytea[], $2::bigint[]) WITH ORDINALITY e(id, number, at)
		WHERE (id, number) NOT IN (SELECT * FROM there) HAVING count(*) > 0`}
	// takeQueued and keepQueued are the same for tasks that wait for a worker.
	takeQueued = &statement{"take queued", `
		WITH gone AS (
			DELETE FROM queue q USING unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::bigint[]) e(tenant, activity, at, id, number)
			WHERE ` + sameTask + ` RETURNING q.id, q.number, q.at, q.tenant, q.activity)
		SELECT refuse('` + codeConflict + `', 'task ' || string_agg(nth::text, ' '))
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::bigint[], $6::boolean[])
			WITH ORDINALITY e(tenant, activity, at, id, number, expected, nth)
		WHERE expected AND (id, number, at, tenant, activity) NOT IN (SELECT * FROM gone) HAVING count(*) > 0`}
	keepQueued = &statement{"keep queued", `
		WITH there AS (
			SELECT q.id, q.number, q.at, q.tenant, q.activity
			FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::bigint[]) e(tenant, activity, at, id, number)
			JOIN queue q ON ` + sameTask + ` FOR KEY SHARE OF q)
		SELECT refuse('` + codeConflict + `', 'waiting ' || string_agg(nth::text, ' '))
		FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::bigint[]) WITH ORDINALITY e(tenant, activity, at, id, number, nth)
		WHERE (id, number, at, tenant, activity) NOT IN (SELECT * FROM there) HAVING count(*) > 0`}
)

const sameTask = `q.tenant = e.tenant AND q.activity = e.activity AND q.at = e.at AND q.id = e.id AND q.number = e.number`

// The changes.
var (
	dropDocs = &statement{"drop documents", `
		DELETE FROM documents d USING unnest($1::text[], $2::text[], $3::text[]) e(tenant, kind, name)
		WHERE d.tenant = e.tenant AND d.kind = e.kind AND d.name = e.name`}
	putDocs = &statement{"put documents", `
		INSERT INTO documents SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[])
		ON CONFLICT (tenant, kind, name) DO UPDATE SET rev = excluded.rev, body = excluded.body`}
	putDefinitions = &statement{"put definitions", `
		INSERT INTO definitions SELECT * FROM unnest($1::bytea[], $2::bytea[]) ORDER BY 1 ON CONFLICT (hash) DO NOTHING`}
	dropNames = &statement{"drop names", `
		DELETE FROM names n USING unnest($1::integer[], $2::text[], $3::text[], $4::text[]) e(shard, tenant, machine, name)
		WHERE n.shard = e.shard AND n.tenant = e.tenant AND n.machine = e.machine AND n.name = e.name`}
	putNames = &statement{"put names", `
		INSERT INTO names SELECT * FROM unnest($1::integer[], $2::text[], $3::text[], $4::text[], $5::bytea[])
		ON CONFLICT (shard, tenant, machine, name) DO UPDATE SET id = excluded.id`}
	putExecutions = &statement{"put executions", `
		INSERT INTO executions SELECT * FROM unnest($1::bytea[], $2::bytea[], $3::bytea[])
		ON CONFLICT (id) DO UPDATE SET start = coalesce(excluded.start, executions.start), body = excluded.body`}
	putJobs = &statement{"put jobs", `
		INSERT INTO jobs SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::integer[], $4::bigint[], $5::bytea[])
		ON CONFLICT (id, number) DO UPDATE SET due = excluded.due, body = excluded.body`}
	putQueue = &statement{"put queue", `
		INSERT INTO queue SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bytea[], $5::bigint[], $6::bytea[])
		ON CONFLICT (tenant, activity, at, id, number) DO UPDATE SET body = excluded.body`}
	dropIndex = &statement{"drop index", `
		DELETE FROM lists l USING unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[]) e(tenant, list, value, start, id)
		WHERE l.tenant = e.tenant AND l.list = e.list AND l.value = e.value AND l.start = e.start AND l.id = e.id`}
	putIndex = &statement{"put index", `
		INSERT INTO lists SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bytea[], $6::bytea[])
		ON CONFLICT (tenant, list, value, start, id) DO UPDATE SET body = excluded.body`}
	putLeases = &statement{"put leases", `
		INSERT INTO leases SELECT * FROM unnest($1::integer[], $2::bigint[], $3::text[], $4::bigint[], $5::bytea[])
		ON CONFLICT (shard) DO UPDATE SET epoch = excluded.epoch, node = excluded.node, expires = excluded.expires, body = excluded.body`}

	dropMessages = &statement{"drop messages", `
		DELETE FROM messages m USING unnest($1::integer[], $2::bigint[]) e(shard, seq) WHERE m.shard = e.shard AND m.seq = e.seq`}
	putMessages = &statement{"put messages", `
		INSERT INTO messages (shard, key, body)
		SELECT shard, key, body FROM unnest($1::integer[], $2::bytea[], $3::bytea[]) WITH ORDINALITY e(shard, key, body, at)
		ORDER BY at ON CONFLICT (shard, key) DO NOTHING`}
	// notify tells who listens on a channel. It is sent only where messages were
	// left, because all that notify queue up for one lock of the database.
	notify = &statement{"notify", `SELECT pg_notify(channel, shard::text) FROM unnest($1::text[], $2::integer[]) e(channel, shard)`}
)

// putRows and dropRows are the statements of a table of an execution's rows.
func putRows(table, number string) *statement {
	return &statement{"put " + table, `
		INSERT INTO ` + table + ` SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[])
		ON CONFLICT (id, ` + number + `) DO UPDATE SET body = excluded.body`}
}

func dropRows(table string) *statement {
	return &statement{"drop " + table, `
		DELETE FROM ` + table + ` r USING unnest($1::bytea[], $2::bigint[]) e(id, number) WHERE r.id = e.id AND r.number = e.number`}
}

// addRows is putRows for rows that are most likely new, at less cost: one that is
// there ends the transaction.
func addRows(table string) *statement {
	return &statement{"add " + table, `
		INSERT INTO ` + table + ` SELECT * FROM unnest($1::bytea[], $2::bigint[], $3::bytea[])`}
}

var (
	putFrames, dropFrames    = putRows("frames", "number"), dropRows("frames")
	putUndos, dropUndos      = putRows("undos", "number"), dropRows("undos")
	putEvents, addEvents     = putRows("events", "first"), addRows("events")
	putPayloads, addPayloads = putRows("payloads", "number"), addRows("payloads")
)

// dropOf drops executions' rows of a table.
func dropOf(table string) *statement {
	return &statement{"drop all " + table, "DELETE FROM " + table + " r USING unnest($1::bytea[]) e(id) WHERE r.id = e.id"}
}

var dropExecutions = []*statement{
	dropOf("executions"), dropOf("frames"), dropOf("jobs"), dropOf("undos"), dropOf("events"), dropOf("payloads"),
}
