/* SPDX-License-Identifier: Apache-2.0 */
/*
 * perf_tcp: what the kernel's TCP can do, for comparison with the fabric. One stream is one of
 * case.eps of a port. Messages travel in frames with a head of 8 bytes for all messages that were
 * handed over together; figures count the messages alone.
 *
 * What DONE means:
 *   send      the kernel has taken the whole message; the twin may not have it yet
 *   write     the twin has read the whole message and said so (it confirms all that one poll found
 *             at once)
 *   writeimm  as write; the twin is told as well
 *   read      the whole answer has been read here
 * The reader reads into one small buffer, as iperf3 does: what is measured is the kernel's path,
 * not where content is put afterwards.
 *
 * A poll of BW and RATE that finds nothing sleeps up to 100 us, so that processor time is what TCP
 * costs and not what waiting costs. The other tests never sleep in a poll.
 */
#ifndef WEFT_PERF_TCP_H
#define WEFT_PERF_TCP_H

/*
 * The host, a literal address, at which ports of this process listen that are targets, and which
 * their twins are told: that by which the twin reached this machine already (the control
 * channel's). Before the first port is opened; NULL or never: 127.0.0.1. 0, or -EINVAL with
 * err_set().
 */
int perf_tcp_bind(const char *host);

#endif /* WEFT_PERF_TCP_H */
