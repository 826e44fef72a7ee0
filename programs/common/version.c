/* SPDX-License-Identifier: Apache-2.0 */
/* What --version shows, for programs that link neither libweft nor libfabric. */
#include <dlfcn.h>
#include <stdio.h>

#include <weft/weft.h>

const char *weft_version(void)
{
	return "weft " WEFT_VERSION;
}

const char *weft_libfabric_version(void)
{
	static char text[32] = "not found";
	unsigned int (*version)(void);
	void *library = dlopen("libfabric.so.1", RTLD_NOW | RTLD_LOCAL);

	if (!library)
		return text;
	*(void **)&version = dlsym(library, "fi_version");
	if (version)
		snprintf(text, sizeof(text), "%u.%u", version() >> 16, version() & 0xffff);
	return text; /* the library stays: some providers do not survive being unloaded */
}
