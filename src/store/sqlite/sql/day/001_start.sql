-- tTENANT/YYYY-MM-DD.db: what one tenant's machines did on one day (UTC). Dropped whole.
--
-- Numbers of strings, functions, frames and stacks hold within this file only. A number means one
-- content for ever, but one content may have several numbers: the writer remembers what it wrote
-- in bounded memory instead of keeping an index on disk.

PRAGMA user_version = 1;
PRAGMA application_id = 1735158116;                  -- "glid"

CREATE TABLE string (
	id INTEGER PRIMARY KEY,                      -- 0, the empty string, has no row
	text TEXT NOT NULL
) STRICT;

CREATE TABLE function (
	id INTEGER PRIMARY KEY,
	name INTEGER NOT NULL,                       -- string
	file INTEGER NOT NULL,                       -- string
	module INTEGER NOT NULL,                     -- string
	start_line INTEGER NOT NULL,                 -- 0: unknown
	kind INTEGER NOT NULL                        -- enum frame_kind
) STRICT;

CREATE TABLE frame (
	id INTEGER PRIMARY KEY,
	function INTEGER NOT NULL,
	line INTEGER NOT NULL,                       -- 0: unknown
	address INTEGER NOT NULL                     -- in the module, 0 where the function has a name
) STRICT;

CREATE TABLE stack (
	id INTEGER PRIMARY KEY,                      -- 0, the stack without frames, has no row
	parent INTEGER NOT NULL,                     -- stack of the caller, a smaller number
	frame INTEGER NOT NULL                       -- the innermost frame
) STRICT;

CREATE TABLE labelset (
	id INTEGER PRIMARY KEY,                      -- one number a content
	hash INTEGER NOT NULL,                       -- xxHash of pairs
	pairs BLOB NOT NULL                          -- key NUL value NUL ..., sorted by key
) STRICT;

CREATE INDEX labelset_hash ON labelset (hash);

CREATE TABLE series (
	id INTEGER PRIMARY KEY,
	service INTEGER NOT NULL,                    -- of the catalogue
	type TEXT NOT NULL,                          -- of profile
	unit TEXT NOT NULL,
	host TEXT NOT NULL,                          -- that sent it
	UNIQUE (service, type, host)
) STRICT;

-- Every window is in one row: first in one of its own, then gathered with others.
CREATE TABLE block (
	id INTEGER PRIMARY KEY,
	series INTEGER NOT NULL,
	level INTEGER NOT NULL,                      -- 0: a window; 1: 5 minutes, detail by window; 2: an hour,
	                                             -- detail by window; 3: an hour, detail by 5 minutes
	start INTEGER NOT NULL,                      -- ns since 1970: of the window, the 5 minutes, the hour
	until INTEGER NOT NULL,                      -- end of the same
	batch INTEGER NOT NULL,                      -- that brought the window; 0: complete by itself
	period INTEGER NOT NULL,                     -- mean of what a sample stands for; 0: unknown
	count INTEGER NOT NULL,                      -- sum of all samples
	value INTEGER NOT NULL,                      -- sum of all samples
	spans BLOB,                                  -- but level 0: when data was taken (block.c)
	data BLOB NOT NULL,                          -- labelset, stack, count, value (block.c)
	detail BLOB                                  -- but level 0: how data spreads over time (block.c)
) STRICT;

CREATE INDEX block_time ON block (series, level, start);

-- Windows that were stored already, so that a repeated upload counts once.
CREATE TABLE seen (
	start INTEGER NOT NULL,                      -- of the window, seconds since 1970
	id INTEGER NOT NULL,                         -- 64 bits of a hash of window id, start and series
	batch INTEGER NOT NULL,                      -- as in block
	PRIMARY KEY (start, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE metric (
	id INTEGER PRIMARY KEY,
	service INTEGER NOT NULL,                    -- of the catalogue
	name TEXT NOT NULL,
	UNIQUE (service, name)
) STRICT;

CREATE TABLE points (
	id INTEGER PRIMARY KEY,                      -- of two equal points the one in the larger id holds
	metric INTEGER NOT NULL,
	level INTEGER NOT NULL,                      -- 0: as it came, 1: gathered over 5 minutes
	start INTEGER NOT NULL,                      -- ns since 1970: of the first point; level 1: of the period
	until INTEGER NOT NULL,                      -- ns since 1970: after the last point's time
	batch INTEGER NOT NULL,                      -- as in block
	data BLOB NOT NULL                           -- labelset, time, interval, value (points.c)
) STRICT;

CREATE INDEX points_time ON points (metric, level, start);
