/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One process of test_segment.py: an engine that does what lines on its standard input say. Each is
 * answered by one line, "ok ..." or "error NAME DETAIL".
 *
 *	segment-node PROVIDER
 */
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <weft/segment.h>

#define NAMES   16
#define NEAR    (1u << 20)
#define SECOND  1000000000ull
#define LIMIT   (60 * SECOND)
#define OPENING (30 * SECOND)

struct offer {
	char name[WEFT_NAME_MAX + 1];
	unsigned char *memory;
	size_t len;
};

struct node {
	struct weft *weft;
	struct weft_publisher *publisher;
	struct weft_segment *segment;
	struct weft_region *near;
	unsigned char *memory;
	struct offer offers[NAMES];
};

static unsigned char byte_at(unsigned seed, size_t at)
{
	return (unsigned char)((at * 31 + at / 251 + seed * 97) ^ seed);
}

static int answer(int rc)
{
	if (rc < 0)
		printf("error %s %s\n", weft_error_name(rc), weft_error_detail());
	else
		printf("ok\n");
	return 0;
}

/* listen WHERE [STALL_MS [CONNECTIONS]] */
static int do_listen(struct node *node, char **words)
{
	struct weft_publisher_opts opts = { .size = sizeof(opts) };
	int rc;

	if (words[2])
		opts.stall_ns = strtoull(words[2], NULL, 10) * 1000000;
	if (words[2] && words[3])
		opts.connections = (unsigned)strtoul(words[3], NULL, 10);
	rc = weft_publisher_open(node->weft, words[1], &opts, &node->publisher);
	if (rc)
		return answer(rc);
	printf("ok %s\n", weft_publisher_address(node->publisher));
	return 0;
}

static struct offer *offer_of(struct node *node, const char *name)
{
	for (int i = 0; i < NAMES; i++)
		if (!strcmp(node->offers[i].name, name))
			return &node->offers[i];
	return NULL;
}

/* publish NAME LEN SEED: its content is that of the seed */
static int do_publish(struct node *node, char **words)
{
	struct offer *offer = offer_of(node, "");
	size_t len = strtoull(words[2], NULL, 10);
	struct weft_region *region;
	int rc;

	offer->memory = malloc(len);
	for (size_t i = 0; i < len; i++)
		offer->memory[i] = byte_at((unsigned)atoi(words[3]), i);
	rc = weft_register(node->weft, offer->memory, len, WEFT_REMOTE_READ | WEFT_REMOTE_WRITE,
			   &region);
	if (!rc)
		rc = weft_publish(node->publisher, words[1], region);
	if (!rc) {
		snprintf(offer->name, sizeof(offer->name), "%s", words[1]);
		offer->len = len;
	}
	return answer(rc);
}

/* withdraw NAME */
static int do_withdraw(struct node *node, char **words)
{
	struct offer *offer = offer_of(node, words[1]);
	int rc = weft_withdraw(node->publisher, words[1], LIMIT);

	if (!rc && offer) {
		free(offer->memory);
		*offer = (struct offer){ 0 };
	}
	return answer(rc);
}

static bool holds(const unsigned char *memory, size_t at, size_t len, unsigned seed)
{
	for (size_t i = 0; i < len; i++)
		if (memory[i] != byte_at(seed, at + i))
			return false;
	return true;
}

/* holds NAME OFFSET LEN SEED: whether the published memory has the seed's content there */
static int do_holds(struct node *node, char **words)
{
	struct offer *offer = offer_of(node, words[1]);
	size_t at = strtoull(words[2], NULL, 10), len = strtoull(words[3], NULL, 10);

	printf("ok %d\n", offer && at + len <= offer->len &&
				  holds(offer->memory + at, at, len, (unsigned)atoi(words[4])));
	return 0;
}

/* open ADDRESS */
static int do_open(struct node *node, char **words)
{
	return answer(weft_segment_open(node->weft, words[1], OPENING, &node->segment));
}

static int do_refresh(struct node *node, char **words)
{
	(void)words;
	return answer(weft_segment_refresh(node->segment, OPENING));
}

static int do_close(struct node *node, char **words)
{
	(void)words;
	return answer(weft_segment_close(node->segment));
}

/* NAME:LENGTH of each, by blanks */
static int do_list(struct node *node, char **words)
{
	struct weft_segment_info info = { .size = sizeof(info) };

	(void)words;
	printf("ok");
	for (uint32_t i = 0; !weft_segment_info(node->segment, i, &info); i++)
		printf(" %s:%llu", info.name, (unsigned long long)info.length);
	printf("\n");
	return 0;
}

/* write NAME OFFSET LEN SEED */
static int do_write(struct node *node, char **words)
{
	size_t at = strtoull(words[2], NULL, 10), len = strtoull(words[3], NULL, 10);
	struct weft_remote *remote = weft_segment_remote(node->segment, words[1]);

	if (!remote)
		return answer(-WEFT_ENONAME);
	for (size_t i = 0; i < len; i++)
		node->memory[i] = byte_at((unsigned)atoi(words[4]), at + i);
	return answer(weft_write(node->near, 0, remote, at, len, LIMIT));
}

/* read NAME OFFSET LEN SEED: ok 1 when that is its content */
static int do_read(struct node *node, char **words)
{
	size_t at = strtoull(words[2], NULL, 10), len = strtoull(words[3], NULL, 10);
	struct weft_remote *remote = weft_segment_remote(node->segment, words[1]);
	int rc;

	if (!remote)
		return answer(-WEFT_ENONAME);
	memset(node->memory, 0, len);
	rc = weft_read(node->near, 0, remote, at, len, LIMIT);
	if (rc)
		return answer(rc);
	printf("ok %d\n", holds(node->memory, at, len, (unsigned)atoi(words[4])));
	return 0;
}

/* NAME=VALUE of each counter, by blanks */
static int do_stats(struct node *node, char **words)
{
	struct weft_publisher_stats stats = { .size = sizeof(stats) };

	(void)words;
	weft_publisher_stats(node->publisher, &stats);
	printf("ok");
#define SHOW(name, text) printf(" " #name "=%llu", (unsigned long long)stats.name);
	WEFT_PUBLISHER_COUNTER_MAP(SHOW)
#undef SHOW
	printf("\n");
	return 0;
}

static const struct {
	const char *word;
	int words;
	int (*run)(struct node *node, char **words);
} commands[] = {
	{ "listen", 2, do_listen }, { "publish", 4, do_publish }, { "withdraw", 2, do_withdraw },
	{ "holds", 5, do_holds },   { "open", 2, do_open },       { "refresh", 1, do_refresh },
	{ "close", 1, do_close },   { "list", 1, do_list },       { "write", 5, do_write },
	{ "read", 5, do_read },     { "stats", 1, do_stats },
};

static int obey(struct node *node, char *line)
{
	char *words[8] = { 0 }, *save = NULL;
	int count = 0;

	for (char *word = strtok_r(line, " \n", &save); word && count < 7;
	     word = strtok_r(NULL, " \n", &save))
		words[count++] = word;
	for (size_t i = 0; count && i < sizeof(commands) / sizeof(commands[0]); i++)
		if (!strcmp(words[0], commands[i].word) && count >= commands[i].words)
			return commands[i].run(node, words);
	fprintf(stderr, "segment-node: '%s' is no command\n", line);
	return 2;
}

int main(int argc, char **argv)
{
	struct weft_opts opts = { .size = sizeof(opts),
				  .provider = argc > 1 ? argv[1] : "auto",
				  .bind_addr = "127.0.0.1" };
	struct node node = { .memory = calloc(1, NEAR) };
	char line[1024];
	int rc;

	setvbuf(stdout, NULL, _IOLBF, 0);
	rc = weft_open(&node.weft, &opts);
	if (!rc)
		rc = weft_register(node.weft, node.memory, NEAR, WEFT_LOCAL, &node.near);
	answer(rc);
	if (rc)
		return 1;
	while (fgets(line, sizeof(line), stdin)) {
		rc = obey(&node, line);
		if (rc)
			return rc;
	}
	weft_close(node.weft);
	for (int i = 0; i < NAMES; i++)
		free(node.offers[i].memory);
	free(node.memory);
	return 0;
}
