-- What every connection is told when it opens. Sections are run one by one by their name.

-- :name pragma_new
-- Only has an effect on a file without tables: pages that become free can be given back.
PRAGMA auto_vacuum = INCREMENTAL;

-- :name pragma_writer
-- FULL: a commit is on disk when it returns. A checkpoint each 16 MiB of log at 4 KiB a page.
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
PRAGMA foreign_keys = ON;
PRAGMA wal_autocheckpoint = 4000;
PRAGMA journal_size_limit = 16777216;
PRAGMA cache_size = -4096;
PRAGMA temp_store = MEMORY;
PRAGMA trusted_schema = OFF;

-- :name pragma_reader
PRAGMA query_only = ON;
PRAGMA cache_size = -2048;
PRAGMA temp_store = MEMORY;
PRAGMA trusted_schema = OFF;

-- :name schema_version
PRAGMA user_version;

-- :name application_id
PRAGMA application_id;

-- :name read_begin
BEGIN;

-- :name write_begin
BEGIN IMMEDIATE;

-- :name commit
COMMIT;

-- :name rollback
ROLLBACK;

-- :name checkpoint
-- What readers still need waits for the next time.
PRAGMA wal_checkpoint(PASSIVE);

-- :name give_back
-- Free pages go back to the file system, a bounded number at a time.
PRAGMA incremental_vacuum(4096);
