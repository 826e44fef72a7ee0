/* SPDX-License-Identifier: Apache-2.0 */
#include "watch/nics.h"

#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <string.h>

#include "base/alloc.h"
#include "base/err.h"
#include "watch/nics_hold.h"

#define CLASS       "/sys/class/infiniband"
#define ENTRIES_MAX 1024 /* of a directory of counters */
#define NOTE_MAX    256

int nics_open(struct nics **ret, const struct sysroot *root, bool hold)
{
	struct nics *nics = mem_zalloc(sizeof(*nics));

	if (!nics)
		return err_set(-ENOMEM, "no memory for the list of devices");
	nics->root = root;
	nics->now = mem_array(HOST_NICS_MAX, sizeof(*nics->now));
	nics->before = mem_array(HOST_NICS_MAX, sizeof(*nics->before));
	if (hold)
		nics->held = mem_array(HOST_NICS_MAX, sizeof(*nics->held));
	if (!nics->now || !nics->before || (hold && !nics->held)) {
		nics_close(nics);
		return err_set(-ENOMEM, "no memory for the counters of devices");
	}
	*ret = nics;
	return 0;
}

void nics_close(struct nics *nics)
{
	if (!nics)
		return;
	for (uint32_t i = 0; i < HOST_NICS_MAX && nics->held; i++)
		nic_let_go(&nics->held[i]);
	mem_free(nics->held);
	mem_free(nics->now);
	mem_free(nics->before);
	mem_free(nics);
}

static struct nic_counter *find_counter(const struct nic_state *nic, const char *name,
					uint32_t guess)
{
	if (guess < nic->count && !strcmp(nic->counters[guess].name, name))
		return (struct nic_counter *)&nic->counters[guess];
	for (uint32_t i = 0; i < nic->count; i++)
		if (!strcmp(nic->counters[i].name, name))
			return (struct nic_counter *)&nic->counters[i];
	return NULL;
}

void nic_compare(const struct nic_state *before, struct nic_state *now)
{
	const struct nic_counter *old;
	struct nic_counter *counter;

	now->back = 0;
	now->fresh = !before;
	for (uint32_t i = 0; i < now->count; i++) {
		counter = &now->counters[i];
		old = before ? find_counter(before, counter->name, i) : NULL;
		counter->metric = old ? old->metric : metric_of_counter(counter->name);
		counter->before = old ? old->value : 0;
		counter->delta = 0;
		counter->change = NIC_FIRST;
		if (old && old->value > counter->value) {
			counter->change = NIC_BACK;
			now->back++;
		} else if (old) {
			counter->change = NIC_COUNTED;
			counter->delta = counter->value - old->value;
		}
	}
}

static void take_counter(void *ctx, const char *name, uint64_t value)
{
	struct nic_state *nic = ctx;
	struct nic_counter *counter;

	if (nic->count == NIC_COUNTERS_MAX || strlen(name) >= NIC_COUNTER_NAME_MAX ||
	    !strcmp(name, "lifespan"))
		return;
	counter = &nic->counters[nic->count++];
	strcpy(counter->name, name);
	counter->value = value;
}

/* A file that stands among counters and was not read as one. */
static int look_for(void *ctx, const char *name)
{
	struct nic_state *nic = ctx;

	if (strlen(name) >= NIC_COUNTER_NAME_MAX || !strcmp(name, "lifespan") ||
	    find_counter(nic, name, 0) || nic->count == NIC_COUNTERS_MAX)
		return 0;
	if (!nic->unread++)
		strcpy(nic->unread_name, name);
	return 0;
}

static void read_counters(const struct sysroot *root, struct nic_state *nic)
{
	int rc;

	nic->count = nic->unread = 0;
	rc = host_counters(root, nic->nic.name, take_counter, nic);
	nic->error = rc < 0 ? rc : 0;
	for (size_t i = 0; i < HOST_COUNTER_DIRS; i++)
		sysroot_each(root, ENTRIES_MAX, look_for, nic, CLASS "/%s/%s", nic->nic.name,
			     host_counter_dirs[i]);
}

static struct nic_state *find_nic(struct nic_state *nics, uint32_t count, const char *name)
{
	for (uint32_t i = 0; i < count; i++)
		if (!strcmp(nics[i].nic.name, name))
			return &nics[i];
	return NULL;
}

static int count_name(void *ctx, const char *name)
{
	uint32_t *sum = ctx;

	for (; *name; name++)
		*sum = *sum * 31 + (uint8_t)*name;
	*sum = *sum * 31 + '/';
	return 0;
}

/* Whether the names in the class are those of the reading before. */
static bool same_names(const struct nics *nics)
{
	uint32_t now = 0, before = 0;

	for (uint32_t i = 0; i < nics->count_before; i++)
		count_name(&before, nics->before[i].nic.name);
	return !sysroot_each(nics->root, HOST_NICS_MAX, count_name, &now, CLASS) && now == before;
}

/* Whether now[i] is before[i], for each. */
static bool same_devices(const struct nics *nics)
{
	for (uint32_t i = 0; i < nics->count && i < nics->count_before; i++)
		if (strcmp(nics->now[i].nic.name, nics->before[i].nic.name) != 0)
			return false;
	return nics->count == nics->count_before;
}

/* What a device is changes seldom, and takes many files to tell; but for the state of its port. */
static void read_facts(struct nics *nics, uint64_t now_ns)
{
	struct host_nic *facts;
	int n;

	if (nics->count_before && now_ns - nics->facts_ns < NICS_FACTS_NS && same_names(nics)) {
		nics->count = nics->count_before;
		for (uint32_t i = 0; i < nics->count; i++) {
			facts = &nics->now[i].nic;
			*facts = nics->before[i].nic;
			sysroot_line(nics->root, facts->state, sizeof(facts->state),
				     CLASS "/%s/ports/1/state", facts->name);
		}
		return;
	}
	facts = mem_array(HOST_NICS_MAX, sizeof(*facts));
	n = facts ? host_nics(nics->root, facts, HOST_NICS_MAX) : -ENOMEM;
	nics->error = n < 0 ? n : 0;
	nics->count = n < 0 ? 0 : (uint32_t)n;
	for (uint32_t i = 0; i < nics->count; i++)
		nics->now[i].nic = facts[i];
	nics->facts_ns = now_ns;
	mem_free(facts);
	/* held[i] belongs to now[i]. */
	for (uint32_t i = 0; i < HOST_NICS_MAX && nics->held && !same_devices(nics); i++)
		nic_let_go(&nics->held[i]);
}

/* In the way that costs least. before NULL: the device is new. */
static void read_one(struct nics *nics, uint32_t i, const struct nic_state *before)
{
	struct nic_held *held = nics->held ? &nics->held[i] : NULL;

	if (held && before && nic_read_held(held, before, &nics->now[i]))
		return;
	if (held)
		nic_let_go(held);
	read_counters(nics->root, &nics->now[i]);
	if (held)
		nic_hold(held, nics->root, &nics->now[i]);
}

void nics_read(struct nics *nics, uint64_t now_ns)
{
	uint64_t back[HOST_NICS_MAX] = { 0 }, start_ns = clock_ns();
	struct nic_state *swap = nics->before, *before;

	nics->before = nics->now;
	nics->now = swap;
	nics->count_before = nics->count;
	nics->before_ns = nics->now_ns;
	nics->now_ns = now_ns;
	read_facts(nics, now_ns);
	for (uint32_t i = 0; i < nics->count; i++) {
		before = find_nic(nics->before, nics->count_before, nics->now[i].nic.name);
		read_one(nics, i, before);
		nic_compare(before, &nics->now[i]);
		back[i] = (before ? nics->back[before - nics->before] : 0) + nics->now[i].back;
	}
	memcpy(nics->back, back, sizeof(back));
	nics->taken_ns = clock_ns() - start_ns;
}

/* --- what there is to say ------------------------------------------------------------------- */

struct notes {
	void (*fn)(void *ctx, const char *text);
	void *ctx;
};

static void note(const struct notes *notes, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void note(const struct notes *notes, const char *format, ...)
{
	char text[NOTE_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	notes->fn(notes->ctx, text);
}

static void note_back(const struct notes *notes, const struct nic_state *nic)
{
	const struct nic_counter *counter = nic->counters;

	while (counter->change != NIC_BACK)
		counter++;
	note(notes,
	     "%s: %s went back from %" PRIu64 " to %" PRIu64
	     "%s: driver loaded anew or device reset; not counted this time",
	     nic->nic.name, counter->name, counter->before, counter->value,
	     nic->back > 1 ? ", others too" : "");
}

static void note_nic(const struct notes *notes, const struct nic_state *nic,
		     const struct nic_state *before, bool first)
{
	const char *name = nic->nic.name;

	if (!before && !first)
		note(notes, "%s has come", name);
	if (nic->back)
		note_back(notes, nic);
	if (nic->error)
		note(notes, "%s: its counters cannot be read: %s", name, strerror(-nic->error));
	else if (nic->unread)
		note(notes, "%s: %s%s cannot be read as a number; left out", name, nic->unread_name,
		     nic->unread > 1 ? " and others" : "");
}

void nics_notes(const struct nics *nics, void (*fn)(void *ctx, const char *text), void *ctx)
{
	const struct notes notes = { .fn = fn, .ctx = ctx };
	const char *name;

	if (nics->error == -ENOENT)
		note(&notes, "no RDMA device: there is no " CLASS " (is the driver loaded?)");
	else if (nics->error)
		note(&notes, CLASS ": %s", strerror(-nics->error));
	for (uint32_t i = 0; i < nics->count; i++)
		note_nic(&notes, &nics->now[i],
			 find_nic(nics->before, nics->count_before, nics->now[i].nic.name),
			 !nics->before_ns);
	for (uint32_t i = 0; i < nics->count_before; i++) {
		name = nics->before[i].nic.name;
		if (!find_nic(nics->now, nics->count, name))
			note(&notes, "%s is gone", name);
	}
}

bool nic_role(const struct nic_state *nic, enum metric_role role, uint64_t *ret)
{
	const struct nic_counter *counter;
	const struct metric *metric;
	bool known = false;
	uint64_t sum = 0;

	for (uint32_t i = 0; i < nic->count; i++) {
		counter = &nic->counters[i];
		metric = counter->metric >= 0 ? &metrics[counter->metric] : NULL;
		if (!metric || metric->role != role || counter->change != NIC_COUNTED)
			continue;
		known = true;
		sum += counter->delta * (uint64_t)metric->scale;
		if (role <= ROLE_RX_PACKETS)
			break;
	}
	if (known)
		*ret = sum;
	return known;
}

bool nic_is_up(const struct host_nic *nic)
{
	return strstr(nic->state, "ACTIVE") != NULL;
}
