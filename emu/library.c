/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Only in the shared object: what happens when the process ends or the object is unloaded. Linked
 * behind the rest, so that it happens before world_here.c takes the world away: destructors run in
 * the opposite order of linking.
 */
#include "emu/verbs.h"

__attribute__((destructor)) static void unload(void)
{
	emu_engine_stop();
}
