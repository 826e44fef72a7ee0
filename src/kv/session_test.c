/* SPDX-License-Identifier: Apache-2.0 */
/* Slots, credits and the table of sessions; no network. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "kv/session.h"

enum event {
	BEGIN,
	END,
	CANCEL
};

struct step {
	enum event event;
	uint32_t generation;
	int expect; /* BEGIN: verdict; CANCEL: was busy */
};

struct story {
	const char *name;
	struct step steps[8];
	size_t count;
};

static const struct story stories[] = {
	{ "one after the other",
	  { { BEGIN, 1, SLOT_OK }, { END, 1, 0 }, { BEGIN, 2, SLOT_OK }, { END, 2, 0 } },
	  4 },
	{ "a request is answered once", { { BEGIN, 1, SLOT_OK }, { BEGIN, 1, SLOT_STALE } }, 2 },
	{ "a client that does not wait", { { BEGIN, 1, SLOT_OK }, { BEGIN, 2, SLOT_OVERRUN } }, 2 },
	{ "an old request that comes late",
	  { { BEGIN, 5, SLOT_OK }, { END, 5, 0 }, { BEGIN, 4, SLOT_STALE } },
	  3 },
	{ "a cancel that overtakes its request",
	  { { CANCEL, 1, false }, { BEGIN, 1, SLOT_STALE }, { BEGIN, 2, SLOT_OK } },
	  3 },
	{ "a cancel of what is under way",
	  { { BEGIN, 1, SLOT_OK }, { CANCEL, 1, true }, { END, 1, 0 }, { BEGIN, 2, SLOT_OK } },
	  4 },
	{ "a cancel of what has ended",
	  { { BEGIN, 1, SLOT_OK }, { END, 1, 0 }, { CANCEL, 1, false }, { BEGIN, 2, SLOT_OK } },
	  4 },
	{ "a cancel of the past changes nothing",
	  { { BEGIN, 3, SLOT_OK }, { CANCEL, 2, false }, { END, 3, 0 }, { BEGIN, 4, SLOT_OK } },
	  4 },
	{ "a cancel of the future while busy changes nothing",
	  { { BEGIN, 3, SLOT_OK }, { CANCEL, 9, false }, { END, 3, 0 }, { BEGIN, 4, SLOT_OK } },
	  4 },
	{ "an answer to another use does not free the slot",
	  { { BEGIN, 3, SLOT_OK }, { END, 2, 0 }, { BEGIN, 4, SLOT_OVERRUN } },
	  3 },
	{ "generations wrap",
	  { { BEGIN, 0x7fffffff, SLOT_OK },
	    { END, 0x7fffffff, 0 },
	    { BEGIN, 0xfffffffe, SLOT_OK },
	    { END, 0xfffffffe, 0 },
	    { BEGIN, 1, SLOT_OK },
	    { END, 1, 0 },
	    { BEGIN, 0xffffffff, SLOT_STALE } },
	  7 },
};

static void tell(const struct story *story)
{
	struct slot slot = { 0 };
	const struct step *step;
	int got;
	size_t i;

	for (i = 0; i < story->count; i++) {
		step = &story->steps[i];
		got = 0;
		if (step->event == BEGIN)
			got = (int)slot_begin(&slot, step->generation);
		else if (step->event == END)
			slot_end(&slot, step->generation);
		else
			got = slot_cancel(&slot, step->generation);
		if (got != step->expect)
			fail_msg("%s, step %zu: %d instead of %d", story->name, i, got,
				 step->expect);
	}
}

static void slots_serve_one_request_at_a_time(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(stories) / sizeof(stories[0]); i++)
		tell(&stories[i]);
}

static void credits_bound_what_a_client_may_ask(void **state)
{
	struct sessions sessions;
	struct session *session;
	uint32_t i;

	(void)state;
	assert_int_equal(sessions_init(&sessions, 4), 0);
	assert_int_equal(session_open(&session, &sessions, 0, 8, 0), 0);
	assert_true(session->client_id != 0);
	for (i = 0; i < 8; i++)
		assert_int_equal(session_begin(session, i, 1), SESSION_OK);
	assert_int_equal(session_begin(session, 8, 1), SESSION_OVERRUN);
	assert_int_equal(session_begin(session, UINT32_MAX, 1), SESSION_OVERRUN);
	assert_int_equal(session_begin(session, 3, 2), SESSION_OVERRUN);
	session_end(session, 3, 1);
	assert_int_equal(session_begin(session, 3, 2), SESSION_OK);
	assert_false(session_cancel(session, UINT32_MAX, 1));
	session_end(session, UINT32_MAX, 1);
	/* Answered requests whose transfers go on are bounded too. */
	session_end(session, 3, 2);
	session->work_count = 8 * SESSION_WORKS_PER_CREDIT;
	assert_int_equal(session_begin(session, 3, 3), SESSION_BUSY);
	session_end(session, 3, 3);
	session->work_count--;
	assert_int_equal(session_begin(session, 3, 4), SESSION_OK);
	session->work_count = 0;
	sessions_fini(&sessions);
}

static void the_table_finds_sessions_and_keeps_its_limit(void **state)
{
	struct session *all[3], *more;
	struct sessions sessions;
	uint32_t i;

	(void)state;
	assert_int_equal(sessions_init(&sessions, 3), 0);
	for (i = 0; i < 3; i++)
		assert_int_equal(session_open(&all[i], &sessions, 100 + i, 1, 0), 0);
	assert_int_equal(session_open(&more, &sessions, 9, 1, 0), -WEFT_ELIMIT);
	for (i = 0; i < 3; i++) {
		assert_true(all[i]->id != 0);
		assert_ptr_equal(session_find(&sessions, all[i]->id, 0), all[i]);
		assert_ptr_equal(session_find(&sessions, 0, 100 + i), all[i]);
	}
	assert_null(session_find(&sessions, 0, 0));
	assert_null(session_find(&sessions, 0, 55));
	session_retire(&sessions, all[1]);
	assert_null(session_find(&sessions, all[1]->id, 0));
	assert_null(session_find(&sessions, 0, 101));
	assert_int_equal(session_open(&more, &sessions, 9, 1, 0), 0);
	session_free(&sessions, all[1]);
	session_free(&sessions, all[0]);
	assert_null(session_find(&sessions, 0, 100));
	sessions_fini(&sessions);
}

static void a_session_that_cannot_be_made_leaves_nothing(void **state)
{
	struct session *session = NULL;
	struct sessions sessions;
	int n, rc;

	(void)state;
	assert_int_equal(sessions_init(&sessions, 3), 0);
	for (n = 1;; n++) {
		mem_fail_at(n);
		rc = session_open(&session, &sessions, 1, 4, 0);
		if (!mem_failed())
			break;
		assert_int_equal(rc, -ENOMEM);
		assert_null(session);
		assert_null(session_find(&sessions, 0, 1));
	}
	mem_fail_at(0);
	assert_true(n > 1);
	assert_int_equal(rc, 0);
	sessions_fini(&sessions);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slots_serve_one_request_at_a_time),
		cmocka_unit_test(credits_bound_what_a_client_may_ask),
		cmocka_unit_test(the_table_finds_sessions_and_keeps_its_limit),
		cmocka_unit_test(a_session_that_cannot_be_made_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
