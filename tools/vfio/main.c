// SPDX-License-Identifier: GPL-2.0-only
/*
 * The command line of vfioctl.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "vfioctl.h"

enum needs { NO_TARGET, MAYBE_TARGET, TARGET };

static const struct command {
	const char *name;
	enum needs needs;
	int (*run)(const struct options *options);
	const char *help;
} commands[] = {
	{ "list", MAYBE_TARGET, command_list, "groups with their devices, drivers and users" },
	{ "status", TARGET, command_status, "all there is to see of a device or a group" },
	{ "bind", TARGET, command_bind, "give a device, or all of a group, to vfio-pci" },
	{ "unbind", TARGET, command_unbind, "give it back to the host" },
	{ "revoke", TARGET, command_revoke, "take a device from the program that has it" },
	{ "doctor", NO_TARGET, command_doctor, "is this machine fit for it, and if not, why" },
	{ "watch", NO_TARGET, command_watch, "print what changes" },
};

enum {
	GROUP = 'g',
	JSON = 'j',
	DRY = 'n',
	PERSIST = 'p',
	FORCE = 'f',
	HELP = 'h',
	VERSION = 'V',
	AFTER = 256, ROOT, TIMES, INTERVAL
};

static const struct option long_options[] = {
	{ "json", no_argument, NULL, JSON },
	{ "group", no_argument, NULL, GROUP },
	{ "persist", no_argument, NULL, PERSIST },
	{ "force", no_argument, NULL, FORCE },
	{ "dry-run", no_argument, NULL, DRY },
	{ "after", required_argument, NULL, AFTER },
	{ "times", required_argument, NULL, TIMES },
	{ "interval", required_argument, NULL, INTERVAL },
	{ "root", required_argument, NULL, ROOT },
	{ "help", no_argument, NULL, HELP },
	{ "version", no_argument, NULL, VERSION },
	{ }
};

static int show_help(void)
{
	size_t i;

	puts("vfioctl [OPTION...] COMMAND [DEVICE|GROUP]\n\nCommands:");
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		printf("  %-8s %s\n", commands[i].name, commands[i].help);
	puts("\nOptions:\n"
	     "  -j, --json      for programs\n"
	     "  -g, --group     the whole group of the device\n"
	     "  -p, --persist   bind: at each boot; unbind: no longer\n"
	     "  -n, --dry-run   show what would be written\n"
	     "  -f, --force     bind what the host uses\n"
	     "      --after MS  unbind, revoke: how long users may keep it (-1: for ever)\n"
	     "      --interval MS, --times N   watch: how often\n"
	     "      --root DIR  look at files below DIR\n"
	     "  -h, --help, -V, --version\n"
	     "\nExit status: 0 good, 1 failed, 2 usage, 3 no such device or group, 4 needs root,\n"
	     "5 in use. vfioctl(8) has the rest.");
	return STATUS_OK;
}

static bool take_option(struct options *options, int option)
{
	switch (option) {
	case JSON:
		options->json = true;
		return true;
	case GROUP:
		options->group = true;
		return true;
	case PERSIST:
		options->persist = true;
		return true;
	case FORCE:
		options->force = true;
		return true;
	case DRY:
		options->dry = true;
		return true;
	case ROOT:
		tree_root(optarg);
		return true;
	case AFTER:
		return text_number(optarg, -1, &options->after);
	case TIMES:
		return text_number(optarg, 1, &options->times);
	case INTERVAL:
		return text_number(optarg, 1, &options->interval);
	default:
		return false;
	}
}

static int run(const struct options *options, const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		if (!strcmp(commands[i].name, name))
			break;
	if (i == ARRAY_SIZE(commands))
		return failure(STATUS_USAGE, "no command %s; vfioctl --help lists them", name);
	if (commands[i].needs == TARGET && !options->target)
		return failure(STATUS_USAGE, "%s: which device (06:0d.0) or group (26)?", name);
	if (commands[i].needs == NO_TARGET && options->target)
		return failure(STATUS_USAGE, "%s: takes no device", name);
	return commands[i].run(options);
}

int main(int argc, char **argv)
{
	struct options options = { .after = AFTER_UNSET, .interval = 1000 };
	int option;

	while ((option = getopt_long(argc, argv, "jgpfnhV", long_options, NULL)) != -1) {
		if (option == HELP)
			return show_help();
		if (option == VERSION)
			return puts("vfioctl " VERSION_TEXT) < 0 ? STATUS_FAILED : STATUS_OK;
		if (option != '?' && take_option(&options, option))
			continue;
		return failure(STATUS_USAGE, "%s; see vfioctl --help",
			       option == '?' ? "wrong option" : "not a number");
	}
	if (optind == argc)
		return failure(STATUS_USAGE, "which command? vfioctl --help lists them");
	if (argc - optind > 2)
		return failure(STATUS_USAGE, "one device or group at a time");
	options.target = argv[optind + 1];
	return run(&options, argv[optind]);
}
