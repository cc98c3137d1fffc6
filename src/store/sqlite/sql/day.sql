-- Statements on a day file.

-- :name string_add
INSERT INTO string (id, text) VALUES (?, ?);

-- :name string_get
SELECT text FROM string WHERE id = ?;

-- :name string_latest
SELECT id, text FROM string ORDER BY id DESC LIMIT ?;

-- :name function_add
INSERT INTO function (id, name, file, module, start_line, kind) VALUES (?, ?, ?, ?, ?, ?);

-- :name function_get
SELECT name, file, module, start_line, kind FROM function WHERE id = ?;

-- :name function_latest
SELECT id, name, file, module, start_line, kind FROM function ORDER BY id DESC LIMIT ?;

-- :name frame_add
INSERT INTO frame (id, function, line, address) VALUES (?, ?, ?, ?);

-- :name frame_get
SELECT function, line, address FROM frame WHERE id = ?;

-- :name frame_latest
SELECT id, function, line, address FROM frame ORDER BY id DESC LIMIT ?;

-- :name frame_last
SELECT max(id) FROM frame;

-- :name stack_last
SELECT max(id) FROM stack;

-- :name stack_add
INSERT INTO stack (id, parent, frame) VALUES (?, ?, ?);

-- :name stack_get
SELECT parent, frame FROM stack WHERE id = ?;

-- :name stack_latest
SELECT id, parent, frame FROM stack ORDER BY id DESC LIMIT ?;

-- :name labelset_add
INSERT INTO labelset (hash, pairs) VALUES (?, ?);

-- :name labelset_find
SELECT id FROM labelset WHERE hash = ? AND pairs = ?;

-- :name labelset_get
SELECT pairs FROM labelset WHERE id = ?;

-- :name series_add
INSERT INTO series (service, type, unit, host) VALUES (?, ?, ?, ?);

-- :name series_find
SELECT id, unit FROM series WHERE service = ? AND type = ? AND host = ?;

-- :name series_unit
SELECT unit FROM series WHERE service = ? AND type = ? LIMIT 1;

-- :name series_list
SELECT id, unit FROM series WHERE service = ? AND type = ? ORDER BY id;

-- :name series_all
SELECT id FROM series ORDER BY id;

-- :name seen_add
INSERT OR IGNORE INTO seen (start, id, batch) VALUES (?, ?, ?);

-- :name block_add
INSERT INTO block (series, level, start, until, batch, period, count, value, spans, data, detail)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?);

-- :name block_range
-- What may hold windows of a series between two times. ?2: from, ?3: until, ?4 and ?5: from, rounded
-- down to an hour and to 5 minutes, ?6: the last complete batch, ?7: a batch that is to be undone
-- (see append.c).
SELECT level, start, until, period, spans, data, detail FROM block
WHERE series = ?1 AND level IN (2, 3) AND start >= ?4 AND start < ?3
UNION ALL
SELECT level, start, until, period, spans, data, detail FROM block
WHERE series = ?1 AND level = 1 AND start >= ?5 AND start < ?3
UNION ALL
SELECT level, start, until, period, spans, data, detail FROM block
WHERE series = ?1 AND level = 0 AND start >= ?2 AND start < ?3
	AND batch <= ?6 AND batch <> ?7;

-- :name block_undo
DELETE FROM block WHERE level = 0 AND batch = ?;

-- :name seen_undo
DELETE FROM seen WHERE batch = ?;

-- :name points_undo
DELETE FROM points WHERE level = 0 AND batch = ?;

-- :name block_first
SELECT min(start) FROM block WHERE series = ? AND level = ? AND start < ?;

-- :name block_gather
SELECT id, start, until, period, data, detail, spans FROM block
WHERE series = ? AND level = ? AND start >= ? AND start < ? ORDER BY id;

-- :name block_drop
DELETE FROM block WHERE series = ? AND level = ? AND start >= ? AND start < ? AND id <= ?;

-- :name free_pages
PRAGMA freelist_count;

-- :name metric_add
INSERT INTO metric (service, name) VALUES (?, ?);

-- :name metric_find
SELECT id FROM metric WHERE service = ? AND name = ?;

-- :name metric_all
SELECT id FROM metric ORDER BY id;

-- :name points_add
INSERT INTO points (metric, level, start, until, batch, data) VALUES (?, ?, ?, ?, ?, ?);

-- :name points_range
-- ?2: from, ?3: until, ?4: from, rounded down to 5 minutes, ?5, ?6: as ?6, ?7
-- of block_range.
SELECT id, start / 300000000000 AS period, data FROM points
WHERE metric = ?1 AND level = 1 AND start >= ?4 AND start < ?3
UNION ALL
SELECT id, start / 300000000000 AS period, data FROM points
WHERE metric = ?1 AND level = 0 AND start >= ?4 AND start < ?3
	AND batch <= ?5 AND batch <> ?6
ORDER BY period, id;

-- :name points_first
SELECT min(start) FROM points WHERE metric = ? AND level = ? AND start < ?;

-- :name points_gather
SELECT id, data FROM points
WHERE metric = ? AND level = ? AND start >= ? AND start < ? ORDER BY id;

-- :name points_drop
DELETE FROM points WHERE metric = ? AND level = ? AND start >= ? AND start < ? AND id <= ?;
