/* SPDX-License-Identifier: Apache-2.0 */
/* What two machines that tried to reach each other have found, and why that may be. */
#include <errno.h>
#include <inttypes.h>
#include <string.h>

#include "doctor/peer.h"

/* Pairs whose evidence is shown; the table has all. */
#define SHOWN 3

/* How often each outcome came, in one direction. */
struct tally {
	uint32_t of[PERF_REACH_UNSENT + 1];
};

static struct finding *add(struct peer_findings *to)
{
	return &to->finding[to->n < PEER_FINDINGS_MAX ? to->n++ : PEER_FINDINGS_MAX - 1];
}

const char *peer_here(const struct peer_try *try)
{
	if (try->found && *try->found->here.host)
		return try->found->here.host;
	return *try->from ? try->from : "this machine";
}

const char *peer_there(const struct peer_try *try)
{
	/* Emulated hosts have one name, and so have containers of one image. */
	if (try->found && *try->found->there.host &&
	    strcmp(try->found->there.host, try->found->here.host) != 0)
		return try->found->there.host;
	return try->to;
}

static struct tally count(const struct perf_reach *reach, bool there)
{
	struct tally tally = { { 0 } };

	for (uint32_t i = 0; reach->passes && i < reach->pass[0].pairs; i++)
		tally.of[perf_reach_way(reach, i, there)]++;
	return tally;
}

/* --- it could not be tried ----------------------------------------------------------------- */

/* Each side through which an error came has put its name in front. */
static bool is_of_there(const struct peer_try *try)
{
	const char *at = strstr(try->why, "the server at ");

	return at && (!*try->from || strstr(at + 1, "the server at "));
}

static void judge_error(const struct peer_try *try, struct finding *f)
{
	const char *who = try->at_from ? try->from : try->to;

	finding_evidence(f, "%s", try->why);
	switch (-try->error) {
	case WEFT_EUNAVAILABLE:
	case WEFT_EDEADLINE:
		finding_say(f, DOCTOR_FAIL, "%s cannot be asked over TCP: %s", who,
			    strstr(try->why, "refused") ? "it is up, but no weft perf server "
							  "listens there"
							: "it does not answer at all");
		finding_consequence(
			f, "%s",
			strstr(try->why, "refused")
				? "nothing is known about EFA yet"
				: "the machine is down, the address is another's, or no rule lets "
				  "the TCP port in; nothing is known about EFA yet");
		finding_fix(f, "%s # on that machine; the TCP port has to be let in", PEER_SERVER);
		break;
	case WEFT_EVERSION:
		finding_say(f, DOCTOR_UNKNOWN, "%s runs another version of weft", who);
		finding_fix(f, "Install the same version of weft on both machines.");
		break;
	case EBUSY:
		finding_say(f, DOCTOR_UNKNOWN, "%s is busy with another client", who);
		finding_fix(f, "Try again when it is free; nothing else is wrong so far.");
		break;
	case WEFT_ENOPROVIDER:
	case WEFT_ENODEVICE:
	case WEFT_EENVIRONMENT:
		finding_say(f, DOCTOR_FAIL, "%s offers nothing of provider %s",
			    is_of_there(try) ? try->to : peer_here(try), try->provider);
		finding_fix(f, "weft doctor # on that machine");
		break;
	default:
		finding_say(f, DOCTOR_UNKNOWN, "it could not be tried: %s",
			    weft_strerror(try->error));
		finding_fix(f, "weft doctor # on both machines");
	}
}

/* --- evidence ------------------------------------------------------------------------------ */

static void put_counter(char *text, size_t room, const struct perf_reach_end *end, uint32_t counter)
{
	size_t used = strlen(text);

	if (!(end->counted & 1u << counter) || used >= room)
		return;
	if (!end->grown[counter] && counter != PERF_REACH_rx_pkts && counter != PERF_REACH_tx_pkts)
		return;
	snprintf(text + used, room - used, "%s%s +%" PRIu64, used ? ", " : "",
		 perf_reach_counters[counter], end->grown[counter]);
}

static void counters_of(const struct perf_reach_end *end, char *text, size_t room)
{
	*text = '\0';
	for (uint32_t i = 0; i < PERF_REACH_COUNTED; i++)
		put_counter(text, room, end, i);
	if (!*text)
		snprintf(text, room, "no counters");
}

/* One direction of a pair: what left, what came, and what both NICs counted. */
static void put_evidence(struct finding *f, const struct perf_reach_pass *pass, uint32_t pair,
			 bool there)
{
	const struct perf_reach_end *from = there ? &pass->here[pair] : &pass->there[pair];
	const struct perf_reach_end *to = there ? &pass->there[pair] : &pass->here[pair];
	char left[256], came[256];

	counters_of(from, left, sizeof(left));
	counters_of(to, came, sizeof(came));
	finding_evidence(f, "%s to %s, %" PRIu64 " bytes: %s, %s; sender: %s; receiver: %s",
			 from->device, to->device, pass->size,
			 from->sent ? (from->ended ? "sent and acknowledged" : "sent") : "not sent",
			 to->arrived ? to->wrong ? "came with wrong content" : "came"
				     : "never came",
			 left, came);
	if (from->error)
		finding_evidence(f, "%s says: %s", from->device, from->why);
}

static void put_evidence_of(struct finding *f, const struct perf_reach *reach,
			    enum perf_reach_way way, bool there)
{
	const struct perf_reach_pass *last = &reach->pass[reach->passes - 1];
	uint32_t shown = 0;

	for (uint32_t i = 0; i < last->pairs && shown < SHOWN; i++)
		if (perf_reach_way(reach, i, there) == way) {
			put_evidence(f, last, i, there);
			shown++;
		}
}

/* --- findings ------------------------------------------------------------------------------ */

/* NICs of one side of which no pair works in this direction, while others do: their names. */
static void put_lost_nics(const struct perf_reach *reach, bool there, char *text, size_t room)
{
	const struct perf_reach_pass *pass = &reach->pass[0];
	size_t used = 0;

	*text = '\0';
	for (uint32_t i = 0; i < pass->pairs && used < room; i++)
		if (perf_reach_way(reach, i, there) == PERF_REACH_LOST)
			used += (size_t)snprintf(text + used, room - used, "%s%s to %s",
						 used ? ", " : "",
						 (there ? pass->here : pass->there)[i].device,
						 (there ? pass->there : pass->here)[i].device);
}

static void judge_some(const struct peer_try *try, bool there, struct finding *f)
{
	const struct perf_reach *reach = try->found;
	char nics[256];

	put_lost_nics(reach, there, nics, sizeof(nics));
	finding_say(f, DOCTOR_FAIL, "some NICs do not reach their twins: %s", nics);
	finding_consequence(f, "others between the same machines do, so it is these NICs' links "
			       "or their interfaces' security groups; a job that uses all NICs "
			       "hangs or fails");
	finding_fix(f, "weft doctor --only A,B,E,H # on both machines");
	put_evidence_of(f, reach, PERF_REACH_LOST, there);
}

/* Of those that could be tried. */
static bool lost_all(const struct tally *way, uint32_t pairs)
{
	return way->of[PERF_REACH_LOST] &&
	       way->of[PERF_REACH_LOST] + way->of[PERF_REACH_UNSENT] == pairs;
}

static void judge_lost(const struct peer_try *try, struct peer_findings *ret)
{
	const struct perf_reach *reach = try->found;
	const uint32_t pairs = reach->pass[0].pairs;
	const struct tally to = count(reach, true), back = count(reach, false);
	struct finding *f;

	if (lost_all(&to, pairs) && lost_all(&back, pairs)) {
		f = add(ret);
		finding_say(f, DOCTOR_FAIL,
			    "nothing of %s passes between %s and %s, in neither "
			    "direction",
			    try->provider, peer_here(try), peer_there(try));
		peer_explain_both(reach, f);
		put_evidence_of(f, reach, PERF_REACH_LOST, true);
		put_evidence_of(f, reach, PERF_REACH_LOST, false);
		return;
	}
	for (int there = 1; there >= 0; there--) {
		const struct tally *way = there ? &to : &back;
		const struct tally *other = there ? &back : &to;

		if (!way->of[PERF_REACH_LOST])
			continue;
		f = add(ret);
		if (!lost_all(way, pairs)) {
			judge_some(try, there, f);
			continue;
		}
		finding_say(f, DOCTOR_FAIL, "what %s sends by %s does not reach %s%s",
			    there ? peer_here(try) : peer_there(try), try->provider,
			    there ? peer_there(try) : peer_here(try),
			    other->of[PERF_REACH_OK] == pairs ? "; the other direction works" : "");
		peer_explain_one_way(try, there, f);
		put_evidence_of(f, reach, PERF_REACH_LOST, there);
	}
}

static void judge_unsent(const struct peer_try *try, struct peer_findings *ret)
{
	/* Errors stay with an end, so the last pass has them all. */
	const struct perf_reach_pass *pass = &try->found->pass[try->found->passes - 1];
	const struct perf_reach_end *end;
	struct finding *f = NULL;

	for (uint32_t i = 0; i < 2 * pass->pairs; i++) {
		end = i % 2 ? &pass->there[i / 2] : &pass->here[i / 2];
		/* Of what was sent and lost the evidence tells already. */
		if (!end->error ||
		    (end->sent && perf_reach_way(try->found, i / 2, !(i % 2)) != PERF_REACH_OK))
			continue;
		if (!f) {
			f = add(ret);
			finding_say(f, DOCTOR_FAIL, "NIC %s of %s could not be used", end->device,
				    i % 2 ? peer_there(try) : peer_here(try));
			finding_consequence(f, "nothing is known about what it would reach");
			finding_fix(f, "weft doctor # on that machine");
		}
		finding_evidence(f, "%s of %s: %s", end->device,
				 i % 2 ? peer_there(try) : peer_here(try), end->why);
	}
}

/* Not taken by the provider, which says no error: it still waits for a connection. */
static void judge_untaken(const struct peer_try *try, struct peer_findings *ret)
{
	struct finding *f;

	for (int there = 1; there >= 0; there--) {
		if (!count(try->found, there).of[PERF_REACH_UNSENT])
			continue;
		f = add(ret);
		finding_say(f, DOCTOR_FAIL, "%s never took what %s was to send to %s",
			    try->provider, there ? peer_here(try) : peer_there(try),
			    there ? peer_there(try) : peer_here(try));
		finding_consequence(f, "it connects before it sends, and no connection came up: a "
				       "rule or a firewall drops what goes to its own ports");
		finding_fix(f, "weft doctor # on both machines");
		put_evidence_of(f, try->found, PERF_REACH_UNSENT, there);
	}
}

static void judge_content(const struct peer_try *try, struct peer_findings *ret)
{
	for (int there = 1; there >= 0; there--) {
		const struct tally tally = count(try->found, there);
		struct finding *f;

		if (tally.of[PERF_REACH_LARGE]) {
			f = add(ret);
			finding_say(f, DOCTOR_FAIL,
				    "messages of 8 bytes reach %s, messages of 1 MiB do not",
				    there ? peer_there(try) : peer_here(try));
			finding_consequence(
				f, "large messages take libfabric's other protocols, which need "
				   "RDMA reads or answers of the receiver: the versions or the "
				   "FI_EFA_ variables of the two differ, or packets get lost");
			finding_fix(f, "weft doctor --only A2,E5,E6,H2 # on both machines");
			put_evidence_of(f, try->found, PERF_REACH_LARGE, there);
		}
		if (tally.of[PERF_REACH_WRONG]) {
			f = add(ret);
			finding_say(f, DOCTOR_FAIL, "what comes to %s is not what was sent",
				    there ? peer_there(try) : peer_here(try));
			finding_consequence(f, "data is damaged on the way, without an error");
			finding_fix(f, "weft doctor --bundle FILE # on both machines, for support");
			put_evidence_of(f, try->found, PERF_REACH_WRONG, there);
		}
	}
}

/* What arrived although its NIC counted nothing did not come through it. */
static void judge_counters(const struct peer_try *try, struct peer_findings *ret)
{
	const struct perf_reach_end *end;
	struct finding *f = NULL;

	for (uint32_t p = 0; p < try->found->passes; p++)
		for (uint32_t i = 0; i < 2 * try->found->pass[p].pairs; i++) {
			end = i % 2 ? &try->found->pass[p].there[i / 2]
				    : &try->found->pass[p].here[i / 2];
			if (!end->arrived || !(end->counted & 1u << PERF_REACH_rx_pkts) ||
			    end->grown[PERF_REACH_rx_pkts])
				continue;
			if (!f) {
				f = add(ret);
				finding_say(
					f, DOCTOR_WARN,
					"a message came to %s, and NIC %s has counted no packet",
					i % 2 ? peer_there(try) : peer_here(try), end->device);
				finding_consequence(f, "something else carried it, shared memory "
						       "or another NIC: nothing is known about "
						       "this one");
				finding_fix(f, "FI_EFA_ENABLE_SHM_TRANSFER=0 weft doctor --peer "
					       "HOST # and in the environment of weft perf server");
			}
			put_evidence(f, &try->found->pass[p], i / 2, i % 2);
		}
}

static void judge_versions(const struct peer_try *try, struct peer_findings *ret)
{
	const struct perf_reach_where *a = &try->found->here, *b = &try->found->there;
	struct finding *f;

	if (!peer_differ(a->libfabric, b->libfabric))
		return;
	f = add(ret);
	finding_say(f, DOCTOR_WARN, "%s has libfabric %s, %s has %s", peer_here(try), a->libfabric,
		    peer_there(try), b->libfabric);
	finding_consequence(f, "machines with different protocols refuse each other in the middle "
			       "of a run");
	finding_fix(f, "fi_info --version # on both machines: install the same EFA software");
}

void peer_judge(const struct peer_try *try, struct peer_findings *ret)
{
	struct finding *f;

	memset(ret, 0, sizeof(*ret));
	if (try->error) {
		judge_error(try, add(ret));
		return;
	}
	judge_lost(try, ret);
	judge_unsent(try, ret);
	judge_content(try, ret);
	if (!ret->n)
		judge_untaken(try, ret);
	judge_counters(try, ret);
	judge_versions(try, ret);
	if (ret->n)
		return;
	f = add(ret);
	finding_say(f, DOCTOR_OK, "%s and %s reach each other by %s in both directions",
		    peer_here(try), peer_there(try), try->provider);
}

const char *peer_status_word(int status)
{
	static const char *const words[] = { "ok", "warnings", "fatal" };

	return words[status];
}

int peer_exit_status(const struct peer_findings *findings)
{
	int status = 0, one;

	for (uint32_t i = 0; i < findings->n; i++) {
		one = findings->finding[i].verdict == DOCTOR_FAIL
			      ? 2
			      : findings->finding[i].verdict > DOCTOR_SKIPPED;
		if (one > status)
			status = one;
	}
	return status;
}
