-- Statements on catalogue.db.

-- :name account_add
INSERT INTO account (tenant, email, password, owner, created) VALUES (?, ?, ?, ?, ?);

-- :name account_by_email
SELECT id, tenant, email, password, owner, created FROM account WHERE email = ?;

-- :name account_by_id
SELECT id, tenant, email, password, owner, created FROM account WHERE id = ?;

-- :name account_count
SELECT count(*) FROM account;

-- :name tenant_add
INSERT INTO tenant (created) VALUES (?);

-- :name session_add
INSERT OR REPLACE INTO session (hash, account, expires) VALUES (?, ?, ?);

-- :name session_get
SELECT account FROM session WHERE hash = ? AND expires > ?;

-- :name session_remove
DELETE FROM session WHERE hash = ?;

-- :name session_expire
DELETE FROM session WHERE expires <= ?;

-- :name key_add
INSERT INTO access_key (tenant, account, name, prefix, hash, scope, created, last_used)
VALUES (?, nullif(?, 0), ?, ?, ?, ?, ?, ?);

-- :name key_list
SELECT id, tenant, account, name, prefix, hash, scope, created, last_used
FROM access_key WHERE tenant = ? ORDER BY id;

-- :name key_by_hash
SELECT id, tenant, account, name, prefix, hash, scope, created, last_used
FROM access_key WHERE hash = ?;

-- :name key_touch
-- Not more often than once a minute: each change waits for the disk.
UPDATE access_key SET last_used = ?1 WHERE id = ?2 AND last_used <= ?1 - 60000000000;

-- :name key_remove
DELETE FROM access_key WHERE tenant = ? AND id = ?;

-- :name service_add
INSERT INTO service (tenant, name, first_host, created, first_seen, last_seen)
VALUES (?, ?, '', ?, 0, 0);

-- :name service_get
SELECT id, tenant, name, first_host, created, first_seen, last_seen
FROM service WHERE tenant = ? AND name = ?;

-- :name service_list
SELECT id, tenant, name, first_host, created, first_seen, last_seen
FROM service WHERE tenant = ? ORDER BY name;

-- :name service_first
UPDATE service SET first_host = ?, first_seen = ?, last_seen = ? WHERE id = ?;

-- :name service_seen
UPDATE service SET last_seen = max(last_seen, ?) WHERE id = ?;

-- :name setting_get
SELECT value FROM setting WHERE name = ?;

-- :name setting_set
INSERT OR REPLACE INTO setting (name, value) VALUES (?, ?);

-- :name setting_remove
DELETE FROM setting WHERE name = ?;

-- :name commit_point
SELECT batch FROM commit_point;

-- :name commit_point_set
UPDATE commit_point SET batch = ?;

-- :name intent_add
INSERT INTO intent (batch, tenant, day) VALUES (?, ?, ?);

-- :name intent_list
SELECT batch, tenant, day FROM intent ORDER BY batch, tenant, day;

-- :name intent_remove
DELETE FROM intent WHERE batch = ?;
