/* SPDX-License-Identifier: Apache-2.0 */
/* F1 to F4, F6: whether NICs can use the memory of accelerators. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "doctor/gpu.h"
#include "doctor/version.h"

void check_F1(const struct doctor *doctor, struct finding *f);
void check_F2(const struct doctor *doctor, struct finding *f);
void check_F3(const struct doctor *doctor, struct finding *f);
void check_F4(const struct doctor *doctor, struct finding *f);
void check_F6(const struct doctor *doctor, struct finding *f);

void check_F1(const struct doctor *doctor, struct finding *f)
{
	struct host_pci *gpus;
	struct gpu_p2p p2p;

	if (!gpu_functions(doctor, f, &gpus))
		return;
	mem_free(gpus);
	gpu_p2p_read(doctor, f, &p2p);
	if (!p2p.nics)
		finding_say(f, DOCTOR_SKIPPED, "there is no EFA RDMA device");
	else if (p2p.lent == p2p.nics)
		finding_say(f, DOCTOR_OK, "%u EFA NIC%s reach accelerator memory (p2p: %s)",
			    p2p.nics, plural(p2p.nics), p2p.by);
	else if (gpu_dmabuf(doctor, f) > 0)
		finding_say(f, DOCTOR_OK,
			    "%u EFA NIC%s reach GPU memory by dmabuf; no peer memory is needed",
			    p2p.nics, plural(p2p.nics));
	else if (!p2p.told)
		finding_say(f, DOCTOR_UNKNOWN,
			    "cannot be told: this driver efa (the kernel's own, or "
			    "one before 2.6) does not say who lends it memory");
	else
		finding_say(f, DOCTOR_WARN,
			    "%s cannot reach accelerator memory: nobody lends it to "
			    "the driver efa",
			    name_list_text(&p2p.without));
}

void check_F2(const struct doctor *doctor, struct finding *f)
{
	static const char *const signs[] = {
		"/sys/module/efa_nv_peermem",
		"/sys/module/nvidia_peermem",
		"/sys/module/nv_peer_mem",
		"/sys/kernel/mm/memory_peers/nv_mem/version",
	};
	struct gpu_p2p p2p;

	if (!gpu_nvidia(doctor, f))
		return;
	for (size_t i = 0; i < sizeof(signs) / sizeof(*signs); i++) {
		if (sysroot_exists(&doctor->root, "%s", signs[i]))
			continue;
		finding_evidence(f, "%s: there", signs[i]);
		finding_say(f, DOCTOR_OK, "GPU memory is registered by peer memory (%s)", signs[i]);
		return;
	}
	finding_evidence(f, "/sys/module/{efa_nv_peermem,nvidia_peermem,nv_peer_mem}: not there");
	gpu_p2p_read(doctor, f, &p2p);
	if (p2p.lent)
		finding_say(f, DOCTOR_OK,
			    "GPU memory is registered by the driver efa itself (p2p: %s)", p2p.by);
	else if (gpu_dmabuf(doctor, f) > 0)
		finding_say(f, DOCTOR_OK, "GPU memory is registered by dmabuf");
	else
		finding_say(f, DOCTOR_WARN,
			    "no way to register GPU memory: no module for peer memory "
			    "is loaded, and CUDA does not lend dmabuf");
}

void check_F3(const struct doctor *doctor, struct finding *f)
{
	int dmabuf;

	if (!gpu_nvidia(doctor, f))
		return;
	dmabuf = gpu_dmabuf(doctor, f);
	if (dmabuf > 0)
		finding_say(f, DOCTOR_OK, "CUDA lends GPU memory as dmabuf");
	else if (!dmabuf)
		finding_say(f, DOCTOR_OK,
			    "CUDA does not lend GPU memory as dmabuf here; peer memory "
			    "has to do (see F2)");
	else
		finding_say(f, DOCTOR_UNKNOWN, "cannot be told: CUDA was not asked");
}

void check_F4(const struct doctor *doctor, struct finding *f)
{
	int fd;

	if (!gpu_nvidia(doctor, f))
		return;
	if (sysroot_exists(&doctor->root, "/sys/module/gdrdrv")) {
		finding_evidence(f, "/sys/module/gdrdrv: not there");
		finding_say(f, DOCTOR_OK,
			    "GDRCopy is not loaded: small messages from and to GPU memory "
			    "are copied by CUDA, which is slower");
		return;
	}
	fd = sysroot_exists(&doctor->root, "/dev/gdrdrv");
	finding_evidence(f, "/sys/module/gdrdrv: there, /dev/gdrdrv: %s",
			 fd ? strerror(-fd) : "there");
	if (fd) {
		finding_say(f, DOCTOR_UNKNOWN,
			    "gdrdrv is loaded, but /dev/gdrdrv is not here: in a "
			    "container it must be passed in");
		finding_fix(f, "docker run --device=/dev/gdrdrv ...");
	} else {
		finding_say(f, DOCTOR_OK, "GDRCopy is there (gdrdrv)");
	}
}

void check_F6(const struct doctor *doctor, struct finding *f)
{
	/* From which NVIDIA driver on which driver efa is needed. */
	static const struct doctor_version from = { 580, 0, 0 }, needs = { 2, 17, 3 };
	struct doctor_version nvidia, efa;
	char nvidia_text[64], efa_text[64];

	if (!gpu_nvidia(doctor, f))
		return;
	if (sysroot_read(&doctor->root, nvidia_text, sizeof(nvidia_text),
			 "/sys/module/nvidia/version") < 0 ||
	    !doctor_version_parse(&nvidia, nvidia_text)) {
		finding_evidence(f, "/sys/module/nvidia/version: no version");
		finding_say(
			f, DOCTOR_UNKNOWN,
			"cannot be told: the NVIDIA driver is not loaded, or hides its version");
		finding_fix(f, "nvidia-smi");
		return;
	}
	finding_evidence(f, "/sys/module/nvidia/version: %s", nvidia_text);
	if (doctor_version_compare(&nvidia, &from) < 0) {
		finding_say(f, DOCTOR_OK, "NVIDIA %s: any driver efa will do", nvidia_text);
		return;
	}
	if (sysroot_read(&doctor->root, efa_text, sizeof(efa_text), "/sys/module/efa/version") <
		    0 ||
	    !doctor_version_parse(&efa, efa_text)) {
		finding_evidence(f, "/sys/module/efa/version: no version");
		finding_say(
			f, DOCTOR_UNKNOWN,
			"cannot be told: the driver efa has no version: it is the kernel's own, "
			"which knows dmabuf only");
		return;
	}
	finding_evidence(f, "/sys/module/efa/version: %s", efa_text);
	if (doctor_version_compare(&efa, &needs) < 0)
		finding_say(
			f, DOCTOR_WARN,
			"the driver efa %s is too old for the NVIDIA driver %s, which needs 2.17.3",
			efa_text, nvidia_text);
	else
		finding_say(f, DOCTOR_OK, "driver efa %s goes with NVIDIA %s", efa_text,
			    nvidia_text);
}
