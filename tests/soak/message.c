/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of the soak: peers send each one back. */
#include <string.h>

#include "soak.h"

enum {
	MESSAGE_NONE,
	MESSAGE_SENT,
	MESSAGE_CAME,
};

static uint32_t len_of(uint64_t number)
{
	uint64_t state = number;

	return 8 + (uint32_t)(area_random(&state) % (WEFT_NOTIFY_MAX - 8));
}

static uint8_t byte_of(uint64_t number, size_t at)
{
	return (uint8_t)((number * 31 + at) * 0x9e3779b1u >> 16);
}

void message_send(struct soak *s, struct peer *peer)
{
	static uint8_t data[WEFT_NOTIFY_MAX];
	uint64_t number = s->message;
	uint32_t len = len_of(number);
	int rc;

	if (peer->dead || weft_remote_status(peer->remote))
		return;
	memcpy(data, &number, sizeof(number));
	for (size_t i = sizeof(number); i < len; i++)
		data[i] = byte_of(number, i);
	rc = weft_notify(weft_remote_peer(peer->remote), data, len);
	if (rc == -WEFT_EQUEUEFULL || rc == -WEFT_EPEERGONE)
		return;
	check_ok(rc);
	s->messages[number % SOAK_MESSAGES] = MESSAGE_SENT;
	s->message++;
	s->sent++;
}

/* K3 */
void message_poll(struct soak *s)
{
	static uint8_t data[WEFT_NOTIFY_MAX];
	size_t len = sizeof(data);
	uint64_t number;

	for (; weft_receive(s->weft, data, &len, NULL, 0) == 0; len = sizeof(data)) {
		check(len >= sizeof(number));
		memcpy(&number, data, sizeof(number));
		check(number < s->message);
		check_int(len, len_of(number));
		for (size_t i = sizeof(number); i < len; i++)
			check_int(data[i], byte_of(number, i));
		s->came++;
		if (s->message - number > SOAK_MESSAGES)
			continue; /* so late that its place is another's */
		check_int(s->messages[number % SOAK_MESSAGES], MESSAGE_SENT);
		s->messages[number % SOAK_MESSAGES] = MESSAGE_CAME;
	}
}
