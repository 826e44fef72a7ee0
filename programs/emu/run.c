/* SPDX-License-Identifier: Apache-2.0 */
/* weft emu run */
#include "emu/launcher.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* What the tables that can be chosen from are. True: one was asked for and printed. */
static bool list(const struct emu_values *values, const struct setup *setup)
{
	if (values->list_profiles)
		list_profiles(stdout);
	if (values->list_device)
		emu_model_print(&setup->host.model, stdout);
	if (values->list_faults)
		list_faults(stdout);
	return values->list_profiles || values->list_device || values->list_faults;
}

static int check_options(const struct request *request)
{
	const struct emu_values *values = &request->values;

	if (!values->command.count)
		return fail(PROGRAM_USAGE, "a command is missing: weft emu [OPTION]... -- COMMAND "
					   "[ARG]... (see --help)");
	if (values->hosts && request_given(request, "host"))
		return fail(PROGRAM_USAGE, "--host and --hosts do not go together: --hosts starts "
					   "the command on all of them");
	if (!values->hosts && (values->no_prefix || values->keep_going))
		return fail(PROGRAM_USAGE, "--%s is for --hosts",
			    values->no_prefix ? "no-prefix" : "keep-going");
	return 0;
}

static int check_command(const char *name)
{
	char quoted[OPT_QUOTE_MAX];
	int status = find_program(name);

	opt_quote(name, quoted);
	if (status == RUN_NOT_FOUND)
		return fail(status, "%s: %s", quoted,
			    strchr(name, '/') ? "no such file" : "no such command in PATH");
	if (status)
		return fail(status, "%s cannot be run: it is no executable file or not permitted",
			    quoted);
	return 0;
}

/* Each process opens it anew, from its own directory: the path becomes absolute. */
static int open_trace(const char *name, char path[PATH_MAX])
{
	char cwd[PATH_MAX] = "";
	int fd;

	path[0] = '\0';
	if (!name)
		return 0;
	if ((name[0] != '/' && !getcwd(cwd, sizeof(cwd))) ||
	    emu_format(path, PATH_MAX, "%s%s%s", cwd, *cwd ? "/" : "", name))
		return fail(RUN_FAILED, "--trace: the path is too long");
	fd = open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0)
		return fail(RUN_FAILED, "--trace: %s: %s", path, strerror(errno));
	close(fd);
	return 0;
}

/* A terminal whose keys send signals to this process group. */
static bool at_terminal(void)
{
	int fd = open("/dev/tty", O_RDONLY | O_NOCTTY | O_CLOEXEC);
	bool yes;

	if (fd < 0)
		return false;
	yes = tcgetpgrp(fd) == getpgrp();
	close(fd);
	return yes;
}

static int prepare(struct crew_options *crew, const struct request *request)
{
	const struct emu_values *values = &request->values;
	char why[WHY_MAX];
	int rc;

	crew->request = request;
	crew->count = values->hosts ? values->hosts : 1;
	crew->group = values->hosts || !at_terminal();
	crew->prefix = values->hosts && !values->no_prefix;
	crew->keep_going = values->keep_going;
	crew->place.host = first_host(request);
	crew->place.hosts = values->hosts;
	crew->place.preload = values->preload;
	crew->place.mount = values->mount;
	rc = check_command(values->command.values[0]);
	if (!rc && library_folder(crew->place.folder, why, sizeof(why)))
		rc = fail(RUN_FAILED, "%s", why);
	if (!rc)
		rc = open_trace(values->trace, crew->place.trace);
	return rc;
}

/* Once in the life of a world. */
static void warn(struct emu_world *world)
{
	if (!atomic_exchange(&world->shared->warned, 1))
		fail(0, "EFA devices are emulated: no time or rate measured on them says anything "
			"about EFA");
}

int command_run(const struct request *request)
{
	static struct setup setup; /* large, as the others */
	static struct session session;
	static struct crew_options crew;
	int rc;

	rc = setup_read(&setup, request);
	if (rc)
		return rc;
	if (list(&request->values, &setup))
		return 0;
	rc = check_options(request);
	if (!rc)
		rc = prepare(&crew, request);
	if (rc)
		return rc;
	crew_hold();
	rc = session_make(&session, request, &setup, crew.place.host, crew.count);
	if (rc)
		return rc;
	crew.place.world = session.world.dir;
	warn(&session.world);
	if (!session.world.own && !request->values.hosts)
		rc = crew_become(&crew);
	else
		rc = crew_run(&crew);
	emu_world_close(&session.world);
	return rc;
}
