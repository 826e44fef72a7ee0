/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For the file that symbols.py makes, and nobody else: how exported functions without a model
 * answer, and second definitions of those that stand in more than one version node.
 *
 * LACKS: the device has no such feature, as EFA's have not. STUB: nobody has modelled it yet.
 */
#ifndef EMU_STUB_H
#define EMU_STUB_H

#include <errno.h>

#include "emu/util.h"

/* Not <infiniband/verbs.h>: here nothing has the arguments that it declares. */
struct ibv_context;
int ibv_query_gid_type(struct ibv_context *context, uint8_t port_num, unsigned int index,
		       int *type);
const char *ibv_wr_opcode_str(unsigned int opcode);

#define EMU_NOT_MODELLED(name) \
	emu_warn_once("%s() is not modelled by the emulator; answered EOPNOTSUPP", name)

#define EMU_ANSWER(type, function, before, answer) \
	type function(void);                       \
	type function(void)                        \
	{                                          \
		before;                            \
		errno = EOPNOTSUPP;                \
		return answer;                     \
	}

#define EMU_NO_ANSWER(function, before) \
	void function(void);            \
	void function(void)             \
	{                               \
		before;                 \
	}

#define EMU_LACKS_NULL(function, name)  EMU_ANSWER(void *, function, (void)0, NULL)
#define EMU_LACKS_ERRNO(function, name) EMU_ANSWER(int, function, (void)0, EOPNOTSUPP)
#define EMU_LACKS_MINUS(function, name) EMU_ANSWER(int, function, (void)0, -1)
#define EMU_LACKS_VOID(function, name)  EMU_NO_ANSWER(function, (void)0)
#define EMU_STUB_NULL(function, name)   EMU_ANSWER(void *, function, EMU_NOT_MODELLED(name), NULL)
#define EMU_STUB_ERRNO(function, name)  EMU_ANSWER(int, function, EMU_NOT_MODELLED(name), EOPNOTSUPP)
#define EMU_STUB_MINUS(function, name)  EMU_ANSWER(int, function, EMU_NOT_MODELLED(name), -1)
#define EMU_STUB_VOID(function, name)   EMU_NO_ANSWER(function, EMU_NOT_MODELLED(name))
#define EMU_DATA(object, name) \
	extern _Bool object;   \
	_Bool object;

int emu_as_ibv_query_gid_type(struct ibv_context *context, uint8_t port_num, unsigned int index,
			      int *type);
const char *emu_as_ibv_wr_opcode_str(unsigned int opcode);

int emu_as_ibv_query_gid_type(struct ibv_context *context, uint8_t port_num, unsigned int index,
			      int *type)
{
	return ibv_query_gid_type(context, port_num, index, type);
}

const char *emu_as_ibv_wr_opcode_str(unsigned int opcode)
{
	return ibv_wr_opcode_str(opcode);
}

#endif
