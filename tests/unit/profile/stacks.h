/* Profiles for tests, written as text. */
#ifndef GLIM_TEST_STACKS_H
#define GLIM_TEST_STACKS_H

#include "profile/profile.h"

uint32_t stacks_frame(struct profile *p, const char *name, uint32_t line, uint8_t kind);
uint32_t stacks_process(struct profile *p, const char *process);
/* Add one sample of `text`, frames parted by ';', each "name" or "name:line", outermost first;
 * marks in brackets. process: NULL for none. */
void stacks_add(struct profile *p, const char *process, const char *text, int64_t value);

#endif
