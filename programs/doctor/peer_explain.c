/* SPDX-License-Identifier: Apache-2.0 */
/* Why nothing comes through, as far as what both sides say of themselves tells. */
#include <string.h>

#include "doctor/peer.h"

bool peer_differ(const char *a, const char *b)
{
	return *a && *b && strcmp(a, b) != 0;
}

static bool share_group(const char *a, const char *b)
{
	size_t len, other;

	for (; *a; a += len + (a[len] == ',')) {
		len = strcspn(a, ",");
		for (const char *at = b; *at; at += other + (at[other] == ',')) {
			other = strcspn(at, ",");
			if (len == other && !strncmp(a, at, len))
				return true;
		}
	}
	return false;
}

/* Types of the oldest generation talk EFA to their own kind only (EC2 User Guide, efa.html). */
static bool is_alone(const char *instance)
{
	static const char *const families[] = { "p4d.", "p4de.", "dl1." };

	for (size_t i = 0; i < sizeof(families) / sizeof(*families); i++)
		if (!strncmp(instance, families[i], strlen(families[i])))
			return true;
	return false;
}

/* The reason that what both sides say of themselves gives away; false: it gives none. */
static bool explain_by_place(const struct perf_reach *reach, struct finding *f)
{
	const struct perf_reach_where *a = &reach->here, *b = &reach->there;

	finding_evidence(f, "zone %s and %s, VPC %s and %s, subnet %s and %s",
			 *a->zone ? a->zone : "?", *b->zone ? b->zone : "?", *a->vpc ? a->vpc : "?",
			 *b->vpc ? b->vpc : "?", *a->subnet ? a->subnet : "?",
			 *b->subnet ? b->subnet : "?");
	if (peer_differ(a->vpc, b->vpc) || peer_differ(a->zone, b->zone)) {
		finding_consequence(f,
				    "they are in different %s, which EFA traffic does not "
				    "cross, though TCP does",
				    peer_differ(a->vpc, b->vpc) ? "VPCs" : "availability zones");
		finding_fix(f, "Launch both into one subnet: weft doctor --explain E2 has the "
			       "command that shows where instances are.");
		return true;
	}
	if (peer_differ(a->instance, b->instance) &&
	    (is_alone(a->instance) || is_alone(b->instance))) {
		finding_consequence(f, "a %s and a %s do not understand each other's EFA",
				    a->instance, b->instance);
		finding_fix(f, "Use one instance type for both.");
		return true;
	}
	if (*a->groups && *b->groups && !share_group(a->groups, b->groups)) {
		finding_evidence(f, "security groups %s and %s", a->groups, b->groups);
		finding_consequence(f, "they share no security group, so each needs rules of all "
				       "protocols from and to the other's");
		finding_fix(f, "aws ec2 modify-network-interface-attribute --network-interface-id "
			       "ENI --groups SG # the same SG, with both rules to itself, for all "
			       "EFA interfaces");
		return true;
	}
	return false;
}

/* One of a side's groups, for a command. */
static void first_group(const char *groups, char *ret, size_t room)
{
	const char *name = *groups ? groups : "SG";

	snprintf(ret, room, "%.*s", (int)strcspn(name, ","), name);
}

void peer_explain_both(const struct perf_reach *reach, struct finding *f)
{
	char group[64];

	if (explain_by_place(reach, f))
		return;
	first_group(reach->here.groups, group, sizeof(group));
	finding_consequence(f, "TCP works between them, so both are alive: most likely the "
			       "security group lacks rules of all protocols from itself and to "
			       "itself (0.0.0.0/0 does not cover EFA, which has no IP)");
	finding_fix(f,
		    "aws ec2 authorize-security-group-ingress --group-id %s --protocol -1 "
		    "--source-group %s; aws ec2 authorize-security-group-egress --group-id %s "
		    "--protocol -1 --source-group %s",
		    group, group, group, group);
}

void peer_explain_one_way(const struct peer_try *try, bool there, struct finding *f)
{
	const struct perf_reach *reach = try->found;
	const char *from = there ? peer_here(try) : peer_there(try);
	const char *to = there ? peer_there(try) : peer_here(try);
	char out[64], in[64];

	first_group(there ? reach->here.groups : reach->there.groups, out, sizeof(out));
	first_group(there ? reach->there.groups : reach->here.groups, in, sizeof(in));
	finding_consequence(f,
			    "a direction alone is cut where a rule alone is missing: the one that "
			    "lets %s's group out, or the one that lets %s's group in. No transfer "
			    "ends in either direction, since acknowledgements go the other way",
			    from, to);
	finding_fix(f,
		    "aws ec2 authorize-security-group-egress --group-id %s --protocol -1 "
		    "--source-group %s; aws ec2 authorize-security-group-ingress --group-id %s "
		    "--protocol -1 --source-group %s",
		    out, in, in, out);
}
