// SPDX-License-Identifier: GPL-2.0-only
/*
 * vfioctl doctor: is this machine fit to give devices to programs? Each check says how it is and,
 * where something is wrong, what to do in one line.
 */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#include "vfioctl.h"

enum verdict { GOOD, NOTE, BAD };

struct finding {
	enum verdict verdict;
	struct text is;
	struct text fix;
};

static void judge(struct finding *finding, enum verdict verdict, const char *is, const char *fix)
{
	finding->verdict = verdict;
	text_add(&finding->is, "%s", is);
	if (fix)
		text_add(&finding->fix, "%s", fix);
}

static bool file_says(const char *path, const char *word)
{
	char *content = tree_read("%s", path);
	bool says = content && strstr(content, word);

	free(content);
	return says;
}

static bool iommu_is_on(void)
{
	struct names iommus = tree_names("/sys/class/iommu");
	bool on = iommus.count;

	names_free(&iommus);
	return on;
}

/* Is this one of the words that the kernel was booted with, by itself or before a comma? */
static bool was_booted_with(const char *argument)
{
	char *line = tree_read("/proc/cmdline"), *word, *rest = line;
	size_t length = strlen(argument);
	bool was = false;

	while (line && !was && (word = strsep(&rest, "\n ")))
		was = !strncmp(word, argument, length) && (!word[length] || word[length] == ',');
	free(line);
	return was;
}

/* What was given to the kernel that turns the IOMMU off. NULL: nothing. */
static const char *argument_against_iommu(void)
{
	static const char * const arguments[] = {
		"iommu=off", "intel_iommu=off", "amd_iommu=off"
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(arguments); i++)
		if (was_booted_with(arguments[i]))
			return arguments[i];
	return NULL;
}

/* Is this a kernel that leaves Intel's IOMMU off unless it is asked? Debian's are not. */
static bool kernel_wants_to_be_asked(void)
{
	char config[PATH_MAX];
	struct utsname kernel;

	uname(&kernel);
	snprintf(config, sizeof(config), "/boot/config-%s", kernel.release);
	return file_says(config, "CONFIG_INTEL_IOMMU_DEFAULT_OFF=y") &&
	       !was_booted_with("intel_iommu=on");
}

static void check_iommu(struct finding *finding)
{
	const char *argument = argument_against_iommu();
	bool intel = file_says("/proc/cpuinfo", "GenuineIntel");

	if (iommu_is_on()) {
		judge(finding, GOOD, "on", NULL);
	} else if (argument) {
		judge(finding, BAD, "off: the kernel was booted with ", "remove ");
		text_add(&finding->is, "%s", argument);
		text_add(&finding->fix, "%s (/etc/default/grub, update-grub), boot", argument);
	} else if (intel && kernel_wants_to_be_asked()) {
		judge(finding, BAD, "off",
		      "add intel_iommu=on to the kernel's arguments (/etc/default/grub, update-grub)");
	} else {
		judge(finding, BAD, "off", intel ?
		      "turn on the IOMMU (VT-d) in the firmware's setup" :
		      "turn on the IOMMU (AMD-Vi) in the firmware's setup");
	}
}

/* The names of interrupt controllers begin with IR- when an IOMMU checks what they are sent. */
static void check_interrupts(struct finding *finding)
{
	if (file_says("/proc/interrupts", " IR-"))
		judge(finding, GOOD, "remapped", NULL);
	else if (!iommu_is_on())
		judge(finding, BAD, "not remapped", "see iommu");
	else if (module_parameter_is_on("vfio_iommu_type1", "allow_unsafe_interrupts"))
		judge(finding, NOTE, "not remapped, and allowed to be: programs can inject some",
		      "trust each program that has a device");
	else
		judge(finding, BAD, "not remapped: devices will be refused",
		      "turn it on in the firmware, or allow_unsafe_interrupts=1 of vfio_iommu_type1");
}

static size_t endpoints(const struct group *group)
{
	size_t count = 0, i;

	for (i = 0; i < group->count; i++)
		count += !device_is_bridge(&group->devices[i]);
	return count;
}

static void check_groups(struct finding *finding)
{
	size_t count, i;
	int *ids;

	group_all(&ids, &count);
	for (i = 0; i < count; i++) {
		struct group group;

		if (group_load(&group, ids[i]) && endpoints(&group) > 1) {
			text_add(&finding->is, "%s%d (",
				 finding->is.length ? "; " : "shared: ", group.id);
			acs_explain(&group, &finding->is);
			text_add(&finding->is, ")");
		}
		group_free(&group);
	}
	if (finding->is.length)
		judge(finding, NOTE, "",
		      "bind such a group whole (vfioctl bind GROUP), or use another slot");
	else if (count)
		judge(finding, GOOD, "each device stands alone", NULL);
	else
		judge(finding, BAD, "there are none", "see iommu");
	free(ids);
}

/* The soft limit of the shell that asks, which is that of the programs it starts. */
static void check_memlock(struct finding *finding)
{
	char limit[32];

	holder_memlock("self", limit, sizeof(limit));
	if (!strcmp(limit, "unlimited")) {
		judge(finding, GOOD, "unlimited", NULL);
	} else if (!limit[0]) {
		judge(finding, NOTE, "not known", NULL);
	} else {
		finding->verdict = NOTE;
		text_add(&finding->is, "%llu KiB here, which a guest's memory must fit into",
			 strtoull(limit, NULL, 10) / 1024);
		text_add(&finding->fix, "%s",
			 "LimitMEMLOCK= in the unit, or memlock in limits.conf; none for root");
	}
}

static bool secure_boot(void)
{
	static const char path[] =
		"/sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c";
	unsigned char bytes[5];

	return tree_bytes(bytes, sizeof(bytes), path) == sizeof(bytes) && bytes[4] == 1;
}

static void check_secure_boot(struct finding *finding)
{
	bool enforced = module_parameter_is_on("module", "sig_enforce") ||
			file_says("/sys/kernel/security/lockdown", "[integrity]") ||
			file_says("/sys/kernel/security/lockdown", "[confidentiality]");
	struct module module;

	module_load(&module);
	if (!secure_boot() && !enforced)
		judge(finding, GOOD, "off, modules need no signature", NULL);
	else if (module.flavour == VFIO_STANDALONE)
		judge(finding, GOOD, "on, and the kernel took the standalone modules", NULL);
	else
		judge(finding, NOTE, "on: modules must be signed with a key that the machine knows",
		      tree_has("/var/lib/dkms/mok.pub") ?
		      "mokutil --import /var/lib/dkms/mok.pub, boot, enroll the key" :
		      "DKMS makes the key: apt install openssl vfio-dkms, then again");
}

/* Is what is loaded what is installed, of a version that is empty where nobody says it? */
static void judge_installed(struct finding *finding, const struct module *module,
			    const char *installed, const char *fix)
{
	bool loaded = module->flavour == VFIO_STANDALONE;

	if (loaded && !installed[0]) {
		judge(finding, GOOD, "; modinfo -F version vfio tells what is installed", NULL);
	} else if (loaded && !strcmp(installed, module->version)) {
		finding->verdict = GOOD;
	} else {
		text_add(&finding->is, " loaded, standalone %s installed",
			 installed[0] ? installed : "(modinfo -F version vfio tells which)");
		judge(finding, NOTE, "", fix);
	}
}

/* Is what is loaded what is installed, all of it? */
static void check_modules(struct finding *finding)
{
	static const char load[] = "modprobe vfio-pci", load_anew[] =
		"modprobe -r vfio-pci vfio-pci-core vfio_iommu_type1 vfio; modprobe vfio-pci";
	char installed[NAME_SIZE];
	bool ours = module_installed(installed, sizeof(installed));
	struct text strangers = {};
	struct module module;

	module_load(&module);
	text_add(&finding->is, "%s%s%s", flavour_name(module.flavour), module.version[0] ? " " : "",
		 module.version);
	if (module.flavour == VFIO_STANDALONE)
		module_strangers(&module, &strangers);
	if (strangers.length)
		judge(finding, NOTE, strangers.bytes, load_anew);
	else if (ours)
		judge_installed(finding, &module, installed,
				module.flavour == VFIO_NONE ? load : load_anew);
	else if (module.flavour == VFIO_STANDALONE)
		judge(finding, NOTE, "; none is installed for this kernel; the next boot differs",
		      "the package vfio-dkms, or make install");
	else if (tree_has("/var/lib/dkms/vfio"))
		judge(finding, NOTE, " loaded, standalone ones not built for this kernel",
		      "apt install linux-headers-$(uname -r), or boot a kernel that has them");
	else
		judge(finding, NOTE, " loaded", "the package vfio-dkms has the standalone modules");
	text_free(&strangers);
}

static void check_noiommu(struct finding *finding)
{
	if (module_parameter_is_on("vfio", "enable_unsafe_noiommu_mode"))
		judge(finding, NOTE, "allowed: such devices reach all memory",
		      "echo N > /sys/module/vfio/parameters/enable_unsafe_noiommu_mode");
	else
		judge(finding, GOOD, "not allowed", NULL);
}

static const struct check {
	const char *key;
	const char *words;
	void (*look)(struct finding *finding);
} checks[] = {
	{ "iommu", "IOMMU", check_iommu },
	{ "interrupts", "interrupts", check_interrupts },
	{ "groups", "groups", check_groups },
	{ "memlock", "locked memory", check_memlock },
	{ "secure_boot", "Secure Boot", check_secure_boot },
	{ "modules", "VFIO modules", check_modules },
	{ "noiommu", "use without IOMMU", check_noiommu },
};

static void show(const struct check *check, const struct finding *finding, bool json)
{
	static const char * const verdicts[] = { "good", "note", "bad" };

	if (json) {
		json_open(NULL, '{');
		json_text("check", check->key);
		json_text("verdict", verdicts[finding->verdict]);
		json_text("is", finding->is.bytes);
		json_text("fix", finding->fix.bytes);
		json_close('}');
		return;
	}
	printf("%-5s %s: %s\n", verdicts[finding->verdict], check->words,
	       text_or_empty(&finding->is));
	if (finding->fix.length)
		printf("      -> %s\n", finding->fix.bytes);
}

int command_doctor(const struct options *options)
{
	int status = STATUS_OK;
	size_t i;

	if (options->json) {
		json_open(NULL, '{');
		json_open("checks", '[');
	}
	for (i = 0; i < ARRAY_SIZE(checks); i++) {
		struct finding finding = {};

		checks[i].look(&finding);
		show(&checks[i], &finding, options->json);
		if (finding.verdict == BAD)
			status = STATUS_FAILED;
		text_free(&finding.is);
		text_free(&finding.fix);
	}
	if (options->json) {
		json_close(']');
		json_close('}');
		json_end();
	}
	return status;
}
