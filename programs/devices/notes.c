/* SPDX-License-Identifier: Apache-2.0 */
/* What a reader of the tables should know besides: what is missing or odd, and what to do. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "devices/machine.h"

static void __attribute__((format(printf, 2, 3))) note(struct machine *m, const char *format, ...)
{
	char *text = m->notes[m->notes_count];
	va_list args;

	if (m->notes_count == MACHINE_NOTES_MAX)
		return;
	m->notes_count++;
	va_start(args, format);
	vsnprintf(text, sizeof(m->notes[0]), format, args);
	va_end(args);
	sysroot_clean(text);
}

static void note_bare_functions(struct machine *m)
{
	char names[MACHINE_NOTE_BYTES / 2] = "";
	size_t used = 0;

	if (!m->efa_count)
		return;
	for (size_t i = 0; i < m->efa_count && used + 64 < sizeof(names); i++)
		used += (size_t)snprintf(names + used, sizeof(names) - used, "%s%s", i ? ", " : "",
					 m->efa[i].name);
	if (*m->efa[0].driver)
		note(m,
		     "EFA at %s: the driver %s is bound, but there is no RDMA device; see weft "
		     "doctor",
		     names, m->efa[0].driver);
	else
		note(m, "EFA at %s: no driver is bound: sudo modprobe efa; see weft doctor", names);
}

static void note_no_nic(struct machine *m)
{
	const char *tcp = m->nets_count ? "; provider tcp works over the interfaces below" : "";

	if (m->nics_count || m->efa_count)
		return;
	if (m->nics_error && m->nics_error != -ENOENT)
		note(m, "RDMA devices cannot be listed: /sys/class/infiniband: %s",
		     strerror(-m->nics_error));
	else if (m->ec2)
		note(m,
		     "no RDMA device: this %s has no EFA interface attached (attach one while it "
		     "is stopped, or launch with InterfaceType=efa)%s",
		     *m->instance ? m->instance : "EC2 instance", tcp);
	else
		note(m, "no RDMA device in this machine%s", tcp);
	if (m->root.real && !m->emulated)
		note(m, "to try EFA without hardware: weft emu run -- weft devices");
}

static void note_helper(struct machine *m)
{
	char died[96];

	if (host_probe_value(m->answer, "died", died, sizeof(died)))
		note(m, "what libraries say is not complete: %s; see weft doctor", died);
	else if (!*m->why)
		return;
	else if (*m->answer)
		note(m, "what libraries say is not complete: %s", m->why);
	else if (!m->root.real)
		note(m, "what libraries said of it is not in this copy: %s", m->why);
	else
		note(m,
		     "what only libraries know (providers, sizes, RDMA of the device) is not "
		     "shown: "
		     "%s (" HOST_PROBE_NAME " is installed with weft doctor; WEFT_PROBE names "
		     "another one)",
		     m->why);
}

static void note_nics(struct machine *m)
{
	for (size_t i = 0; i < m->nics_count; i++) {
		const struct host_nic *nic = &m->nics[i];
		const struct nic_facts *facts = &m->facts[i];

		if (*facts->open && strcmp(facts->open, "ok") != 0)
			note(m, "%s cannot be opened: %s; see weft doctor", nic->name, facts->open);
		if (*nic->state && !strstr(nic->state, "ACTIVE"))
			note(m, "%s: its port is %s", nic->name,
			     nic->state + strspn(nic->state, "0123456789: "));
		if (facts->below_max)
			note(m, "%s: its PCI link runs at %s x%s, it could at %s x%s", nic->name,
			     nic->speed, nic->width, nic->max_speed, nic->max_width);
	}
}

static void note_libraries(struct machine *m)
{
	if (!strncmp(m->libfabric, "absent", 6))
		note(m, "libfabric is %s: no provider can be used", m->libfabric);
}

void machine_note(struct machine *m)
{
	if (m->emulated)
		note(m, "the RDMA devices are emulated by weft emu: their rates and places say "
			"nothing about EFA");
	note_no_nic(m);
	note_bare_functions(m);
	note_helper(m);
	note_libraries(m);
	note_nics(m);
}
