/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A terminal: a head, both tables and the notes as one list of lines that scrolls, keys at the
 * bottom. Signals end it by ending the loop, so that the terminal is as it was.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include <ncurses.h>

#include "base/err.h"
#include "common/program.h"
#include "top/top.h"

#define HEAD_ROWS 2
#define FOOT_ROWS 1
#define KEYS      "q quit  p pause  up/down scroll"

enum pair {
	PAIR_TROUBLE = 1,
	PAIR_NOTE,
};

struct screen {
	struct top *top;
	int scroll; /* lines above the first that is shown */
	int lines;  /* in all */
	int row;    /* of the line that is being put, before scrolling */
	bool paused, end;
};

static int body_rows(void)
{
	return LINES > HEAD_ROWS + FOOT_ROWS ? LINES - HEAD_ROWS - FOOT_ROWS : 0;
}

static attr_t look_of(enum line_kind kind)
{
	switch (kind) {
	case LINE_TITLE:
		return A_REVERSE;
	case LINE_TROUBLE:
		return A_BOLD | (has_colors() ? COLOR_PAIR(PAIR_TROUBLE) : 0);
	case LINE_NOTE:
		return has_colors() ? COLOR_PAIR(PAIR_NOTE) : 0;
	case LINE_ROW:
		break;
	}
	return A_NORMAL;
}

static void put_line(void *ctx, enum line_kind kind, const char *text)
{
	struct screen *screen = ctx;
	int row = screen->row++ - screen->scroll;

	if (row < 0 || row >= body_rows())
		return;
	attrset(look_of(kind));
	mvaddnstr(HEAD_ROWS + row, 0, text, COLS);
	if (kind == LINE_TITLE)
		hline(' ', COLS);
	attrset(A_NORMAL);
}

static void put_head(const struct screen *screen)
{
	char host[65] = "", date[16], line[256];
	time_t now = time(NULL);
	struct tm tm;

	gethostname(host, sizeof(host) - 1);
	strftime(date, sizeof(date), "%H:%M:%S", localtime_r(&now, &tm));
	snprintf(line, sizeof(line), "weft top%s  %s  %s  every %.3g s  devices %u  servers %u",
		 screen->paused ? " PAUSED" : "", host, date,
		 (double)screen->top->interval_ns / NSEC_PER_SEC, screen->top->nics->count,
		 screen->top->servers->count);
	attrset(A_BOLD);
	mvaddnstr(0, 0, line, COLS);
	attrset(A_NORMAL);
}

static void put_foot(const struct screen *screen)
{
	int below = screen->lines - screen->scroll - body_rows();

	move(LINES - FOOT_ROWS, 0);
	addnstr(KEYS, COLS);
	if (below > 0 || screen->scroll)
		printw("   %d above, %d below", screen->scroll, below > 0 ? below : 0);
}

static void put_body(struct screen *screen)
{
	screen->row = 0;
	table_nics(screen->top, put_line, screen);
	put_line(screen, LINE_ROW, "");
	table_servers(screen->top, put_line, screen);
	put_line(screen, LINE_ROW, "");
	table_notes(screen->top, put_line, screen);
	screen->lines = screen->row;
}

static void draw(struct screen *screen)
{
	int most;

	erase();
	put_body(screen);
	most = screen->lines > body_rows() ? screen->lines - body_rows() : 0;
	if (screen->scroll > most) {
		/* There is less to see than there was. */
		screen->scroll = most;
		erase();
		put_body(screen);
	}
	put_head(screen);
	put_foot(screen);
	refresh();
}

static void scroll_by(struct screen *screen, int lines)
{
	int most = screen->lines - body_rows();

	screen->scroll += lines;
	if (screen->scroll > most)
		screen->scroll = most;
	if (screen->scroll < 0)
		screen->scroll = 0;
}

static void take_key(struct screen *screen, int key)
{
	switch (key) {
	case 'q':
	case 'Q':
		screen->end = true;
		break;
	case 'p':
	case ' ':
		screen->paused = !screen->paused;
		break;
	case KEY_UP:
		scroll_by(screen, -1);
		break;
	case KEY_DOWN:
		scroll_by(screen, 1);
		break;
	case KEY_PPAGE:
		scroll_by(screen, -body_rows());
		break;
	case KEY_NPAGE:
		scroll_by(screen, body_rows());
		break;
	case KEY_HOME:
		scroll_by(screen, -screen->lines);
		break;
	case KEY_END:
		scroll_by(screen, screen->lines);
		break;
	default: /* KEY_RESIZE: ncurses knows the new size already */
		break;
	}
}

/* Milliseconds until the next reading; -1: never, while it is paused. */
static int wait_ms(const struct screen *screen)
{
	uint64_t due_ns = top_due_ns(screen->top), now_ns = clock_ns();

	if (screen->paused)
		return -1;
	return due_ns > now_ns ? (int)((due_ns - now_ns) / NSEC_PER_MSEC) + 1 : 0;
}

static void loop(struct screen *screen, int signals)
{
	struct pollfd polls[] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = signals, .events = POLLIN },
	};
	int key;

	while (!screen->end) {
		draw(screen);
		/* -1 with EINTR: the window has another size, of which getch() tells. */
		polls[0].revents = polls[1].revents = 0;
		poll(polls, 2, wait_ms(screen));
		if (polls[1].revents || polls[0].revents & (POLLHUP | POLLERR))
			return;
		while ((key = getch()) != ERR)
			take_key(screen, key);
		if (!screen->paused && clock_ns() >= top_due_ns(screen->top))
			top_read(screen->top);
	}
}

static int take_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
}

int screen_run(struct top *top)
{
	struct screen screen = { .top = top };
	int signals = take_signals();
	SCREEN *terminal;

	terminal = newterm(NULL, stdout, stdin);
	if (!terminal) {
		close(signals);
		return program_usage(
			"weft top",
			"this terminal (TERM) cannot be used: try --once, or another TERM");
	}
	cbreak();
	noecho();
	nodelay(stdscr, TRUE);
	keypad(stdscr, TRUE);
	curs_set(0);
	if (has_colors()) {
		start_color();
		use_default_colors();
		init_pair(PAIR_TROUBLE, COLOR_RED, -1);
		init_pair(PAIR_NOTE, COLOR_YELLOW, -1);
	}
	loop(&screen, signals);
	endwin();
	delscreen(terminal);
	close(signals);
	return 0;
}
