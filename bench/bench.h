/* SPDX-License-Identifier: Apache-2.0 */
/* What the programs of bench/ share. */
#ifndef WEFT_BENCH_BENCH_H
#define WEFT_BENCH_BENCH_H

/* Without a completion for this long a run has failed, nanoseconds. */
#define BENCH_STALL_NS 10000000000ull
/* So many polls without a completion go by between two looks at the clock. */
#define BENCH_STALL_POLLS 65536u
/* What the initiator waits for the end of the target, seconds. */
#define BENCH_JOIN_S 20u

enum bench_mode {
	BENCH_WRITE,
	BENCH_READ,
	BENCH_IMM,
	BENCH_PINGPONG,
};

enum bench_checksum {
	BENCH_CHECKSUM_NONE,
	BENCH_CHECKSUM_RECEIVER,
	BENCH_CHECKSUM_BOTH,
};

#endif /* WEFT_BENCH_BENCH_H */
