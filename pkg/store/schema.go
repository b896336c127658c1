package store

import (
	"context"
	"database/sql"
	"fmt"
)

// migrations bring an empty file to the newest schema, one transaction each.
// PRAGMA user_version is how many have run. One that was released is never
// edited; a change is a new one behind it.
//
// Every table that belongs to a tenant has the column tenant, and every
// statement on it names it (TestEveryQueryNamesTheTenant). Times are
// milliseconds since 1970, UTC.
var migrations = []string{
	`-- all tenants: schema
CREATE TABLE events (
	seq     INTEGER PRIMARY KEY,
	at      INTEGER NOT NULL,
	tenant  TEXT NOT NULL,
	call_id TEXT NOT NULL,
	kind    TEXT NOT NULL,
	data    TEXT NOT NULL
);
-- by call_id alone: ids are unique and rise with time, so that the index grows at its end
CREATE INDEX events_call ON events (call_id) WHERE call_id <> '';
CREATE TABLE calls (
	tenant    TEXT NOT NULL,
	id        TEXT NOT NULL,
	started   INTEGER NOT NULL,
	ended     INTEGER,
	direction TEXT NOT NULL,
	caller    TEXT NOT NULL,
	dialled   TEXT NOT NULL,
	trunk     TEXT NOT NULL,
	device    TEXT NOT NULL,
	queue     TEXT NOT NULL,
	agent     TEXT NOT NULL,
	result    TEXT NOT NULL,
	reason    TEXT NOT NULL,
	total_ms  INTEGER NOT NULL,
	talk_ms   INTEGER NOT NULL,
	record    TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX calls_started ON calls (tenant, started, id);
CREATE INDEX calls_open ON calls (tenant, id) WHERE ended IS NULL;
CREATE TABLE recordings (
	tenant      TEXT NOT NULL,
	id          TEXT NOT NULL,
	call_id     TEXT NOT NULL,
	path        TEXT NOT NULL,
	started     INTEGER NOT NULL,
	duration_ms INTEGER NOT NULL,
	size_bytes  INTEGER NOT NULL,
	fault       TEXT NOT NULL,
	closed      INTEGER NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX recordings_started ON recordings (tenant, started, id);
CREATE TABLE agent_states (
	tenant TEXT NOT NULL,
	agent  TEXT NOT NULL,
	saved  TEXT NOT NULL,
	PRIMARY KEY (tenant, agent)
);
CREATE TABLE bindings (
	tenant  TEXT NOT NULL,
	device  TEXT NOT NULL,
	contact TEXT NOT NULL,
	expires INTEGER NOT NULL,
	binding TEXT NOT NULL,
	PRIMARY KEY (tenant, device, contact)
) WITHOUT ROWID;
CREATE TABLE resources (
	tenant TEXT NOT NULL,
	kind   TEXT NOT NULL,
	name   TEXT NOT NULL,
	spec   TEXT NOT NULL,
	PRIMARY KEY (tenant, kind, name)
);
CREATE TABLE revisions (
	revision INTEGER PRIMARY KEY,
	at       INTEGER NOT NULL,
	by       TEXT NOT NULL,
	changes  INTEGER NOT NULL
);
CREATE TABLE resource_history (
	revision INTEGER NOT NULL,
	tenant   TEXT NOT NULL,
	kind     TEXT NOT NULL,
	name     TEXT NOT NULL,
	op       TEXT NOT NULL,
	spec     TEXT NOT NULL,
	PRIMARY KEY (tenant, kind, name, revision)
);`,
	`-- all tenants: values of the node
CREATE TABLE node_values (
	name  TEXT PRIMARY KEY,
	value BLOB NOT NULL
) WITHOUT ROWID;`,
	`CREATE TABLE device_states (
	tenant TEXT NOT NULL,
	device TEXT NOT NULL,
	dnd    INTEGER NOT NULL, -- 1: takes no calls
	PRIMARY KEY (tenant, device)
) WITHOUT ROWID;`,
	`CREATE TABLE subscriptions (
	tenant       TEXT NOT NULL,
	call_id      TEXT NOT NULL,
	tag          TEXT NOT NULL,
	expires      INTEGER NOT NULL,
	subscription TEXT NOT NULL,
	PRIMARY KEY (tenant, call_id, tag)
) WITHOUT ROWID;`,
	`-- todo 1: the file is to be checked or converted
ALTER TABLE recordings ADD COLUMN sha256 TEXT NOT NULL DEFAULT '';
ALTER TABLE recordings ADD COLUMN paused_ms INTEGER NOT NULL DEFAULT 0;
ALTER TABLE recordings ADD COLUMN todo INTEGER NOT NULL DEFAULT 0;
CREATE INDEX recordings_todo ON recordings (tenant, id) WHERE todo = 1;
CREATE INDEX recordings_open ON recordings (tenant, id) WHERE closed = 0;`,
	`-- gen: a rebuild makes the rows of the next one beside those in use
CREATE TABLE report_rows (
	tenant TEXT NOT NULL,
	gen    INTEGER NOT NULL,
	kind   TEXT NOT NULL,
	start  INTEGER NOT NULL,
	name   TEXT NOT NULL,
	counts TEXT NOT NULL,
	PRIMARY KEY (tenant, gen, kind, start, name)
) WITHOUT ROWID;
CREATE TABLE report_state (
	gen     INTEGER PRIMARY KEY,
	active  INTEGER NOT NULL,
	version INTEGER NOT NULL,
	seq     INTEGER NOT NULL,
	state   BLOB NOT NULL
);`,
	`CREATE TABLE flow_drafts (
	tenant TEXT NOT NULL,
	name   TEXT NOT NULL,
	at     INTEGER NOT NULL,
	by     TEXT NOT NULL,
	base   INTEGER NOT NULL, -- version it was begun from
	text   TEXT NOT NULL,
	PRIMARY KEY (tenant, name)
) WITHOUT ROWID;`,
	`-- audit: one line for each "audit" event of the journal
CREATE TABLE accounts (
	tenant  TEXT NOT NULL,
	name    TEXT NOT NULL,
	account TEXT NOT NULL,
	PRIMARY KEY (tenant, name)
) WITHOUT ROWID;
CREATE TABLE sessions (
	tenant  TEXT NOT NULL,
	hash    TEXT NOT NULL,
	name    TEXT NOT NULL,
	seen    INTEGER NOT NULL,
	session TEXT NOT NULL,
	PRIMARY KEY (tenant, hash)
) WITHOUT ROWID;
CREATE TABLE links (
	tenant TEXT NOT NULL,
	hash   TEXT NOT NULL,
	name   TEXT NOT NULL,
	link   TEXT NOT NULL,
	PRIMARY KEY (tenant, hash)
) WITHOUT ROWID;
CREATE TABLE api_keys (
	tenant TEXT NOT NULL,
	id     TEXT NOT NULL,
	used   INTEGER NOT NULL,
	key    TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE TABLE audit (
	seq    INTEGER PRIMARY KEY,
	at     INTEGER NOT NULL,
	tenant TEXT NOT NULL,
	by     TEXT NOT NULL,
	action TEXT NOT NULL,
	object TEXT NOT NULL,
	source TEXT NOT NULL,
	detail TEXT NOT NULL
);
CREATE INDEX audit_tenant ON audit (tenant, seq);
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is never changed'); END;
CREATE TRIGGER audit_kept BEFORE DELETE ON audit BEGIN SELECT RAISE(ABORT, 'the audit log is never changed'); END;
CREATE TABLE idempotency (
	tenant  TEXT NOT NULL,
	who     TEXT NOT NULL,
	key     TEXT NOT NULL,
	at      INTEGER NOT NULL,
	request TEXT NOT NULL,
	answer  TEXT NOT NULL,
	PRIMARY KEY (tenant, who, key)
) WITHOUT ROWID;`,
	`CREATE TABLE callbacks (
	tenant TEXT NOT NULL,
	id     TEXT NOT NULL,
	saved  TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
) WITHOUT ROWID;`,
	`CREATE TABLE closures (
	tenant   TEXT NOT NULL,
	schedule TEXT NOT NULL,
	since    INTEGER NOT NULL,
	until    INTEGER NOT NULL, -- 0: until somebody opens it
	reason   TEXT NOT NULL,
	by       TEXT NOT NULL,
	PRIMARY KEY (tenant, schedule)
) WITHOUT ROWID;
CREATE TABLE prompt_versions (
	tenant      TEXT NOT NULL,
	name        TEXT NOT NULL,
	language    TEXT NOT NULL,
	version     INTEGER NOT NULL,
	at          INTEGER NOT NULL,
	by          TEXT NOT NULL,
	source      TEXT NOT NULL,
	text        TEXT NOT NULL,
	path        TEXT NOT NULL,
	sha256      TEXT NOT NULL,
	duration_ms INTEGER NOT NULL,
	size_bytes  INTEGER NOT NULL,
	in_use      INTEGER NOT NULL,
	PRIMARY KEY (tenant, name, language, version)
) WITHOUT ROWID;`,
	`-- kind '' is a conversation, message what a caller said to a flow or into box
ALTER TABLE recordings ADD COLUMN kind TEXT NOT NULL DEFAULT '';
ALTER TABLE recordings ADD COLUMN box TEXT NOT NULL DEFAULT '';
CREATE TABLE voicemail (
	tenant      TEXT NOT NULL,
	id          TEXT NOT NULL, -- of its recording
	box         TEXT NOT NULL,
	call_id     TEXT NOT NULL,
	caller      TEXT NOT NULL,
	display     TEXT NOT NULL,
	at          INTEGER NOT NULL,
	duration_ms INTEGER NOT NULL,
	state       TEXT NOT NULL, -- new, saved
	PRIMARY KEY (tenant, id)
);
CREATE INDEX voicemail_at ON voicemail (tenant, at, id);
CREATE INDEX voicemail_box ON voicemail (tenant, box, state);`,
	`CREATE TABLE contacts (
	tenant  TEXT NOT NULL,
	id      TEXT NOT NULL,
	updated INTEGER NOT NULL,
	owner   TEXT NOT NULL,
	search  TEXT NOT NULL,
	contact TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE INDEX contacts_updated ON contacts (tenant, updated, id);
CREATE TABLE contact_numbers (
	tenant  TEXT NOT NULL,
	number  TEXT NOT NULL,
	contact TEXT NOT NULL,
	PRIMARY KEY (tenant, number)
) WITHOUT ROWID;
CREATE INDEX contact_numbers_contact ON contact_numbers (tenant, contact);
CREATE TABLE cases (
	tenant  TEXT NOT NULL,
	id      TEXT NOT NULL,
	number  INTEGER NOT NULL,
	type    TEXT NOT NULL,
	state   TEXT NOT NULL,
	closed  INTEGER NOT NULL,
	contact TEXT NOT NULL,
	owner   TEXT NOT NULL,
	opened  INTEGER NOT NULL,
	updated INTEGER NOT NULL,
	doc     TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
);
CREATE UNIQUE INDEX cases_number ON cases (tenant, number);
CREATE INDEX cases_updated ON cases (tenant, updated, id);
CREATE INDEX cases_contact ON cases (tenant, contact, updated);
CREATE INDEX cases_owner ON cases (tenant, owner, updated);
-- the history of a caller
CREATE INDEX calls_caller ON calls (tenant, caller, started);
CREATE INDEX calls_dialled ON calls (tenant, dialled, started);`,
	`CREATE TABLE webhooks (
	tenant TEXT NOT NULL,
	name   TEXT NOT NULL,
	state  TEXT NOT NULL,
	PRIMARY KEY (tenant, name)
) WITHOUT ROWID;
CREATE TABLE webhook_dead (
	tenant TEXT NOT NULL,
	name   TEXT NOT NULL,
	seq    INTEGER NOT NULL,
	dead   TEXT NOT NULL,
	PRIMARY KEY (tenant, name, seq)
) WITHOUT ROWID;`,
	`-- all tenants: by which way a revision came
ALTER TABLE revisions ADD COLUMN via TEXT NOT NULL DEFAULT '';`,
	`-- one row for each question of a call: who answers twice has answered as the last time
CREATE TABLE survey_answers (
	tenant    TEXT NOT NULL,
	survey    TEXT NOT NULL,
	call_id   TEXT NOT NULL,
	question  TEXT NOT NULL,
	seq       INTEGER NOT NULL, -- of the event
	at        INTEGER NOT NULL,
	flow      TEXT NOT NULL,
	version   INTEGER NOT NULL,
	kind      TEXT NOT NULL,
	value     TEXT NOT NULL,
	recording TEXT NOT NULL,
	queue     TEXT NOT NULL,
	agent     TEXT NOT NULL,
	PRIMARY KEY (tenant, survey, call_id, question)
) WITHOUT ROWID;
CREATE INDEX survey_answers_seq ON survey_answers (tenant, survey, seq);`,
	`-- what agents said of calls
CREATE TABLE dispositions (
	tenant      TEXT NOT NULL,
	call_id     TEXT NOT NULL,
	agent       TEXT NOT NULL,
	at          INTEGER NOT NULL,
	queue       TEXT NOT NULL,
	list        TEXT NOT NULL,
	disposition TEXT NOT NULL,
	heading     TEXT NOT NULL, -- its group
	note        TEXT NOT NULL,
	PRIMARY KEY (tenant, call_id, agent)
) WITHOUT ROWID;
CREATE INDEX dispositions_at ON dispositions (tenant, at);
CREATE TABLE script_answers (
	tenant  TEXT NOT NULL,
	call_id TEXT NOT NULL,
	agent   TEXT NOT NULL,
	script  TEXT NOT NULL,
	at      INTEGER NOT NULL,
	queue   TEXT NOT NULL,
	contact TEXT NOT NULL,
	answers TEXT NOT NULL,
	done    INTEGER NOT NULL,
	PRIMARY KEY (tenant, call_id, agent, script)
) WITHOUT ROWID;
CREATE INDEX script_answers_at ON script_answers (tenant, at);
CREATE INDEX script_answers_contact ON script_answers (tenant, contact, at);
CREATE TABLE reminders (
	tenant TEXT NOT NULL,
	id     TEXT NOT NULL,
	agent  TEXT NOT NULL,
	at     INTEGER NOT NULL,
	doc    TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX reminders_agent ON reminders (tenant, agent, at);`,
	`CREATE TABLE notices (
	tenant     TEXT NOT NULL,
	id         TEXT NOT NULL,
	at         INTEGER NOT NULL,
	by         TEXT NOT NULL,
	recipients TEXT NOT NULL, -- as they were named
	text       TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX notices_at ON notices (tenant, at, id);
CREATE TABLE notice_agents (
	tenant TEXT NOT NULL,
	id     TEXT NOT NULL,
	agent  TEXT NOT NULL,
	read   INTEGER NOT NULL, -- 0: not yet
	PRIMARY KEY (tenant, id, agent)
) WITHOUT ROWID;
CREATE INDEX notice_agents_unread ON notice_agents (tenant, agent) WHERE read = 0;
CREATE TABLE marks (
	tenant    TEXT NOT NULL,
	id        TEXT NOT NULL,
	recording TEXT NOT NULL,
	call_id   TEXT NOT NULL,
	at_ms     INTEGER NOT NULL,
	at        INTEGER NOT NULL,
	by        TEXT NOT NULL,
	text      TEXT NOT NULL,
	PRIMARY KEY (tenant, id)
) WITHOUT ROWID;
CREATE INDEX marks_recording ON marks (tenant, recording, at_ms);
CREATE INDEX marks_call ON marks (tenant, call_id);`,
}

// tenantTables are the tables whose rows belong to a tenant.
var tenantTables = []string{"events", "calls", "recordings", "agent_states", "bindings", "device_states", "subscriptions", "report_rows", "resources", "resource_history", "accounts", "sessions", "links", "api_keys", "audit", "idempotency", "flow_drafts", "callbacks", "closures", "prompt_versions", "voicemail", "contacts", "contact_numbers", "cases", "webhooks", "webhook_dead", "dispositions", "script_answers", "reminders", "survey_answers", "notices", "notice_agents", "marks"}

func migrate(ctx context.Context, db *sql.DB) error {
	var have int
	if err := db.QueryRowContext(ctx, `PRAGMA user_version`).Scan(&have); err != nil {
		return fmt.Errorf("store: read schema version: %w", err)
	}
	if have > len(migrations) {
		return fmt.Errorf("store: the file has schema %d and this build knows %d; start the newer build, or restore the backup made before it", have, len(migrations))
	}
	for ; have < len(migrations); have++ {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return fmt.Errorf("store: schema %d: %w", have+1, err)
		}
		if _, err = tx.ExecContext(ctx, migrations[have]); err == nil {
			_, err = tx.ExecContext(ctx, fmt.Sprintf(`PRAGMA user_version = %d`, have+1))
		}
		if err != nil {
			tx.Rollback()
			return fmt.Errorf("store: schema %d: %w", have+1, err)
		}
		if err := tx.Commit(); err != nil {
			return fmt.Errorf("store: schema %d: %w", have+1, err)
		}
	}
	return nil
}
