/* SPDX-License-Identifier: Apache-2.0 */
/* Only in the shared object: what happens when the process ends or the object is unloaded. */
#include "emu/verbs.h"

__attribute__((destructor)) static void unload(void)
{
	emu_engine_stop();
}
