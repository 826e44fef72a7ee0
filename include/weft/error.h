/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The list of weft's errors.
 *
 * Every weft function that can fail returns 0 (or a count) on success and a negative number on
 * failure: either -errno for what the operating system refused, or one of the codes below,
 * negated. Numbers start at 1000, so one int carries both kinds. weft_strerror() and weft_remedy()
 * know both; weft_error_detail() adds what failed, on which device or peer, and the provider's own
 * words.
 *
 * A row: X(name, number, program exit status, text, remedy). Numbers and exit statuses are part of
 * the interface: rows are added, never renumbered.
 */
#ifndef WEFT_ERROR_H
#define WEFT_ERROR_H

/* clang-format off */
#define WEFT_ERROR_MAP(X) \
	X(EDEADLINE,    1000, 10, "deadline passed", \
	  "raise the timeout, or look for a slow, stopped or partitioned peer") \
	X(ECANCELLED,   1001, 11, "cancelled", "submit it again if it is still wanted") \
	X(EPEERGONE,    1002, 12, "the peer is gone", "check that the peer process runs, then import its descriptor again") \
	X(EPEERSTALE,   1003, 12, "the peer was restarted since this descriptor was made", \
	  "fetch a fresh descriptor from the peer") \
	X(EPEERSTUCK,   1004, 12, "the peer does not progress and its in-flight bound is used up", \
	  "wait for the peer, or close and reopen the engine") \
	X(ENOPROVIDER,  1005, 13, "the requested provider is not available", \
	  "choose one that is listed, or install and check it with fi_info -p NAME") \
	X(ENODEVICE,    1006, 13, "no device matches the filter", "choose one that is listed") \
	X(EUNREACHABLE, 1007, 14, "no common way to the peer", \
	  "open a provider on both sides that reaches the other host") \
	X(EBOUNDS,      1008, 15, "the transfer lies outside the region", "check offset and length") \
	X(ERIGHTS,      1009, 15, "the region does not grant this access", \
	  "register it with the rights that the transfer needs") \
	X(EREVOKED,     1010, 15, "the region was revoked by its owner", "fetch a fresh descriptor") \
	X(EDESCRIPTOR,  1011, 16, "not a weft descriptor, or a damaged one", \
	  "carry the descriptor unchanged from weft_export() to weft_import()") \
	X(EVERSION,     1012, 16, "the protocol versions differ", "run the same weft release on both sides") \
	X(EQUEUEFULL,   1013, 17, "the queue is full", "poll or wait for completions, then submit again") \
	X(ELIMIT,       1014, 17, "a configured limit is reached", "raise the limit or release something") \
	X(EREFUSED,     1015, 15, "the remote side refused the access", \
	  "check that the region is still registered at its owner") \
	X(EPROVIDER,    1016, 18, "the fabric provider failed", \
	  "read the provider's own text; FI_LOG_LEVEL=warn shows more") \
	X(EENVIRONMENT, 1017, 13, "an environment variable would make the provider abort the process", \
	  "unset it") \
	X(EMEMLOCK,     1018, 19, "memory cannot be registered", \
	  "raise the memory lock limit: ulimit -l unlimited in a shell, LimitMEMLOCK=infinity of a service, " \
	  "memlock in /etc/security/limits.d, --ulimit memlock=-1 of a container") \
	X(ENOTQUIET,    1019, 17, "the memory may still be touched by the network", \
	  "wait with the quiesce call, or close the engine") \
	X(EMESSAGE,     1020, 16, "a malformed message came from the network", \
	  "check that both sides are weft and that nothing rewrites the traffic") \
	X(ECLOSED,      1021, 11, "the engine is closing", "open a new engine") \
	X(ENONAME,      1022,  3, "nothing is published under this name", \
	  "open the address without a name to see what there is") \
	X(ESOFTWARE,    1023, 13, "WRITE or READ would be done by software, not by a device", \
	  "use a device and a libfabric that do both (efa: RDMA write and libfabric 1.18), or do not ask for it") \
	X(EGPU,         1024, 18, "CUDA's driver failed", \
	  "read its name for the error; nvidia-smi, and Xid lines of dmesg, show more") \
	X(EFORKED,      1025, 11, "weft was open in the parent when this process was forked", \
	  "fork before weft_open(), or let the child call exec; the parent can go on") \
	X(ENOTFOUND,    1100,  3, "no such key", "put it first; it may have expired") \
	X(EKEYSIZE,     1101,  4, "the key has an impossible size", "use 1 to 4096 bytes") \
	X(ETOOLARGE,    1102,  4, "the value is larger than allowed", \
	  "raise the server's --max-value-mb and --memory-mb, or store less") \
	X(EPOOLFULL,    1103,  5, "the server's pool is full", \
	  "delete keys, use a TTL, or start the server with more --memory-mb") \
	X(ESESSION,     1104,  6, "the server does not know this client", "register again") \
	X(ECHECKSUM,    1105,  7, "the content does not match its checksum", \
	  "put the value again and check the memory of both hosts") \
	X(EUNAVAILABLE, 1106,  8, "the server is not reachable", \
	  "check that weft serve, or the publisher, runs at this address and that the port is open") \
	X(EBUFFER,      1107,  4, "the value does not fit the buffer", "use a larger buffer") \
	X(EPROTOCOL,    1108, 16, "the other side does not speak this protocol", \
	  "check that the address is a weft server") \
	X(EBADREQUEST,  1109,  9, "the server rejected the request", "read the text; check the arguments")
/* clang-format on */

enum weft_error {
#define WEFT_ERROR_ENUM(name, number, exit_status, text, remedy) WEFT_##name = number,
	WEFT_ERROR_MAP(WEFT_ERROR_ENUM)
#undef WEFT_ERROR_ENUM
};

#endif /* WEFT_ERROR_H */
