/* SPDX-License-Identifier: Apache-2.0 */
/* For hot paths: which way a condition nearly always goes, so that the other is laid out apart. */
#ifndef WEFT_BASE_LIKELY_H
#define WEFT_BASE_LIKELY_H

#define likely(condition)   __builtin_expect(!!(condition), 1)
#define unlikely(condition) __builtin_expect(!!(condition), 0)

#endif /* WEFT_BASE_LIKELY_H */
