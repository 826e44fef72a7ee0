/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Finding what has expired in an index. No memory for each key: the parts of the index know when
 * their first item is due, so a step goes to the next part that has something due and looks at
 * all of it. With nothing due a step costs one comparison.
 */
#ifndef WEFT_KV_EXPIRE_H
#define WEFT_KV_EXPIRE_H

#include <stdint.h>

#include "kv/index.h"

/*
 * Removes what has expired from one part of the index and puts it in front of the list *removed.
 * Returns the buckets and items looked at; 0: nothing in the index is due. Under the shard's
 * lock; the caller settles the index afterwards.
 */
uint64_t expire_step(struct index *index, uint64_t now_ns, struct item **removed);

#endif /* WEFT_KV_EXPIRE_H */
