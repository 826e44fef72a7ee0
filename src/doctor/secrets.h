/* SPDX-License-Identifier: Apache-2.0 */
/* What must not leave the machine: values of variables that hold secrets. */
#ifndef WEFT_DOCTOR_SECRETS_H
#define WEFT_DOCTOR_SECRETS_H

#include <stdbool.h>
#include <stddef.h>

#define SECRET_REMOVED "(removed)"

/* Whether a name is one of a secret: it holds KEY, SECRET, TOKEN, PASS or CREDENTIAL, or begins
 * with AWS_; case does not matter. */
bool secret_name(const char *name, size_t len);
/* Whether a file may hold some: keys, tokens, other processes' environments and command lines. */
bool secret_file(const char *path);
/*
 * The environment as lines, values of secrets replaced, and user and password of addresses
 * (scheme://user:password@host). To be freed by mem_free(); NULL: no memory.
 */
char *secret_environ(char **environ);
/* Overwrites by '*' what values of secrets a text holds; those of fewer than 6 bytes are not looked
 * for, since they may stand for something else. */
void secret_scrub(char *text, size_t len, char **environ);

#endif /* WEFT_DOCTOR_SECRETS_H */
