/* unwind/python/object.h - the objects of a Python process, read without running any of its code.
 *
 * What lies there is from strangers and changes while it is read: every size is checked, every loop
 * has a bound, and what makes no sense is an error, -EINVAL. Nothing is kept between calls.
 * Memory: the struct memory stays the caller's. Threads: one a struct python_objects. */
#ifndef GLIM_UNWIND_PYTHON_OBJECT_H
#define GLIM_UNWIND_PYTHON_OBJECT_H

#include "base/buf.h"
#include "process/memory.h"
#include "unwind/python/object_layout.h"

struct python; /* unwind/unwind.h */
struct python_objects {
	const struct memory *memory;
	const struct python_object_layout *layout;
	uint32_t version; /* PY_VERSION_HEX */
};
/* -ENOTSUP: a version whose objects we do not know. */
int python_objects_init(struct python_objects *o, const struct memory *m, uint32_t version);
/* The same for what python_text_object_layout_of knows. */
int python_text_objects_init(struct python_objects *o, const struct memory *m, uint32_t version,
			     bool free_threaded);
/* The same for an interpreter with a GIL: those of builds without one are laid out otherwise, but
 * for text. */
int python_objects_of(struct python_objects *o, const struct memory *m, const struct python *py);

enum python_kind {
	PYTHON_OTHER, /* told by its type's name only */
	PYTHON_NONE,
	PYTHON_BOOL,
	PYTHON_INT,
	PYTHON_FLOAT,
	PYTHON_STR,
	PYTHON_BYTES,
	PYTHON_TUPLE,
	PYTHON_LIST,
	PYTHON_SET, /* a frozenset, too */
	PYTHON_DICT,
	PYTHON_EXCEPTION,
	PYTHON_TYPE,
	PYTHON_MODULE,
	PYTHON_CELL,
	PYTHON_FUNCTION,
	PYTHON_METHOD, /* bound */
};

enum { PYTHON_TYPE_NAME = 80 };
struct python_object {
	uint64_t address, type;
	uint64_t flags;		     /* tp_flags of the type */
	enum python_kind kind;	     /* an instance of a subclass has the kind of its base */
	char name[PYTHON_TYPE_NAME]; /* of the type, without its module; from strangers */
};
/* -EINVAL: no object lies there. */
int python_object_read(const struct python_objects *o, uint64_t address, struct python_object *ret);
/* The name of a type object, as above. */
int python_type_name(const struct python_objects *o, uint64_t type, char ret[PYTHON_TYPE_NAME]);

/* The value of a bool or of an int of 64 bits; -ERANGE: it has more. */
int python_int(const struct python_objects *o, uint64_t address, int64_t *ret);
/* The digits of an int, 30 bits each, low ones first: their whole number, of which max at most are
 * copied. */
int python_int_digits(const struct python_objects *o, uint64_t address, uint32_t *ret, size_t max,
		      bool *ret_negative);
int python_float(const struct python_objects *o, uint64_t address, double *ret);
/* Append the first max characters of a str as UTF-8 (bytes of a bytes object, as they are), or all;
 * returns how many there are. The str of 2.7 is bytes. */
int64_t python_str(const struct python_objects *o, uint64_t address, size_t max, struct buf *out);
int64_t python_bytes(const struct python_objects *o, uint64_t address, size_t max, struct buf *out);
/* Addresses of the first max elements of a tuple, list or set; returns how many of them there are.
 * 0 among them: not filled in yet. */
int python_elements(const struct python_objects *o, const struct python_object *object,
		    uint64_t *ret, size_t max, uint64_t *ret_total);

/* Going through the pairs of a dict, or through the attributes of an instance. */
struct python_dict {
	uint64_t entries, values; /* values: split from the keys; 0: in the entries */
	uint32_t count, at;
	uint32_t entry_size, key_at; /* a value stands behind its key */
	uint32_t have, from;	     /* the buffer's first entry and how many it has */
	uint64_t used;		     /* as the dict itself counts */
	uint8_t buffer[1536];
	uint64_t value_buffer[64];
};
int python_dict_open(const struct python_objects *o, uint64_t address, struct python_dict *ret);
/* -ENOENT: it has none that we can read (slots, structs of C). */
int python_attributes_open(const struct python_objects *o, const struct python_object *object,
			   struct python_dict *ret);
/* The next pair: 1, 0 at the end, or an errno. */
int python_dict_next(const struct python_objects *o, struct python_dict *d, uint64_t *ret_key,
		     uint64_t *ret_value);
/* The value of a key that is this text; -ENOENT: there is none. */
int python_dict_find(const struct python_objects *o, uint64_t dict, const char *key, uint64_t *ret);
int python_attribute(const struct python_objects *o, uint64_t object, const char *name,
		     uint64_t *ret);
/* Append the first max characters of an attribute that is a str; -EINVAL: it is none. */
int python_text_attribute(const struct python_objects *o, uint64_t object, const char *name,
			  size_t max, struct buf *out);
/* An imported module. -ENOENT: nobody imported it. */
int python_module(const struct python_objects *o, uint64_t interpreter, const char *module,
		  uint64_t *ret);
/* Its namespace, a dict. */
int python_module_dict(const struct python_objects *o, uint64_t interpreter, const char *module,
		       uint64_t *ret);

#endif
