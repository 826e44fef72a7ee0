/* SPDX-License-Identifier: Apache-2.0 */
/* E6, E7: what the NICs have counted since their driver was loaded. */
#include <inttypes.h>

#include "doctor/traffic.h"

/* More than one in so many is told of: the counters run since the driver was loaded, and a peer
 * that once went away is no fault of today's. */
#define FAILED_SHARE 1000

void check_E6(const struct doctor *doctor, struct finding *f);
void check_E7(const struct doctor *doctor, struct finding *f);

/* False, with a verdict, when the counters cannot be read. */
static bool read_or_say(const struct doctor *doctor, struct finding *f, struct traffic *ret)
{
	traffic_read(doctor, ret);
	if (ret->told)
		return true;
	finding_evidence(f, "/sys/class/infiniband/*/ports/1/hw_counters: nothing of an EFA NIC");
	finding_say(f, DOCTOR_UNKNOWN, "cannot be told: the EFA NICs' counters cannot be read");
	return false;
}

void check_E6(const struct doctor *doctor, struct finding *f)
{
	uint64_t failed, all;
	struct traffic t;

	if (!read_or_say(doctor, f, &t))
		return;
	failed = t.read_errors + t.write_errors;
	all = t.reads + t.writes;
	finding_evidence(f,
			 "hw_counters of %u EFA NIC%s: rdma_read_wrs %" PRIu64
			 ", rdma_read_wr_err %" PRIu64 ", rdma_write_wrs %" PRIu64
			 ", rdma_write_wr_err %" PRIu64,
			 t.told, plural(t.told), t.reads, t.read_errors, t.writes, t.write_errors);
	if (failed && failed <= all / FAILED_SHARE)
		finding_say(f, DOCTOR_OK,
			    "%" PRIu64 " of %" PRIu64 " RDMA requests have failed since the driver "
			    "was loaded (H2 tells whether more do now)",
			    failed, all);
	else if (failed)
		finding_say(f, DOCTOR_WARN,
			    "%" PRIu64 " RDMA request%s of this machine %s failed (most on %s)",
			    failed, plural((int64_t)failed), failed == 1 ? "has" : "have", t.worst);
	else if (all)
		finding_say(f, DOCTOR_OK, "none of %" PRIu64 " RDMA requests has failed", all);
	else
		finding_say(f, DOCTOR_OK, "no RDMA request was made yet");
}

void check_E7(const struct doctor *doctor, struct finding *f)
{
	struct traffic t;

	if (!read_or_say(doctor, f, &t))
		return;
	finding_evidence(f, "hw_counters: of %u EFA NICs, %u have sent and %u received", t.nics,
			 t.sent, t.received);
	if (!t.sent && !t.received)
		finding_say(
			f, DOCTOR_UNKNOWN,
			"no EFA NIC has carried anything yet; only two machines can tell whether "
			"they can");
	else if (t.idle.count || t.told < t.nics)
		finding_say(f, DOCTOR_UNKNOWN, "%u of %u EFA NICs have carried nothing yet: %s",
			    t.idle.count, t.nics, name_list_text(&t.idle));
	else
		finding_say(f, DOCTOR_OK, "%u EFA NIC%s: each has carried data", t.nics,
			    plural(t.nics));
}
