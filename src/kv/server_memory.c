/* SPDX-License-Identifier: Apache-2.0 */
/* Memory of clients beside the buffer that they registered with. */
#include "kv/server_int.h"

#include <errno.h>

#include "base/err.h"

bool memories_close(struct session *session)
{
	bool all = true;
	uint32_t i;

	for (i = 0; i < WIRE_REGIONS; i++) {
		if (!session->regions[i])
			continue;
		if (weft_remote_close(session->regions[i]))
			all = false;
		else
			session->regions[i] = NULL;
	}
	return all;
}

void request_attach(struct server *server, const struct asker *asker, const struct wire_msg *msg)
{
	struct session *session = asker->session;
	struct weft_remote *remote;
	int rc;

	if (!session->peer || !msg->region || msg->region >= WIRE_REGIONS ||
	    session->regions[msg->region]) {
		rc = err_set(-WEFT_EBADREQUEST, "memory %u cannot be attached", msg->region);
		reply_status(server, asker, rc);
		return;
	}
	rc = weft_import(server->weft, msg->data, msg->data_len, &remote);
	if (!rc && weft_remote_peer(remote) != session->peer) {
		weft_remote_close(remote);
		rc = err_set(-WEFT_EREFUSED, "memory %u is not of this client", msg->region);
	}
	if (!rc)
		session->regions[msg->region] = remote;
	reply_status(server, asker, rc);
}

void request_detach(struct server *server, const struct asker *asker, const struct wire_msg *msg)
{
	struct session *session = asker->session;
	int rc;

	if (!msg->region || msg->region >= WIRE_REGIONS || !session->regions[msg->region]) {
		rc = err_set(-WEFT_EBADREQUEST, "memory %u is not attached", msg->region);
		reply_status(server, asker, rc);
		return;
	}
	rc = weft_remote_close(session->regions[msg->region]);
	if (!rc)
		session->regions[msg->region] = NULL;
	reply_status(server, asker, rc);
}
