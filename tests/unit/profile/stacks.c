#include "stacks.h"

uint32_t stacks_frame(struct profile *p, const char *name, uint32_t line, uint8_t kind)
{
	struct profile_function f = {.name = profile_string(p, name), .kind = kind};
	struct profile_frame fr = {.function = profile_function(p, &f), .line = line};

	return profile_frame(p, &fr);
}

uint32_t stacks_process(struct profile *p, const char *process)
{
	struct profile_label l = {profile_string(p, "process"), profile_string(p, process)};

	return profile_labels(p, &l, 1);
}

void stacks_add(struct profile *p, const char *process, const char *text, int64_t value)
{
	cleanup_free char *copy = mem_strdup(text);
	char *save = NULL;
	uint32_t stack = 0;

	for (char *s = strtok_r(copy, ";", &save); s; s = strtok_r(NULL, ";", &save)) {
		char *colon = strchr(s, ':');
		uint8_t kind = *s == '[' ? FRAME_MARK : FRAME_NATIVE;
		uint32_t line = 0;

		if (colon) {
			*colon = '\0';
			line = (uint32_t)strtoul(colon + 1, NULL, 10);
		}
		stack = profile_stack(p, stack, stacks_frame(p, s, line, kind));
	}
	profile_add(p, stack, process ? stacks_process(p, process) : 0, 1, value);
}
