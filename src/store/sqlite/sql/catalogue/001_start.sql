-- catalogue.db: who may do what, and what is known of services. One file a server.

PRAGMA user_version = 1;
PRAGMA application_id = 1735158125;                  -- "glim"

CREATE TABLE tenant (
	id INTEGER PRIMARY KEY AUTOINCREMENT,        -- never used again: it names the folder of the days
	created INTEGER NOT NULL                     -- ns since 1970
) STRICT;

-- The first account's; it may have keys and data before.
INSERT INTO tenant (id, created) VALUES (1, unixepoch() * 1000000000);

CREATE TABLE account (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	tenant INTEGER NOT NULL REFERENCES tenant (id),
	email TEXT NOT NULL UNIQUE,                  -- lower case
	password TEXT NOT NULL,                      -- argon2id string, salt included
	owner INTEGER NOT NULL,                      -- 1: may administer the tenant
	created INTEGER NOT NULL                     -- ns since 1970
) STRICT;

CREATE TABLE session (
	hash BLOB PRIMARY KEY,                       -- of the cookie's secret, 32 bytes
	account INTEGER NOT NULL REFERENCES account (id),
	expires INTEGER NOT NULL                     -- ns since 1970
) STRICT, WITHOUT ROWID;

CREATE INDEX session_expires ON session (expires);

CREATE TABLE access_key (
	id INTEGER PRIMARY KEY AUTOINCREMENT,
	tenant INTEGER NOT NULL REFERENCES tenant (id),
	account INTEGER REFERENCES account (id),     -- who made it, NULL: the server itself
	name TEXT NOT NULL,                          -- chosen by a person
	prefix TEXT NOT NULL,                        -- first characters of the secret, to recognise it
	hash BLOB NOT NULL UNIQUE,                   -- of the secret, 32 bytes
	scope INTEGER NOT NULL,                      -- enum key_scope
	created INTEGER NOT NULL,                    -- ns since 1970
	last_used INTEGER NOT NULL                   -- ns since 1970, 0: never
) STRICT;

CREATE INDEX access_key_tenant ON access_key (tenant, id);

CREATE TABLE service (
	id INTEGER PRIMARY KEY AUTOINCREMENT,        -- named by the day files
	tenant INTEGER NOT NULL REFERENCES tenant (id),
	name TEXT NOT NULL,
	first_host TEXT NOT NULL,                    -- that sent the first window, empty: none came yet
	created INTEGER NOT NULL,                    -- ns since 1970
	first_seen INTEGER NOT NULL,                 -- start of the first window received, 0: none
	last_seen INTEGER NOT NULL,                  -- end of the latest window received, up to a minute old
	UNIQUE (tenant, name)
) STRICT;

CREATE TABLE setting (
	name TEXT PRIMARY KEY,
	value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- The number of the last batch that spanned more than one file (see append.c).
CREATE TABLE commit_point (
	id INTEGER PRIMARY KEY CHECK (id = 1),
	batch INTEGER NOT NULL                       -- batches up to this one are complete
) STRICT;

INSERT INTO commit_point (id, batch) VALUES (1, 0);

-- Day files that a batch is about to be written to; left behind only by a crash or a full disk.
CREATE TABLE intent (
	batch INTEGER NOT NULL,
	tenant INTEGER NOT NULL,
	day INTEGER NOT NULL,                        -- days since 1970
	PRIMARY KEY (batch, tenant, day)
) STRICT, WITHOUT ROWID;
