# SPDX-License-Identifier: GPL-2.0-only
#
# The version of the packages and of all that is in them: that of the changelog beside this file.
VFIO_VERSION := $(shell sed -n '1s/.*(\(.*\)).*/\1/p' $(dir $(lastword $(MAKEFILE_LIST)))changelog)
