/* SPDX-License-Identifier: Apache-2.0 */
/* E1: whether the security group lets EFA through, by its rules or by what the NICs received. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "doctor/placement.h"
#include "doctor/traffic.h"
#include "host/pick.h"

#define RULES_VARIABLE "WEFT_SECURITY_GROUP_RULES"
#define RULES_FILE_MAX (1 << 20)

void check_E1(const struct doctor *doctor, struct finding *f);

/* What the rules say of the groups of the instance. */
struct rules {
	const struct placement *placement;
	struct group_rules {
		bool any;     /* there is a rule of it */
		bool in, out; /* all protocols, from and to itself */
		bool out_all; /* all protocols, to addresses; which EFA's are not */
	} groups[PLACEMENT_GROUPS_MAX];
};

static struct group_rules *group_of(struct rules *rules, const char *id)
{
	for (uint32_t i = 0; i < rules->placement->groups_n; i++)
		if (!strcmp(rules->placement->groups[i], id))
			return &rules->groups[i];
	return NULL;
}

static bool take_rule(void *ctx, const char *key, const char *value)
{
	struct group_rules *group;
	char id[64], other[64], protocol[16];
	bool out = pick_true(pick_member(value, "IsEgress"));

	(void)key;
	if (!pick_text(pick_member(value, "GroupId"), id, sizeof(id)))
		return true;
	group = group_of(ctx, id);
	if (!group)
		return true;
	group->any = true;
	if (!pick_text(pick_member(value, "IpProtocol"), protocol, sizeof(protocol)) ||
	    strcmp(protocol, "-1"))
		return true;
	if (pick_text(pick_path(value, "ReferencedGroupInfo/GroupId"), other, sizeof(other)) &&
	    !strcmp(other, id)) {
		group->out |= out;
		group->in |= !out;
	} else if (pick_member(value, "CidrIpv4") || pick_member(value, "CidrIpv6")) {
		group->out_all |= out;
	}
	return true;
}

/* The commands that add what is missing. */
static void fix_by_rules(struct finding *f, const char *id, bool in, bool out)
{
	static const char *const ways[] = { "ingress", "egress" };
	const bool missing[] = { in, out };
	char text[DOCTOR_TEXT_MAX] = "";
	size_t used = 0;

	for (int i = 0; i < 2; i++)
		if (missing[i] && used < sizeof(text))
			used += (size_t)snprintf(text + used, sizeof(text) - used,
						 "%saws ec2 authorize-security-group-%s "
						 "--group-id %s --protocol -1 --source-group %s",
						 used ? "; " : "", ways[i], id, id);
	finding_fix(f, "%s", text);
}

static void judge_rules(const struct rules *rules, struct finding *f)
{
	const struct placement *p = rules->placement;
	const struct group_rules *group;
	uint32_t best = 0, any = 0;
	bool in = false, out = false;

	for (uint32_t i = 0; i < p->groups_n; i++) {
		group = &rules->groups[i];
		any += group->any;
		in |= group->in && p->everywhere[i];
		out |= group->out && p->everywhere[i];
		if (!group->any)
			continue;
		finding_evidence(f, "%s: in from itself: %s, out to itself: %s", p->groups[i],
				 group->in ? "yes" : "no", group->out ? "yes" : "no");
		if (group->in && group->out && p->everywhere[i]) {
			finding_say(f, DOCTOR_OK,
				    "%s lets all traffic in from itself and out to itself",
				    p->groups[i]);
			return;
		}
		if (group->in + group->out > rules->groups[best].in + rules->groups[best].out ||
		    !rules->groups[best].any)
			best = i;
	}
	group = &rules->groups[best];
	if (!any) {
		finding_say(f, DOCTOR_UNKNOWN, "cannot be told: the file of rules has none of %s",
			    p->groups_n ? p->groups[0] : "this instance's groups");
	} else if (in && out) {
		finding_say(f, DOCTOR_OK,
			    "the security groups of this instance together let all traffic in from "
			    "themselves and out to themselves: its peers must be in all of them");
	} else if (group->in && group->out) {
		finding_say(
			f, DOCTOR_WARN,
			"%s lets EFA through, but not all interfaces are in it: one that is not "
			"reaches nobody",
			p->groups[best]);
		finding_fix(f,
			    "aws ec2 modify-network-interface-attribute "
			    "--network-interface-id ENI --groups %s",
			    p->groups[best]);
	} else {
		finding_say(f, DOCTOR_FAIL,
			    "%s lets no EFA traffic %s: no rule of all protocols %s%s",
			    p->groups[best],
			    group->in    ? "out"
			    : group->out ? "in"
					 : "in or out",
			    group->in    ? "to the group itself"
			    : group->out ? "from the group itself"
					 : "from and to the group itself",
			    !group->out && group->out_all
				    ? " (one to 0.0.0.0/0 does not cover EFA, which has no IP)"
				    : "");
		fix_by_rules(f, p->groups[best], !group->in, !group->out);
	}
}

/* By the file of rules; false: there is none to be read. */
static bool by_rules(const struct doctor *doctor, struct finding *f, const struct placement *p)
{
	const char *path = doctor_getenv(doctor, RULES_VARIABLE);
	struct rules rules = { .placement = p };
	char *text;
	int rc;

	if (!path || !*path)
		return false;
	text = mem_alloc(RULES_FILE_MAX);
	rc = text ? sysroot_read(&doctor->root, text, RULES_FILE_MAX, "%s", path) : -1;
	if (rc < 0) {
		finding_evidence(f, RULES_VARIABLE "=%s: cannot be read (an absolute path?)", path);
		mem_free(text);
		return false;
	}
	finding_evidence(f, RULES_VARIABLE "=%s", path);
	pick_each(pick_member(text, "SecurityGroupRules"), take_rule, &rules);
	mem_free(text);
	judge_rules(&rules, f);
	return true;
}

/* How its rules are had, for a fix. */
static void ask_for_rules(struct finding *f, const struct placement *p)
{
	char ids[256] = "";
	size_t used = 0;

	for (uint32_t i = 0; i < p->groups_n && used + 65 < sizeof(ids); i++)
		used += (size_t)snprintf(ids + used, sizeof(ids) - used, "%s%s", i ? "," : "",
					 p->groups[i]);
	finding_fix(f,
		    DOCTOR_TWO_NODES
		    "; or: aws ec2 describe-security-group-rules "
		    "--filters Name=group-id,Values=%s >/tmp/rules.json; " RULES_VARIABLE
		    "=/tmp/rules.json weft doctor",
		    *ids ? ids : "SG");
}

static void by_traffic(const struct traffic *t, const struct placement *p, struct finding *f)
{
	const char *group = p->groups_n ? p->groups[0] : "the security group";

	finding_evidence(f,
			 "hw_counters of %u EFA NIC%s: tx_pkts %" PRIu64 ", rx_pkts %" PRIu64
			 ", unresponsive_remote_events %" PRIu64,
			 t->told, plural(t->told), t->tx_pkts, t->rx_pkts, t->unresponsive);
	ask_for_rules(f, p);
	if (!t->told) {
		finding_say(f, DOCTOR_UNKNOWN,
			    "cannot be told: the EFA NICs' counters cannot be read");
	} else if (!t->rx_pkts && t->unresponsive) {
		finding_say(f, DOCTOR_FAIL,
			    "nothing has ever come back: remotes did not answer %" PRIu64
			    " times, and no packet was received. Most likely %s lacks a rule from "
			    "itself or to itself (0.0.0.0/0 does not cover EFA)",
			    t->unresponsive, group);
		fix_by_rules(f, p->groups_n ? group : "SG", true, true);
	} else if (!t->rx_pkts) {
		finding_say(f, DOCTOR_UNKNOWN,
			    "cannot be told: no EFA packet was received yet, so "
			    "nothing shows that %s lets any through",
			    group);
	} else if (t->unresponsive) {
		finding_say(f, DOCTOR_OK,
			    "EFA gets through; remotes did not answer %" PRIu64
			    " times since the driver was loaded (most on %s): processes that had "
			    "ended, or machines in another security group (H2 tells whether more "
			    "do now)",
			    t->unresponsive, t->worst);
	} else {
		finding_say(f, DOCTOR_OK, "EFA packets get through (%" PRIu64 " received)%s",
			    t->rx_pkts, t->network ? ", and each remote has answered" : "");
	}
}

void check_E1(const struct doctor *doctor, struct finding *f)
{
	struct finding none = { 0 };
	struct placement p;
	struct traffic t;

	if (placement_emulated(doctor, f))
		return;
	/* The rest is told without it too. */
	if (doctor_placement(doctor, &p, &none))
		finding_evidence(f, "%s", PLACEMENT_FILE ": security groups not told");
	for (uint32_t i = 0; i < p.groups_n; i++)
		finding_evidence(f, PLACEMENT_FILE ": security group %s%s", p.groups[i],
				 p.everywhere[i] ? "" : " (not of all interfaces)");
	if (by_rules(doctor, f, &p))
		return;
	traffic_read(doctor, &t);
	by_traffic(&t, &p, f);
}
