/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the kit know of one another. */
#ifndef KIT_OWN_H
#define KIT_OWN_H

#include <stdint.h>

/* Exit status of a process of a case; also of the runner (skipped: 77). */
enum {
	KIT_PASSED = 0,
	KIT_FAILED = 1,
	KIT_HUNG = 3,
	KIT_SKIPPED = 77,
};

/* Ends this process, with a line, after so many seconds. */
void kit_watch(uint32_t seconds);

/* Puts a process that was just forked for a case under the same rules. */
void kit_forked(void);

#endif
