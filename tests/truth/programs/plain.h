/* What plain.c and plain_leaves.c share. */
#ifndef PLAIN_H
#define PLAIN_H

#include "truth.h"

void plain_share(struct truth_place *places);
int leaf_pushes(int a, int b, int c);
int leaf_tiny(int place);
int leaf_big(char *room);
int leaf_moving(char *room);
int leaf_arguments(int a, int b, int c, int d, int e, int f, int g, int h, int i);
int leaf_aligned(char *room);

#endif
