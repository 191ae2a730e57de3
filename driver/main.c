/* intaglio: dispatch to the subcommands. */
#include "driver/opts.h"

#include <string.h>

#ifndef IG_VERSION
#define IG_VERSION "0.1.0"
#endif

static const struct ig_command *const commands[] = {
	&ig_cmd_compile, &ig_cmd_import, &ig_cmd_calibrate, &ig_cmd_inspect, &ig_cmd_export, &ig_cmd_eval, &ig_cmd_compare, &ig_cmd_run, &ig_cmd_bench, &ig_cmd_quantize_tensor,
	&ig_cmd_report, &ig_cmd_tune, &ig_cmd_help,
};

const struct ig_command *const *ig_commands(int *n)
{
	*n = (int)IG_COUNTOF(commands);
	return commands;
}

const struct ig_command *ig_command_find(const char *name)
{
	for (size_t i = 0; i < IG_COUNTOF(commands); i++)
		if (strcmp(commands[i]->name, name) == 0)
			return commands[i];
	return NULL;
}

const char *ig_command_nearest(const char *name)
{
	const char *names[IG_COUNTOF(commands)];
	for (size_t i = 0; i < IG_COUNTOF(commands); i++)
		names[i] = commands[i]->name;
	return ig_nearest(name, names, (int)IG_COUNTOF(commands));
}

static int run(const struct ig_command *cmd, int argc, char *const *argv)
{
	struct ig_opts o;
	int status = IG_EXIT_USAGE;
	if (ig_opts_parse(&o, cmd, argc, argv)) {
		if (ig_opt_given(&o, IG_OPT_HELP) && cmd != &ig_cmd_help) {
			char *const help[] = {(char *)(uintptr_t)cmd->name};
			ig_opts_free(&o);
			return run(&ig_cmd_help, 1, help);
		}
		status = cmd->run(&o);
	}
	ig_opts_free(&o);
	return status;
}

int main(int argc, char **argv)
{
	if (argc < 2) {
		run(&ig_cmd_help, 0, NULL);
		return IG_EXIT_USAGE;
	}
	const char *name = argv[1];
	if (strcmp(name, "--version") == 0 || strcmp(name, "-V") == 0) {
		puts("intaglio " IG_VERSION);
		return IG_EXIT_OK;
	}
	if (strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0)
		return run(&ig_cmd_help, argc - 2, argv + 2);
	const struct ig_command *cmd = ig_command_find(name);
	if (cmd)
		return run(cmd, argc - 2, argv + 2);
	const char *near = *name == '-' ? NULL : ig_command_nearest(name);
	if (near)
		return ig_usage_error(NULL, "there is no command '%s'; did you mean '%s'?", name, near);
	return ig_usage_error(NULL, "there is no command '%s'", name);
}
