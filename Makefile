# SPDX-License-Identifier: GPL-2.0-only
#
# The three modules, their tests and their demonstration. "make help" lists what there is.
#
# A kernel is chosen by KVER (its release; the running one unless given) or by KDIR (the folder to
# build against). Its modules are made in build/RELEASE, a mirror of links to the sources: any
# number of kernels side by side, and a source tree that stays clean. All that is made lies in build/.

ifdef KDIR
KVER ?= $(shell cat $(KDIR)/include/config/kernel.release)
else
KVER ?= $(shell uname -r)
KDIR := /lib/modules/$(KVER)/build
endif

BUILD ?= $(CURDIR)/build
MIRROR := $(BUILD)/$(KVER)
MODULES_DIR := $(INSTALL_MOD_PATH)/lib/modules/$(KVER)
KO := vfio/vfio.ko vfio/type1/vfio_iommu_type1.ko vfio/pci/vfio-pci.ko
include debian/version.mk
# demo and check name a kernel of Debian's unless the caller does.
CHOSEN := $(if $(filter command% environment%,$(origin KVER)),$(KVER))

# BTF would need the kernel's vmlinux, which no headers package has.
KBUILD := $(MAKE) -C $(KDIR) M=$(MIRROR) VFIO_VERSION=$(VFIO_VERSION) CONFIG_DEBUG_INFO_BTF_MODULES=

export BUILD

.PHONY: modules install uninstall clean demo check check-debug sparse style help selftests vfioctl \
	install-vfioctl check-vfioctl deb check-package check-clients

modules: mirror
	+$(KBUILD) modules

.PHONY: mirror
mirror:
	@test -e $(KDIR)/Makefile || { echo "No headers for kernel $(KVER) in $(KDIR)." \
		"On Debian: apt-get install linux-headers-$(KVER)" >&2; exit 1; }
	@mkdir -p $(MIRROR)
	@cp -rsf $(CURDIR)/Kbuild $(CURDIR)/compat $(CURDIR)/include $(CURDIR)/drivers $(MIRROR)/
	@find $(MIRROR) -xtype l -delete

install: modules
	install -d $(MODULES_DIR)/updates
	install -m 644 $(addprefix $(MIRROR)/drivers/,$(KO)) $(MODULES_DIR)/updates/
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $(KVER)

uninstall:
	rm -f $(addprefix $(MODULES_DIR)/updates/,$(notdir $(KO)))
	-rmdir --ignore-fail-on-non-empty $(MODULES_DIR)/updates
	depmod $(if $(INSTALL_MOD_PATH),-b $(INSTALL_MOD_PATH)) $(KVER)

clean:
	rm -rf $(BUILD)

demo:
	@tools/testing/selftests/vfio/vm/demo $(CHOSEN)

check:
	@tools/check/check

check-debug:
	@tools/check/check-debug

# Messages of sparse appear only where a file is compiled, so it looks at all of them.
sparse: mirror
	+$(KBUILD) C=2 modules

style:
	@tools/check/style

# The yardstick of the benchmark, which is none of the modules.
.PHONY: floor bench
floor: mirror
	@mkdir -p $(MIRROR)/bench
	@ln -sf $(addprefix $(CURDIR)/tools/testing/selftests/vfio/bench/,Kbuild floor.c) $(MIRROR)/bench/
	+$(MAKE) -C $(KDIR) M=$(MIRROR)/bench CONFIG_DEBUG_INFO_BTF_MODULES= modules

bench:
	@tools/testing/selftests/vfio/bench/run $(CHOSEN)

selftests:
	@$(MAKE) --no-print-directory -C tools/testing/selftests/vfio

vfioctl:
	@$(MAKE) --no-print-directory -C tools/vfio

install-vfioctl:
	@$(MAKE) --no-print-directory -C tools/vfio install

deb:
	@tools/deb

check-package:
	@tools/check/check-package $(CHOSEN)

check-clients:
	@tools/check/check-clients $(CHOSEN)

check-vfioctl:
	@$(MAKE) --no-print-directory -C tools/vfio check

help:
	@echo 'Build:     make [KVER=RELEASE | KDIR=FOLDER] [W=1] [C=2]'
	@echo '  modules      vfio, vfio_iommu_type1 and vfio-pci for one kernel (default)'
	@echo '  install      into updates/ of that kernel, where modprobe looks first'
	@echo '  uninstall    take them out again; the kernel has its own back'
	@echo '  vfioctl      the tool for administrators; install-vfioctl [PREFIX=/usr/local]'
	@echo '  deb          the Debian packages vfio-dkms and vfioctl, into build/deb'
	@echo '  clean        remove build/, where everything is'
	@echo
	@echo 'Try:       installs the Debian packages it needs, boots a virtual machine'
	@echo '  demo         an emulated disk, driven from user space [KVER=...]'
	@echo
	@echo 'Check:     installs the Debian packages it needs'
	@echo '  check        both Debian kernels: build, sparse, style, self-tests'
	@echo '  check-debug  the self-tests on a kernel with KASAN, lockdep, kmemleak ...'
	@echo '  check-vfioctl  vfioctl on synthetic machines, no root needed'
	@echo '  check-package  the life of the packages in a virtual machine [KVER=...]'
	@echo '  check-clients  QEMU, DPDK, driverctl in a virtual machine [KVER=...]'
	@echo '  sparse       sparse alone, one kernel'
	@echo '  style        checkpatch and shellcheck alone'
	@echo '  selftests    build the self-tests'
	@echo
	@echo "Measure:   installs the Debian packages it needs; about ten minutes for each kernel"
	@echo "  bench        ours beside the kernel's own and the floor, both kernels [KVER=...]"
